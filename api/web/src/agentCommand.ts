import { call } from './api';

interface HubFacts {
  agents_address: string;
  fingerprint: string;
  version: string;
}

/** The command line that starts an agent with a secret of that kind. */
export async function agentCommand(kind: 'CREDENTIAL' | 'ENROL', secret: string): Promise<string> {
  const hub = await call<HubFacts>('GET', '/hub');
  return `WINDFIRE_${kind}=${secret} windfire-agent --hub ${hub.agents_address} --fingerprint ${hub.fingerprint}`;
}

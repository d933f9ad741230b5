import { call } from './api';

interface HubFacts {
  agents_address: string;
  fingerprint: string;
  version: string;
}

/**
 * Writes the command line that starts an agent with a secret of that kind. To be had before the secret is made: what a
 * secret needs to be shown must not fail once it exists.
 */
export async function agentCommands(): Promise<(kind: 'CREDENTIAL' | 'ENROL', secret: string) => string> {
  const hub = await call<HubFacts>('GET', '/hub');
  const to = `--hub ${hub.agents_address} --fingerprint ${hub.fingerprint}`;
  return (kind, secret) => `WINDFIRE_${kind}=${secret} windfire-agent ${to}`;
}

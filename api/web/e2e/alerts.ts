import type { Api } from './hub';

/** Makes a rule that fires for each server with an agent, and a channel and a silence of another tag beside it. */
export async function makeAlerts(api: Api, { name, tag }: { name: string; tag: string }): Promise<void> {
  const when = [{ metric: 'mem', op: '>', value: 0 }];
  await api.call('POST', '/alert/rule', { name, severity: 'critical', when });
  const settings = { url: 'https://ntfy.example.org', topic: 'ops' };
  await api.call('POST', '/alert/channel', { name, kind: 'ntfy', enabled: false, settings });
  const weekly = { days: ['sat', 'sun'], start: '22:00', end: '07:00', zone: 'Europe/Berlin' };
  await api.call('POST', '/alert/silence', { comment: name, tags: [`not ${tag}`.slice(0, 60)], weekly });
}

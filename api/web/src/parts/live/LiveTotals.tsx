import type { JSX } from 'preact';

import { bytesPerSecond, NOTHING, percent } from '../../format';
import { messages } from '../../i18n';
import type { LiveFleet } from '../../live/store';

export function LiveTotals({ live }: { live: LiveFleet }): JSX.Element {
  const text = messages.value.live;
  void live.tick.value;
  const totals = live.fleet.totals();
  // Without the hub nobody knows who is online.
  const count = (servers: number): string => (live.fleet.isCurrent ? String(servers) : NOTHING);
  return (
    <dl class="totals" aria-label={text.totals}>
      <Total label={text.servers} value={String(totals.servers)} />
      <Total label={text.online} value={count(totals.online)} kind="online" />
      <Total label={text.offline} value={count(totals.servers - totals.online)} kind="offline" />
      <Total label={`↓ ${text.inSpeed}`} value={bytesPerSecond(totals.inSpeed)} />
      <Total label={`↑ ${text.outSpeed}`} value={bytesPerSecond(totals.outSpeed)} />
      <Total label={text.averageCpu} value={percent(totals.cpu)} />
    </dl>
  );
}

function Total({ label, value, kind = '' }: { label: string; value: string; kind?: string }): JSX.Element {
  return (
    <div class={`total ${kind}`}>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}

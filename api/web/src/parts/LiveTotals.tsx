import type { JSX } from 'preact';

import { bytesPerSecond, percent } from '../format';
import { messages } from '../i18n';
import type { LiveFleet } from '../live/store';

export function LiveTotals({ live }: { live: LiveFleet }): JSX.Element {
  const text = messages.value.live;
  void live.tick.value;
  const totals = live.fleet.totals();
  return (
    <dl class="totals" aria-label={text.totals}>
      <Total label={text.servers} value={String(totals.servers)} />
      <Total label={text.online} value={String(totals.online)} kind="online" />
      <Total label={text.offline} value={String(totals.servers - totals.online)} kind="offline" />
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

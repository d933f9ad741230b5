import type { JSX } from 'preact';

import { messages } from '../../i18n';
import type { Shown } from '../../live/fleet';

/** Whether a server is online. That is unknown while there is no connection to the hub. */
export function StateDot({ fleet, row }: Shown): JSX.Element {
  const text = messages.value.live;
  const state = fleet.isCurrent ? (fleet.isOnline(row) ? 'online' : 'offline') : 'stateUnknown';
  return <span class={`dot ${state}`} role="img" aria-label={text[state]} title={text[state]} />;
}

export function HiddenMark(): JSX.Element {
  const label = messages.value.live.hidden;
  return <span class="hidden-mark" role="img" aria-label={label} title={label} />;
}

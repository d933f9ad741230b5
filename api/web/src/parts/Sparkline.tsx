import type { JSX } from 'preact';

import { type Fleet, HISTORY_TICKS, type Shown, UNKNOWN } from '../live/fleet';

const HEIGHT = 20;

/** The CPU of the last ticks; what is not known is a gap. */
export function Sparkline({ fleet, row }: Shown): JSX.Element {
  return (
    <svg class="sparkline" viewBox={`0 0 ${HISTORY_TICKS - 1} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
      <path d={pathOf(fleet, row)} />
    </svg>
  );
}

function pathOf(fleet: Fleet, row: number): string {
  let path = '';
  let isGap = true;
  for (let tick = 0; tick < HISTORY_TICKS; tick += 1) {
    const cpu = fleet.cpuAt(row, tick);
    if (cpu === UNKNOWN) {
      isGap = true;
      continue;
    }
    const y = HEIGHT - 1 - (cpu / 100) * (HEIGHT - 2);
    path += `${isGap ? 'M' : 'L'}${tick} ${y.toFixed(1)}`;
    isGap = false;
  }
  return path;
}

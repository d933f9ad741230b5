import type { JSX } from 'preact';

import { percent } from '../format';

/** A share as a bar, coloured by load, and as a number. */
export function Bar({ value }: { value: number }): JSX.Element {
  const share = Number.isFinite(value) ? Math.min(Math.max(value / 100, 0), 1) : 0;
  return (
    <span class={`bar ${loadOf(value)}`}>
      <span class="bar-track" aria-hidden="true">
        <span class="bar-fill" style={{ transform: `scaleX(${share})` }} />
      </span>
      <span class="bar-number">{percent(value)}</span>
    </span>
  );
}

function loadOf(value: number): string {
  if (value >= 90) return 'high';
  return value >= 70 ? 'middle' : 'low';
}

import { signal } from '@preact/signals';
import type { JSX } from 'preact';

import { call } from '../api';
import { duration } from '../format';
import { messages } from '../i18n';
import { isAdmin } from '../session';
import { usePolling } from './usePolling';

const ASK_INTERVAL_MS = 60_000;

/** Milliseconds that the clock of the hub's machine is ahead of what the hub believes; not 0 only while it is not believed. */
const clockAheadMs = signal(0);

async function askClock(): Promise<void> {
  // A hub that does not answer is said elsewhere.
  const hub = await call<{ clock_ahead_ms: number }>('GET', '/hub').catch(() => null);
  if (hub !== null) clockAheadMs.value = hub.clock_ahead_ms;
}

/** Tells administrators that the clock of the hub's machine is wrong. */
export function ClockNotice(): JSX.Element | null {
  const asks = isAdmin.value;
  usePolling(askClock, ASK_INTERVAL_MS, asks);
  const ahead = clockAheadMs.value;
  if (!asks || ahead === 0) return null;
  const amount = duration(Math.abs(ahead) / 1000);
  const text = messages.value;
  return (
    <div class="banner" role="status">
      {ahead > 0 ? text.hubClockAhead(amount) : text.hubClockBehind(amount)}
    </div>
  );
}

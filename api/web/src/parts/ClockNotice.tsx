import { signal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';

import { call } from '../api';
import { duration } from '../format';
import { messages } from '../i18n';
import { isAdmin } from '../session';

const ASK_INTERVAL_MS = 60_000;

/** Milliseconds that the clock of the hub's machine is ahead of what the hub believes; not 0 only while it is not believed. */
const clockAheadMs = signal(0);

/** Tells administrators that the clock of the hub's machine is wrong. */
export function ClockNotice(): JSX.Element | null {
  const asks = isAdmin.value;
  useEffect(() => {
    if (!asks) return;
    const ask = async (): Promise<void> => {
      if (document.hidden) return;
      // A hub that does not answer is said elsewhere.
      const hub = await call<{ clock_ahead_ms: number }>('GET', '/hub').catch(() => null);
      if (hub !== null) clockAheadMs.value = hub.clock_ahead_ms;
    };
    void ask();
    const timer = setInterval(() => void ask(), ASK_INTERVAL_MS);
    document.addEventListener('visibilitychange', ask);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', ask);
    };
  }, [asks]);
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

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { Watchdog } from './watchdog';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('says once that nothing was heard for so long', () => {
  const onSilence = vi.fn();
  const watchdog = new Watchdog(10_000, onSilence);
  for (let second = 0; second < 30; second += 9) {
    vi.advanceTimersByTime(9000);
    watchdog.heard();
  }
  expect(onSilence).not.toHaveBeenCalled();
  vi.advanceTimersByTime(60_000);
  expect(onSilence).toHaveBeenCalledTimes(1);
});

it('says nothing after it was stopped', () => {
  const onSilence = vi.fn();
  new Watchdog(1000, onSilence).stop();
  vi.advanceTimersByTime(60_000);
  expect(onSilence).not.toHaveBeenCalled();
});

it('counts the time in which the machine slept, and does not wait for a clock that was set back', () => {
  const slept = vi.fn();
  new Watchdog(10_000, slept);
  // Timers and the steady clock stand still meanwhile.
  vi.setSystemTime(Date.now() + 3_600_000);
  vi.advanceTimersByTime(1000);
  expect(slept).toHaveBeenCalledTimes(1);

  const setBack = vi.fn();
  new Watchdog(10_000, setBack);
  vi.setSystemTime(Date.now() - 3_600_000);
  vi.advanceTimersByTime(11_000);
  expect(setBack).toHaveBeenCalledTimes(1);
});

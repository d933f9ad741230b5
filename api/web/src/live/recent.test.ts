import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { ApiError } from '../api';
import { Fleet, HISTORY_TICKS, type ServerRow } from './fleet';
import { ASKED_AT_ONCE_MAX, RecentCpu } from './recent';

const NOW = 1000;

function fleetOf(count: number): Fleet {
  const servers = Array.from(
    { length: count },
    (_, index): ServerRow => [index + 1, `s${index}`, '', 0, 0, '', '', '', '', '', '', 0, 0, 0, 0, '', [0, 10]],
  );
  const fleet = new Fleet();
  fleet.applySnapshot({
    now: NOW,
    offline_after: 30,
    fields: [
      ['active', 1],
      ['cpu', 1],
    ],
    servers,
  });
  return fleet;
}

const range = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index);

/** A hub that has a report a second, and remembers what it was asked. */
function hub(): { asked: number[][]; load: (ids: readonly number[]) => Promise<never[]> } {
  const asked: number[][] = [];
  const times = range(NOW - 90, 90);
  const load = (ids: readonly number[]): Promise<never[]> => {
    asked.push([...ids]);
    return Promise.resolve(
      ids.map((id) => ({ id, metric: 'cpu', unit: '', step: 1, times, values: times.map(() => 42) }) as never),
    );
  };
  return { asked, load };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal('document', { hidden: false });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('fills what is in sight, once', async () => {
  const { asked, load } = hub();
  const fleet = fleetOf(3);
  let filled = 0;
  const recent = new RecentCpu(fleet, () => (filled += 1), load);
  recent.see([1, 3]);
  await vi.advanceTimersByTimeAsync(2000);
  recent.see([3, 1]);
  await vi.advanceTimersByTimeAsync(2000);
  expect([asked, filled]).toEqual([[[1, 3]], 1]);
  const rowOf = (id: number): number => fleet.row(id) ?? -1;
  expect([fleet.cpuAt(rowOf(1), 0), fleet.cpuAt(rowOf(1), HISTORY_TICKS - 1), fleet.cpuAt(rowOf(2), 0)]).toEqual([
    42, 10, 255,
  ]);
});

it('never asks about a fleet at once: not of many in sight, and not of those scrolled past', async () => {
  const { asked, load } = hub();
  const recent = new RecentCpu(fleetOf(1), () => undefined, load);
  for (let first = 1; first < 10_000; first += 50) {
    recent.see(range(first, 50));
    await vi.advanceTimersByTimeAsync(20);
  }
  recent.see(range(20_000, 250));
  await vi.advanceTimersByTimeAsync(2000);
  expect(asked.map((ids) => ids.length)).toEqual([ASKED_AT_ONCE_MAX, ASKED_AT_ONCE_MAX, 50]);
  expect(asked.flat()).toEqual(range(20_000, 250));
});

it('asks again after a gap and after a busy hub, and not where it is refused', async () => {
  const { asked, load } = hub();
  let answer: Error | null = new ApiError(503, 'busy');
  const ask = (ids: readonly number[]): Promise<never[]> => {
    if (answer === null) return load(ids);
    asked.push([...ids]);
    return Promise.reject(answer);
  };
  const recent = new RecentCpu(fleetOf(1), () => undefined, ask);
  recent.see([1]);
  await vi.advanceTimersByTimeAsync(9000);
  expect(asked.length, 'it waits for a busy hub').toBe(1);
  answer = null;
  await vi.advanceTimersByTimeAsync(5000);
  expect(asked.length).toBe(2);
  recent.forget();
  await vi.advanceTimersByTimeAsync(1000);
  expect(asked.length).toBe(3);
  answer = new ApiError(403, 'guests may not');
  recent.forget();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(asked.length).toBe(4);
});

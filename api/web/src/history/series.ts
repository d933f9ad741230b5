import { callWhole } from '../api';

export const RANGES = { '1h': 3600, '24h': 86_400, '7d': 604_800, '30d': 2_592_000 } as const;
export type RangeName = keyof typeof RANGES;

export interface Series {
  /** Of the server. */
  id?: number;
  metric: string;
  unit: string;
  /** Seconds between points; 0: every report. */
  step: number;
  times: number[];
  /** `null`: nobody reported. */
  values: (number | null)[];
}

export interface History {
  code: number;
  message: string;
  from: number;
  to: number;
  step: number;
  result: Series[];
}

const POINTS = 600;

export async function loadHistory(
  id: number,
  metrics: readonly string[],
  range: RangeName,
  signal: AbortSignal,
): Promise<History> {
  const query = new URLSearchParams({
    id: String(id),
    metric: metrics.join(','),
    from: `-${range}`,
    to: 'now',
    points: String(POINTS),
  });
  return callWhole<History>('GET', `/server/history?${query}`, { signal });
}

/** The CPU of some servers in the last seconds, second by second. */
export async function loadRecentCpu(ids: readonly number[], seconds: number, signal: AbortSignal): Promise<Series[]> {
  const query = new URLSearchParams({ id: ids.join(','), metric: 'cpu', from: `-${seconds}s`, to: 'now', step: '1s' });
  return (await callWhole<History>('GET', `/server/history?${query}`, { signal })).result;
}

/** Every report a second or so; a longer silence is a gap. */
const SILENCE_S = 60;

/** Times of all series, ascending, and the values of each at these; what is not known stays a gap. */
export function align(series: readonly Series[]): [times: number[], ...values: (number | null)[][]] {
  const all = new Set(series.flatMap((one) => one.times));
  const times = [...all].sort((a, b) => a - b);
  const spaced = series.every((one) => one.step === 0) ? withSilences(times) : times;
  const place = new Map(spaced.map((time, index) => [time, index]));
  const columns = series.map((one) => {
    const column = new Array<number | null>(spaced.length).fill(null);
    one.times.forEach((time, index) => {
      const at = place.get(time);
      if (at !== undefined) column[at] = one.values[index] ?? null;
    });
    return column;
  });
  return [spaced, ...columns];
}

/** Single reports say nothing of the time between: a point without values breaks the line. */
function withSilences(times: number[]): number[] {
  return times.flatMap((time, index) => {
    const before = times[index - 1];
    return before !== undefined && time - before > SILENCE_S ? [(before + time) / 2, time] : [time];
  });
}

export interface Extent {
  latest: number;
  lowest: number;
  highest: number;
}

export function extentOf(values: readonly (number | null)[]): Extent | null {
  const known = values.filter((value) => value !== null);
  const latest = known.at(-1);
  if (latest === undefined) return null;
  const lowest = known.reduce((least, value) => Math.min(least, value));
  const highest = known.reduce((most, value) => Math.max(most, value));
  return { latest, lowest, highest };
}

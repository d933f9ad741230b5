import type { Unit } from './measures';

/** A unit in which people write a number, and how many of the hub's unit it is. */
export interface Scale {
  /** As it is written; of a duration the key of its word. */
  name: string;
  factor: number;
}

/** A number as a field has it. An empty text is no number. */
export interface Amount {
  text: string;
  factor: number;
}

const BYTES: readonly Scale[] = ['B', 'KiB', 'MiB', 'GiB', 'TiB'].map((name, power) => ({
  name,
  factor: 1024 ** power,
}));

export const DURATIONS = [
  { name: 's', factor: 1 },
  { name: 'min', factor: 60 },
  { name: 'h', factor: 3600 },
  { name: 'd', factor: 86_400 },
] as const satisfies readonly Scale[];

const ONE: Record<Exclude<Unit, 'bytes' | 'bytes/s' | 'seconds'>, string> = {
  percent: '%',
  celsius: '°C',
  load: '',
  connections: '',
  processes: '',
  '': '',
};

/** The units in which a number is written, the smallest first. */
export function scalesOf(unit: Unit): readonly Scale[] {
  switch (unit) {
    case 'bytes':
      return BYTES;
    case 'bytes/s':
      return BYTES.map(({ name, factor }) => ({ name: `${name}/s`, factor }));
    case 'seconds':
      return DURATIONS;
    default:
      return [{ name: ONE[unit], factor: 1 }];
  }
}

/** The unit in which a new number is most likely written. */
export function usualFactor(unit: Unit): number {
  if (unit === 'bytes') return 1024 ** 3;
  return unit === 'bytes/s' ? 1024 ** 2 : 1;
}

/** The largest unit in which all these numbers are whole, or the smallest. */
export function factorFor(unit: Unit, numbers: readonly number[]): number {
  const isWhole = (factor: number): boolean => numbers.every((number) => number % factor === 0);
  const known = numbers.some((number) => number !== 0) ? scalesOf(unit).filter(({ factor }) => isWhole(factor)) : [];
  return known.at(-1)?.factor ?? 1;
}

export function amountOf(unit: Unit, number: number | null): Amount {
  if (number === null) return { text: '', factor: usualFactor(unit) };
  const factor = factorFor(unit, [number]);
  return { text: String(number / factor), factor };
}

/** In the hub's unit; `null` where there is none. */
export function numberOf({ text, factor }: Amount): number | null {
  if (text.trim() === '') return null;
  const number = Number(text) * factor;
  return Number.isFinite(number) ? number : null;
}

/** Whole seconds; 0 where there is no number. */
export function secondsOf(amount: Amount): number {
  return Math.round(numberOf(amount) ?? 0);
}

import { bytes, bytesPerSecond, decimal, duration, NOTHING } from '../format';
import { messages } from '../i18n';
import { amountOf, scalesOf } from './amount';
import { measureOf, type Unit } from './measures';
import type { Condition } from './rule';

/** The name of a measure; as it is for one that only a newer hub knows. */
export function measureText(name: string): string {
  const names: Readonly<Record<string, string>> = messages.value.alerts.measures;
  return names[name] ?? name;
}

/** A unit's name in the language. */
export function scaleText(name: string): string {
  const words: Readonly<Record<string, string>> = messages.value.alerts.durations;
  return words[name] ?? name;
}

/** A number that somebody chose, exactly: "90 s", "2 GiB". */
export function exactText(unit: Unit, number: number): string {
  const { text, factor } = amountOf(unit, number);
  const name = scaleText(scalesOf(unit).find((scale) => scale.factor === factor)?.name ?? '');
  if (name === '') return text;
  return name === '%' ? `${text}%` : `${text} ${name}`;
}

/** A number that was measured, in a few digits. `unit` is as the hub writes it. */
export function measuredText(unit: string, number: number | null): string {
  if (number === null) return NOTHING;
  switch (unit) {
    case 'percent':
      return `${decimal(number, 1)}%`;
    case 'bytes':
      return bytes(number);
    case 'bytes/s':
      return bytesPerSecond(number);
    case 'seconds':
      return duration(number);
    case 'celsius':
      return `${decimal(number, 1)} °C`;
    case 'load':
      return decimal(number, 2);
    case '':
      return '';
    default:
      return decimal(number, 0);
  }
}

/** A condition in words: "CPU > 90% (ends at 80%)". */
export function conditionText({ metric, op, value, clear }: Condition): string {
  const { unit } = measureOf(metric);
  if (unit === '') return measureText(metric);
  const bound = `${measureText(metric)} ${op} ${exactText(unit, value)}`;
  return clear === null ? bound : `${bound} (${messages.value.alerts.rules.clearAt(exactText(unit, clear))})`;
}

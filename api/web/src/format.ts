/** What stands where there is no value. */
export const NOTHING = '–';

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Bytes in binary units, three digits. */
export function bytes(value: number): string {
  if (!Number.isFinite(value)) return NOTHING;
  let scaled = Math.max(0, value);
  let unit = 0;
  // 999.5 and above would show four digits.
  while (scaled >= 999.5 && unit < BYTE_UNITS.length - 1) {
    scaled /= 1024;
    unit += 1;
  }
  return `${threeDigits(scaled, unit === 0)} ${BYTE_UNITS[unit]}`;
}

export function bytesPerSecond(value: number): string {
  return Number.isFinite(value) ? `${bytes(value)}/s` : NOTHING;
}

export function percent(value: number): string {
  return Number.isFinite(value) ? `${Math.round(value)}%` : NOTHING;
}

export function decimal(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : NOTHING;
}

function threeDigits(value: number, isWhole: boolean): string {
  if (isWhole || value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

/** A duration by its two largest units: "3d 4h". */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return NOTHING;
  const whole = Math.floor(seconds);
  const days = Math.floor(whole / DAY);
  const hours = Math.floor((whole % DAY) / HOUR);
  const minutes = Math.floor((whole % HOUR) / MINUTE);
  if (days >= 100) return `${days}d`;
  if (days > 0) return `${days}d ${hours}h`;
  if (hours > 0) return `${hours}h ${minutes}m`;
  if (minutes > 0) return `${minutes}m`;
  return `${whole}s`;
}

const AGO: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', DAY],
  ['hour', HOUR],
  ['minute', MINUTE],
];

/** "5 minutes ago" in that language. */
export function ago(seconds: number, language: string): string {
  const relative = relativeFormat(language);
  const elapsed = Math.max(0, seconds);
  for (const [unit, length] of AGO) {
    if (elapsed >= length) return relative.format(-Math.floor(elapsed / length), unit);
  }
  return relative.format(-Math.floor(elapsed), 'second');
}

/** A Unix time as date and time of day. */
export function dateTime(unixS: number | null, language: string): string {
  return unixS === null ? NOTHING : dateTimeFormat(language).format(unixS * 1000);
}

/** A Unix time as the time of day with seconds. */
export function timeOfDay(unixS: number, language: string): string {
  return timeFormat(language).format(unixS * 1000);
}

function perLanguage<F>(make: (language: string) => F): (language: string) => F {
  const made = new Map<string, F>();
  return (language) => {
    const format = made.get(language) ?? make(language);
    made.set(language, format);
    return format;
  };
}

const relativeFormat = perLanguage((language) => new Intl.RelativeTimeFormat(language, { numeric: 'always' }));
// 24 hours in every language: an axis and a table must not differ, and "12:05" must be one time of the day.
const dateTimeFormat = perLanguage(
  (language) => new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23' }),
);
const timeFormat = perLanguage(
  (language) => new Intl.DateTimeFormat(language, { timeStyle: 'medium', hourCycle: 'h23' }),
);

/** The last second of a day as `<input type="date">` gives it, where the browser is; `null` for no day. */
export function endOfDay(day: string): number | null {
  if (day === '') return null;
  const end = new Date(`${day}T23:59:59`).getTime();
  return Number.isFinite(end) ? Math.floor(end / 1000) : null;
}

/** The tags or scopes of a comma-separated field. */
export function commaSeparated(text: string): string[] {
  const parts = text.split(',').map((part) => part.trim());
  return [...new Set(parts.filter((part) => part !== ''))];
}

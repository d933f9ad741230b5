/** The clock of the charts: 24 hours, in the panel's language, in this browser's time zone unless another is named. */

const MINUTE_S = 60;
const DAY_S = 86_400;

/** Formats that were made; a page has a handful. */
const made = new Map<string, Intl.DateTimeFormat>();
const MADE_MAX = 100;

function format(language: string, timeZone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = JSON.stringify([language, timeZone, options]);
  const found = made.get(key);
  if (found) return found;
  if (made.size >= MADE_MAX) made.clear();
  // "h23", as "hour12: false" makes 24:05 of five past midnight in English.
  const fresh = new Intl.DateTimeFormat(language, { ...options, timeZone, hourCycle: 'h23' });
  made.set(key, fresh);
  return fresh;
}

function presentZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/**
 * What stands under an axis at these times, which are `stepS` apart. The day is said where it is another than before, and the
 * offset where clocks were changed, so that an hour that comes twice is told apart.
 */
export function axisLabels(
  times: readonly number[],
  stepS: number,
  language: string,
  timeZone = presentZone(),
): string[] {
  const day = format(language, timeZone, { month: 'short', day: 'numeric' });
  if (stepS >= DAY_S) return times.map((time) => day.format(time * 1000));
  const second: Intl.DateTimeFormatOptions = stepS < MINUTE_S ? { second: '2-digit' } : {};
  const clock = format(language, timeZone, { hour: '2-digit', minute: '2-digit', ...second });
  return times.map((time, index) => {
    const before = times[index - 1];
    const isNewDay = before === undefined || day.format(before * 1000) !== day.format(time * 1000);
    const isNewOffset = before !== undefined && offsetAt(before, timeZone) !== offsetAt(time, timeZone);
    const below = [isNewDay ? day.format(time * 1000) : '', isNewOffset ? offsetAt(time, timeZone) : ''];
    return [clock.format(time * 1000), ...below.filter((part) => part !== '')].join('\n');
  });
}

/** A moment in full, as a cursor names it. */
export function momentText(time: number, language: string, timeZone = presentZone()): string {
  const options: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'medium' };
  return format(language, timeZone, options).format(time * 1000);
}

/** The zone of all times between these two: its name, and its offset or both of them where clocks were changed. */
export function zoneText(from: number, to: number, timeZone = presentZone()): string {
  const offsets = [...new Set([offsetAt(from, timeZone), offsetAt(to, timeZone)])].join(' → ');
  return timeZone === offsets ? offsets : `${timeZone}, ${offsets}`;
}

/** "UTC+5:30" */
function offsetAt(time: number, timeZone: string): string {
  const parts = format('en', timeZone, { timeZoneName: 'shortOffset' }).formatToParts(time * 1000);
  return (parts.find(({ type }) => type === 'timeZoneName')?.value ?? '')
    .replace('GMT', 'UTC')
    .replace(/^UTC\+0$/, 'UTC');
}

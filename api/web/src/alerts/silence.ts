import { commaSeparated } from '../format';

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

export interface Weekly {
  days: Day[];
  /** Such as `22:00`. */
  start: string;
  end: string;
  zone: string;
}

export interface Silence {
  id: number;
  comment: string;
  rules: number[];
  tags: string[];
  ids: number[];
  from: number | null;
  to: number | null;
  weekly: Weekly | null;
  created: number;
  by: string;
  active: boolean;
}

/** A silence as its form has it. */
export interface SilenceDraft {
  comment: string;
  rules: number[];
  /** Separated by commas. */
  tags: string;
  ids: number[];
  window: 'once' | 'weekly';
  /** Times of the browser's zone, as `<input type="datetime-local">` writes them. */
  from: string;
  to: string;
  days: Day[];
  start: string;
  end: string;
  zone: string;
}

export type SilenceBody = Partial<Pick<Silence, 'from' | 'to' | 'weekly'>> &
  Pick<Silence, 'comment' | 'rules' | 'tags' | 'ids'>;

const NEW_SILENCE_S = 2 * 3600;
/** What a field of a time of day cannot say. */
const DAY_END = '24:00';
const MIDNIGHT = '00:00';

export function newSilence(nowS: number, zone: string): SilenceDraft {
  return {
    comment: '',
    rules: [],
    tags: '',
    ids: [],
    window: 'once',
    from: localTime(nowS),
    to: localTime(nowS + NEW_SILENCE_S),
    days: ['sat', 'sun'],
    start: MIDNIGHT,
    end: MIDNIGHT,
    zone,
  };
}

export function silenceDraft(silence: Silence, nowS: number, zone: string): SilenceDraft {
  const { comment, rules, tags, ids, from, to, weekly } = silence;
  const usual = newSilence(nowS, zone);
  return {
    comment,
    rules,
    tags: tags.join(', '),
    ids,
    window: weekly === null ? 'once' : 'weekly',
    from: from === null ? usual.from : localTime(from),
    to: to === null ? usual.to : localTime(to),
    days: weekly?.days ?? usual.days,
    start: weekly?.start ?? usual.start,
    end: weekly === null ? usual.end : weekly.end.replace(DAY_END, MIDNIGHT),
    zone: weekly?.zone ?? zone,
  };
}

export function silenceBody(draft: SilenceDraft): SilenceBody {
  const { comment, rules, tags, ids, days, start, end, zone } = draft;
  const about = { comment: comment.trim(), rules, tags: commaSeparated(tags), ids };
  if (draft.window === 'once') return { ...about, from: unixTime(draft.from), to: unixTime(draft.to) };
  return { ...about, weekly: { days, start, end: end === MIDNIGHT ? DAY_END : end, zone } };
}

/** Unix seconds as `<input type="datetime-local">` takes them, in the browser's zone. */
export function localTime(unixS: number): string {
  const time = new Date(unixS * 1000);
  const two = (number: number): string => String(number).padStart(2, '0');
  const day = `${String(time.getFullYear()).padStart(4, '0')}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
  return `${day}T${two(time.getHours())}:${two(time.getMinutes())}`;
}

/** `null` where there is no time. */
export function unixTime(local: string): number | null {
  const ms = local === '' ? NaN : new Date(local).getTime();
  return Number.isFinite(ms) ? Math.floor(ms / 1000) : null;
}

/** Names of time zones that the browser knows, with these. */
export function timeZones(...zones: string[]): string[] {
  const known = Intl.supportedValuesOf('timeZone');
  return [...new Set(['UTC', ...zones, ...known])].filter((zone) => zone !== '').sort();
}

export function browserZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

import { ApiError } from '../api';

/** What the hub says against one field of a form. */
export interface Fault {
  /** As in the JSON that was sent: `when[0].clear`. */
  field: string;
  reason: string;
}

const FIELD = /^([a-z_]+(?:\[\d+\])?(?:\.[\w-]+(?:\[\d+\])?)*)(: | of \d| \(| ")/;

/** The field that the hub's message begins with; `null` when it is about none. */
export function faultOf(error: unknown): Fault | null {
  if (!(error instanceof ApiError) || error.failure !== 'refused') return null;
  const [, field, link] = FIELD.exec(error.message) ?? [];
  if (field === undefined) return null;
  return { field, reason: link === ': ' ? error.message.slice(field.length + 2) : error.message };
}

/** Names of a field and of those that it is within, the narrowest first: `when[0].clear`, `when[0]`, `when`. */
export function fieldsAround(field: string): string[] {
  const ends = Array.from(field.matchAll(/[.[]/g), ({ index }) => index).reverse();
  return [field, ...ends.map((end) => field.slice(0, end))];
}

import type { Facts, Field, Fleet } from './fleet';

export type StateFilter = 'all' | 'online' | 'offline';

export interface Filter {
  text: string;
  /** Empty for every tag. */
  tag: string;
  state: StateFilter;
}

export type SortKey = 'index' | 'name' | 'tag' | 'country' | 'platform' | 'uptime' | Exclude<Field, 'active' | 'swap'>;

export interface Sort {
  key: SortKey;
  isDescending: boolean;
}

const TEXTS: Partial<Record<SortKey, (facts: Facts) => string>> = {
  name: (facts) => facts.name,
  tag: (facts) => facts.tag,
  country: (facts) => facts.country,
  platform: (facts) => `${facts.platform} ${facts.platformVersion}`,
};

const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: 'base' });

/** The rows that a filter leaves, sorted; those without a value last, equal ones by id. */
export function orderOf(fleet: Fleet, filter: Filter, sort: Sort): Uint32Array {
  const rows = filtered(fleet, filter);
  const text = TEXTS[sort.key];
  const sign = sort.isDescending ? -1 : 1;
  const ids = Array.from({ length: fleet.size }, (_, row) => fleet.factsAt(row).id);
  const byId = (a: number, b: number): number => (ids[a] ?? 0) - (ids[b] ?? 0);
  if (text) {
    const texts = Array.from({ length: fleet.size }, (_, row) => text(fleet.factsAt(row)));
    return rows.sort((a, b) => sign * collator.compare(texts[a] ?? '', texts[b] ?? '') || byId(a, b));
  }
  const numbers = numbersOf(fleet, sort.key, sign);
  return rows.sort((a, b) => {
    const left = numbers[a] ?? Infinity;
    const right = numbers[b] ?? Infinity;
    return left === right ? byId(a, b) : left - right;
  });
}

/** Changes when `orderOf` may have another answer for the same filter and sort. */
export function orderVersion(fleet: Fleet, filter: Filter, sort: Sort): string {
  const isLive = !(sort.key in TEXTS) && sort.key !== 'index' && sort.key !== 'uptime';
  const dependsOnActive = isLive || sort.key === 'uptime' || filter.state !== 'all';
  const values = isLive ? fleet.version(sort.key as Field) : 0;
  return `${fleet.structure}/${dependsOnActive ? fleet.version('active') : 0}/${values}`;
}

function filtered(fleet: Fleet, filter: Filter): Uint32Array {
  const rows = new Uint32Array(fleet.size);
  const words = filter.text
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  let count = 0;
  for (let row = 0; row < fleet.size; row += 1) {
    const facts = fleet.factsAt(row);
    if (filter.tag !== '' && facts.tag !== filter.tag) continue;
    if (filter.state !== 'all' && fleet.isOnline(row) !== (filter.state === 'online')) continue;
    if (!words.every((word) => facts.searched.includes(word))) continue;
    rows[count] = row;
    count += 1;
  }
  return rows.subarray(0, count);
}

/** By row, signed so that ascending is the wanted order; nothing known is infinite. */
function numbersOf(fleet: Fleet, key: SortKey, sign: number): Float64Array {
  const numbers = new Float64Array(fleet.size);
  for (let row = 0; row < fleet.size; row += 1) numbers[row] = number(fleet, key, row, sign);
  return numbers;
}

function number(fleet: Fleet, key: SortKey, row: number, sign: number): number {
  // As Nezha: a larger index stands first.
  if (key === 'index') return -sign * fleet.factsAt(row).displayIndex;
  if (!fleet.isOnline(row)) return Infinity;
  if (key === 'uptime') {
    const { bootTime } = fleet.factsAt(row);
    return bootTime > 0 ? -sign * bootTime : Infinity;
  }
  return sign * fleet.value(row, key as Field);
}

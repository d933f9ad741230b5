import { signal } from '@preact/signals';

import { remember, remembered } from '../storage';
import type { Filter, Sort, SortKey } from './order';

export type View = 'table' | 'cards';

/** What the live page shows and how; kept while other pages are visited. */
export const filter = signal<Filter>({ text: '', tag: '', state: 'all' });
export const sort = signal<Sort>({ key: 'index', isDescending: false });
/** `null` until somebody chose: then the screen's size decides. */
export const chosenView = signal<View | null>(knownView(remembered('view')));

export function chooseView(view: View): void {
  chosenView.value = view;
  remember('view', view);
}

export function setFilter(change: Partial<Filter>): void {
  filter.value = { ...filter.value, ...change };
}

/** Numbers are looked at from the largest, texts from A. */
const TEXT_KEYS: readonly SortKey[] = ['index', 'name', 'tag', 'country', 'platform'];

/** Sorts by that column; the other way round when it is sorted by it already. */
export function sortBy(key: SortKey): void {
  const last = sort.value;
  sort.value = { key, isDescending: last.key === key ? !last.isDescending : !TEXT_KEYS.includes(key) };
}

function knownView(name: string | null): View | null {
  return name === 'table' || name === 'cards' ? name : null;
}

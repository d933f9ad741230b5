import { signal } from '@preact/signals';

import { hrefOf } from './root';

/** Within the panel, wherever that lies on its host. */
export const path = signal('/');

export function navigate(to: string, { replaces = false } = {}): void {
  if (to === path.value) return;
  if (replaces) history.replaceState(null, '', hrefOf(to));
  else history.pushState(null, '', hrefOf(to));
  path.value = to;
  scrollTo(0, 0);
}

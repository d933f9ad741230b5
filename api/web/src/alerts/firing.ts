import { effect, signal } from '@preact/signals';

import { call } from '../api';
import { identity } from '../session';
import type { Rule } from './rule';

/** How many alerts fire, as the hub said last. 0 for those who may not know. */
export const firingCount = signal(0);

/** Asks the hub how many alerts fire. The rules know it, and there are fewer of them than alerts in a storm. */
export async function askFiring(): Promise<void> {
  const asker = identity.peek();
  // A hub that does not answer is said elsewhere.
  const rules = await call<Pick<Rule, 'firing'>[]>('GET', '/alert/rule').catch(() => null);
  if (rules === null || identity.peek() !== asker) return;
  firingCount.value = rules.reduce((sum, { firing }) => sum + (firing ?? 0), 0);
}

/** What somebody else was shown must not stay. */
export function startFiring(): void {
  effect(() => {
    void identity.value;
    firingCount.value = 0;
  });
}

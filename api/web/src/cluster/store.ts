import { computed, effect, signal } from '@preact/signals';

import { call } from '../api';
import { identity, isAdmin } from '../session';
import type { ClusterState } from './state';

/** How the hub stands in its cluster. `null` if it is alone, `undefined` until the hub has said that. */
export const cluster = signal<ClusterState | null | undefined>(undefined);

/** Whether the hub is one of several, as far as this visitor may know. */
export const isInCluster = computed(() => cluster.value != null);
/** Whether it is worth asking again: a hub that is alone stays alone until it is started again. */
export const mayBeInCluster = computed(() => isAdmin.value && cluster.value !== null);

/** Asks the hub how it stands. */
export async function loadCluster(): Promise<ClusterState | null> {
  const asker = identity.peek();
  const state = await call<ClusterState | null>('GET', '/cluster');
  if (identity.peek() === asker) cluster.value = state;
  return state;
}

/** The same, where it is said elsewhere that a hub does not answer. */
export async function askCluster(): Promise<void> {
  await loadCluster().catch(() => null);
}

/** What somebody else was shown must not stay. */
export function startCluster(): void {
  effect(() => {
    void identity.value;
    cluster.value = undefined;
  });
}

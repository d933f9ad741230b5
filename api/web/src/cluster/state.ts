/** How a hub stands in its cluster, as the hub tells it; the fields are those of `api/src/cluster.rs`. */
export interface ClusterState {
  name: string;
  hub_id: string;
  /** Why it is not ready; `null` if it is. */
  not_ready: string | null;
  /** The broker to which it has a connection. */
  broker: string | null;
  /** Seconds for which it has its id, unless it renews that. */
  lease_s: number;
  brokers: ClusterBroker[];
  /** The operator states that all of them sync each write. */
  is_sync_stated: boolean;
  /** What is unsafe and was allowed. */
  warnings: string[];
  missing_copies: string | null;
  hubs: ClusterHub[];
  /** `null` if this hub does not know. */
  alerts_hub_id: string | null;
  registry_applied: number;
  registry_lag_messages: number;
  partitions: ClusterPartition[];
}

export interface ClusterBroker {
  name: string;
  version: string;
  /** `null` if it did not say. */
  is_synced: boolean | null;
}

export interface ClusterHub {
  hub_id: string;
  runs: boolean;
  renewed_s: number;
}

export interface ClusterPartition {
  partition: number;
  applied: number;
  lag_messages: number;
  lag_s: number;
}

/** Less is nothing that a person would notice, and usual for a moment. */
export const LAG_SHOWN_MIN_S = 3;

/** What a person should know of the hub at once; the worst comes first. */
export type Trouble =
  | { what: 'not-ready' }
  | { what: 'no-majority' }
  | { what: 'lags'; seconds: number }
  | { what: 'unsafe' }
  | { what: 'copies' };

export function troubleOf(state: ClusterState): Trouble | null {
  if (state.not_ready !== null) return { what: 'not-ready' };
  // A hub renews its id every few seconds, and only a majority of the brokers can do that.
  if (state.lease_s === 0) return { what: 'no-majority' };
  const seconds = lagOf(state);
  if (seconds >= LAG_SHOWN_MIN_S) return { what: 'lags', seconds };
  if (state.warnings.length > 0) return { what: 'unsafe' };
  return state.missing_copies === null ? null : { what: 'copies' };
}

/** Seconds that the hub is behind where it is most. */
export function lagOf({ partitions }: ClusterState): number {
  return partitions.reduce((most, { lag_s }) => Math.max(most, lag_s), 0);
}

/** What is known of how a broker writes. What it says itself counts more than what the operator states. */
export function syncOf({ is_sync_stated }: ClusterState, { is_synced }: ClusterBroker): keyof typeof SYNC_IS_SAFE {
  if (is_synced !== null) return is_synced ? 'yes' : 'no';
  return is_sync_stated ? 'stated' : 'unknown';
}

/** Whether that is what a cluster needs. */
export const SYNC_IS_SAFE = { yes: true, stated: true, no: false, unknown: false } as const;

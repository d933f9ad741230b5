//! How a hub stands in its cluster, as the command line and the panel show it.

use std::time::Instant;

use windfire_api::{Cluster, ClusterBroker, ClusterHub, ClusterPartition, ClusterState};

use super::state::State;

impl Cluster for State {
    fn describe(&self) -> ClusterState {
        let (standing, now) = (self.standing(), Instant::now());
        let brokers = self.brokers.iter().map(|broker| ClusterBroker {
            name: broker.name.clone(),
            version: broker.version.clone(),
            is_synced: broker.is_synced,
        });
        let hubs = self.hubs().into_iter().map(|hub| ClusterHub {
            runs: hub.runs(now),
            renewed_s: hub.renewed_ago(now).as_secs(),
            hub_id: hub.id.to_string(),
        });
        let lags = self.partitions.iter().zip(&standing.lags);
        let partitions = lags.enumerate().map(|(number, (partition, lag))| ClusterPartition {
            partition: number,
            applied: partition.position(),
            lag_messages: lag.messages,
            lag_s: lag.time.as_secs_f64(),
        });
        ClusterState {
            name: self.cluster.clone(),
            hub_id: self.hub.to_string(),
            not_ready: self.why_not_ready(),
            broker: standing.broker.clone(),
            lease_s: self.lease_left(now).as_secs(),
            brokers: brokers.collect(),
            is_sync_stated: self.is_sync_stated,
            warnings: self.warnings.clone(),
            missing_copies: self.missing_copies(),
            hubs: hubs.collect(),
            alerts_hub_id: self.judge(now),
            registry_applied: self.registry.position(),
            registry_lag_messages: standing.registry.messages,
            partitions: partitions.collect(),
        }
    }
}

//! How a hub stands in its cluster: what the hub hands to the API, in the shape that the command line shows too.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

/// A hub that is one of several.
pub trait Cluster: Debug + Send + Sync {
    /// How it stands now. It waits for nothing, because it is asked on a thread that serves many.
    fn describe(&self) -> ClusterState;
}

/// How a hub stands in its cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterState {
    /// Its cluster.
    pub name: String,
    /// The hub.
    pub hub_id: String,
    /// Why it is not ready. `None` if it is.
    pub not_ready: Option<String>,
    /// The broker to which it has a connection.
    pub broker: Option<String>,
    /// Seconds for which it has its id, unless it renews that.
    pub lease_s: u64,
    /// Those that were found at its start.
    pub brokers: Vec<ClusterBroker>,
    /// The operator states that all of them sync each write.
    pub is_sync_stated: bool,
    /// What is unsafe and was allowed.
    pub warnings: Vec<String>,
    /// The stream with the fewest copies, if it lacks one. `None` if none does.
    pub missing_copies: Option<String>,
    /// Hubs that hold their ids, and those that ended lately without giving theirs back, sorted by id.
    pub hubs: Vec<ClusterHub>,
    /// The hub that judges alerts. `None` if the asked hub does not know.
    pub alerts_hub_id: Option<String>,
    /// The newest message of the registry that was applied.
    pub registry_applied: u64,
    /// Messages of the registry that were not.
    pub registry_lag_messages: u64,
    /// By number.
    pub partitions: Vec<ClusterPartition>,
}

/// A broker, as it was at the hub's start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterBroker {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it syncs each write. `None` if it did not say.
    pub is_synced: Option<bool>,
}

/// A hub of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterHub {
    /// Its id.
    pub hub_id: String,
    /// Whether it runs.
    pub runs: bool,
    /// Seconds since it renewed its id, as far as the asked hub saw it.
    pub renewed_s: u64,
}

/// How far the hub is in one partition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClusterPartition {
    /// Its number.
    pub partition: usize,
    /// The newest message that was applied.
    pub applied: u64,
    /// Messages that were not applied yet.
    pub lag_messages: u64,
    /// Seconds that the hub is behind.
    pub lag_s: f64,
}

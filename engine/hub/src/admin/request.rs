//! Requests and answers between the command line and a hub.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use windfire_api::{Agents, ClusterState};
use windfire_engine::Engine;

use super::invitation::Invitations;
use crate::cluster::State;

/// A request. One line of JSON on the socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    /// A request of the API, as an administrator.
    Api {
        method: String,
        path: String,
        body: Option<Value>,
        /// Days until the created token expires, from the hub's present time on: the client's clock may differ.
        expires_days: Option<u32>,
        /// Minutes until the created silence ends, likewise.
        #[serde(default)]
        lasts_minutes: Option<u32>,
    },
    Password {
        user: String,
        /// Creates the user, as an administrator.
        #[serde(default)]
        is_new: bool,
    },
    Storage {
        raw_days: Option<u32>,
        minute_days: Option<u32>,
        quarter_days: Option<u32>,
        /// Removes what is kept for a rollback first.
        #[serde(default)]
        drop_rollback: bool,
    },
    Backup {
        folder: PathBuf,
    },
    Verify,
    /// Answered with [`Response::Rows`], then the rows until the end.
    Export {
        from: String,
        to: String,
        ids: Vec<u64>,
        tag: Option<String>,
        is_csv: bool,
    },
    /// Reads the configuration again. Only a running hub can.
    Reload,
    /// How the hub stands in its cluster. Only a running hub knows.
    Cluster,
    /// Lets another hub fetch a backup. Only a running hub can.
    Invite,
}

/// An answer. One line of JSON on the socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    Done,
    /// The API's answer.
    Api {
        status: u16,
        body: Value,
        /// How agents reach the hub.
        agents: AgentsLine,
    },
    Password {
        user: String,
        password: String,
    },
    Storage(StorageAnswer),
    Verified(VerifiedAnswer),
    Reloaded(Reloaded),
    Cluster(ClusterState),
    Invited(Invited),
    /// Rows follow.
    Rows,
    Failed(String),
}

/// How agents reach the hub.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AgentsLine {
    /// Host and port, when the operator gave them.
    pub(crate) address: Option<String>,
    pub(crate) port: u16,
    /// Empty when there is no certificate yet.
    pub(crate) fingerprint: String,
}

/// The hub on which a request works.
pub(crate) struct Hub<'a> {
    pub(crate) engine: &'a Arc<Engine>,
    /// The data folder.
    pub(crate) data: &'a Path,
    /// How agents reach it.
    pub(crate) agents: &'a Agents,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    /// Where the first password was written, if that is configured.
    pub(crate) first_password_file: Option<&'a Path>,
    /// What only a running hub can. `None` if none runs.
    pub(crate) running: Option<Running<'a>>,
}

/// What only a running hub can.
pub(crate) struct Running<'a> {
    /// Reads the configuration again.
    pub(crate) reload: &'a ReloadFn,
    /// How it stands in its cluster. `None` if it is alone.
    pub(crate) cluster: Option<&'a State>,
    /// Which hubs may fetch a backup.
    pub(crate) invitations: &'a Invitations,
}

/// Reads the configuration of the running hub again.
pub(crate) type ReloadFn = dyn Fn() -> Result<Reloaded, String> + Send + Sync;

/// What became of a configuration that was read again: its keys that had changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reloaded {
    /// They are in force.
    pub(crate) applied: Vec<String>,
    /// They are in force after a restart.
    pub(crate) needs_restart: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StorageAnswer {
    pub(crate) servers: usize,
    pub(crate) tiers: Vec<TierLine>,
    pub(crate) bytes: u64,
    pub(crate) forecast_bytes: Option<u64>,
    pub(crate) freed_bytes: u64,
    /// 0 for no bound.
    pub(crate) bytes_max: u64,
    /// Seconds that the expiry time is behind the trusted time.
    #[serde(default)]
    pub(crate) expiry_behind_s: i64,
    /// `None` if no rollback is possible.
    #[serde(default)]
    pub(crate) rollback: Option<RollbackLine>,
}

/// What is kept for a rollback.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RollbackLine {
    /// Format of the store that is kept.
    pub(crate) format: u32,
    /// Bytes that nothing else uses.
    pub(crate) bytes: u64,
    /// When it is removed, Unix seconds. `None` until a running hub has seen it.
    pub(crate) ends: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TierLine {
    pub(crate) tier: String,
    pub(crate) days: u32,
    pub(crate) bytes: u64,
    /// Unix seconds.
    pub(crate) oldest: Option<i64>,
    pub(crate) bytes_per_row: Option<f64>,
    pub(crate) bytes_per_data_point: Option<f64>,
    /// Bytes of this tier once its retention is full, with the present servers.
    pub(crate) forecast_bytes: Option<u64>,
    /// Bytes that the requested number of days would free at once.
    pub(crate) freed_bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct VerifiedAnswer {
    pub(crate) blocks: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) doubled: u64,
    pub(crate) corrupt_blocks: u64,
    pub(crate) corrupt: Vec<String>,
}

/// What another hub shows to get a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Invited {
    pub(crate) invitation: String,
    /// Minutes for which it holds.
    pub(crate) minutes: u64,
    /// Of the hub's own certificate.
    pub(crate) fingerprint: String,
}

//! One server in memory: its record, and its newest state.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use windfire_wire::RefuseReason;

use crate::limits::SHARDS;
use crate::server::ServerRecord;
use crate::status::Status;

/// One server in memory. Fields are in the order in which they are read, so that a look-up touches few lines of cache.
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) id: u64,
    /// Replaced as a whole when the server is edited.
    pub(crate) record: RwLock<Arc<ServerRecord>>,
    /// Lock order: a shard's pending reports before a slot's status.
    pub(crate) status: Mutex<Status>,
}

impl Slot {
    pub(crate) fn new(record: ServerRecord, status: Status) -> Self {
        Self { id: record.id, record: RwLock::new(Arc::new(record)), status: Mutex::new(status) }
    }

    /// A server about which nothing is known yet.
    #[cfg(test)]
    pub(crate) fn of_test(id: u64) -> Arc<Self> {
        let record = ServerRecord {
            id,
            name: String::new(),
            tag: String::new(),
            note: String::new(),
            display_index: 0,
            hide_for_guest: false,
            country: String::new(),
            credential: crate::secret::SecretHash::of("a credential"),
            created_s: 0,
        };
        Arc::new(Self::new(record, Status::default()))
    }

    pub(crate) fn shard(&self) -> usize {
        shard_of(self.id)
    }

    /// Ends the present session, if there is one. Its further reports are refused.
    pub(crate) fn kick(&self, reason: RefuseReason) {
        let kick = self.status.lock().shut();
        if let Some(kick) = kick {
            kick(reason);
        }
    }
}

/// The shard of a server. Checkpoints on disk depend on it, so another number of shards is another format.
#[expect(clippy::cast_possible_truncation, reason = "a remainder of SHARDS")]
pub(crate) fn shard_of(server_id: u64) -> usize {
    (server_id % SHARDS as u64) as usize
}

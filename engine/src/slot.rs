//! One server in memory: its record, its latest status, how far its reports have come, and who reports for it.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use windfire_wire::RefuseReason;

use crate::latest::{Latest, Progress};
use crate::limits::SHARDS;
use crate::server::ServerRecord;
use crate::watermark::Ticket;

/// Ends a session from outside, with the reason to give. Called at most once, without any lock held.
pub type Kick = Box<dyn FnOnce(RefuseReason) + Send>;

/// One server in memory.
pub(crate) struct Slot {
    pub(crate) id: u64,
    /// Replaced whole when somebody edits the server.
    pub(crate) record: RwLock<Arc<ServerRecord>>,
    /// Lock order: a shard's pending reports before a slot's status.
    pub(crate) status: Mutex<Status>,
}

#[derive(Default)]
pub(crate) struct Status {
    pub(crate) latest: Latest,
    pub(crate) progress: Progress,
    /// The commit that makes the newest report durable.
    pub(crate) last_ticket: Ticket,
    /// Counts sessions; only the newest one's reports are taken.
    pub(crate) epoch: u64,
    pub(crate) kick: Option<Kick>,
    /// Changed since the last checkpoint.
    pub(crate) is_dirty: bool,
    /// Facts wait for the next commit.
    pub(crate) has_new_facts: bool,
    /// Nobody may report for it any more.
    pub(crate) is_removed: bool,
}

impl Slot {
    pub(crate) fn new(record: ServerRecord, status: Status) -> Self {
        Self { id: record.id, record: RwLock::new(Arc::new(record)), status: Mutex::new(status) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a remainder of SHARDS")]
    pub(crate) fn shard(&self) -> usize {
        (self.id % SHARDS as u64) as usize
    }

    /// Ends the present session, if there is one, and lets none of its reports in any more.
    pub(crate) fn kick(&self, reason: RefuseReason) {
        let kick = {
            let mut status = self.status.lock();
            status.epoch += 1;
            status.kick.take()
        };
        if let Some(kick) = kick {
            kick(reason);
        }
    }
}

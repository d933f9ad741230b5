//! One server in memory: its record, its latest status, how far its reports have come, and who reports for it.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use windfire_wire::RefuseReason;

use crate::head::Head;
use crate::latest::{Latest, Progress};
use crate::limits::SHARDS;
use crate::sample::Sample;
use crate::server::ServerRecord;
use crate::share::Share;
use crate::timing::Timing;
use crate::watermark::Ticket;

/// Ends a session from outside, with the reason to give. Called at most once, without any lock held.
pub type Kick = Box<dyn FnOnce(RefuseReason) + Send>;

/// One server in memory. In the order in which it is read, so that a question touches few lines of cache.
#[repr(C)]
pub(crate) struct Slot {
    pub(crate) id: u64,
    /// Replaced whole when somebody edits the server.
    pub(crate) record: RwLock<Arc<ServerRecord>>,
    /// Lock order: a shard's pending reports before a slot's status.
    pub(crate) status: Mutex<Status>,
}

/// As [`Slot`], in the order in which it is read.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Status {
    pub(crate) latest: Latest,
    pub(crate) progress: Progress,
    /// What is known of its agent's clock.
    pub(crate) timing: Timing,
    /// The commit that makes the newest report durable.
    pub(crate) last_ticket: Ticket,
    /// Newest reports, open for more.
    pub(crate) head: Head,
    /// Full heads that are not blocks yet, oldest first.
    pub(crate) full_heads: VecDeque<Arc<Head>>,
    /// Counts sessions; only the newest one's reports are taken.
    pub(crate) epoch: u64,
    pub(crate) kick: Option<Kick>,
    /// Changed since the last checkpoint.
    pub(crate) is_dirty: bool,
    /// Changed since [`crate::Engine::visit_changed`] last showed it.
    pub(crate) is_changed: bool,
    /// When the facts came, Unix milliseconds by the hub's clock.
    pub(crate) facts_ms: i64,
    /// When facts were last handed to a commit, Unix milliseconds by the hub's clock; `None` before the first.
    pub(crate) facts_saved_ms: Option<i64>,
    /// The facts differ from what was handed to a commit.
    pub(crate) has_unsaved_facts: bool,
    /// Facts wait for the next commit.
    pub(crate) has_new_facts: bool,
    /// What it may bring.
    pub(crate) share: Share,
    /// Nobody may report for it any more.
    pub(crate) is_removed: bool,
}

impl Status {
    /// Nobody may report for it any more.
    pub(crate) fn remove(&mut self) {
        self.is_removed = true;
    }

    /// Adds a report to the head. Whether a head is full now and waits to become a block.
    pub(crate) fn push(&mut self, sequence: u64, sample: &Sample, ticket: Ticket, now_ms: i64) -> bool {
        self.head.push(sequence, sample, ticket, now_ms);
        self.head.is_full() && self.close_head()
    }

    /// Sets the head aside to become a block. Whether there was one.
    pub(crate) fn close_head(&mut self) -> bool {
        if self.head.is_empty() {
            return false;
        }
        self.full_heads.push_back(Arc::new(std::mem::take(&mut self.head)));
        true
    }

    /// The oldest commit whose reports are not all in blocks.
    pub(crate) fn log_needed_from(&self) -> Option<Ticket> {
        let open = (!self.head.is_empty()).then_some(self.head.first_ticket);
        self.full_heads.front().map(|head| head.first_ticket).or(open)
    }
}

impl Slot {
    pub(crate) fn new(record: ServerRecord, status: Status) -> Self {
        Self { id: record.id, record: RwLock::new(Arc::new(record)), status: Mutex::new(status) }
    }

    pub(crate) fn shard(&self) -> usize {
        shard_of(self.id)
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

/// The shard of a server. Checkpoints on disk are by it: another number of shards is another format.
#[expect(clippy::cast_possible_truncation, reason = "a remainder of SHARDS")]
pub(crate) fn shard_of(server_id: u64) -> usize {
    (server_id % SHARDS as u64) as usize
}

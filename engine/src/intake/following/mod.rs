//! The intake of a hub in a cluster. What agents bring becomes messages for the stream of their partition (`offer`),
//! and what the stream brings is applied (`follow`), by every hub in the same order. This file has no network: the hub
//! publishes the messages and hands in those that the stream has.
//!
//! ```text
//! session ──offer──► outgoing ──next_message──► (stream) ──follow──► shard.pending ──► commit
//!            ▲                                               │
//!            └────── passed: acks, Welcome, Superseded ◄─────┘
//! ```
//! `docs/decisions/cluster.md` has the reasons.

mod error;
mod follow;
mod message;
mod offer;
mod outgoing;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::Commits;
use crate::limits::SHARDS;
use outgoing::Outgoing;

pub use error::FollowError;
pub(crate) use follow::Effects;
pub use follow::Followed;
pub use message::{checked_message, read_message};
pub(crate) use message::{seal_message, unseal_message};
pub use outgoing::{Member, Message, Outcome};

/// The intake of a hub in a cluster.
pub(crate) struct Following {
    commits: Arc<Commits>,
    own: Member,
    partitions: Vec<Partition>,
}

/// One partition: the servers of one shard.
struct Partition {
    /// Lock order: before a slot's status, and never together with a shard's pending reports.
    outgoing: Mutex<Outgoing>,
    /// The newest own message that was applied here. So are all of this process's before it.
    passed: AtomicU64,
}

impl Following {
    pub(crate) fn new(commits: Arc<Commits>, own: Member) -> Self {
        let partition =
            |number| Partition { outgoing: Mutex::new(Outgoing::new(number, own)), passed: AtomicU64::new(0) };
        Self { commits, own, partitions: (0..SHARDS).map(partition).collect() }
    }

    /// As [`crate::Engine::next_message`]. `is_attended` says whether the session of a server is still there.
    pub(crate) fn next_message(&self, partition: usize, is_attended: &dyn Fn(u64, u64) -> bool) -> Option<Message> {
        self.partitions.get(partition)?.outgoing.lock().message(is_attended)
    }

    /// As [`crate::Engine::settled`].
    pub(crate) fn settled(&self, partition: usize, number: u64, outcome: Outcome) {
        match (self.partitions.get(partition), outcome) {
            (Some(partition), Outcome::Stored) => partition.outgoing.lock().settle(number),
            (None, _) | (_, Outcome::Unknown) => {}
        }
    }

    /// Bytes of reports that wait for their message.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.partitions.iter().map(|partition| partition.outgoing.lock().waiting_bytes()).sum()
    }
}

impl Partition {
    /// The number of the next own message, if there is a hole before that one. A session would take the reports of a
    /// message that was passed over for applied, so none may be.
    fn missing_before(&self, number: u64) -> Option<u64> {
        let next = self.passed.load(Ordering::Acquire).saturating_add(1);
        (number > next).then_some(next)
    }

    /// Own messages up to that one are applied here. None of them is missing.
    fn pass(&self, number: u64) {
        self.passed.fetch_max(number, Ordering::Release);
        // It came from the stream, whatever became of the answer to its publisher.
        self.outgoing.lock().settle(number);
    }

    fn has_passed(&self, number: u64) -> bool {
        self.passed.load(Ordering::Acquire) >= number
    }
}

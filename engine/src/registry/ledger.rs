//! How a hub of a cluster changes the registry: it proposes a change to the registry's stream, and makes it when its
//! own follower meets it there. This file has no network: the hub publishes what is proposed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::alert::AlertBook;
use crate::intake::{FollowError, Followed, Member};
use crate::limits::CHANGE_PATIENCE_MS;

/// Where a hub of a cluster proposes changes of the registry.
pub trait Ledger: Send + Sync {
    /// Stores the proposal as the message behind [`Proposal::expected`], and only there. Waits for the brokers'
    /// answer, but not for ever: a change holds up those behind it.
    fn propose(&self, proposal: &Proposal<'_>) -> Proposed;

    /// For how long a change waits, after the answer, until this hub's follower has applied what is stored in its
    /// place.
    fn patience(&self) -> Duration {
        Duration::from_millis(CHANGE_PATIENCE_MS)
    }
}

/// Takes the message that the registry's stream has at a position.
pub type FollowRegistry<'a> = dyn Fn(u64, &[u8]) -> Result<Followed, FollowError> + 'a;

/// A change that a hub would like to make.
pub struct Proposal<'a> {
    /// The newest message of the stream that this hub has applied: 0 before the first. The proposal builds on it, so it
    /// may be stored right behind it only.
    pub expected: u64,
    /// The message.
    pub bytes: &'a [u8],
    /// As [`crate::Engine::follow_registry`] of the same hub, for a ledger that has no other thread which follows.
    pub follow: &'a FollowRegistry<'a>,
}

/// What is known of a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proposed {
    /// The stream has it.
    Stored,
    /// Another message is in its place. It is not stored, and never will be.
    Overtaken,
    /// Nothing. It may be stored, now or later.
    Unknown,
}

/// A hub's share of a registry that all hubs of a cluster have.
pub(super) struct Shared {
    pub(super) own: Member,
    pub(super) ledger: Arc<dyn Ledger>,
    /// The hub's alerts, which come by the same stream.
    pub(super) alerts: Arc<AlertBook>,
    /// Held from the first try of a change of this hub to its end, so that a hub is never overtaken by itself. Counts
    /// the proposals of this process. Locked before the ids.
    pub(super) turn: Mutex<u64>,
    /// The newest message whose changes are about to be visible, or are.
    begun: AtomicU64,
    /// The newest message whose changes are visible.
    followed: AtomicU64,
    /// The newest own proposal whose changes are visible.
    own_followed: AtomicU64,
    /// Notified under the lock of the ids when a message was followed.
    pub(super) moved: Condvar,
}

impl Shared {
    /// Goes on behind the message of that position.
    pub(super) fn new(own: Member, ledger: Arc<dyn Ledger>, alerts: Arc<AlertBook>, position: u64) -> Self {
        Self {
            own,
            ledger,
            alerts,
            turn: Mutex::new(0),
            begun: AtomicU64::new(position),
            followed: AtomicU64::new(position),
            own_followed: AtomicU64::new(0),
            moved: Condvar::new(),
        }
    }

    /// The newest message of which anything can be seen here.
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// The newest message of which everything can be seen here.
    pub(super) fn followed(&self) -> u64 {
        self.followed.load(Ordering::Acquire)
    }

    /// Whether this process's proposal of that number is made.
    pub(super) fn has_made(&self, number: u64) -> bool {
        self.own_followed.load(Ordering::Acquire) >= number
    }

    /// The changes of that message are stored, and will be visible next.
    pub(super) fn begin(&self, position: u64) {
        self.begun.store(position, Ordering::Release);
    }

    /// The changes of that message are visible. `own` is its number, if it is one of this process.
    pub(super) fn end(&self, position: u64, own: Option<u64>) {
        if let Some(number) = own {
            self.own_followed.fetch_max(number, Ordering::Release);
        }
        self.followed.store(position, Ordering::Release);
        self.moved.notify_all();
    }
}

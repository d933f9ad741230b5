//! How far the disk has come. What waits for it (an ack, a `Welcome`) holds a ticket and compares.

use std::sync::atomic::{AtomicU64, Ordering};

/// The commit that will make something durable. Compare with [`Watermark::covers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Ticket(pub(crate) u64);

/// Number of the newest durable commit.
#[derive(Debug, Default)]
pub(crate) struct Watermark(AtomicU64);

impl Watermark {
    pub(crate) fn new(commit: u64) -> Self {
        Self(AtomicU64::new(commit))
    }

    pub(crate) fn raise(&self, commit: u64) {
        self.0.fetch_max(commit, Ordering::Release);
    }

    pub(crate) fn covers(&self, ticket: Ticket) -> bool {
        self.0.load(Ordering::Acquire) >= ticket.0
    }
}

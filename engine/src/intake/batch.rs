//! The batch that a session hands in, and its outcome.

use super::watermark::Ticket;
use crate::sample::Sample;

/// Consecutive reports of one session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Batch {
    pub(crate) first_sequence: u64,
    pub(crate) samples: Vec<Sample>,
    pub(crate) ack_now: bool,
}

/// The outcome of a batch that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Covers the server's newest report.
    pub(crate) ticket: Ticket,
    /// The server's newest sequence number.
    pub(crate) last_sequence: u64,
    pub(crate) taken: u64,
    pub(crate) duplicates: u64,
    /// The server has a head that should become a block.
    pub(crate) has_full_head: bool,
}

/// Why a batch was not taken, not even in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotApplied {
    /// Too much waits for the next commit: try again after it.
    Full,
    /// The server brought more than its share: try again after a while.
    OverShare,
    /// The session is not the server's newest, or the server is gone.
    Closed,
}

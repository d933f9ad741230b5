//! The engine's counters. The hub adds its own and prints both.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The engine's counters.
#[derive(Debug, Default)]
pub struct Counters {
    /// Reports taken for the next commit. In a cluster: those that a stream brought.
    pub reports_taken: Counter,
    /// Reports that came again from their agent and were already stored or pending.
    pub reports_duplicate: Counter,
    /// Times a session had to wait because its shard was full or commits failed.
    pub stalls: Counter,
    /// Commits on disk.
    pub commits: Counter,
    /// Commits that failed.
    pub commit_failures: Counter,
    /// Reports on disk.
    pub reports_durable: Counter,
    /// Bytes of keys and values handed to the store by commits.
    pub commit_bytes: Counter,
    /// In a cluster: reports of agents of this hub that were given to a stream.
    pub reports_offered: Counter,
    /// In a cluster: messages of streams that were applied.
    pub messages_followed: Counter,
    /// In a cluster: reports in these messages of a session that a newer one had superseded. They were skipped.
    pub reports_superseded: Counter,
    /// In a cluster: reports in these messages whose numbers were not new for their session. They were skipped. A
    /// session offers each number once, so any such report means that a message is in a stream twice.
    pub reports_known: Counter,
    /// In a cluster: reports in these messages of a server that this hub does not have. They were skipped.
    pub reports_of_no_server: Counter,
}

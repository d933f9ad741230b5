//! How far a start is, for the log and the command line.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far a start is.
#[derive(Default)]
pub(crate) struct Progress {
    /// Commits of the log that are read.
    read: AtomicU64,
    /// All of them; 0 while RocksDB is opened.
    all: AtomicU64,
}

impl Progress {
    pub(crate) fn set(&self, read: u64, all: u64) {
        self.read.store(read, Ordering::Release);
        self.all.store(all, Ordering::Release);
    }

    /// A text that says what it does, and how far it is.
    pub(crate) fn words(&self) -> String {
        let (read, all) = (self.read.load(Ordering::Acquire), self.all.load(Ordering::Acquire));
        match u128::from(read.min(all)) * 100 / u128::from(all.max(1)) {
            _ if all == 0 => "opening the database".to_owned(),
            100 => format!("all {all} commits of the log are read"),
            percent => format!("reading the log, {percent} % of {all} commits"),
        }
    }
}

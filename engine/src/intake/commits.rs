//! The commits of a hub, and what waits for them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::commit::{Committed, Committer};
use super::shard::Shards;
use super::{Position, Watermark};
use crate::counters::Counters;
use crate::health::Health;
use crate::slot::Slot;
use crate::store::{Checkpoints, Positions, Store, StoreError};

/// Shards, and the commits that make durable what is in them.
pub(crate) struct Commits {
    store: Arc<Store>,
    shards: Arc<Shards>,
    committer: Mutex<Committer>,
    watermark: Watermark,
    /// Whether commits fail: then nothing is taken or acknowledged.
    poison: Health,
    /// Whether something waits for a commit.
    pending: Mutex<bool>,
    pending_arrived: Condvar,
    counters: Arc<Counters>,
}

impl Commits {
    /// Continues after the newest commit, `last`. The servers in `dirty` changed since the last checkpoint. A hub of a
    /// cluster has `positions`, up to which it has followed its streams.
    pub(crate) fn new(
        store: Arc<Store>,
        shards: Arc<Shards>,
        counters: Arc<Counters>,
        (last, checkpoints, positions): (u64, Checkpoints, Option<Positions>),
        dirty: Vec<Arc<Slot>>,
    ) -> Self {
        shards.begin(Position(last + 1), dirty);
        positions.iter().for_each(|positions| shards.begin_following(positions));
        Self {
            store,
            shards,
            committer: Mutex::new(Committer::new(last + 1, checkpoints, positions)),
            watermark: Watermark::new(Position(last)),
            poison: Health::default(),
            pending: Mutex::new(false),
            pending_arrived: Condvar::new(),
            counters,
        }
    }

    pub(crate) fn shards(&self) -> &Shards {
        &self.shards
    }

    pub(crate) fn watermark(&self) -> &Watermark {
        &self.watermark
    }

    /// Whether commits fail.
    pub(super) fn are_failing(&self) -> bool {
        self.poison.is_failing()
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Why commits fail at present; `None` when they succeed.
    pub(crate) fn poison_reason(&self) -> Option<String> {
        self.poison.reason()
    }

    /// Blocks until something waits for a commit, at most `timeout`. Returns whether something does.
    pub(crate) fn wait_for_pending(&self, timeout: Duration) -> bool {
        let mut pending = self.pending.lock();
        if !*pending {
            self.pending_arrived.wait_for(&mut pending, timeout);
        }
        *pending
    }

    /// Writes everything pending at once, after what failed before. As [`crate::Engine::commit`].
    pub(crate) fn commit(&self, with_checkpoint: bool) -> Result<Option<Committed>, StoreError> {
        let mut committer = self.committer.lock();
        let result = committer.retry(&self.store, &self.watermark).and_then(|retried| {
            // It is durable, even if the next one fails.
            self.count(retried);
            *self.pending.lock() = false;
            let fresh = committer.commit(&self.shards, &self.store, &self.watermark, with_checkpoint)?;
            self.count(fresh);
            Ok(match (retried, fresh) {
                (Some(a), Some(b)) => Some(Committed { reports: a.reports + b.reports, bytes: a.bytes + b.bytes }),
                (one, other) => one.or(other),
            })
        });
        self.poison.note(&result);
        if result.is_err() {
            self.counters.commit_failures.add(1);
            // The failed commit itself waits now. No report is taken that would announce it.
            self.notify_pending();
        }
        result
    }

    /// Lets no commit begin while this is held.
    pub(crate) fn hold_commits(&self) -> MutexGuard<'_, impl Sized> {
        self.committer.lock()
    }

    /// Wakes the thread that waits for something to commit.
    pub(crate) fn notify_pending(&self) {
        let mut pending = self.pending.lock();
        if !*pending {
            *pending = true;
            self.pending_arrived.notify_one();
        }
    }

    fn count(&self, committed: Option<Committed>) {
        if let Some(committed) = committed {
            self.counters.commits.add(1);
            self.counters.reports_durable.add(committed.reports);
            self.counters.commit_bytes.add(committed.bytes as u64);
        }
    }
}

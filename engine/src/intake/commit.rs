//! Group commit: everything pending in one write, then the watermark rises. A hub alone syncs it. A hub of a cluster
//! does not, because the stream that it follows is on other disks.
//!
//! A commit that fails is kept whole and written again under the same keys, whether or not the failed attempt reached
//! the disk: a second copy overwrites the first, so nothing is lost and nothing is stored twice.

use super::shard::{Pending, Shards};
use super::watermark::{Position, Watermark};
use crate::fail_point::FailPoint;
use crate::history::{DAY_MS, MINUTE_MS};
use crate::limits::{COMMITS_PER_CHECKPOINT, SHARDS};
use crate::slot::Slot;
use crate::store::{Changes, Checkpoints, Positions, Store, StoreError, hosts, key, latest};

/// What one commit made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Reports.
    pub reports: u64,
    /// Bytes of keys and values.
    pub bytes: usize,
}

/// Writes commits, one at a time.
pub(super) struct Committer {
    next: u64,
    /// A commit whose write failed.
    failed: Option<Commit>,
    checkpoints: Checkpoints,
    commits_since_turn: u64,
    /// In a cluster: how far each shard has followed its stream.
    positions: Option<Positions>,
}

/// Commits after which the next shard gets its checkpoint.
const COMMITS_PER_TURN: u64 = COMMITS_PER_CHECKPOINT / SHARDS as u64;

struct Commit {
    number: u64,
    reports: u64,
    changes: Changes,
    has_checkpoint: bool,
}

impl Committer {
    pub(super) fn new(next: u64, checkpoints: Checkpoints, positions: Option<Positions>) -> Self {
        Self { next, failed: None, checkpoints, commits_since_turn: 0, positions }
    }

    /// Writes again what failed before, after reopening the store.
    pub(super) fn retry(&mut self, store: &Store, watermark: &Watermark) -> Result<Option<Committed>, StoreError> {
        let Some(commit) = self.failed.take() else { return Ok(None) };
        if let Err(error) = store.reopen() {
            self.failed = Some(commit);
            return Err(error);
        }
        self.write(commit, true, store, watermark).map(Some)
    }

    /// Takes what is pending and writes it; `Ok(None)` if nothing is. `with_checkpoint` adds the checkpoints of all
    /// shards, not only that of the shard whose turn it is.
    pub(super) fn commit(
        &mut self,
        shards: &Shards,
        store: &Store,
        watermark: &Watermark,
        with_checkpoint: bool,
    ) -> Result<Option<Committed>, StoreError> {
        let turn = (self.commits_since_turn >= COMMITS_PER_TURN).then(|| self.checkpoints.stalest());
        let (number, mut reports, mut changes) = (self.next, 0, Changes::default());
        let mut has_followed = false;
        for (shard, index) in shards.iter().zip(0u8..) {
            let taken = shard.take(|pending| {
                if with_checkpoint || turn == Some(index.into()) {
                    self.checkpoints.set(index.into(), number);
                    // Under the shard's lock nothing newer than this commit can slip into the status.
                    pending.dirty.drain(..).for_each(|slot| put_latest(&mut changes, &slot));
                }
            });
            reports += taken.reports;
            has_followed |= self.positions.as_mut().is_some_and(|of| of.set(index.into(), taken.followed));
            put_facts(&mut changes, &taken);
            if !taken.log.is_empty() {
                changes.put(key::LOG, &key::log_key(number, index), taken.log);
                store.reach(FailPoint::ShardTaken);
            }
        }
        // In the same write as what was applied: after a crash both are there, or neither.
        self.positions.iter().filter(|_| has_followed).for_each(|positions| changes.put_positions(positions));
        let has_checkpoint = with_checkpoint || turn.is_some();
        if has_checkpoint {
            changes.put_checkpoints(&self.checkpoints);
            self.commits_since_turn = 0;
            store.reach(FailPoint::CheckpointTaken);
        }
        self.next += 1;
        if changes.is_empty() {
            watermark.raise_all(Position(number));
            return Ok(None);
        }
        self.commits_since_turn += 1;
        self.write(Commit { number, reports, changes, has_checkpoint }, false, store, watermark).map(Some)
    }

    fn write(
        &mut self,
        commit: Commit,
        is_retry: bool,
        store: &Store,
        watermark: &Watermark,
    ) -> Result<Committed, StoreError> {
        store.reach(if is_retry { FailPoint::RetryEncoded } else { FailPoint::CommitEncoded });
        let written = match self.positions {
            None => store.write_synced(&commit.changes),
            // The stream has it on disk. After a power cut this hub follows it again from where its store ends.
            Some(_) => store.write_kept(&commit.changes),
        };
        match written {
            Ok(()) => {
                store.reach(if is_retry { FailPoint::RetryWritten } else { FailPoint::CommitWritten });
                if commit.has_checkpoint {
                    store.reach(FailPoint::CheckpointWritten);
                }
                watermark.raise_all(Position(commit.number));
                store.reach(FailPoint::WatermarkRaised);
                Ok(Committed { reports: commit.reports, bytes: commit.changes.bytes() })
            }
            Err(error) => {
                self.failed = Some(commit);
                Err(error)
            }
        }
    }
}

fn put_latest(changes: &mut Changes, slot: &Slot) {
    if let Some(status) = slot.status.lock().checkpoint() {
        let (progress, latest) = (status.progress(), status.latest());
        let value = latest::write(progress, latest.last_active_s(), &latest.sample, status.session());
        changes.put(key::LATEST, &key::id_key(slot.id), value);
    }
}

fn put_facts(changes: &mut Changes, taken: &Pending) {
    for slot in &taken.new_facts {
        let facts = slot.status.lock().take_facts();
        if let Some((facts, now_ms)) = facts {
            let value = hosts::write(&facts);
            // At most one record per minute: an agent that changes its facts all the time cannot fill the disk with
            // them.
            let (day, minute) = (now_ms.div_euclid(DAY_MS), now_ms.div_euclid(MINUTE_MS));
            changes.put(key::FACTS, &key::facts_key(day, slot.id, minute), value.clone());
            changes.put(key::HOSTS, &key::id_key(slot.id), value);
        }
    }
}

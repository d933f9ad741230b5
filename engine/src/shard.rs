//! Reports on their way to the disk: taken here, kept until the next commit.
//!
//! A shard is a lock and a buffer, not a thread: the thread that received a frame applies it. Handing a report to a worker
//! would cost a wake-up each, more than applying it. Shards only keep ingest threads and the committer from waiting for
//! each other.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::latest::HostFacts;
use crate::limits::{FULL_HEADS_MAX, PENDING_BYTES_PER_SHARD_MAX};
use crate::sample::Sample;
use crate::slot::{Slot, Status};
use crate::store::log;
use crate::timing::HubTime;
use crate::watermark::Ticket;

/// The pending reports of the servers whose id falls into this shard.
pub(crate) struct Shard {
    pending: Mutex<Pending>,
    /// Servers whose status or facts changed since somebody looked, each once.
    changed: Mutex<Vec<Arc<Slot>>>,
}

/// What the next commit takes.
#[derive(Default)]
pub(crate) struct Pending {
    /// Entries of [`log`], ready to be stored.
    pub(crate) log: Vec<u8>,
    pub(crate) reports: u64,
    /// Servers with new facts, each once.
    pub(crate) new_facts: Vec<Arc<Slot>>,
    /// Servers changed since the last checkpoint, each once.
    pub(crate) dirty: Vec<Arc<Slot>>,
    /// The commit that will take this.
    pub(crate) ticket: Ticket,
}

/// Consecutive reports of one session.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Batch {
    pub(crate) first_sequence: u64,
    pub(crate) samples: Vec<Sample>,
    pub(crate) ack_now: bool,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    /// The commit that makes the server's newest report durable.
    pub(crate) ticket: Ticket,
    /// The server's newest sequence number.
    pub(crate) last_sequence: u64,
    pub(crate) taken: u64,
    pub(crate) duplicates: u64,
    /// The server has a head that should become a block.
    pub(crate) has_full_head: bool,
}

/// Why a batch was not taken. Nothing of it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotApplied {
    /// Too much waits for the next commit: try again after it.
    Full,
    /// The session is not the server's newest, or the server is gone.
    Closed,
}

impl Shard {
    pub(crate) fn new(ticket: Ticket, dirty: Vec<Arc<Slot>>) -> Self {
        Self { pending: Mutex::new(Pending { ticket, dirty, ..Pending::default() }), changed: Mutex::default() }
    }

    /// Takes the reports of `batch` that are new for the server. A report is new when its sequence number is above all
    /// before it; the others were stored already and are only counted.
    pub(crate) fn apply(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        outbox_id: u128,
        batch: &mut Batch,
        now: HubTime,
    ) -> Result<Applied, NotApplied> {
        let now_ms = now.now_ms;
        let mut pending = self.pending.lock();
        let mut status = slot.status.lock();
        if status.epoch != epoch || status.is_removed {
            return Err(NotApplied::Closed);
        }
        if pending.log.len() >= PENDING_BYTES_PER_SHARD_MAX || status.full_heads.len() >= FULL_HEADS_MAX {
            return Err(NotApplied::Full);
        }
        let mut has_full_head = false;
        let known = known_count(batch.first_sequence, batch.samples.len(), status.progress.last_sequence);
        let (old, new) = batch.samples.split_at_mut(known);
        if !new.is_empty() {
            if !status.progress.is_current(outbox_id) {
                status.progress.switch_to(outbox_id);
                status.timing.on_outbox();
                log::put_outbox(&mut pending.log, slot.id, outbox_id);
            }
            let first_new = batch.first_sequence + old.len() as u64;
            for (sequence, sample) in (first_new..).zip(&mut *new) {
                // From here on it lies where the hub's clock has it: in the log, in history, in what is shown.
                sample.time_ms = status.timing.place(sample.time_ms, sample.uptime_s, now);
                log::put_report(&mut pending.log, slot.id, sequence, now_ms, sample);
                has_full_head |= status.push(sequence, sample, pending.ticket, now_ms);
            }
            status.progress.advance(first_new + new.len() as u64 - 1);
            if let Some(newest) = new.last() {
                status.latest.sample.clone_from(newest);
            }
            status.latest.clock_skew_ms = status.timing.skew_ms();
            status.latest.last_active_s = Some(now_ms.div_euclid(1000));
            status.last_ticket = pending.ticket;
            if !status.is_dirty {
                status.is_dirty = true;
                pending.dirty.push(Arc::clone(slot));
            }
            pending.reports += new.len() as u64;
            self.note_changed(slot, &mut status);
        }
        Ok(Applied {
            ticket: status.last_ticket,
            last_sequence: status.progress.last_sequence,
            taken: new.len() as u64,
            duplicates: old.len() as u64,
            has_full_head,
        })
    }

    /// Replaces the server's facts. An empty country keeps the one known before, as v0 does.
    pub(crate) fn set_facts(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        mut facts: HostFacts,
        now_ms: i64,
    ) -> Result<(), NotApplied> {
        let mut pending = self.pending.lock();
        let mut status = slot.status.lock();
        if status.epoch != epoch || status.is_removed {
            return Err(NotApplied::Closed);
        }
        if facts.country.is_empty() {
            facts.country.clone_from(&status.latest.facts.country);
        }
        if *status.latest.facts != facts {
            status.latest.facts = Arc::new(facts);
            status.facts_ms = now_ms;
            self.note_changed(slot, &mut status);
            if !status.has_new_facts {
                status.has_new_facts = true;
                pending.new_facts.push(Arc::clone(slot));
            }
        }
        Ok(())
    }

    fn note_changed(&self, slot: &Arc<Slot>, status: &mut Status) {
        if !status.is_changed {
            status.is_changed = true;
            self.changed.lock().push(Arc::clone(slot));
        }
    }

    /// Servers that changed since the last call, each once.
    pub(crate) fn take_changed(&self) -> Vec<Arc<Slot>> {
        let mut changed = self.changed.lock();
        let room = changed.capacity();
        std::mem::replace(&mut *changed, Vec::with_capacity(room.min(1024)))
    }

    /// Lets go of removed servers: nobody may ever ask what changed, and no report of theirs is taken any more.
    pub(crate) fn forget(&self, ids: &HashSet<u64>) {
        self.changed.lock().retain(|slot| !ids.contains(&slot.id));
    }

    /// Hands what is pending to the commit of that ticket, after `before` has seen it under the lock; later reports wait
    /// for the commit after.
    pub(crate) fn take(&self, before: impl FnOnce(&mut Pending)) -> Pending {
        let mut pending = self.pending.lock();
        before(&mut pending);
        let next = Pending {
            log: Vec::with_capacity(pending.log.len()),
            dirty: std::mem::take(&mut pending.dirty),
            ticket: Ticket(pending.ticket.0 + 1),
            ..Pending::default()
        };
        std::mem::replace(&mut pending, next)
    }

    /// The commit that will take what comes next.
    pub(crate) fn ticket(&self) -> Ticket {
        self.pending.lock().ticket
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.lock().log.len()
    }
}

/// How many of `count` reports that start at sequence `first` have a number of at most `last`.
fn known_count(first: u64, count: usize, last: u64) -> usize {
    usize::try_from((last + 1).saturating_sub(first)).unwrap_or(usize::MAX).min(count)
}

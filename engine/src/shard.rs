//! Reports on their way to the disk: taken here, kept until the next commit.
//!
//! A shard is a lock and a buffer, not a thread: the thread that received a frame applies it. Handing a report to a worker
//! would cost a wake-up each, more than applying it. Shards only keep ingest threads and the committer from waiting for
//! each other.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use windfire_wire::Temperature;

use crate::latest::HostFacts;
use crate::limits::{BATCH_LOG_BYTES_MAX, FACTS_INTERVAL_MS, FULL_HEADS_MAX, PENDING_BYTES_PER_SHARD_MAX, SHARDS};
use crate::sample::Sample;
use crate::share::Rates;
use crate::slot::{Slot, Status};
use crate::store::log;
use crate::timing::HubTime;
use crate::watermark::Ticket;

/// The pending reports of the servers whose id falls into this shard.
pub(crate) struct Shard {
    /// What each server may bring.
    rates: Rates,
    pending: Mutex<Pending>,
    /// Servers whose status or facts changed since somebody looked, each once.
    changed: Mutex<Vec<Arc<Slot>>>,
}

/// All shards.
pub(crate) struct Shards(Vec<Shard>);

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
    /// The server brought more than its share: try again after a while.
    OverShare,
    /// The session is not the server's newest, or the server is gone.
    Closed,
}

impl Shards {
    /// Shards that take nothing until [`Shards::begin`].
    pub(crate) fn new(rates: Rates) -> Self {
        let shard = |_| Shard { rates, pending: Mutex::default(), changed: Mutex::default() };
        Self((0..SHARDS).map(shard).collect())
    }

    /// From now on the commit of that ticket takes what comes; `dirty` changed since the last checkpoint.
    pub(crate) fn begin(&self, ticket: Ticket, dirty: Vec<Arc<Slot>>) {
        self.iter().for_each(|shard| shard.pending.lock().ticket = ticket);
        dirty.into_iter().for_each(|slot| self.of(&slot).pending.lock().dirty.push(slot));
    }

    pub(crate) fn of(&self, slot: &Slot) -> &Shard {
        &self.0[slot.shard()]
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Shard> {
        self.0.iter()
    }

    /// Servers that changed since the last call, each once.
    pub(crate) fn take_changed(&self) -> impl Iterator<Item = Arc<Slot>> {
        self.iter().flat_map(Shard::take_changed)
    }

    /// The commit that takes what comes next, in the shard that is furthest behind.
    pub(crate) fn ticket(&self) -> Ticket {
        self.iter().map(|shard| shard.pending.lock().ticket).min().unwrap_or_default()
    }

    /// Bytes of reports that wait for the next commit.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.iter().map(|shard| shard.pending.lock().log.len()).sum()
    }

    /// Lets go of removed servers: nobody may ever ask what changed, and no report of theirs is taken any more.
    pub(crate) fn forget(&self, ids: &HashSet<u64>) {
        if !ids.is_empty() {
            self.iter().for_each(|shard| shard.changed.lock().retain(|slot| !ids.contains(&slot.id)));
        }
    }
}

impl Shard {
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
            let newest_ms =
                new.iter().map(|sample| sample.time_ms).max().map_or(now_ms, |ms| status.timing.shifted(ms));
            // The server's newest report is in this very value when the commit that takes it is the one that takes this.
            let is_in_value = status.last_ticket == pending.ticket;
            let mut sensors = status.latest.sample.temperatures.clone().filter(|_| is_in_value);
            if !status.share.has_any(self.rates, newest_ms, now_ms) {
                return Err(NotApplied::OverShare);
            }
            if !pending.has_room(new, sensors.as_deref()) {
                return Err(NotApplied::Full);
            }
            let before_bytes = pending.log.len();
            if !status.progress.is_current(outbox_id) {
                status.progress.switch_to(outbox_id);
                status.timing.on_outbox();
                log::put_outbox(&mut pending.log, slot.id, outbox_id);
            }
            let first_new = batch.first_sequence + old.len() as u64;
            for (sequence, sample) in (first_new..).zip(&mut *new) {
                // From here on it lies where the hub's clock has it: in the log, in history, in what is shown.
                sample.time_ms = status.timing.place(sample.time_ms, sample.uptime_s, now);
                log::put_report(&mut pending.log, slot.id, sequence, now_ms, sample, sensors.as_deref());
                sensors.clone_from(&sample.temperatures);
                has_full_head |= status.push(sequence, sample, pending.ticket, now_ms);
            }
            pending.save_facts(slot, &mut status, now_ms);
            status.share.take(new.len(), pending.log.len() - before_bytes);
            status.progress.advance(first_new + new.len() as u64 - 1);
            if let Some(newest) = new.last() {
                status.latest.sample.clone_from(newest);
            }
            status.latest.last_active_ms = Some(now_ms);
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
            status.has_unsaved_facts = true;
            pending.save_facts(slot, &mut status, now_ms);
        }
        Ok(())
    }

    fn note_changed(&self, slot: &Arc<Slot>, status: &mut Status) {
        if !status.is_changed {
            status.is_changed = true;
            self.changed.lock().push(Arc::clone(slot));
        }
    }

    fn take_changed(&self) -> Vec<Arc<Slot>> {
        let mut changed = self.changed.lock();
        let room = changed.capacity();
        std::mem::replace(&mut *changed, Vec::with_capacity(room.min(1024)))
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
}

impl Pending {
    /// Hands facts to the next commit, if there are new ones; not sooner than a while after those before. Until then they are
    /// shown, and the agent says them at each connection anyway.
    fn save_facts(&mut self, slot: &Arc<Slot>, status: &mut Status, now_ms: i64) {
        let is_soon = |saved_ms: i64| (0..FACTS_INTERVAL_MS).contains(&now_ms.saturating_sub(saved_ms));
        if !status.has_unsaved_facts || status.has_new_facts || status.facts_saved_ms.is_some_and(is_soon) {
            return;
        }
        status.has_unsaved_facts = false;
        status.has_new_facts = true;
        status.facts_saved_ms = Some(now_ms);
        self.new_facts.push(Arc::clone(slot));
    }

    /// Whether reports fit; in an empty buffer those of any frame do. `before` is what the server's report before them in
    /// this value had for sensors.
    fn has_room(&self, samples: &[Sample], before: Option<&[Temperature]>) -> bool {
        let left = PENDING_BYTES_PER_SHARD_MAX.saturating_sub(self.log.len());
        self.log.is_empty() || left >= BATCH_LOG_BYTES_MAX || left >= log::reports_bytes_max(samples, before)
    }
}

/// How many of `count` reports that start at sequence `first` have a number of at most `last`.
fn known_count(first: u64, count: usize, last: u64) -> usize {
    usize::try_from((last + 1).saturating_sub(first)).unwrap_or(usize::MAX).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{LOG_BYTES_BURST_MAX, REPORTS_BURST_MAX};
    use crate::secret::SecretHash;
    use crate::server::ServerRecord;
    use crate::store::LogEntry;
    use windfire_wire::limits::REPORTS_PER_FRAME_MAX;

    fn pending_bytes(shard: &Shard) -> usize {
        shard.pending.lock().log.len()
    }

    const NOW_MS: i64 = 1_790_000_000_000;

    fn slot(id: u64) -> Arc<Slot> {
        let record = ServerRecord {
            id,
            name: String::new(),
            tag: String::new(),
            note: String::new(),
            display_index: 0,
            hide_for_guest: false,
            country: String::new(),
            credential: SecretHash::of("a credential"),
            created_s: 0,
        };
        Arc::new(Slot::new(record, Status::default()))
    }

    fn shard() -> Shard {
        let shard = Shard { rates: Rates::of(0), pending: Mutex::default(), changed: Mutex::default() };
        shard.pending.lock().ticket = Ticket(1);
        shard
    }

    fn batch(first_sequence: u64, sensors: usize, celsius: f64) -> Batch {
        let sensor = |number| Temperature { name: format!("{number:064}"), celsius };
        let temperatures: Option<Arc<[_]>> = (sensors > 0).then(|| (0..sensors).map(sensor).collect());
        let first_ms = NOW_MS - 1_000_000 + first_sequence.cast_signed();
        let sample = |at| Sample { time_ms: first_ms + at, temperatures: temperatures.clone(), ..Sample::default() };
        let samples = (0..REPORTS_PER_FRAME_MAX as i64).map(sample).collect();
        Batch { first_sequence, samples, ack_now: false }
    }

    fn apply(
        shard: &Shard,
        slot: &Arc<Slot>,
        outbox_id: u128,
        batch: &Batch,
        now_ms: i64,
    ) -> Result<Applied, NotApplied> {
        shard.apply(slot, 0, outbox_id, &mut batch.clone(), HubTime { now_ms, leapt_ms: 0 })
    }

    /// Reports of each server in what a commit takes.
    fn reports_of(pending: &Pending, id: u64) -> Vec<Sample> {
        let mut samples = Vec::new();
        log::read(&pending.log, &mut |entry| match entry {
            LogEntry::Report { server_id, sample, .. } if server_id == id => samples.push(sample),
            _ => {}
        })
        .expect("written");
        samples
    }

    #[test]
    fn a_shard_never_holds_more_than_its_bytes() {
        let shard = shard();
        let (mut taken, mut most) = (0, 0);
        for id in 1..=200 {
            // Values that all change are what a frame makes most of.
            let mut batch = batch(1, 128, 0.0);
            for (number, sample) in batch.samples.iter_mut().enumerate() {
                let warmer = |sensor: &Temperature| Temperature { celsius: number as f64, ..sensor.clone() };
                sample.temperatures =
                    sample.temperatures.as_deref().map(|sensors| sensors.iter().map(warmer).collect());
            }
            match apply(&shard, &slot(id), 1, &batch, NOW_MS) {
                Ok(_) => taken += 1,
                Err(why) => assert_eq!(why, NotApplied::Full),
            }
            most = most.max(pending_bytes(&shard));
        }
        assert!(taken >= 2 && most <= PENDING_BYTES_PER_SHARD_MAX, "{taken} batches, {most} bytes");
        // What did not fit left nothing behind, and is taken into the next buffer.
        let late = slot(900);
        assert_eq!(apply(&shard, &late, 1, &batch(1, 128, 1.0), NOW_MS).map(|applied| applied.taken).ok(), Some(256));
        for id in (1000..).take_while(|_| pending_bytes(&shard) + 256 * 100 < PENDING_BYTES_PER_SHARD_MAX) {
            if apply(&shard, &slot(id), 1, &batch(1, 0, 1.0), NOW_MS).is_err() {
                break;
            }
        }
        let (refused, before) = (slot(902), pending_bytes(&shard));
        assert_eq!(apply(&shard, &refused, 7, &batch(1, 0, 1.0), NOW_MS), Err(NotApplied::Full));
        assert_eq!(pending_bytes(&shard), before);
        assert_eq!(refused.status.lock().progress, crate::latest::Progress::default());
        let first = shard.take(|_| ());
        assert!(reports_of(&first, 902).is_empty());
        assert!(apply(&shard, &refused, 7, &batch(1, 0, 1.0), NOW_MS).is_ok());
        assert_eq!(reports_of(&shard.take(|_| ()), 902).len(), REPORTS_PER_FRAME_MAX);
    }

    #[test]
    fn each_commit_is_read_without_the_ones_before() {
        let (shard, slots) = (shard(), [slot(1), slot(2)]);
        for round in 0..4u64 {
            let sent: Vec<Batch> = (0u64..)
                .zip([1.0, 1.0, 2.0])
                .map(|(number, celsius)| batch((round * 3 + number) * REPORTS_PER_FRAME_MAX as u64 + 1, 3, celsius))
                .collect();
            for batch in &sent {
                slots.iter().for_each(|slot| assert!(apply(&shard, slot, 1, batch, NOW_MS).is_ok()));
            }
            let taken = shard.take(|_| ());
            let expected: Vec<Sample> = sent.into_iter().flat_map(|batch| batch.samples).collect();
            slots.iter().for_each(|slot| assert!(reports_of(&taken, slot.id) == expected, "round {round}"));
            assert!(taken.log.len() < 400_000, "{} bytes", taken.log.len());
        }
    }

    #[test]
    fn a_greedy_server_is_stalled_and_its_neighbour_is_not() {
        let (shard, greedy, other) = (shard(), slot(1), slot(2));
        let (mut sequence, mut taken) = (1, 0);
        while let Ok(applied) = apply(&shard, &greedy, 1, &batch(sequence, 0, 0.0), NOW_MS) {
            (sequence, taken) = (applied.last_sequence + 1, taken + applied.taken);
            shard.take(|_| ());
            greedy.status.lock().full_heads.clear();
        }
        let burst = u64::from(REPORTS_BURST_MAX);
        assert!((burst..burst + 300).contains(&taken), "{taken}");
        assert!(apply(&shard, &other, 1, &batch(1, 0, 0.0), NOW_MS).is_ok());
        assert_eq!(apply(&shard, &greedy, 1, &batch(sequence, 0, 0.0), NOW_MS + 100), Err(NotApplied::OverShare));
        let later = apply(&shard, &greedy, 1, &batch(sequence, 0, 0.0), NOW_MS + 20_000).expect("time has passed");
        assert_eq!(later.taken, REPORTS_PER_FRAME_MAX as u64);
        // What is known already costs nothing.
        assert!(apply(&shard, &greedy, 1, &batch(1, 0, 0.0), NOW_MS + 20_000).is_ok());
    }

    #[test]
    fn names_that_do_not_change_cost_nothing_of_a_share() {
        let (shard, slot) = (shard(), slot(1));
        let mut bytes = 0;
        for number in 0..10 {
            let batch = batch(number * REPORTS_PER_FRAME_MAX as u64 + 1, 128, 40.0);
            apply(&shard, &slot, 1, &batch, NOW_MS).expect("room");
            bytes += shard.take(|_| ()).log.len();
            slot.status.lock().full_heads.clear();
        }
        // Each value has the names once: ten of them, not 2,560.
        assert!(bytes < LOG_BYTES_BURST_MAX as usize / 8, "{bytes}");
    }
}

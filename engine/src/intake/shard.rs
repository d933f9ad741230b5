//! Reports on their way to the disk: taken here, kept until the next commit.
//!
//! A shard is a lock and a buffer, not a thread: the thread that received a frame applies it. Handing a report to a
//! worker would cost a wake-up each, more than applying it. Shards only keep ingest threads and the committer from
//! waiting for each other.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use windfire_wire::Temperature;

use super::{Applied, Batch, NotApplied, Position, Ticket};
use crate::latest::HostFacts;
use crate::limits::{BATCH_LOG_BYTES_MAX, PENDING_BYTES_PER_SHARD_MAX, SHARDS};
use crate::sample::Sample;
use crate::session_id::SessionId;
use crate::share::Rates;
use crate::slot::Slot;
use crate::status::{Status, Taken};
use crate::store::{Positions, log};
use crate::timing::{Dating, HubTime};

/// The pending reports of the servers whose id falls into this shard.
pub(crate) struct Shard {
    /// The share of each server.
    rates: Rates,
    pending: Mutex<Pending>,
    /// Servers whose status or facts changed since the last call of [`Shards::take_changed`], each once.
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
    pub(crate) position: Position,
    /// In a cluster: the newest message of the shard's stream whose reports are in here, or in earlier commits.
    pub(crate) followed: u64,
}

impl Shards {
    /// Shards that take nothing until [`Shards::begin`].
    pub(crate) fn new(rates: Rates) -> Self {
        let shard = |_| Shard { rates, pending: Mutex::default(), changed: Mutex::default() };
        Self((0..SHARDS).map(shard).collect())
    }

    /// The commit of that position will take the next reports. The servers in `dirty` changed since the last
    /// checkpoint.
    pub(crate) fn begin(&self, position: Position, dirty: Vec<Arc<Slot>>) {
        self.iter().for_each(|shard| shard.pending.lock().position = position);
        dirty.into_iter().for_each(|slot| self.of(&slot).pending.lock().dirty.push(slot));
    }

    /// Each shard has followed its stream as far as the store says.
    pub(crate) fn begin_following(&self, positions: &Positions) {
        self.iter().enumerate().for_each(|(shard, of)| of.pending.lock().followed = positions.of(shard));
    }

    /// The shard of that number.
    pub(crate) fn get(&self, shard: usize) -> Option<&Shard> {
        self.0.get(shard)
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

    /// The commit that takes the next reports, in the shard that is furthest behind.
    pub(crate) fn position(&self) -> Position {
        self.iter().map(|shard| shard.pending.lock().position).min().unwrap_or_default()
    }

    /// Bytes of reports that wait for the next commit.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.iter().map(|shard| shard.pending.lock().log.len()).sum()
    }

    /// Forgets removed servers: they must not wait for a reader who may never ask for changes, and their reports are
    /// refused.
    pub(crate) fn forget(&self, ids: &HashSet<u64>) {
        if !ids.is_empty() {
            self.iter().for_each(|shard| shard.changed.lock().retain(|slot| !ids.contains(&slot.id)));
        }
    }
}

impl Shard {
    /// As [`Intake::offer`](super::Intake::offer), for a server of this shard.
    pub(super) fn offer(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        outbox_id: u128,
        batch: &mut Batch,
        now: HubTime,
    ) -> Result<Applied, NotApplied> {
        let mut pending = self.pending.lock();
        let mut status = slot.status.lock();
        if !status.is_open(epoch) {
            return Err(NotApplied::Closed);
        }
        if pending.log.len() >= PENDING_BYTES_PER_SHARD_MAX || !status.has_room() {
            return Err(NotApplied::Full);
        }
        let mut has_full_head = false;
        let known = status.known_count(batch);
        let first_new = batch.first_sequence + known as u64;
        let new = &mut batch.samples[known..];
        if !new.is_empty() {
            if !status.has_share(self.rates, new, now.now_ms) {
                return Err(NotApplied::OverShare);
            }
            if !pending.has_room(new, || status.sensors_at(pending.position)) {
                return Err(NotApplied::Full);
            }
            let before_bytes = pending.log.len();
            has_full_head = pending.put(slot, &mut status, (outbox_id, first_new, &mut *new), Dating::Now(now));
            status.spend(new.len(), pending.log.len() - before_bytes);
            self.note_changed(slot, &mut status);
        }
        Ok(Applied {
            ticket: Ticket { shard: slot.shard(), position: status.last_position() },
            last_sequence: status.progress().last_sequence,
            taken: new.len() as u64,
            duplicates: known as u64,
            has_full_head,
        })
    }

    /// Replaces the server's facts.
    pub(super) fn set_facts(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        facts: HostFacts,
        now_ms: i64,
    ) -> Result<(), NotApplied> {
        let mut pending = self.pending.lock();
        let mut status = slot.status.lock();
        if !status.is_open(epoch) {
            return Err(NotApplied::Closed);
        }
        if status.set_facts(facts, now_ms) {
            self.note_changed(slot, &mut status);
            pending.save_facts(slot, &mut status, now_ms);
        }
        Ok(())
    }

    pub(super) fn note_changed(&self, slot: &Arc<Slot>, status: &mut Status) {
        if status.note_changed() {
            self.changed.lock().push(Arc::clone(slot));
        }
    }

    fn take_changed(&self) -> Vec<Arc<Slot>> {
        let mut changed = self.changed.lock();
        let room = changed.capacity();
        std::mem::replace(&mut *changed, Vec::with_capacity(room.min(1024)))
    }

    /// The pending reports, for a follower: what it applies of one message goes into one commit.
    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock()
    }

    /// The newest message of its stream that was followed.
    pub(crate) fn followed(&self) -> u64 {
        self.pending.lock().followed
    }

    /// The share of each server.
    pub(super) fn rates(&self) -> Rates {
        self.rates
    }

    /// Hands the pending reports to their commit, after `before` has seen them under the lock. Later reports wait for
    /// the next commit.
    pub(super) fn take(&self, before: impl FnOnce(&mut Pending)) -> Pending {
        let mut pending = self.pending.lock();
        before(&mut pending);
        let next = Pending {
            log: Vec::with_capacity(pending.log.len()),
            dirty: std::mem::take(&mut pending.dirty),
            position: Position(pending.position.0 + 1),
            followed: pending.followed,
            ..Pending::default()
        };
        std::mem::replace(&mut pending, next)
    }
}

impl Pending {
    /// Applies new reports of an outbox, which start with that number, and keeps what the log needs of them. Returns
    /// whether the server has a full head now.
    pub(super) fn put(
        &mut self,
        slot: &Arc<Slot>,
        status: &mut Status,
        (outbox_id, first_new, new): (u128, u64, &mut [Sample]),
        dating: Dating,
    ) -> bool {
        let (id, log, received_ms) = (slot.id, &mut self.log, dating.received_ms());
        let has_full_head = status.apply(outbox_id, first_new, new, self.position, dating, &mut |taken| match taken {
            Taken::Outbox(outbox_id) => log::put_outbox(log, id, outbox_id),
            Taken::Report { sequence, sample, sensors_before } => {
                log::put_report(log, id, sequence, received_ms, sample, sensors_before);
            }
        });
        self.save_facts(slot, status, received_ms);
        self.note_dirty(slot, status);
        self.reports += new.len() as u64;
        has_full_head
    }

    /// Keeps the session of the server's next reports. The server's status has it already.
    pub(super) fn put_session(&mut self, slot: &Arc<Slot>, status: &mut Status, session: &SessionId) {
        log::put_session(&mut self.log, slot.id, session);
        self.note_dirty(slot, status);
    }

    fn note_dirty(&mut self, slot: &Arc<Slot>, status: &mut Status) {
        if status.note_dirty() {
            self.dirty.push(Arc::clone(slot));
        }
    }

    /// Keeps facts that a stream brought for the next commit.
    pub(super) fn keep_facts(&mut self, slot: &Arc<Slot>, status: &mut Status, came_ms: i64) {
        if status.save_facts_at_once(came_ms) {
            self.new_facts.push(Arc::clone(slot));
        }
    }

    fn save_facts(&mut self, slot: &Arc<Slot>, status: &mut Status, now_ms: i64) {
        if status.save_facts(now_ms) {
            self.new_facts.push(Arc::clone(slot));
        }
    }

    /// Whether reports fit. The reports of any frame fit into an empty buffer. `before` gives the sensors of the
    /// server's previous report in this value.
    fn has_room(&self, samples: &[Sample], before: impl FnOnce() -> Option<Arc<[Temperature]>>) -> bool {
        let left = PENDING_BYTES_PER_SHARD_MAX.saturating_sub(self.log.len());
        self.log.is_empty()
            || left >= BATCH_LOG_BYTES_MAX
            || left >= log::reports_bytes_max(samples, before().as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{LOG_BYTES_BURST_MAX, REPORTS_BURST_MAX};
    use crate::store::LogEntry;
    use windfire_wire::limits::REPORTS_PER_FRAME_MAX;

    fn pending_bytes(shard: &Shard) -> usize {
        shard.pending.lock().log.len()
    }

    const NOW_MS: i64 = 1_790_000_000_000;

    fn shard() -> Shard {
        let shard = Shard { rates: Rates::of(0), pending: Mutex::default(), changed: Mutex::default() };
        shard.pending.lock().position = Position(1);
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
        shard.offer(slot, 0, outbox_id, &mut batch.clone(), HubTime { now_ms, leapt_ms: 0 })
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
            // Values that all change make the largest log for a frame.
            let mut batch = batch(1, 128, 0.0);
            for (number, sample) in batch.samples.iter_mut().enumerate() {
                let warmer = |sensor: &Temperature| Temperature { celsius: number as f64, ..sensor.clone() };
                sample.temperatures =
                    sample.temperatures.as_deref().map(|sensors| sensors.iter().map(warmer).collect());
            }
            match apply(&shard, &Slot::of_test(id), 1, &batch, NOW_MS) {
                Ok(_) => taken += 1,
                Err(why) => assert_eq!(why, NotApplied::Full),
            }
            most = most.max(pending_bytes(&shard));
        }
        assert!(taken >= 2 && most <= PENDING_BYTES_PER_SHARD_MAX, "{taken} batches, {most} bytes");
        // A batch that did not fit left nothing behind, and is taken into the next buffer.
        let late = Slot::of_test(900);
        assert_eq!(apply(&shard, &late, 1, &batch(1, 128, 1.0), NOW_MS).map(|applied| applied.taken).ok(), Some(256));
        for id in (1000..).take_while(|_| pending_bytes(&shard) + 256 * 100 < PENDING_BYTES_PER_SHARD_MAX) {
            if apply(&shard, &Slot::of_test(id), 1, &batch(1, 0, 1.0), NOW_MS).is_err() {
                break;
            }
        }
        let (refused, before) = (Slot::of_test(902), pending_bytes(&shard));
        assert_eq!(apply(&shard, &refused, 7, &batch(1, 0, 1.0), NOW_MS), Err(NotApplied::Full));
        assert_eq!(pending_bytes(&shard), before);
        assert_eq!(*refused.status.lock().progress(), crate::latest::Progress::default());
        let first = shard.take(|_| ());
        assert!(reports_of(&first, 902).is_empty());
        assert!(apply(&shard, &refused, 7, &batch(1, 0, 1.0), NOW_MS).is_ok());
        assert_eq!(reports_of(&shard.take(|_| ()), 902).len(), REPORTS_PER_FRAME_MAX);
    }

    #[test]
    fn each_commit_is_read_without_the_ones_before() {
        let (shard, slots) = (shard(), [Slot::of_test(1), Slot::of_test(2)]);
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
        let (shard, greedy, other) = (shard(), Slot::of_test(1), Slot::of_test(2));
        let (mut sequence, mut taken) = (1, 0);
        while let Ok(applied) = apply(&shard, &greedy, 1, &batch(sequence, 0, 0.0), NOW_MS) {
            (sequence, taken) = (applied.last_sequence + 1, taken + applied.taken);
            shard.take(|_| ());
            greedy.status.lock().drop_heads();
        }
        let burst = u64::from(REPORTS_BURST_MAX);
        assert!((burst..burst + 300).contains(&taken), "{taken}");
        assert!(apply(&shard, &other, 1, &batch(1, 0, 0.0), NOW_MS).is_ok());
        assert_eq!(apply(&shard, &greedy, 1, &batch(sequence, 0, 0.0), NOW_MS + 100), Err(NotApplied::OverShare));
        let later = apply(&shard, &greedy, 1, &batch(sequence, 0, 0.0), NOW_MS + 20_000).expect("time has passed");
        assert_eq!(later.taken, REPORTS_PER_FRAME_MAX as u64);
        // Reports that are already known cost nothing.
        assert!(apply(&shard, &greedy, 1, &batch(1, 0, 0.0), NOW_MS + 20_000).is_ok());
    }

    #[test]
    fn names_that_do_not_change_cost_nothing_of_a_share() {
        let (shard, slot) = (shard(), Slot::of_test(1));
        let mut bytes = 0;
        for number in 0..10 {
            let batch = batch(number * REPORTS_PER_FRAME_MAX as u64 + 1, 128, 40.0);
            apply(&shard, &slot, 1, &batch, NOW_MS).expect("room");
            bytes += shard.take(|_| ()).log.len();
            slot.status.lock().drop_heads();
        }
        // Each value has the names once: ten of them, not 2,560.
        assert!(bytes < LOG_BYTES_BURST_MAX as usize / 8, "{bytes}");
    }
}

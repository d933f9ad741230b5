//! A server's newest state. It changes only when a session opens or closes, reports are applied, facts come, heads
//! become blocks, a checkpoint or a commit takes what is due, or the server is removed.

use std::collections::VecDeque;
use std::sync::Arc;

use windfire_wire::{RefuseReason, Temperature};

use crate::head::Head;
use crate::intake::{Batch, Position};
use crate::latest::{HostFacts, Latest, Progress};
use crate::limits::{FACTS_INTERVAL_MS, FULL_HEADS_MAX, HEAD_AGE_MS_MAX};
use crate::offering::Offering;
use crate::sample::Sample;
use crate::session_id::SessionId;
use crate::share::{Rates, Share};
use crate::timing::{Dating, HubTime, Timing};

/// Ends a session from outside, with the reason to give. Called at most once, without any lock held.
pub type Kick = Box<dyn FnOnce(RefuseReason) + Send>;

/// One server's newest state. Fields are in the order in which they are read, so that a look-up touches few lines of
/// cache.
#[derive(Default)]
#[repr(C)]
pub(crate) struct Status {
    latest: Latest,
    progress: Progress,
    /// Its agent's clock.
    timing: Timing,
    /// The position of its newest report.
    last_position: Position,
    /// Newest reports, open for more.
    head: Head,
    /// Full heads that are not blocks yet, oldest first.
    full_heads: VecDeque<Arc<Head>>,
    /// Counts sessions; only the newest one's reports are taken.
    epoch: u64,
    kick: Option<Kick>,
    /// Changed since the last checkpoint. The server is then in a list of the shard.
    is_dirty: bool,
    /// Changed since [`crate::Engine::visit_changed`] last showed it. The server is then in a list of the shard.
    is_changed: bool,
    /// When the facts came, Unix milliseconds by the hub's clock.
    facts_ms: i64,
    /// When a commit last took facts, Unix milliseconds by the hub's clock. `None` before the first.
    facts_saved_ms: Option<i64>,
    /// The facts differ from those that a commit took last.
    has_unsaved_facts: bool,
    /// Facts wait for the next commit. The server is then in a list of the shard.
    has_new_facts: bool,
    /// Its share of the log.
    share: Share,
    /// It is removed, and its reports are refused.
    is_removed: bool,
    /// In a cluster: the session whose marker the stream had last. Only its reports count.
    session: Option<Box<SessionId>>,
    /// In a cluster: what this hub's session has offered, once the stream had its marker.
    offering: Option<Box<Offering>>,
}

/// The new part of a batch, entry by entry, in the order of the log.
pub(crate) enum Taken<'a> {
    /// Reports from here on come from this outbox.
    Outbox(u128),
    /// A report in its place in time, and the sensors of the report before it, if that is in the same value of the log.
    Report { sequence: u64, sample: &'a Sample, sensors_before: Option<&'a [Temperature]> },
}

/// Reading.
impl Status {
    pub(crate) fn latest(&self) -> &Latest {
        &self.latest
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    pub(crate) fn last_position(&self) -> Position {
        self.last_position
    }

    /// Milliseconds that its agent's clock is ahead of the hub's. `None` if the agent never reported its clock.
    pub(crate) fn skew_ms(&self) -> Option<i64> {
        self.timing.skew_ms()
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty
    }
}

/// Restoring, at a start.
impl Status {
    /// As a checkpoint has it.
    pub(crate) fn restore(&mut self, progress: Progress, sample: Sample, last_active_s: Option<i64>) {
        self.progress = progress;
        self.latest.last_active_ms = last_active_s.map(|at_s| at_s.saturating_mul(1000));
        self.latest.sample = sample;
    }

    pub(crate) fn restore_facts(&mut self, facts: HostFacts) {
        self.latest.facts = Arc::new(facts);
    }

    /// No number up to this one may be given out again.
    pub(crate) fn restore_sequence(&mut self, sequence: u64) {
        self.progress.last_sequence = self.progress.last_sequence.max(sequence);
    }

    /// The log says that reports after this come from that outbox.
    pub(crate) fn replay_outbox(&mut self, outbox_id: u128) {
        self.progress.switch_to(outbox_id);
    }

    /// The log has a report that is newer than the checkpoint.
    pub(crate) fn replay(&mut self, sequence: u64, sample: Sample, received_ms: i64) {
        self.progress.advance(sequence);
        self.latest.sample = sample;
        self.latest.last_active_ms = Some(received_ms);
        self.is_dirty = true;
    }

    /// As a checkpoint has it.
    pub(crate) fn restore_session(&mut self, session: Option<SessionId>) {
        self.session = session.map(Box::new);
    }

    /// The log says that reports after this come from that session.
    pub(crate) fn replay_session(&mut self, session: SessionId) {
        self.session = Some(Box::new(session));
        self.is_dirty = true;
    }

    /// History has caught up: these heads come before those of reports since the start. Whether a full head waits to become a
    /// block.
    pub(crate) fn resume(&mut self, mut full_heads: Vec<Head>, head: Head) -> bool {
        if self.head.is_empty() && self.full_heads.is_empty() {
            self.head = head;
        } else if !head.is_empty() {
            full_heads.push(head);
        }
        full_heads.into_iter().rev().for_each(|head| self.full_heads.push_front(Arc::new(head)));
        !self.full_heads.is_empty()
    }

    /// Everything of the log that is newer than the checkpoint was read.
    pub(crate) fn end_replay(&mut self) {
        if self.progress.last_sequence > 0 {
            self.timing = Timing::after_start(self.latest.sample.time_ms);
        }
    }
}

/// Sessions.
impl Status {
    /// Whether reports of that session are taken.
    pub(crate) fn is_open(&self, epoch: u64) -> bool {
        self.epoch == epoch && !self.is_removed
    }

    /// Whether that session is open, and its agent connected.
    pub(crate) fn is_attended(&self, epoch: u64) -> bool {
        self.is_open(epoch) && self.kick.is_some()
    }

    /// A session is about to open.
    pub(crate) fn greet(&mut self) {
        self.timing.on_session();
    }

    /// Takes the time of its agent's clock. Returns how far it is ahead of the hub's, milliseconds.
    pub(crate) fn take_clock(&mut self, agent_ms: i64, uptime_ms: u64, now: HubTime) -> i64 {
        self.timing.on_clock(agent_ms, uptime_ms, now)
    }

    /// Opens a session. Returns its epoch, and the kick that ends the one before.
    pub(crate) fn open(&mut self, kick: Option<Kick>) -> (u64, Option<Kick>) {
        self.epoch += 1;
        self.offering = None;
        (self.epoch, std::mem::replace(&mut self.kick, kick))
    }

    /// A session has ended without a kick.
    pub(crate) fn close(&mut self, epoch: u64) {
        if self.epoch == epoch {
            self.kick = None;
        }
    }

    /// Refuses further reports of the present session. Returns the kick that ends it, if there is one.
    pub(crate) fn shut(&mut self) -> Option<Kick> {
        self.epoch += 1;
        self.offering = None;
        self.kick.take()
    }

    /// Marks it as removed: further reports are refused.
    pub(crate) fn remove(&mut self) {
        self.is_removed = true;
    }
}

/// Reports.
impl Status {
    /// Whether its heads leave room for a batch.
    pub(crate) fn has_room(&self) -> bool {
        self.full_heads.len() < FULL_HEADS_MAX
    }

    /// How many of the batch's reports were taken before.
    pub(crate) fn known_count(&self, batch: &Batch) -> usize {
        known_count(self.progress.last_sequence, batch.first_sequence, batch.samples.len())
    }

    /// Whether its share has room for these now.
    pub(crate) fn has_share(&mut self, rates: Rates, new: &[Sample], now_ms: i64) -> bool {
        let newest_ms = new.iter().map(|sample| sample.time_ms).max();
        let newest_ms = newest_ms.map_or(now_ms, |ms| self.timing.shifted(ms));
        self.share.has_any(rates, newest_ms, now_ms)
    }

    /// The sensors of its newest report, if that is at this position.
    pub(crate) fn sensors_at(&self, position: Position) -> Option<Arc<[Temperature]>> {
        self.latest.sample.temperatures.clone().filter(|_| self.last_position == position)
    }

    /// Applies new reports, which start with number `first_new` and will be at `position`: places each in time, unless
    /// another hub has done so, and shows it to `visit`. The result depends only on this status and the arguments.
    /// Returns whether a head is full now.
    #[inline]
    pub(crate) fn apply(
        &mut self,
        outbox_id: u128,
        first_new: u64,
        new: &mut [Sample],
        position: Position,
        dating: Dating,
        visit: &mut impl FnMut(Taken<'_>),
    ) -> bool {
        let mut sensors = self.sensors_at(position);
        if !self.progress.is_current(outbox_id) {
            self.progress.switch_to(outbox_id);
            if matches!(dating, Dating::Now(_)) {
                self.timing.on_outbox();
            }
            visit(Taken::Outbox(outbox_id));
        }
        let (received_ms, mut has_full_head) = (dating.received_ms(), false);
        for (sequence, sample) in (first_new..).zip(&mut *new) {
            // From here on it has the hub's time: in the log, in history, and where it is shown.
            if let Dating::Now(now) = dating {
                sample.time_ms = self.timing.place(sample.time_ms, sample.uptime_s, now);
            }
            visit(Taken::Report { sequence, sample, sensors_before: sensors.as_deref() });
            sensors.clone_from(&sample.temperatures);
            has_full_head |= self.push(sequence, sample, position, received_ms);
        }
        if let Some(newest) = new.last() {
            self.progress.advance(first_new + new.len() as u64 - 1);
            self.latest.sample.clone_from(newest);
            self.latest.last_active_ms = Some(received_ms);
            self.last_position = position;
        }
        has_full_head
    }

    /// Counts the taken reports against its share.
    pub(crate) fn spend(&mut self, reports: usize, log_bytes: usize) {
        self.share.take(reports, log_bytes);
    }

    /// Whether it must be added to the list for the next checkpoint.
    pub(crate) fn note_dirty(&mut self) -> bool {
        !std::mem::replace(&mut self.is_dirty, true)
    }

    /// Whether it must be added to the list of changed servers.
    pub(crate) fn note_changed(&mut self) -> bool {
        !std::mem::replace(&mut self.is_changed, true)
    }

    /// Shows it to a reader: it counts as unchanged afterwards.
    pub(crate) fn show_changed(&mut self) -> &Latest {
        self.is_changed = false;
        &self.latest
    }

    /// A checkpoint takes it, unless it is removed.
    pub(crate) fn checkpoint(&mut self) -> Option<&Self> {
        self.is_dirty = false;
        (!self.is_removed).then_some(self)
    }
}

/// In a cluster.
impl Status {
    /// The session whose reports count.
    pub(crate) fn session(&self) -> Option<SessionId> {
        self.session.as_deref().copied()
    }

    /// The stream has the marker of a session: only its reports count from here on. If it is this hub's present
    /// session, it may offer reports now. Returns the kick that ends a session of this hub that another one supersedes.
    pub(crate) fn mark(&mut self, session: SessionId, is_own: bool) -> Option<Kick> {
        self.session = Some(Box::new(session));
        if is_own && self.is_open(session.epoch) {
            let last_sequence = self.progress.last_sequence;
            self.offering.get_or_insert_with(|| Box::new(Offering { last_sequence, ..Offering::default() }));
            return None;
        }
        // A session whose own marker is still to come wins over this one.
        if self.offering.is_some() { self.shut() } else { None }
    }

    /// What this hub's session has offered; `None` before its marker came.
    pub(crate) fn offering(&self) -> Option<&Offering> {
        self.offering.as_deref()
    }

    /// The same, to be changed.
    pub(crate) fn offering_mut(&mut self) -> Option<&mut Offering> {
        self.offering.as_deref_mut()
    }

    /// Gives reports of this hub's session their places in time, after those that were offered or applied before.
    pub(crate) fn date(&mut self, outbox_id: u128, new: &mut [Sample], now: HubTime) {
        let is_dated = self.offering.as_mut().is_none_or(|offering| std::mem::replace(&mut offering.is_dated, true));
        if !is_dated {
            let is_current = self.progress.is_current(outbox_id);
            self.timing.go_on_after(is_current.then_some(self.latest.sample.time_ms));
        }
        for sample in new {
            sample.time_ms = self.timing.place(sample.time_ms, sample.uptime_s, now);
        }
    }

    /// The newest facts that are known here: those that this hub's session has offered, or those that were applied.
    pub(crate) fn newest_facts(&self) -> &Arc<HostFacts> {
        let offered = self.offering.as_ref().and_then(|offering| offering.facts.as_ref());
        offered.unwrap_or(&self.latest.facts)
    }
}

/// How many of so many reports from `first_sequence` on are not above the highest number before them.
pub(crate) fn known_count(last_sequence: u64, first_sequence: u64, reports: usize) -> usize {
    let known = (last_sequence + 1).saturating_sub(first_sequence);
    usize::try_from(known).unwrap_or(usize::MAX).min(reports)
}

/// Facts.
impl Status {
    /// Replaces the facts. An empty country keeps the one known before, as v0 does. Returns whether they changed.
    pub(crate) fn set_facts(&mut self, mut facts: HostFacts, now_ms: i64) -> bool {
        if facts.country.is_empty() {
            facts.country.clone_from(&self.latest.facts.country);
        }
        let is_other = *self.latest.facts != facts;
        if is_other {
            self.latest.facts = Arc::new(facts);
            self.facts_ms = now_ms;
            self.has_unsaved_facts = true;
        }
        is_other
    }

    /// Whether facts must be put on the list for the next commit: new ones, and not too soon after the previous ones.
    /// Until then they are shown, and the agent sends them at each connection anyway.
    pub(crate) fn save_facts(&mut self, now_ms: i64) -> bool {
        let is_soon = |saved_ms: i64| (0..FACTS_INTERVAL_MS).contains(&now_ms.saturating_sub(saved_ms));
        if !self.has_unsaved_facts || self.has_new_facts || self.facts_saved_ms.is_some_and(is_soon) {
            return false;
        }
        (self.has_unsaved_facts, self.has_new_facts, self.facts_saved_ms) = (false, true, Some(now_ms));
        true
    }

    /// The same, however soon after the previous ones: in a cluster the stream does not bring them again, once a commit
    /// has stored the position behind them.
    pub(crate) fn save_facts_at_once(&mut self, now_ms: i64) -> bool {
        (self.has_unsaved_facts, self.facts_saved_ms) = (false, Some(now_ms));
        !std::mem::replace(&mut self.has_new_facts, true)
    }

    /// A commit takes the facts and the time when they came, unless the server is removed.
    pub(crate) fn take_facts(&mut self) -> Option<(Arc<HostFacts>, i64)> {
        self.has_new_facts = false;
        (!self.is_removed).then(|| (Arc::clone(&self.latest.facts), self.facts_ms))
    }
}

/// Heads, on their way to be blocks.
impl Status {
    /// Adds a report to the head. Returns whether a head is full now and waits to become a block.
    pub(crate) fn push(&mut self, sequence: u64, sample: &Sample, position: Position, now_ms: i64) -> bool {
        self.head.push(sequence, sample, position, now_ms);
        self.head.is_full() && self.close_head()
    }

    /// Sets the head aside to become a block. Returns whether there was one.
    pub(crate) fn close_head(&mut self) -> bool {
        if self.head.is_empty() {
            return false;
        }
        self.full_heads.push_back(Arc::new(std::mem::take(&mut self.head)));
        true
    }

    /// Sets the head aside if it is old, and returns whether it was. If the hub's clock was set back, the head is old
    /// at once, which does no harm.
    pub(crate) fn close_old_head(&mut self, now_ms: i64) -> bool {
        let age_ms = now_ms.saturating_sub(self.head.opened_ms);
        !(0..HEAD_AGE_MS_MAX).contains(&age_ms) && self.close_head()
    }

    /// Heads that wait to become blocks, oldest first.
    pub(crate) fn full_heads(&self) -> &VecDeque<Arc<Head>> {
        &self.full_heads
    }

    /// Every head, the open one as it is now.
    pub(crate) fn heads(&self) -> Vec<Arc<Head>> {
        let open = (!self.head.is_empty()).then(|| Arc::new(self.head.clone()));
        self.full_heads.iter().map(Arc::clone).chain(open).collect()
    }

    /// The oldest `count` full heads are blocks now.
    pub(crate) fn seal(&mut self, count: usize) {
        self.full_heads.drain(..count);
    }

    /// Drops every head of a removed server.
    pub(crate) fn drop_heads(&mut self) {
        self.head = Head::default();
        self.full_heads.clear();
    }

    /// The oldest position whose reports are not all in blocks.
    pub(crate) fn log_needed_from(&self) -> Option<Position> {
        let open = (!self.head.is_empty()).then_some(self.head.first_position);
        self.full_heads.front().map(|head| head.first_position).or(open)
    }
}

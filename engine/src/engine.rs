//! The engine's front: what the hub, the API and tests may ask of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use windfire_wire::{HelloClock, Host};

use crate::clock::Clock;
use crate::commit::{Committed, Committer};
use crate::health::Health;
use crate::history::{History, HistoryReader, Point, Retention, Upkeep};
use crate::latest::{HostFacts, Latest};
use crate::metrics::Metrics;
use crate::pacing::Pacing;
use crate::recover::recover;
use crate::registry::Registry;
use crate::server::ServerRecord;
use crate::shard::{Applied, Batch, NotApplied, Shards};
use crate::share::Rates;
use crate::slot::Slot;
use crate::store::{Changes, Store, StoreError};
use crate::watermark::{Ticket, Watermark};

/// Gives the country of a public address, lower case, or nothing.
pub type CountryLookup = Box<dyn Fn(&str) -> String + Send + Sync>;

/// Hears how far a start has read the log, in commits: `(read, all)`. First `(0, 0)`, once the store is this process's.
pub type ReplayListener = Box<dyn Fn(u64, u64) + Send + Sync>;

/// What the engine does not decide itself.
#[derive(Default)]
pub struct Options {
    /// Milliseconds between reports that agents are asked for; 0 leaves it to them.
    pub report_interval_ms: u32,
    /// Samples that agents gather in one frame at the least, rounded up to 1, 2, 5 or 10.
    pub samples_per_frame_min: u32,
    /// Reports a second that one server may bring before its session is stalled; 0 for
    /// [`REPORTS_PER_S_MAX`](crate::limits::REPORTS_PER_S_MAX).
    pub reports_per_s_max: u32,
    /// How long history is kept.
    pub retention: Retention,
    /// Called at each point of the upkeep of history: for tests that end the process there.
    #[doc(hidden)]
    pub at_point: Option<fn(Point)>,
    /// Country of an address; without it countries stay empty unless given by hand.
    pub country_of: Option<CountryLookup>,
    /// Hears how far a start is.
    pub on_replay: Option<ReplayListener>,
}

/// Reports in, snapshots out.
pub struct Engine {
    store: Arc<Store>,
    registry: Registry,
    shards: Arc<Shards>,
    committer: Mutex<Committer>,
    watermark: Watermark,
    history: History,
    clock: Clock,
    /// Whether commits fail: then nothing is taken or acknowledged.
    poison: Health,
    pacing: Pacing,
    /// Whether something waits for a commit.
    pending: Mutex<bool>,
    pending_arrived: Condvar,
    replayed_reports: u64,
    options: Options,
    metrics: Metrics,
}

/// One server as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerView {
    /// What people decided.
    pub record: Arc<ServerRecord>,
    /// What the server says of itself.
    pub latest: Latest,
}

/// Which servers a snapshot holds, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection<'a> {
    /// All, in ascending id.
    All,
    /// Those of exactly this tag, in ascending id.
    Tag(&'a str),
    /// These, in this order, as often as they are named; unknown ids are skipped.
    Ids(&'a [u64]),
}

impl Engine {
    /// Opens the engine on the store in `folder`, or on a new store there.
    ///
    /// # Errors
    /// A folder that is locked, unusable or full, a newer format, corrupt bytes: see [`StoreError`]. Nothing was changed.
    pub fn open(folder: &Path, options: Options) -> Result<Self, StoreError> {
        let store = Arc::new(Store::open(folder)?);
        let shards = Arc::new(Shards::new(Rates::of(options.reports_per_s_max)));
        let history = History::open(&store, options.retention, options.at_point)?;
        let clock = Clock::new(store.clock()?);
        let recovered = recover(&store, &shards, &|read, all| {
            if let Some(listener) = &options.on_replay {
                listener(read, all);
            }
        })?;
        let next = recovered.last_commit + 1;
        let has_full_head = |slot: &Arc<Slot>| !slot.status.lock().full_heads.is_empty();
        recovered.registry.slots().iter().filter(|slot| has_full_head(slot)).for_each(|slot| history.note_full(slot));
        shards.begin(Ticket(next), recovered.dirty);
        Ok(Self {
            store,
            registry: recovered.registry,
            shards,
            committer: Mutex::new(Committer::new(next, recovered.checkpoints)),
            watermark: Watermark::new(recovered.last_commit),
            history,
            clock,
            poison: Health::default(),
            pacing: Pacing::new(options.samples_per_frame_min),
            pending: Mutex::new(false),
            pending_arrived: Condvar::new(),
            replayed_reports: recovered.replayed_reports,
            options,
            metrics: Metrics::default(),
        })
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Servers, tokens, users: to look up and to change.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// History, to read.
    pub fn history(&self) -> HistoryReader<'_> {
        HistoryReader::new(&self.history, &self.store, &self.registry)
    }

    // Reading

    /// A consistent copy of each selected server. Holds no more than one server's lock at a time.
    pub fn snapshot(&self, selection: Selection<'_>) -> Vec<ServerView> {
        let view = |slot: Arc<Slot>| {
            // One lock after the other: a status may be held while a record is read, not the other way round.
            let record = Arc::clone(&slot.record.read());
            let status = slot.status.lock();
            ServerView { record, latest: status.latest.clone() }
        };
        match selection {
            Selection::All => self.registry.slots().into_iter().map(view).collect(),
            Selection::Tag(tag) => {
                let slots = self.registry.slots().into_iter();
                slots.filter(|slot| slot.record.read().tag == tag).map(view).collect()
            }
            Selection::Ids(ids) => ids.iter().filter_map(|id| self.registry.slot(*id)).map(view).collect(),
        }
    }

    /// Shows each server whose status or facts changed since the last call, as it is now, in no order. For one reader that
    /// keeps what it made of the others: what one call showed, another does not.
    pub fn visit_changed(&self, mut visit: impl FnMut(&Arc<ServerRecord>, &Latest)) {
        for slot in self.shards.take_changed() {
            let record = Arc::clone(&slot.record.read());
            let mut status = slot.status.lock();
            status.is_changed = false;
            visit(&record, &status.latest);
        }
    }

    /// Shows each server as it is now, in ascending id. Holds no more than one server's lock at a time.
    pub fn visit(&self, mut visit: impl FnMut(&Arc<ServerRecord>, &Latest)) {
        for slot in self.registry.slots() {
            let record = Arc::clone(&slot.record.read());
            visit(&record, &slot.status.lock().latest);
        }
    }

    /// Milliseconds that the clock of a server's agent is ahead of the hub's; `None` when it never said what it shows.
    pub fn clock_skew_ms(&self, server_id: u64) -> Option<i64> {
        self.registry.slot(server_id)?.status.lock().timing.skew_ms()
    }

    /// Bytes of reports that wait for the next commit.
    pub fn pending_bytes(&self) -> usize {
        self.shards.pending_bytes()
    }

    /// Reports that the start read again from the log, because they were newer than the last checkpoint.
    pub fn replayed_reports(&self) -> u64 {
        self.replayed_reports
    }

    /// Why commits fail at present; `None` when they succeed.
    pub fn poison_reason(&self) -> Option<String> {
        self.poison.reason()
    }

    /// Which moment it is, as the hub believes.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Why the newest write of any kind failed: of reports, of the registry, of history. `None` when it succeeded.
    pub fn store_failure(&self) -> Option<String> {
        self.store.health.reason()
    }

    /// The engine's counters.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    // History

    /// Does what is due of history: makes blocks of full heads, packs hours and days that are over, deletes what is too
    /// old. To be called about once a second; whether more is due at once. What failed is tried again by the next call.
    pub fn upkeep(&self, now_ms: i64) -> (Upkeep, Result<bool, StoreError>) {
        // Read before any head is looked at: what comes later has this ticket or a higher one.
        let next = self.shards.ticket();
        let checkpoint = match self.store.checkpoints() {
            Ok(checkpoints) => checkpoints.oldest(),
            Err(error) => return (Upkeep::default(), Err(error)),
        };
        let slots = || self.registry.slots();
        let done = self.history.upkeep(&self.store, &self.watermark, &slots, (next, checkpoint), &self.clock, now_ms);
        if done.0.heads_sealed > 0 {
            // Sessions that wait for room in the heads are told by a commit.
            self.notify_pending();
        }
        done
    }

    /// Makes a copy of the store in `folder`, which must not exist or be empty: everything durable when it began. Reports
    /// are taken and committed meanwhile.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn backup(&self, folder: &Path) -> Result<(), StoreError> {
        self.store.backup(folder)
    }

    // Committing

    /// Blocks until something waits for a commit, at most `timeout`. Whether something does.
    pub fn wait_for_pending(&self, timeout: Duration) -> bool {
        let mut pending = self.pending.lock();
        if !*pending {
            self.pending_arrived.wait_for(&mut pending, timeout);
        }
        *pending
    }

    /// Makes everything pending durable in one synced write. `Ok(None)` when there was nothing.
    ///
    /// After a failure the engine is poisoned: it takes no reports and acknowledges none, but is read as before. Each
    /// further call tries to write what failed again; the first that succeeds lifts the poison.
    ///
    /// # Errors
    /// The store did not take it.
    pub fn commit(&self) -> Result<Option<Committed>, StoreError> {
        self.commit_with(false)
    }

    /// [`Engine::commit`] with a checkpoint, which makes the next start short. For a graceful stop.
    ///
    /// # Errors
    /// As [`Engine::commit`].
    pub fn checkpoint(&self) -> Result<Option<Committed>, StoreError> {
        self.commit_with(true)
    }

    /// Notes the trusted time in the store, so that the next start knows how late it must be. For a graceful stop.
    ///
    /// # Errors
    /// The disk.
    pub fn store_clock(&self) -> Result<(), StoreError> {
        let Some(stored) = self.clock.to_store() else { return Ok(()) };
        let mut changes = Changes::default();
        changes.put_clock(&stored);
        self.store.write_synced(&changes)
    }

    fn commit_with(&self, checkpoint: bool) -> Result<Option<Committed>, StoreError> {
        let mut committer = self.committer.lock();
        let result = committer.retry(&self.store, &self.watermark).and_then(|retried| {
            // It is durable whatever becomes of the next.
            self.count(retried);
            *self.pending.lock() = false;
            let fresh = committer.commit(&self.shards, &self.store, &self.watermark, checkpoint)?;
            self.count(fresh);
            Ok(match (retried, fresh) {
                (Some(a), Some(b)) => Some(Committed { reports: a.reports + b.reports, bytes: a.bytes + b.bytes }),
                (one, other) => one.or(other),
            })
        });
        self.poison.note(&result);
        match &result {
            Ok(_) => {}
            Err(_) => {
                self.metrics.commit_failures.add(1);
                // The failed commit itself is what waits now: no report is taken that would say so.
                self.notify_pending();
            }
        }
        result
    }

    /// Tries whether the store takes writes again, after one failed that nobody repeats, and opens it anew if need be. For now
    /// and then, while [`Engine::store_failure`] has something to say: what failed is then possible again without a restart.
    ///
    /// # Errors
    /// It does not.
    pub fn mend_store(&self) -> Result<(), StoreError> {
        // No commit is under way, which would reopen the store as well.
        let _committer = self.committer.lock();
        self.registry.try_store().or_else(|_| {
            self.store.reopen()?;
            self.registry.try_store()
        })
    }

    fn count(&self, committed: Option<Committed>) {
        if let Some(committed) = committed {
            self.metrics.commits.add(1);
            self.metrics.reports_durable.add(committed.reports);
            self.metrics.commit_bytes.add(committed.bytes as u64);
        }
    }

    fn notify_pending(&self) {
        let mut pending = self.pending.lock();
        if !*pending {
            *pending = true;
            self.pending_arrived.notify_one();
        }
    }

    // For sessions

    pub(crate) fn apply(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        outbox_id: u128,
        batch: &mut Batch,
        now_ms: i64,
    ) -> Result<Applied, NotApplied> {
        let applied = if self.poison.is_failing() {
            Err(NotApplied::Full)
        } else {
            self.shards.of(slot).apply(slot, epoch, outbox_id, batch, self.clock.hub_time(now_ms))
        };
        match applied {
            Ok(applied) => {
                self.metrics.reports_taken.add(applied.taken);
                self.metrics.reports_duplicate.add(applied.duplicates);
                if applied.has_full_head {
                    self.history.note_full(slot);
                }
                if applied.taken > 0 {
                    self.notify_pending();
                }
            }
            Err(NotApplied::Full | NotApplied::OverShare) => self.metrics.stalls.add(1),
            Err(NotApplied::Closed) => {}
        }
        applied
    }

    pub(crate) fn set_facts(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        host: Host,
        peer_address: &str,
        now_ms: i64,
    ) -> Result<(), NotApplied> {
        let address = if host.ip.is_empty() { peer_address.to_owned() } else { host.ip.clone() };
        let country = self.options.country_of.as_ref().map_or_else(String::new, |country_of| country_of(&address));
        self.shards.of(slot).set_facts(slot, epoch, HostFacts { host, address, country }, now_ms)?;
        self.notify_pending();
        Ok(())
    }

    /// Replaces the address in the server's facts, unless its agent names its own.
    pub(crate) fn set_peer_address(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        peer_address: &str,
        now_ms: i64,
    ) -> Result<(), NotApplied> {
        let host = slot.status.lock().latest.facts.host.clone();
        if host.ip.is_empty() { self.set_facts(slot, epoch, host, peer_address, now_ms) } else { Ok(()) }
    }

    /// Takes what the clock of a server's agent shows, a moment ago.
    pub(crate) fn take_clock(&self, slot: &Slot, clock: HelloClock, now_ms: i64) {
        let HelloClock { now_ms: agent_ms, uptime_ms } = clock;
        let now = self.clock.hub_time(now_ms);
        let skew_ms = slot.status.lock().timing.on_clock(agent_ms, uptime_ms, now);
        self.clock.witness(slot.id, now.now_ms.saturating_add(skew_ms));
    }

    pub(crate) fn is_durable(&self, ticket: Ticket) -> bool {
        self.watermark.covers(ticket)
    }

    pub(crate) fn report_interval_ms(&self) -> u32 {
        self.options.report_interval_ms
    }

    // Pacing

    /// Takes how busy the hub's threads for agents were over the last second: a share of their time, 0–1. Agents gather
    /// more samples in a frame when that is much.
    pub fn observe_load(&self, busy: f64) {
        self.pacing.observe(busy);
    }

    /// Mean number of samples that agents are asked to gather in one frame.
    pub fn samples_per_frame(&self) -> f64 {
        self.pacing.mean()
    }

    pub(crate) fn samples_per_frame_of(&self, server_id: u64) -> u32 {
        self.pacing.of(server_id)
    }
}

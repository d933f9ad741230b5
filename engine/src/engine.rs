//! The engine's front: what the hub, the API and tests may ask of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::counters::Counters;
use crate::history::{History, HistoryReader, Upkeep};
use crate::intake::{Alone, Committed, Shards};
use crate::options::Options;
use crate::pacing::Pacing;
use crate::recover::recover;
use crate::registry::Registry;
use crate::share::Rates;
use crate::slot::Slot;
use crate::store::{Changes, Store, StoreError};

/// Reports in, snapshots out.
pub struct Engine {
    store: Arc<Store>,
    registry: Registry,
    intake: Alone,
    history: History,
    clock: Clock,
    pacing: Pacing,
    replayed_reports: u64,
    options: Options,
    counters: Arc<Counters>,
}

impl Engine {
    /// Opens the engine on the store in `folder`, or on a new store there.
    ///
    /// # Errors
    /// A folder that is locked, unusable or full, a newer format, corrupt bytes: see [`StoreError`]. Nothing was changed.
    pub fn open(folder: &Path, options: Options) -> Result<Self, StoreError> {
        let store = Arc::new(Store::open(folder)?.gated(options.at_write));
        let shards = Arc::new(Shards::new(Rates::of(options.reports_per_s_max)));
        let counters = Arc::new(Counters::default());
        let history = History::open(&store, options.retention, options.at_fail_point)?;
        let clock = Clock::new(store.clock()?);
        let on_replay = |read, all| {
            if let Some(listener) = &options.on_replay {
                listener(read, all);
            }
        };
        let recovered = recover(&store, &shards, &on_replay)?;
        recovered.lost.into_iter().for_each(|lost| history.note_lost(lost));
        if let Some(catch_up) = recovered.catch_up {
            history.begin_catch_up(catch_up);
        }
        while !options.catches_up_later && history.catch_up(&store, &|| recovered.registry.slots())? {
            history.catch_up_progress().into_iter().for_each(|progress| on_replay(progress.read, progress.all));
        }
        let commits = (recovered.last_commit, recovered.checkpoints);
        Ok(Self {
            intake: Alone::new(Arc::clone(&store), shards, Arc::clone(&counters), commits, recovered.dirty),
            store,
            registry: recovered.registry,
            history,
            clock,
            pacing: Pacing::new(options.samples_per_frame_min),
            replayed_reports: recovered.replayed_reports,
            options,
            counters,
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

    pub(crate) fn intake(&self) -> &Alone {
        &self.intake
    }

    pub(crate) fn shards(&self) -> &Shards {
        self.intake.shards()
    }

    pub(crate) fn pacing(&self) -> &Pacing {
        &self.pacing
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The server has a full head, which the next round of upkeep makes a block of.
    pub(crate) fn note_full(&self, slot: &Arc<Slot>) {
        self.history.note_full(slot);
    }

    /// History, to read.
    pub fn history(&self) -> HistoryReader<'_> {
        HistoryReader::new(&self.history, &self.store, &self.registry)
    }

    /// Milliseconds that the clock of a server's agent is ahead of the hub's; `None` when it never said what it shows.
    pub fn clock_skew_ms(&self, server_id: u64) -> Option<i64> {
        self.registry.slot(server_id)?.status.lock().skew_ms()
    }

    /// Bytes of reports that wait for the next commit.
    pub fn pending_bytes(&self) -> usize {
        self.shards().pending_bytes()
    }

    /// Reports that the start read again from the log, because they were newer than the last checkpoint.
    pub fn replayed_reports(&self) -> u64 {
        self.replayed_reports
    }

    /// Why commits fail at present; `None` when they succeed.
    pub fn poison_reason(&self) -> Option<String> {
        self.intake.poison_reason()
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
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    // History

    /// Does what is due of history: makes blocks of full heads, packs hours and days that are over, deletes what is too
    /// old. To be called about once a second; whether more is due at once. What failed is tried again by the next call.
    pub fn upkeep(&self, now_ms: i64) -> (Upkeep, Result<bool, StoreError>) {
        // Read before any head is looked at: what comes later has this position or a higher one.
        let next = self.shards().position();
        let checkpoint = match self.store.checkpoints() {
            Ok(checkpoints) => checkpoints.oldest(),
            Err(error) => return (Upkeep::default(), Err(error)),
        };
        let slots = || self.registry.slots();
        let done =
            self.history.upkeep(&self.store, self.intake.watermark(), &slots, (next, checkpoint), &self.clock, now_ms);
        if done.0.heads_sealed > 0 {
            // Sessions that wait for room in the heads are told by a commit.
            self.intake.notify_pending();
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
        self.intake.wait_for_pending(timeout)
    }

    /// Makes everything pending durable in one synced write. `Ok(None)` when there was nothing.
    ///
    /// After a failure the engine is poisoned: it takes no reports and acknowledges none, but is read as before. Each
    /// further call tries to write what failed again; the first that succeeds lifts the poison.
    ///
    /// # Errors
    /// The store did not take it.
    pub fn commit(&self) -> Result<Option<Committed>, StoreError> {
        self.intake.commit(false)
    }

    /// [`Engine::commit`] with a checkpoint, which makes the next start short. For a graceful stop.
    ///
    /// # Errors
    /// As [`Engine::commit`].
    pub fn checkpoint(&self) -> Result<Option<Committed>, StoreError> {
        self.intake.commit(true)
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

    /// Tries whether the store takes writes again, after one failed that nobody repeats, and opens it anew if need be. For now
    /// and then, while [`Engine::store_failure`] has something to say: what failed is then possible again without a restart.
    ///
    /// # Errors
    /// It does not.
    pub fn mend_store(&self) -> Result<(), StoreError> {
        // No commit is under way, which would reopen the store as well.
        let _commits = self.intake.hold_commits();
        self.registry.try_store().or_else(|_| {
            self.store.reopen()?;
            self.registry.try_store()
        })
    }

    /// Takes how busy the hub's threads for agents were over the last second: a share of their time, 0–1. Agents gather
    /// more samples in a frame when that is much.
    pub fn observe_load(&self, busy: f64) {
        self.pacing.observe(busy);
    }

    /// Mean number of samples that agents are asked to gather in one frame.
    pub fn samples_per_frame(&self) -> f64 {
        self.pacing.mean()
    }
}

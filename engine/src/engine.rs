//! The engine's front: the calls of the hub, the API and tests.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::alert::{AlertBook, Alerts, Parts};
use crate::clock::Clock;
use crate::counters::Counters;
use crate::history::{History, HistoryReader, Upkeep};
use crate::intake::{Alone, Commits, Committed, Following, Shards, Side};
use crate::options::{Options, Tuning};
use crate::pacing::Pacing;
use crate::recover::recover;
use crate::registry::Registry;
use crate::share::Rates;
use crate::slot::Slot;
use crate::store::{Changes, KnownDamage, Store, StoreError, Upgraded, open_or_upgrade};

/// Reports in, snapshots out.
pub struct Engine {
    store: Arc<Store>,
    registry: Registry,
    alerts: Arc<AlertBook>,
    commits: Arc<Commits>,
    intake: Side,
    history: History,
    clock: Clock,
    pacing: Pacing,
    report_interval_ms: AtomicU32,
    replayed_reports: u64,
    upgraded: Option<Upgraded>,
    options: Options,
    counters: Arc<Counters>,
}

impl Engine {
    /// Opens the engine on the store in `folder`, or on a new store there.
    ///
    /// # Errors
    /// A folder that is locked, unusable or full, a newer format, corrupt bytes: see [`StoreError`]. Nothing was
    /// changed.
    pub fn open(folder: &Path, options: Options) -> Result<Self, StoreError> {
        let (opened, upgraded) = open_or_upgrade(folder, options.at_fail_point, !options.without_rollback)?;
        let store = Arc::new(opened.gated(options.at_write));
        let shards = Arc::new(Shards::new(Rates::of(options.reports_per_s_max)));
        let counters = Arc::new(Counters::default());
        let history = History::open(&store, options.retention)?;
        let clock = Clock::new(store.clock()?);
        let on_replay = |read, all| {
            if let Some(listener) = &options.on_replay {
                listener(read, all);
            }
        };
        let mut recovered = recover(&store, &shards, &on_replay)?;
        let alerts = Arc::new(AlertBook::open(&store, options.alerts, options.following.is_some())?);
        if let Some(following) = &options.following {
            recovered.registry.share(following.member, Arc::clone(&following.ledger), &alerts)?;
        }
        recovered.lost.into_iter().for_each(|lost| history.note_lost(lost));
        if let Some(catch_up) = recovered.catch_up {
            history.begin_catch_up(catch_up);
        }
        while !options.catches_up_later && history.catch_up(&store, &|| recovered.registry.slots())? {
            history.catch_up_progress().into_iter().for_each(|progress| on_replay(progress.read, progress.all));
        }
        let positions = options.following.as_ref().map(|_| store.positions()).transpose()?;
        let found = (recovered.last_commit, recovered.checkpoints, positions);
        let commits = Arc::new(Commits::new(Arc::clone(&store), shards, Arc::clone(&counters), found, recovered.dirty));
        let intake = match &options.following {
            None => Side::Alone(Alone::new(Arc::clone(&commits))),
            Some(of) => Side::Following(Box::new(Following::new(Arc::clone(&commits), of.member))),
        };
        Ok(Self {
            commits,
            intake,
            store,
            registry: recovered.registry,
            alerts,
            history,
            clock,
            pacing: Pacing::new(options.samples_per_frame_min),
            report_interval_ms: AtomicU32::new(options.report_interval_ms),
            replayed_reports: recovered.replayed_reports,
            upgraded,
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

    pub(crate) fn intake(&self) -> &Side {
        &self.intake
    }

    pub(crate) fn shards(&self) -> &Shards {
        self.commits.shards()
    }

    pub(crate) fn pacing(&self) -> &Pacing {
        &self.pacing
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Puts other settings in force. History is kept so from the next round of upkeep on, and alerts are judged so from
    /// the next pass on. Agents that connect from now on are asked for the interval.
    pub fn retune(&self, tuning: &Tuning) {
        self.report_interval_ms.store(tuning.report_interval_ms, Ordering::Relaxed);
        self.pacing.set_min(tuning.samples_per_frame_min);
        self.history.set_retention(tuning.retention);
        self.alerts.set_options(tuning.alerts);
    }

    /// Milliseconds between reports that agents are asked for; 0 if each uses its own.
    pub(crate) fn report_interval_ms(&self) -> u32 {
        self.report_interval_ms.load(Ordering::Relaxed)
    }

    /// The server has a full head, which the next round of upkeep seals.
    pub(crate) fn note_full(&self, slot: &Arc<Slot>) {
        self.history.note_full(slot);
    }

    /// History, to read.
    pub fn history(&self) -> HistoryReader<'_> {
        HistoryReader::new(&self.history, &self.store, &self.registry)
    }

    /// The alerts: to judge, to list, to tell.
    pub fn alerts(&self) -> Alerts<'_> {
        let parts = Parts {
            store: &self.store,
            registry: &self.registry,
            history: self.history(),
            clock: &self.clock,
            is_poisoned: self.commits.poison_reason().is_some(),
        };
        Alerts::new(&self.alerts, parts)
    }

    /// Milliseconds that the clock of a server's agent is ahead of the hub's. `None` if the agent never reported its
    /// clock.
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
        self.commits.poison_reason()
    }

    /// The hub's clock, which has the trusted time.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Why the newest write of any kind failed: of reports, of the registry, of history. `None` when it succeeded.
    pub fn store_failure(&self) -> Option<String> {
        self.store.health.reason()
    }

    /// The table files in which a compaction met damage. The files of their families are not merged any more, which
    /// costs disk space and time of queries, and no commit.
    pub fn damaged_tables(&self) -> Arc<KnownDamage> {
        self.store.damaged_tables()
    }

    /// The engine's counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    // History

    /// Does the history's work that is due: seals full heads, packs hours and days that are over, deletes history that
    /// is too old. Must be called about once per second. Returns whether more is due at once. The next call repeats
    /// work that failed.
    pub fn upkeep(&self, now_ms: i64) -> (Upkeep, Result<bool, StoreError>) {
        // Read before any head is looked at: later reports have this position or a higher one.
        let next = self.shards().position();
        let checkpoint = match self.store.checkpoints() {
            Ok(checkpoints) => checkpoints.oldest(),
            Err(error) => {
                let failed = Err(error);
                self.history.note_round(&failed);
                return (Upkeep::default(), failed);
            }
        };
        let slots = || self.registry.slots();
        let done =
            self.history.upkeep(&self.store, self.commits.watermark(), &slots, (next, checkpoint), &self.clock, now_ms);
        self.history.note_round(&done.1);
        if done.0.heads_sealed > 0 {
            // A commit tells the sessions that wait for room in the heads.
            self.commits.notify_pending();
        }
        done
    }

    /// Copies the store into `folder`, which must be empty or not exist: everything that was durable when the copy
    /// began. Reports are taken and committed in the meantime.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn backup(&self, folder: &Path) -> Result<(), StoreError> {
        self.store.backup(folder)
    }

    /// What opening the engine upgraded; `None` when the store was new or of this format.
    pub fn upgraded(&self) -> Option<&Upgraded> {
        self.upgraded.as_ref()
    }

    /// Removes what is kept for a rollback once it is older than [`ROLLBACK_KEPT_MS`](crate::limits::ROLLBACK_KEPT_MS).
    /// The first call after an upgrade begins to count. Returns the format to which no rollback is possible any more.
    ///
    /// # Errors
    /// The folder cannot be read or removed. The next call tries again.
    pub fn expire_rollback(&self, now_ms: i64) -> Result<Option<u32>, StoreError> {
        self.store.expire_rollback(self.clock.expiry_ms(now_ms))
    }

    // Committing

    /// Blocks until something waits for a commit, at most `timeout`. Returns whether something does.
    pub fn wait_for_pending(&self, timeout: Duration) -> bool {
        self.commits.wait_for_pending(timeout)
    }

    /// Makes everything pending durable in one synced write. `Ok(None)` if nothing was pending. In a cluster the write
    /// is not synced: its streams are durable.
    ///
    /// After a failure the engine is poisoned: it takes no reports and acknowledges none, but is read as before. Each
    /// further call repeats the write that failed. The first that succeeds lifts the poison.
    ///
    /// # Errors
    /// The write failed.
    pub fn commit(&self) -> Result<Option<Committed>, StoreError> {
        self.commits.commit(false)
    }

    /// [`Engine::commit`] with a checkpoint, which makes the next start short. For a graceful stop.
    ///
    /// # Errors
    /// As [`Engine::commit`].
    pub fn checkpoint(&self) -> Result<Option<Committed>, StoreError> {
        self.commits.commit(true)
    }

    /// Notes the trusted time in the store: the next start knows that it is later. For a graceful stop.
    ///
    /// # Errors
    /// The write failed.
    pub fn store_clock(&self) -> Result<(), StoreError> {
        let Some(stored) = self.clock.to_store() else { return Ok(()) };
        let mut changes = Changes::default();
        changes.put_clock(&stored);
        self.store.write_synced(&changes)
    }

    /// Notes in the store that no stream was followed, for a hub that leaves its cluster. What the streams brought stays.
    /// The engine must be dropped then: a commit would note it again.
    ///
    /// # Errors
    /// The write failed.
    pub fn forget_streams(&self) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        changes.forget_positions();
        self.store.write_synced(&changes)
    }

    /// Tests whether the store takes writes again, after a failed write that nothing repeats. Reopens the store if
    /// necessary. To be called now and then while [`Engine::store_failure`] returns a reason. Failed operations are
    /// then possible again without a restart.
    ///
    /// # Errors
    /// Writes still fail.
    pub fn mend_store(&self) -> Result<(), StoreError> {
        // No commit is under way: it would reopen the store as well.
        let _commits = self.commits.hold_commits();
        self.registry.try_store().or_else(|_| {
            self.store.reopen()?;
            self.registry.try_store()
        })
    }

    /// Takes the share of the last second, 0–1, that the hub's threads for agents were busy. Agents gather more samples
    /// in a frame if it is high.
    pub fn observe_load(&self, busy: f64) {
        self.pacing.observe(busy);
    }

    /// Mean number of samples that agents are asked to gather in one frame.
    pub fn samples_per_frame(&self) -> f64 {
        self.pacing.mean()
    }
}

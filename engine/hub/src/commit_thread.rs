//! The thread that commits: as soon as something is pending, but no more often than the interval.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use windfire_engine::{DamagedTable, Engine, KnownDamage};

use crate::counters::Counters;
use crate::limits::{COMMIT_RETRY, TOKEN_USES_INTERVAL};
use crate::pulse::Pulse;
use crate::threads::{Phase, Stop};

/// Longest wait for something pending, so that a stop is noticed.
const WAIT: Duration = Duration::from_millis(100);

pub(crate) struct CommitThread {
    pub(crate) engine: Arc<Engine>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) interval: Duration,
    /// Notified after every commit. Sessions wait for it.
    pub(crate) committed: watch::Sender<u64>,
    pub(crate) stop: Stop,
}

impl CommitThread {
    /// Commits until stopped, then once more with a checkpoint.
    pub(crate) fn run(self, pulse: &Pulse) {
        let mut token_uses_due = Instant::now() + TOKEN_USES_INTERVAL;
        let (mut mending, mut damage) = (Mending::default(), DamageLog::default());
        while !self.stop.has_reached(Phase::LastWrites) {
            pulse.beat_before_disk();
            mending.look(&self.engine);
            damage.look(&self.engine);
            if Instant::now() >= token_uses_due {
                token_uses_due = Instant::now() + TOKEN_USES_INTERVAL;
                if let Err(error) = self.engine.registry().store_uses() {
                    tracing::warn!(%error, "token uses were not stored");
                }
            }
            pulse.beat();
            if !self.engine.wait_for_pending(WAIT) {
                continue;
            }
            let started = Instant::now();
            pulse.beat_before_disk();
            let is_committed = self.commit();
            // A commit that failed is a round too: another start frees no disk.
            pulse.beat();
            if is_committed {
                thread::sleep(self.interval.saturating_sub(started.elapsed()));
            } else {
                thread::sleep(COMMIT_RETRY);
            }
        }
        match self
            .engine
            .checkpoint()
            .and_then(|_| self.engine.registry().store_uses())
            .and_then(|()| self.engine.store_clock())
        {
            Ok(()) => tracing::info!("last commit done"),
            Err(error) => tracing::error!(%error, "last commit failed: agents keep their unacknowledged reports"),
        }
        self.tell();
    }

    fn commit(&self) -> bool {
        let was_poisoned = self.engine.poison_reason().is_some();
        let started = Instant::now();
        self.counters.commit_begun.note(started);
        let committed = self.engine.commit();
        self.counters.commit_begun.forget();
        match committed {
            Ok(_) => {
                self.counters.observe_commit(started.elapsed());
                if was_poisoned {
                    tracing::info!("commits succeed again");
                }
                self.tell();
                true
            }
            Err(error) => {
                tracing::error!(%error, "commit failed: no report is taken or acknowledged until one succeeds");
                // A commit that failed before may have succeeded now, and only the one after it failed.
                self.tell();
                false
            }
        }
    }

    fn tell(&self) {
        self.committed.send_modify(|count| *count += 1);
    }
}

/// Tries to write again after a failed write that was not a commit. A commit is written again anyway, but after another
/// write the hub would stay not ready until the next change.
#[derive(Default)]
struct Mending {
    /// The time of the next try, while writes fail.
    next: Option<Instant>,
}

impl Mending {
    fn look(&mut self, engine: &Engine) {
        let failure = engine.store_failure();
        match (failure, self.next) {
            (Some(error), None) => {
                tracing::error!(error, "the store takes no changes: new logins are kept in memory until it does");
                self.next = Some(Instant::now() + COMMIT_RETRY);
            }
            (Some(_), Some(next)) if Instant::now() >= next => {
                if engine.poison_reason().is_none() {
                    // Its text is in `store_failure`, and shown on /readyz.
                    let _still_failing = engine.mend_store();
                }
                self.next = Some(Instant::now() + COMMIT_RETRY);
            }
            (None, Some(_)) => {
                tracing::info!("the store takes changes again");
                self.next = None;
            }
            (Some(_) | None, _) => {}
        }
    }
}

/// Says in the log which table files are damaged, whenever that changes. A write finds most of them, so this thread is
/// the first that can know.
#[derive(Default)]
struct DamageLog {
    said: Arc<KnownDamage>,
}

impl DamageLog {
    fn look(&mut self, engine: &Engine) {
        let known = engine.damaged_tables();
        if known == self.said {
            return;
        }
        for table in known.tables.iter().filter(|table| !self.said.tables.contains(table)) {
            let DamagedTable { file, family } = table;
            tracing::error!(
                "table file {file} of family {family} is damaged: commits continue, but files of this family are no \
                 longer merged and need more and more disk. Stop the hub, see the damage with \"windfire verify\", and \
                 save what is left with \"windfire salvage NEW_FOLDER\", or restore a backup"
            );
        }
        for table in self.said.tables.iter().filter(|table| !known.tables.contains(table)) {
            tracing::info!("table file {} is gone, or can be read again: it was damaged", table.file);
        }
        if let Some(complaint) = known.complaint.as_ref().filter(|_| known.complaint != self.said.complaint) {
            tracing::warn!("{complaint}");
        }
        self.said = known;
    }
}

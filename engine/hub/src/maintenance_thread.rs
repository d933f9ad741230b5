//! The thread for history's upkeep: blocks, tiers, expiry. Failed work is tried again, and reports stay in the log.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use windfire_engine::Engine;
use windfire_engine::clock::ClockState;
use windfire_engine::history::{CatchUpProgress, Upkeep};

use crate::clock::Clock;
use crate::counters::Counters;
use crate::limits::{ROLLBACK_INTERVAL, START_SIGN_INTERVAL, UPKEEP_INTERVAL, UPKEEP_RETRY};
use crate::pulse::Pulse;
use crate::threads::{Phase, Stop};

/// Time between two checks for urgent work or a stop.
const POLL: Duration = Duration::from_millis(50);
/// Priority of history's thread, below agents, commits and answers: half of the scheduler's scale.
const NICE: i32 = 10;

/// A text about the machine's clock while it is not trusted. `None` while it is.
pub(crate) fn describe_clock(clock: &ClockState) -> Option<String> {
    let seconds = clock.wall_ahead_ms.unsigned_abs() / 1000;
    let (amount, unit) = match seconds {
        0..120 => (seconds, "seconds"),
        120..7_200 => (seconds / 60, "minutes"),
        7_200..172_800 => (seconds / 3_600, "hours"),
        _ => (seconds / 86_400, "days"),
    };
    let side = if clock.wall_ahead_ms < 0 { "behind" } else { "ahead of" };
    clock.is_doubted().then(|| {
        format!(
            "the machine's clock is {amount} {unit} {side} the trusted time, and the hub does not trust it: history, \
             expiry and logins use the trusted time; set the clock right"
        )
    })
}

/// How far history has caught up after a start, in words.
pub(crate) fn describe_catch_up(progress: CatchUpProgress) -> String {
    format!(
        "history reads the log, {} % of {} commits: until it has, queries may miss reports from before the start",
        progress.percent(),
        progress.all
    )
}

pub(crate) struct MaintenanceThread {
    pub(crate) engine: Arc<Engine>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
}

impl MaintenanceThread {
    /// Does history's upkeep until stopped. Reports that are in heads then are also in the log, and in heads again
    /// after a start.
    pub(crate) fn run(self, pulse: &Pulse) {
        // On Linux, only of this thread. If it is refused, history only competes harder.
        let _lower_priority = rustix::process::nice(NICE);
        let mut is_clock_doubted = false;
        // When what is kept for a rollback was looked at.
        let mut looked: Option<Instant> = None;
        let mut catch_up = CatchUpLog::begin(&self.engine);
        while !self.stop.has_reached(Phase::LastWrites) {
            pulse.beat_before_disk();
            let started = Instant::now();
            let (done, result) = self.engine.upkeep((self.clock)());
            self.note(&done);
            if looked.is_none_or(|looked| looked.elapsed() >= ROLLBACK_INTERVAL) {
                self.expire_rollback();
                looked = Some(Instant::now());
            }
            catch_up.note(&self.engine);
            is_clock_doubted = self.note_clock(is_clock_doubted);
            let pause = match result {
                Ok(true) => continue,
                Ok(false) => UPKEEP_INTERVAL,
                Err(error) => {
                    tracing::error!(%error, "upkeep of history failed: reports stay in the log");
                    UPKEEP_RETRY
                }
            };
            self.counters.observe_upkeep(started.elapsed());
            let due = Instant::now() + pause;
            while Instant::now() < due && !self.stop.has_reached(Phase::LastWrites) {
                thread::sleep(POLL);
                if pause == UPKEEP_INTERVAL && self.engine.history().has_full_heads() {
                    break;
                }
            }
        }
    }

    /// Removes what is kept for a rollback when it is old enough.
    fn expire_rollback(&self) {
        match self.engine.expire_rollback((self.clock)()) {
            Ok(None) => {}
            Ok(Some(format)) => tracing::info!("no rollback to format {format} is possible any more: 7 days are over"),
            Err(error) => tracing::warn!(%error, "what is kept for a rollback is not removed: tried again in an hour"),
        }
    }

    /// Logs when the machine's clock is no longer trusted, and when it is again.
    fn note_clock(&self, was_doubted: bool) -> bool {
        let clock = self.engine.clock().state();
        match (was_doubted, describe_clock(&clock)) {
            (false, Some(what)) => tracing::error!("{what}"),
            (true, None) => tracing::info!("the machine's clock is trusted again"),
            _ => {}
        }
        clock.is_doubted()
    }

    fn note(&self, done: &Upkeep) {
        for name in &done.corrupt {
            tracing::error!(block = name, "corrupt block: skipped, everything else stays readable");
        }
        for what in &done.set_aside {
            tracing::error!("history cannot read {what}: it stays as it is, and is tried again every hour");
        }
        if done.expired_reports > 0 {
            let reports = done.expired_reports;
            tracing::warn!(reports, "reports were older than the retention when they came");
        }
        let counters = &self.counters;
        counters.heads_sealed.add(done.heads_sealed);
        counters.hours_packed.add(done.hours_packed);
        counters.days_packed.add(done.days_packed);
        counters.corrupt_blocks.add(done.corrupt_blocks);
        counters.expired_reports.add(done.expired_reports);
    }
}

/// Says in the log how far history has caught up, and when it has.
struct CatchUpLog {
    /// `None` when it has.
    began: Option<Instant>,
    said: Instant,
}

impl CatchUpLog {
    fn begin(engine: &Engine) -> Self {
        let now = Instant::now();
        Self { began: engine.history().catch_up().map(|_| now), said: now }
    }

    fn note(&mut self, engine: &Engine) {
        let Some(began) = self.began else { return };
        match engine.history().catch_up() {
            None => {
                tracing::info!(seconds = began.elapsed().as_secs(), "history has all of the log");
                self.began = None;
            }
            Some(progress) if self.said.elapsed() >= START_SIGN_INTERVAL => {
                tracing::info!("{}", describe_catch_up(progress));
                self.said = Instant::now();
            }
            Some(_) => {}
        }
    }
}

//! The thread that looks after history: blocks, tiers, expiry. What fails is tried again, and reports stay in the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use windfire_engine::Engine;
use windfire_engine::history::Upkeep;

use crate::limits::{UPKEEP_INTERVAL, UPKEEP_RETRY};
use crate::metrics::Metrics;
use crate::serve::Clock;

/// Time between two looks at whether there is something to do at once, or a stop.
const POLL: Duration = Duration::from_millis(50);
/// How far history's thread steps back for agents, commits and answers: half of the scheduler's scale.
const NICE: i32 = 10;

pub(crate) struct Historian {
    pub(crate) engine: Arc<Engine>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Historian {
    /// Looks after history until stopped. What is in heads then is in the log, and in heads again after a start.
    pub(crate) fn run(self) {
        // Of this thread alone, on Linux. Where it is refused, history only competes harder.
        let _lower_priority = rustix::process::nice(NICE);
        while !self.stop.load(Ordering::Acquire) {
            let started = Instant::now();
            let (done, result) = self.engine.upkeep((self.clock)());
            self.note(&done);
            let pause = match result {
                Ok(true) => continue,
                Ok(false) => UPKEEP_INTERVAL,
                Err(error) => {
                    tracing::error!(%error, "history was not looked after: reports stay in the log");
                    UPKEEP_RETRY
                }
            };
            self.metrics.observe_upkeep(started.elapsed());
            let due = Instant::now() + pause;
            while Instant::now() < due && !self.stop.load(Ordering::Acquire) {
                thread::sleep(POLL);
                if pause == UPKEEP_INTERVAL && self.engine.has_full_heads() {
                    break;
                }
            }
        }
    }

    fn note(&self, done: &Upkeep) {
        for name in &done.corrupt {
            tracing::error!(block = name, "corrupt block: passed over, everything else stays readable");
        }
        if done.expired_reports > 0 {
            let reports = done.expired_reports;
            tracing::warn!(reports, "reports were older than history is kept when they came");
        }
        let metrics = &self.metrics;
        metrics.heads_sealed.add(done.heads_sealed);
        metrics.hours_packed.add(done.hours_packed);
        metrics.days_packed.add(done.days_packed);
        metrics.corrupt_blocks.add(done.corrupt_blocks);
        metrics.expired_reports.add(done.expired_reports);
    }
}

//! What the service manager is told of the hub: how a start goes, that it is ready and how it is, that it is alive.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::time::{MissedTickBehavior, interval};
use windfire_engine::Engine;
use windfire_service::ServiceManager;

use crate::counters::Counters;
use crate::limits::{START_PATIENCE, STATUS_INTERVAL, STATUS_WORDS_BYTES_MAX};
use crate::maintenance_thread::{describe_catch_up, describe_clock};
use crate::pulse::Pulses;

/// The hub's side of the service manager. Copies share it.
#[derive(Clone)]
pub(crate) struct Service(Arc<ServiceManager>);

impl Service {
    /// As the environment says it.
    pub(crate) fn from_environment() -> Self {
        Self(Arc::new(ServiceManager::from_environment()))
    }

    /// The start goes on, and is so far.
    pub(crate) fn starting(&self, words: &str) {
        self.0.starting(words, START_PATIENCE);
    }

    /// The configuration is about to be read again. [`Service::reloaded`] must follow.
    pub(crate) fn reloading(&self) {
        let uptime = clock_gettime(ClockId::Monotonic);
        let whole = |number: i64| u64::try_from(number).unwrap_or(0);
        self.0.reloading(Duration::from_secs(whole(uptime.tv_sec)) + Duration::from_nanos(whole(uptime.tv_nsec)));
    }

    /// The hub goes on, with another configuration or with the one before.
    pub(crate) fn reloaded(&self, words: &str) {
        self.0.ready(words);
    }

    pub(crate) fn stopping(&self) {
        self.0.stopping("stopping: open sessions end after their last ack");
    }

    /// Tells that the hub is ready, then how it is whenever that changes, and that it is alive while no thread is
    /// stuck. Runs as long as it is polled.
    pub(crate) async fn run(self, engine: Arc<Engine>, counters: Arc<Counters>, pulses: Arc<Pulses>) -> Infallible {
        let Self(manager) = self;
        let mut said = describe(&engine, &counters);
        manager.ready(&said);
        let ping_interval = manager.ping_interval();
        let mut pinged: Option<Instant> = None;
        let mut stuck = None;
        let turn = ping_interval.map_or(STATUS_INTERVAL, |pings| pings.min(STATUS_INTERVAL));
        let mut ticks = interval(turn);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            manager.settle();
            let now = Instant::now();
            let was_stuck = std::mem::replace(&mut stuck, pulses.stuck(now));
            if stuck != was_stuck {
                match stuck {
                    Some(thread) => tracing::error!(thread, "a thread is stuck: the service manager may end the hub"),
                    None => tracing::info!("no thread is stuck any more"),
                }
            }
            let words = match stuck {
                Some(thread) => format!("the thread for {thread} is stuck"),
                None => describe(&engine, &counters),
            };
            if words != said {
                manager.status(&words);
                said = words;
            }
            // Half a turn early rather than one turn late: ticks are not exact.
            let is_due = |pings: Duration| pinged.is_none_or(|pinged| now + turn / 2 >= pinged + pings);
            if stuck.is_none() && ping_interval.is_some_and(is_due) {
                manager.ping();
                pinged = Some(now);
            }
        }
    }
}

/// How the hub is, as `/readyz` says it.
pub(crate) fn describe(engine: &Engine, counters: &Counters) -> String {
    let Some(mut why) = why_not_ready(engine, counters) else {
        let but = shortcomings(engine, counters).map(|what| format!(", but {what}"));
        return format!("ready{}", but.collect::<String>());
    };
    why.truncate(why.floor_char_boundary(STATUS_WORDS_BYTES_MAX));
    format!("not ready: {why}")
}

/// What an operator should know of a hub that is ready all the same: its clock is not trusted, history catches up,
/// table files are damaged, a broker is down.
pub(crate) fn shortcomings(engine: &Engine, counters: &Counters) -> impl Iterator<Item = String> {
    let clock = describe_clock(&engine.clock().state());
    let catch_up = engine.history().catch_up().map(describe_catch_up);
    let tables = engine.damaged_tables().tables.len();
    let damage = (tables > 0).then(|| format!("damaged table files: {tables}, which the log names"));
    let copies = counters.cluster().and_then(|state| state.missing_copies());
    clock.into_iter().chain(catch_up).chain(damage).chain(copies)
}

/// Why the hub takes no reports or no changes, or shows what is old.
pub(crate) fn why_not_ready(engine: &Engine, counters: &Counters) -> Option<String> {
    let commits = engine.poison_reason().map(|reason| format!("commits fail: {reason}"));
    commits
        .or_else(|| engine.store_failure().map(|reason| format!("the store takes no changes: {reason}")))
        .or_else(|| {
            let reason = engine.history().failure()?;
            Some(format!("history takes no reports out of the log, and agents stall when there is no room: {reason}"))
        })
        .or_else(|| counters.cluster()?.why_not_ready())
}

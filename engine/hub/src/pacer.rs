//! Tells the engine once per second how busy the threads for agents are. The engine paces the agents by that.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use tokio::time::{MissedTickBehavior, interval};
use windfire_engine::Engine;

use crate::counters::Counters;
use crate::limits::PACE_INTERVAL;

/// Observes for as long as it is polled.
pub(crate) async fn run(engine: Arc<Engine>, counters: Arc<Counters>, listeners: usize) -> Infallible {
    let mut ticks = interval(PACE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut last, mut worked_s) = (Instant::now(), counters.worked_s());
    loop {
        ticks.tick().await;
        let (now, worked_now_s) = (Instant::now(), counters.worked_s());
        let elapsed_s = now.duration_since(last).as_secs_f64() * listeners.max(1) as f64;
        if elapsed_s > 0.0 {
            // Connection ids spread agents evenly, so the mean is as good as the busiest.
            let busy = (worked_now_s - worked_s) / elapsed_s;
            engine.observe_load(busy);
            counters.set_busy(busy);
        }
        (last, worked_s) = (now, worked_now_s);
    }
}

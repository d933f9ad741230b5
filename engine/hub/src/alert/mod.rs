//! Alerts: one thread judges, and another tells people.
//!
//! ```text
//! pass_thread    every few seconds ──► Alerts::evaluate ──► alerts, notices and the log, in one write
//! notice_thread  due_notices ──► Outbound ──► the channel ──► sent, or failed and when it is tried again
//!                                   └──► alertmanager, which is told all alerts that fire, again and again
//! ```
//! Both begin when history has all of the log after a start: until then full heads may hold agents up, and their silence
//! would be the hub's own fault. If commits fail before that, they begin at once, because that is to be told.
//!
//! In a cluster one hub does both: the holder of a lease. The others show what it finds, and send tests of channels only.

mod alertmanager;
mod notice_thread;
mod pass_thread;

use std::thread;
use std::time::Duration;

use windfire_engine::Engine;

use crate::pulse::Pulse;
use crate::threads::{Phase, Stop};
pub(crate) use notice_thread::NoticeThread;
pub(crate) use pass_thread::PassThread;

/// Time between two checks whether there is something to do, or a stop.
const POLL: Duration = Duration::from_millis(50);

/// Waits until history has all of the log, or commits fail. Returns whether the hub goes on after that.
fn wait_for_history(engine: &Engine, stop: &Stop, pulse: &Pulse) -> bool {
    while !stop.has_reached(Phase::Draining) {
        pulse.beat();
        if engine.history().catch_up().is_none() || engine.poison_reason().is_some() {
            return true;
        }
        thread::sleep(POLL);
    }
    false
}

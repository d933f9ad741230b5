//! Somebody who is told of alerts, and what sets alerts up.

#[allow(unused_imports, reason = "not every test uses all of it")]
pub(crate) use windfire_bench::receiver::{Receiver, add_rule, counted, done, events, with_status};

use windfire_bench::hub_process::HubProcess;

use super::wait_until;

/// Waits until the hub has judged so many times more.
pub(crate) fn wait_for_passes(hub: &HubProcess, passes: f64) {
    let count = || hub.metric("windfire_alert_pass_seconds_count");
    let from = count();
    wait_until("the hub has judged again", || count() >= from + passes);
}

//! Fifty agents are connected. The hub is stopped for longer than a rule waits, and started; then it is killed, and started.
//! Each time the agents come back by themselves, and no message is sent.

use std::thread;
use std::time::Duration;

use crate::hub::receiver::{Receiver, add_rule, events, wait_for_passes};
use crate::hub::{new_hub, quick_backoff, wait_until};
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_bench::tally;

const AGENTS: u32 = 50;
/// Seconds without a report after which the rule fires. Agents of a hub that is busy gather readings for up to 10 s.
const OFFLINE_S: u64 = 15;
/// Seconds in which all agents come back to a hub that has started. The rest is for a slow machine.
const GRACE_S: &str = "60";

#[test]
fn a_hub_that_starts_again_tells_nobody_that_servers_are_away() {
    let receiver = Receiver::start();
    let (_folder, mut hub) = new_hub(&["--alert-interval-s", "1", "--alert-grace-s", GRACE_S, "--group-wait-s", "0"]);
    let credentials = hub.make_servers(AGENTS as usize, "web");
    hub.start();
    let when = format!("offline > {OFFLINE_S}");
    let rule = add_rule(&hub, "away", &when, &receiver.channel(&hub, "ops"), &[]);
    let mut swarm =
        Swarm::start(&hub, &credentials, SwarmOptions { backoff: quick_backoff(), ..SwarmOptions::default() });
    let all = f64::from(AGENTS);
    wait_until("all report", || hub.metric("windfire_reports_taken_total") >= 2.0 * all);

    assert!(hub.terminate().success());
    // The outage itself: after it, the newest report of each server is older than the rule allows.
    thread::sleep(Duration::from_secs(OFFLINE_S + 1));
    hub.start_at_once();
    wait_for_passes(&hub, 1.0);
    wait_until("all are back", || hub.metric("windfire_sessions") == all);
    wait_for_passes(&hub, 3.0);
    hub.kill();
    hub.start_at_once();
    wait_until("all are back", || hub.metric("windfire_sessions") == all);
    wait_for_passes(&hub, 3.0);
    let (fired, told) = (events(&hub, rule, "fired"), receiver.told("ops"));
    tally!("{AGENTS} agents, two starts: {} alerts, {} messages", fired.len(), told.len());
    assert!(fired.is_empty() && told.is_empty(), "{fired:?} {told:?}");
    swarm.finish();
}

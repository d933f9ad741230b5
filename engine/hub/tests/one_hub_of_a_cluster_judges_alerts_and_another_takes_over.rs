//! Of two hubs, one judges alerts and tells people. When it is killed, the other one does so from then on.

#[allow(dead_code, reason = "each test needs a part of it")]
mod hub;
#[allow(dead_code, reason = "each test needs a part of it")]
mod hubs;

use hub::wait_until;
use hubs::Hubs;
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;

fn is_judge(hub: &HubProcess) -> bool {
    hub.metric("windfire_cluster_judges_alerts") == 1.0
}

/// The hub that judges, as this one says.
fn judge(hub: &HubProcess) -> Value {
    let output = hub.cli(&["cluster", "status", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["alerts_hub_id"].clone()
}

#[test]
fn the_work_moves_when_its_hub_dies() {
    let mut cluster = Hubs::new(2, 1);
    cluster.start();
    wait_until("one of them judges", || cluster.hubs.iter().filter(|hub| is_judge(hub)).count() == 1);
    let at = cluster.hubs.iter().position(is_judge).expect("one");
    let other = 1 - at;
    let name = |number: usize| Value::from(format!("hub-{number}"));
    wait_until("both know who judges", || cluster.hubs.iter().all(|hub| judge(hub) == name(at)));

    cluster.hubs[at].kill();
    wait_until("the other one judges", || is_judge(&cluster.hubs[other]));
    cluster.hubs[at].start_at_once();
    wait_until("the first one knows that", || judge(&cluster.hubs[at]) == name(other));
    assert!(!is_judge(&cluster.hubs[at]) && is_judge(&cluster.hubs[other]));

    // A stop gives it back at once.
    assert!(cluster.hubs[other].terminate().success());
    wait_until("the first one judges again", || is_judge(&cluster.hubs[at]));
}

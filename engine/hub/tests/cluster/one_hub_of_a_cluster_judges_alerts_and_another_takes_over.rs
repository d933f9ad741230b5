//! Of two hubs, one judges alerts and tells people. When it is killed, the other one does so from then on, and goes on
//! where the first one was: a fault that was told is not told again, its end is, and both hubs show the same alerts and
//! log. What is acknowledged at the hub that does not judge holds.

use std::sync::Arc;

use crate::hub::receiver::{Receiver, add_rule, done, events, wait_for_passes, with_status};
use crate::hub::{quick_backoff, wait_until};
use crate::hubs::Hubs;
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};
use windfire_bench::workload::Trace;

const QUICK: [&str; 8] =
    ["--alert-interval-s", "1", "--alert-grace-s", "0", "--group-wait-s", "0", "--group-interval-s", "0"];

fn is_judge(hub: &HubProcess) -> bool {
    hub.metric("windfire_cluster_judges_alerts") == 1.0
}

/// The hub that judges, as this one says.
fn judge(hub: &HubProcess) -> Value {
    let output = hub.cli(&["cluster", "status", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice::<Value>(&output.stdout).expect("JSON")["alerts_hub_id"].clone()
}

/// Two hubs that judge every second, started.
fn quick_hubs() -> Hubs {
    let mut cluster = Hubs::new(2, 1);
    for number in 0..2 {
        let id = format!("hub-{number}");
        let mut arguments = cluster.arguments(&id);
        arguments.extend(QUICK.map(str::to_owned));
        let hub = cluster.hub(&id, &arguments);
        cluster.hubs[number] = hub;
    }
    cluster.start();
    cluster
}

/// An agent whose machine is always so busy.
fn agent(hub: &HubProcess, credentials: &[String], cpu: u32) -> Swarm {
    let second = format!("{cpu}{}\n", ",0".repeat(14));
    let trace = Trace::parse(&format!("names\n{}", second.repeat(3))).expect("a trace");
    let options = SwarmOptions { backoff: quick_backoff(), trace: Some(Arc::new(trace)), ..SwarmOptions::default() };
    Swarm::start_at(&Target::of(hub), credentials, options)
}

/// The alert of a rule, as a hub shows it, without the values: those are newer at the hub that judges.
fn alert(hub: &HubProcess, rule: u64) -> Option<Value> {
    let alerts = done(hub, &["alerts", "list"]);
    let mut alert = alerts.as_array().expect("a list").iter().find(|alert| alert["rule"] == rule)?.clone();
    for field in ["value", "worst_value"] {
        alert.as_object_mut().expect("an object").remove(field);
    }
    Some(alert)
}

#[test]
fn the_work_moves_when_its_hub_dies_and_continues() {
    let receiver = Receiver::start();
    let mut cluster = quick_hubs();
    wait_until("one of them judges", || cluster.hubs.iter().filter(|hub| is_judge(hub)).count() == 1);
    let at = cluster.hubs.iter().position(is_judge).expect("one");
    let other = 1 - at;
    let name = |number: usize| Value::from(format!("hub-{number}"));
    wait_until("both know who judges", || cluster.hubs.iter().all(|hub| judge(hub) == name(at)));

    // Its agent and the operator are at the hub that does not judge.
    let rule = add_rule(&cluster.hubs[other], "busy", "cpu > 50", &receiver.channel(&cluster.hubs[other], "ops"), &[]);
    let mut busy = agent(&cluster.hubs[other], &cluster.credentials, 100);
    let told = || receiver.told("ops");
    wait_until("the fault is told", || !told().is_empty());
    let is_same = |cluster: &Hubs| {
        let [first, second] = [0, 1].map(|number| alert(&cluster.hubs[number], rule));
        first.is_some() && first == second
    };
    wait_until("both show the alert", || is_same(&cluster));
    let acknowledged = cluster.hubs[other].cli(&["alerts", "acknowledge", &rule.to_string(), "1"]);
    assert!(acknowledged.status.success(), "{}", String::from_utf8_lossy(&acknowledged.stderr));
    let is_known = |hub: &HubProcess| alert(hub, rule).is_some_and(|alert| !alert["acknowledged_by"].is_null());
    assert!(is_known(&cluster.hubs[other]), "where it was acknowledged, at once");
    wait_until("the judge knows of the acknowledgement", || is_known(&cluster.hubs[at]));
    let has_sent = |hub: &HubProcess| hub.metric("windfire_notices_pending") == 0.0;
    wait_until("both know what was sent", || cluster.hubs.iter().all(has_sent));

    cluster.hubs[at].kill();
    wait_until("the other one judges", || is_judge(&cluster.hubs[other]));
    wait_for_passes(&cluster.hubs[other], 3.0);
    assert_eq!(told().len(), 1, "it was told: {:?}", told());
    assert!(is_known(&cluster.hubs[other]), "the acknowledgement holds");
    busy.finish();
    let mut idle = agent(&cluster.hubs[other], &cluster.credentials, 0);
    wait_until("the end is told", || told().len() > 1);

    cluster.hubs[at].start_at_once();
    wait_until("the first one knows who judges", || judge(&cluster.hubs[at]) == name(other));
    assert!(!is_judge(&cluster.hubs[at]) && is_judge(&cluster.hubs[other]));
    let happened = |hub: &HubProcess| ["fired", "acknowledged", "resolved"].map(|what| events(hub, rule, what).len());
    wait_until("both have the same log", || cluster.hubs.iter().all(|hub| happened(hub) == [1, 1, 1]));
    wait_until("neither shows the alert", || cluster.hubs.iter().all(|hub| alert(hub, rule).is_none()));
    wait_until("both know what was sent", || cluster.hubs.iter().all(has_sent));

    // A stop gives it back at once.
    idle.finish();
    assert!(cluster.hubs[other].terminate().success());
    wait_until("the first one judges again", || is_judge(&cluster.hubs[at]));
    wait_for_passes(&cluster.hubs[at], 3.0);
    let told = told();
    assert_eq!((with_status(&told, "firing").len(), with_status(&told, "resolved").len()), (1, 1), "{told:?}");
    assert_ne!(told[0]["key"], told[1]["key"]);
}

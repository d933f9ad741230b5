//! The panel of a hub of a cluster is told what `windfire cluster status` shows, also while a broker is missing, and
//! while the hub has no brokers and is not ready. The panel of a hub that is alone is told so.

use std::path::Path;

use crate::hub::panel::{Panel, result};
use crate::hub::{HUB, wait_until};
use crate::hubs::Hubs;
use serde_json::{Value, json};
use windfire_bench::hub_process::HubProcess;

fn told(panel: &Panel, hub: &HubProcess) -> Value {
    let answer = panel.get(hub, "/api/v1/cluster");
    assert_eq!(answer.status, 200, "{}", answer.text());
    result(&answer)
}

#[test]
fn a_hub_of_a_cluster_tells_what_its_command_line_shows() {
    let mut cluster = Hubs::new(2, 1);
    cluster.start();
    let hub = &cluster.hubs[0];
    let panel = Panel::of_admin(hub);
    let runs = |told: &Value, number: usize| told["hubs"][number]["runs"] == true;
    wait_until("both hubs are seen", || [0, 1].iter().all(|number| runs(&told(&panel, hub), *number)));
    wait_until("the hub is ready", || told(&panel, hub)["not_ready"].is_null());
    let ready = told(&panel, hub);
    assert_eq!(ready["hub_id"], json!("hub-0"), "{ready}");
    let synced = |broker: &Value| broker["is_synced"] == true;
    assert!(ready["brokers"].as_array().is_some_and(|brokers| brokers.len() == 3 && brokers.iter().all(synced)));
    assert_eq!(ready["partitions"].as_array().map(Vec::len), Some(16));

    let output = hub.cli(&["cluster", "status", "--json"]);
    let shown: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for key in ["name", "hub_id", "brokers", "is_sync_stated", "warnings"] {
        assert_eq!(shown[key], ready[key], "{key}");
    }

    // One broker of three is enough to tell, and holds up nothing.
    assert_eq!(ready["missing_copies"], json!(null), "{ready}");
    cluster.brokers.kill(2);
    let hub = &cluster.hubs[0];
    let is_told = |told: &Value| told["missing_copies"].as_str().is_some_and(|what| what.contains("2 of its 3 copies"));
    wait_until("the panel is told that a broker is missing", || is_told(&told(&panel, hub)));
    let readyz = hub.get("/readyz", "");
    assert!(readyz.status == 200 && readyz.text().contains("2 of its 3 copies"), "{}", readyz.text());
    assert_eq!(hub.metric("windfire_cluster_copies"), 2.0);
    cluster.brokers.restart(2);
    let hub = &cluster.hubs[0];
    wait_until("all brokers are back", || told(&panel, hub)["missing_copies"].is_null());

    (0..3).for_each(|broker| cluster.brokers.kill(broker));
    let hub = &cluster.hubs[0];
    let why = |told: &Value| told["not_ready"].as_str().is_some_and(|why| why.contains("not heard"));
    wait_until("the panel is told that the hub has no brokers", || why(&told(&panel, hub)));
    assert_eq!(told(&panel, hub)["broker"], json!(null));
}

#[test]
fn a_hub_that_is_alone_tells_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut hub = HubProcess::new(Path::new(HUB), &folder.path().join("hub"), &[]);
    hub.start();
    assert_eq!(told(&Panel::of_admin(&hub), &hub), json!(null));
}

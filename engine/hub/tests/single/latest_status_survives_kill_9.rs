//! What the API showed and the disk had is shown again after a `kill -9`, and `last_active` is the hub's clock however
//! wrong the agent's is.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::time::Duration;

use crate::hub::{new_hub, quick_backoff, wait_until};
use serde_json::Value;
use windfire_bench::clock::unix_ms;
use windfire_bench::swarm::{Swarm, SwarmOptions};

#[test]
fn latest_status_survives_kill_9() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(5, "");
    let token = hub.make_token();
    let began_s = unix_ms() / 1000;
    hub.start_at_once();
    let options = SwarmOptions {
        interval: Duration::from_millis(20),
        backoff: quick_backoff(),
        ack_each_report: true,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    wait_until("all have reported", || swarm.accounts().iter().all(|account| account.acked > 5));
    swarm.settle();
    wait_until("all have gone", || hub.metric("windfire_sessions") == 0.0);
    let is_durable = || hub.metric("windfire_reports_durable_total") == hub.metric("windfire_reports_taken_total");
    wait_until("all that is shown is on the disk", is_durable);
    let before = hub.get("/api/v1/server/details", &token).text();
    hub.kill();
    hub.start_at_once();
    assert_eq!(hub.get("/api/v1/server/details", &token).text(), before);
    let answer: Value = serde_json::from_str(&before).expect("JSON");
    let time_of_test = began_s..=unix_ms() / 1000;
    for server in answer["result"].as_array().expect("servers") {
        let last_active = server["last_active"].as_i64().expect("a time");
        assert!(time_of_test.contains(&last_active), "{last_active} is not the hub's clock, within {time_of_test:?}");
        assert_eq!(server["host"]["CPU"][0], "AMD EPYC 7763 64-Core Processor 2 Virtual Core");
        assert!(server["status"]["MemUsed"].as_u64().expect("bytes") > 0);
    }
}

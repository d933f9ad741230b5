//! What the API showed and the disk had is shown again after a `kill -9`, and `last_active` is the hub's clock however
//! wrong the agent's is.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::time::Duration;

use crate::hub::{new_hub, quick_backoff, wait_until};
use serde_json::Value;
use windfire_bench::swarm::{Swarm, SwarmOptions};

#[test]
fn latest_status_survives_kill_9() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(5, "");
    let token = hub.make_token();
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
    let before = hub.get("/api/v1/server/details", &token).text();
    hub.kill();
    hub.start_at_once();
    assert_eq!(hub.get("/api/v1/server/details", &token).text(), before);
    let answer: Value = serde_json::from_str(&before).expect("JSON");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    for server in answer["result"].as_array().expect("servers") {
        // The swarm's clocks show the first milliseconds of 1970.
        let last_active = server["last_active"].as_u64().expect("a time");
        assert!(now - last_active < 60, "{last_active} is not the hub's clock");
        assert_eq!(server["host"]["CPU"][0], "AMD EPYC 7763 64-Core Processor 2 Virtual Core");
        assert!(server["status"]["MemUsed"].as_u64().expect("bytes") > 0);
    }
}

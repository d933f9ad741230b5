//! 300 of 600 agents stop at once, and come back at once: a channel gets at most three messages about each, which count them
//! all, and each server is in the log.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::collections::BTreeSet;

use crate::hub::receiver::{Receiver, add_rule, counted, events, with_status};
use crate::hub::{new_hub, quick_backoff, wait_until};
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_bench::tally;

const AGENTS: usize = 600;
const STOPPED: usize = 300;
const MESSAGES_MAX: usize = 3;
/// Longer than an agent is silent on a machine that stands still, or while hundreds of others connect.
const AWAY: &str = "offline > 12";
/// Seconds that a first message waits for others, and a further one. Hundreds of handshakes take seconds, and in all
/// that are three messages.
const GROUP_WAITS: [&str; 4] = ["--group-wait-s", "3", "--group-interval-s", "10"];

/// Servers of which alerts have done that.
fn servers(hub: &HubProcess, rule: u64, what: &str) -> BTreeSet<u64> {
    events(hub, rule, what).iter().map(|row| row["server"].as_u64().expect("an id")).collect()
}

#[test]
fn servers_that_stop_together_are_a_few_messages() {
    let receiver = Receiver::start();
    let quick = ["--alert-interval-s", "1", "--alert-grace-s", "0"];
    let (_folder, mut hub) = new_hub(&[&quick[..], &GROUP_WAITS].concat());
    let credentials = hub.make_servers(AGENTS, "web");
    hub.start();
    let channels = ["one", "two"].map(|name| receiver.channel(&hub, name)).join(",");
    let rule = add_rule(&hub, "away", AWAY, &channels, &[]);
    let options = || SwarmOptions { backoff: quick_backoff(), ..SwarmOptions::default() };
    let (stopping, staying) = credentials.split_at(STOPPED);
    let mut stays = Swarm::start(&hub, staying, options());
    let mut stops = Swarm::start(&hub, stopping, options());
    wait_until("all report", || hub.metric("windfire_sessions") as usize == AGENTS);
    wait_until("all have reported", || hub.metric("windfire_reports_taken_total") as usize >= 3 * AGENTS);

    let told = |status: &str| -> Vec<Vec<Value>> {
        ["one", "two"].iter().map(|name| with_status(&receiver.told(name), status)).collect()
    };
    let are_all_counted = |status| told(status).iter().all(|messages| counted(messages) as usize >= STOPPED);
    stops.finish();
    wait_until("their absence is told", || are_all_counted("firing"));
    // With the same credentials, and new outboxes.
    let mut back = Swarm::start(&hub, stopping, options());
    wait_until("their return is told", || are_all_counted("resolved"));
    wait_until("all is sent", || hub.metric("windfire_notices_pending") == 0.0);

    for status in ["firing", "resolved"] {
        for messages in told(status) {
            let counts: Vec<u64> = messages.iter().map(|message| message["count"].as_u64().unwrap_or(0)).collect();
            tally!("{status}: messages about {counts:?} servers");
            assert!(messages.len() <= MESSAGES_MAX, "{status}: {counts:?}");
            assert_eq!(counts.iter().sum::<u64>(), STOPPED as u64);
            assert!(messages.iter().all(|message| message["servers"].as_array().is_some_and(|all| all.len() <= 10)));
        }
    }
    // The first servers that were made are those that stopped.
    let expected: BTreeSet<u64> = (1..=STOPPED as u64).collect();
    assert_eq!(servers(&hub, rule, "fired"), expected);
    assert_eq!(servers(&hub, rule, "resolved"), expected);
    back.finish();
    stays.finish();
}

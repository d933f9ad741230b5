//! A hub that was killed with a long log answers before it has read it: latest status, numbers and acks at once, and history
//! while agents report. It is killed 20 times in the middle of that; then everything is in history, once.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::time::Duration;

use crate::hub::{new_hub, quick_backoff, wait_until};
use serde_json::Value;
use windfire_bench::clock::unix_ms;
use windfire_bench::crashed_log::{self, CrashedLog};
use windfire_bench::given::seed;
use windfire_bench::swarm::{Account, Swarm, SwarmOptions};
use windfire_bench::tally;

const SERVERS: usize = 400;
/// Reports of each server in the log: three heads.
const SECONDS: i64 = 1900;
const KILLS: usize = 20;
/// Kills that must come while history reads the log.
const IN_THE_MIDDLE_MIN: usize = KILLS / 4 + 1;
/// Kills until so many have come then: where this test stands still for a moment, history is faster.
const KILLS_MAX: usize = 5 * KILLS;

#[test]
fn a_killed_hub_answers_before_it_has_read_its_log() {
    let mut random = fastrand::Rng::with_seed(seed());
    let (_folder, mut hub) = new_hub(&[]);
    let token = hub.make_token();
    let log = CrashedLog { servers: SERVERS, seconds: SECONDS, commits_per_s: 1, end_ms: unix_ms() };
    print!("{}", crashed_log::leave(hub.data(), log));
    let credentials = hub.rotate_credentials();

    hub.start_at_once();
    let options = SwarmOptions {
        interval: Duration::from_millis(200),
        backoff: quick_backoff(),
        ack_each_report: true,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    let (mut kills, mut in_the_middle, mut acked_meanwhile, mut noted) = (0, 0, 0, 0);
    while kills < KILLS || kills < KILLS_MAX && (in_the_middle < IN_THE_MIDDLE_MIN || noted == 0) {
        kills += 1;
        let acked = |swarm: &Swarm| Account::total(&swarm.accounts()).acked;
        let (before, left) = (acked(&swarm), hub.metric("windfire_catch_up_commits"));
        let details: Value =
            serde_json::from_str(&hub.get("/api/v1/server/details", &token).text()).expect("an answer at once");
        let servers = details["result"].as_array().expect("servers");
        let has_status = |server: &&Value| server["status"]["MemUsed"].as_u64().is_some_and(|bytes| bytes > 0);
        assert_eq!(servers.iter().filter(has_status).count(), SERVERS, "every latest status");
        let id = &servers[0]["id"];
        let history = hub.get(&format!("/api/v1/server/history?id={id}&metric=cpu"), &token);
        let is_noted = history.header("windfire-note").is_some_and(|note| note.contains("reads its log"));
        assert_eq!(is_noted, history.text().contains("reads its log"), "the note is in the JSON too");
        noted += usize::from(is_noted);
        let until = left * random.f64();
        wait_until("history has read so far", || hub.metric("windfire_catch_up_commits") <= until);
        let readyz = hub.get("/readyz", "");
        assert_eq!(readyz.status, 200, "{}", readyz.text());
        in_the_middle += usize::from(readyz.text().contains("reads the log"));
        hub.kill();
        acked_meanwhile += acked(&swarm) - before;
        hub.start_at_once();
    }
    let export = hub.cli(&["export"]);
    if hub.metric("windfire_catch_up_commits") > 0.0 {
        let words = String::from_utf8_lossy(&export.stderr);
        assert!(!export.status.success() && words.contains("export again"), "{words}");
    }
    wait_until("history has all of the log", || hub.metric("windfire_catch_up_commits") == 0.0);
    assert_eq!(hub.get("/readyz", "").text(), "ready\n");
    wait_until("every agent is back", || hub.metric("windfire_sessions") as usize == SERVERS);
    let accounts = swarm.settle();
    assert!(hub.terminate().success());
    tally!(
        "{kills} kills, {in_the_middle} of them while history read the log; {noted} queries said so; {acked_meanwhile} reports \
         acknowledged in that time"
    );
    assert!(in_the_middle >= IN_THE_MIDDLE_MIN, "only {in_the_middle} kills came then: the test shows too little");
    assert!(noted > 0 && acked_meanwhile > 0, "{noted} noted, {acked_meanwhile} acknowledged");

    let numbers = hub.reported_numbers();
    assert_eq!(numbers.len(), accounts.len());
    for (server, (numbers, account)) in numbers.iter().zip(&accounts).enumerate() {
        assert_eq!(account.acked, account.pushed, "a graceful stop acknowledges everything");
        let expected: Vec<u64> = (1..=SECONDS.unsigned_abs()).chain(1..=account.pushed).collect();
        assert_eq!(*numbers, expected, "server {server}: the log's, then the agent's, each once");
    }
}

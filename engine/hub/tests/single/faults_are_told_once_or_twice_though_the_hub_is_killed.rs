//! 40 servers become bad and good again every few seconds, while the hub is killed at random moments, or `KILLS=50`
//! times. The log of alerts says what happened. Each fault was told once, or with the same key once more for a kill
//! right after it was told; each recovery has its fault.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::receiver::{Receiver, add_rule, events, wait_for_passes};
use crate::hub::{new_hub, quick_backoff, wait_until};
use serde_json::Value;
use windfire_bench::given::{given, seed};
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_bench::tally;
use windfire_bench::workload::Trace;

const SERVERS: usize = 40;
/// Each rule is about so few servers that its messages name them all.
const SERVERS_OF_RULE: usize = 5;
/// How late the receiver may notice on a busy machine that a message has come.
const RECEIVED_LATE_MAX: Duration = Duration::from_secs(5);

/// Servers that are idle for three seconds and busy for three, each from another moment on.
fn trace() -> Trace {
    let second = |cpu: u32| format!("{cpu}{}\n", ",0".repeat(14));
    let text = format!("names\n{}{}", second(0).repeat(3), second(100).repeat(3));
    Trace::parse(&text).expect("a trace")
}

/// Servers that a message names, as often as it does.
fn named(message: &Value) -> impl Iterator<Item = u64> {
    let servers = message["servers"].as_array().expect("servers").clone();
    servers.into_iter().map(|server| server["id"].as_u64().expect("an id"))
}

#[test]
fn faults_are_told_once_or_twice_though_the_hub_is_killed() {
    let (mut random, kills) = (fastrand::Rng::with_seed(seed()), given("KILLS", 5));
    let receiver = Receiver::start();
    let quick = ["--alert-interval-s", "1", "--alert-grace-s", "0", "--group-wait-s", "0", "--group-interval-s", "0"];
    let (_folder, mut hub) = new_hub(&quick);
    let credentials = hub.make_servers(SERVERS, "web");
    hub.start();
    let channel = receiver.channel(&hub, "ops");
    let ids: Vec<String> = (1..=SERVERS).map(|id| id.to_string()).collect();
    let add = |ids: &[String]| add_rule(&hub, "busy", "cpu > 90", &channel, &["--id", &ids.join(",")]);
    let rules: Vec<u64> = ids.chunks(SERVERS_OF_RULE).map(add).collect();
    let options = SwarmOptions { backoff: quick_backoff(), trace: Some(Arc::new(trace())), ..SwarmOptions::default() };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    wait_until("something is told", || !receiver.told("ops").is_empty());
    let mut killed = Vec::new();
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(random.u64(200..1500)));
        killed.push(Instant::now());
        hub.kill();
        hub.start_at_once();
    }
    wait_until("all are back", || hub.metric("windfire_sessions") as usize == SERVERS);
    // Kills may come so quickly that no pass saw a server's busy seconds. Nobody kills any more, so one of the next will.
    let fired = || rules.iter().flat_map(|rule| events(&hub, *rule, "fired"));
    let bad = || fired().map(|row| row["server"].as_u64().expect("an id")).collect::<BTreeSet<u64>>();
    wait_until("each server was bad at some time", || bad().len() == SERVERS);
    wait_for_passes(&hub, 2.0);
    // From now on nothing changes.
    swarm.finish();
    wait_for_passes(&hub, 2.0);
    wait_until("all is sent", || hub.metric("windfire_notices_pending") == 0.0);

    // Faults and recoveries by server, as the log has them.
    let happened = |what: &str| -> BTreeMap<u64, usize> {
        let mut happened = BTreeMap::new();
        for row in rules.iter().flat_map(|rule| events(&hub, *rule, what)) {
            *happened.entry(row["server"].as_u64().expect("an id")).or_default() += 1;
        }
        happened
    };
    let (faults, recoveries) = (happened("fired"), happened("resolved"));
    // What was told: the first time that each message came, in order, and how often.
    let (mut times, mut open) = (BTreeMap::<String, Vec<Instant>>::new(), BTreeMap::<u64, usize>::new());
    let (mut told, mut ended) = (BTreeMap::<u64, usize>::new(), BTreeMap::<u64, usize>::new());
    for (at, message) in receiver.told_at("ops") {
        let times = times.entry(message["key"].as_str().expect("a key").to_owned()).or_default();
        times.push(at);
        assert_eq!(message["truncated"], false, "it names all: {message}");
        if times.len() > 1 {
            continue;
        }
        for server in named(&message) {
            match message["status"].as_str() {
                Some("firing") => {
                    *told.entry(server).or_default() += 1;
                    *open.entry(server).or_default() += 1;
                }
                Some("resolved") => {
                    *ended.entry(server).or_default() += 1;
                    let open = open.entry(server).or_default();
                    // A fault that ended while its message waited is told together with its end. A recovery without a
                    // fault would be one that the log does not have.
                    if *open == 0 {
                        *told.entry(server).or_default() += 1;
                    } else {
                        *open -= 1;
                    }
                }
                other => panic!("{other:?}: {message}"),
            }
        }
    }
    let sum = |counts: &BTreeMap<u64, usize>| counts.values().sum::<usize>();
    let again = times.values().filter(|times| times.len() > 1).count();
    tally!(
        "{kills} kills: {} faults and {} recoveries in the log; {} faults and {} recoveries told in {} messages, of which \
         {again} came again",
        sum(&faults),
        sum(&recoveries),
        sum(&told),
        sum(&ended),
        times.len()
    );
    assert_eq!(told, faults, "each fault is told, and nothing else");
    // A kill comes between a message and the note that it was sent: then it is sent once more. On a slow disk the next
    // kill may come before that note, too.
    for (key, times) in &times {
        let (first, last) = (times[0], times[times.len() - 1]);
        let kills = killed.iter().filter(|at| **at + RECEIVED_LATE_MAX >= first && **at < last).count();
        assert!(times.len() <= 1 + kills, "{key} came {} times, with {kills} kills: {times:?}", times.len());
    }
    assert!(ended.iter().all(|(server, count)| *count <= recoveries.get(server).copied().unwrap_or(0)));
    assert_eq!(told.len(), SERVERS, "each server was bad at some time");
    assert!(sum(&recoveries) > 0);
}

//! Every packet between a hub and its 22 agents is lost for 25 seconds, or `CUT_S=1200`, and two of the agents stop in
//! that time. The receiver is told that the hub is cut off, later from when to when it was, and of the two: nothing of
//! the others.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::thread;
use std::time::{Duration, Instant};

use crate::bad_network::{Badness, Relay};
use crate::hub::receiver::{Receiver, add_rule, counted, done, events, wait_for_passes};
use crate::hub::{new_hub, quick_backoff, wait_until};
use serde_json::Value;
use windfire_bench::given::{given, seed};
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};
use windfire_bench::tally;

const STAYING: usize = 20;
const GONE: usize = 2;
/// Less than the cut, and more than the 15 s after which a hub that hears nobody takes the silence for its own fault.
const OFFLINE_S: u64 = 20;
/// Enough for agents whose handshakes were lost: they try again within five seconds. The rest is for a slow machine.
const GRACE_S: &str = "30";
/// Seconds by which a busy machine may delay a packet, or the look at a clock.
const LATE_S: u64 = 8;

/// The servers that a message names.
fn named(message: &Value) -> Vec<u64> {
    let servers = message["servers"].as_array().expect("servers").iter();
    servers.map(|server| server["id"].as_u64().expect("an id")).collect()
}

#[test]
fn a_hub_that_is_cut_off_tells_only_that() {
    let (seed, cut_s) = (seed(), given("CUT_S", 25));
    assert!(cut_s > OFFLINE_S, "CUT_S={cut_s} is too short: the rule must have time to fire");
    let receiver = Receiver::start();
    let quick = ["--alert-interval-s", "1", "--alert-grace-s", GRACE_S, "--group-wait-s", "0"];
    let (_folder, mut hub) = new_hub(&quick);
    let credentials = hub.make_servers(STAYING + GONE, "web");
    hub.start();
    let channel = receiver.channel(&hub, "ops");
    let away = add_rule(&hub, "away", &format!("offline > {OFFLINE_S}"), &channel, &[]);
    let rules = done(&hub, &["rule", "list"]);
    let mut rules = rules.as_array().expect("a list").iter();
    let isolated = rules.find(|rule| rule["name"] == "Hub isolated").and_then(|rule| rule["id"].as_u64());
    let isolated = isolated.expect("a rule that every hub has");
    done(&hub, &["rule", "edit", &isolated.to_string(), "--channels", &channel]);

    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let nothing = Badness { lost: 1.0, ..Badness::default() };
    let (relay, address) = runtime.block_on(Relay::start(hub.quic(), nothing, seed));
    relay.mend();
    let target = Target { hubs: vec![address.to_string()], fingerprint: hub.fingerprint() };
    let options = || SwarmOptions { backoff: quick_backoff(), ..SwarmOptions::default() };
    let mut stays = Swarm::start_at(&target, &credentials[..STAYING], options());
    let mut goes = Swarm::start_at(&target, &credentials[STAYING..], options());
    wait_until("all are connected", || hub.metric("windfire_sessions") as usize == STAYING + GONE);
    wait_until("all have reported", || hub.metric("windfire_reports_taken_total") as usize >= 3 * credentials.len());
    wait_for_passes(&hub, 1.0);

    relay.spoil();
    let cut = Instant::now();
    wait_until("the hub says that it is cut off", || !receiver.told("ops").is_empty());
    goes.finish();
    // A cut of a given length is what is asked for.
    thread::sleep(Duration::from_secs(cut_s).saturating_sub(cut.elapsed()));
    let told_in_the_cut = receiver.told("ops").len();
    let cut_s = cut.elapsed().as_secs();
    relay.mend();
    wait_until("those that are left are back", || hub.metric("windfire_sessions") as usize == STAYING);
    let back_s = cut.elapsed().as_secs();

    let about = |rule: u64, status: &str| -> Vec<Value> {
        let mut told = receiver.told("ops");
        told.retain(|message| message["rule"]["id"] == rule && message["status"] == status);
        told
    };
    wait_until("the cut is told", || !about(isolated, "isolated").is_empty());
    wait_until("the two are told", || !about(away, "firing").is_empty());
    wait_for_passes(&hub, 3.0);
    wait_until("all is sent", || hub.metric("windfire_notices_pending") == 0.0);
    stays.finish();

    let (fires, digests, offline) = (about(isolated, "firing"), about(isolated, "isolated"), about(away, "firing"));
    let all = receiver.told("ops").len();
    tally!(
        "{cut_s} s without a packet of {} agents: {told_in_the_cut} messages meanwhile, {all} in the end, of which {} \
         say that the hub is cut off, {} from when to when, and {} that servers are away: {:?}",
        credentials.len(),
        fires.len(),
        digests.len(),
        offline.len(),
        offline.iter().flat_map(named).collect::<Vec<_>>(),
    );
    // The servers that were made last are those that stopped.
    let gone: Vec<u64> = (STAYING + 1..=STAYING + GONE).map(|id| id as u64).collect();
    assert_eq!(
        (told_in_the_cut, fires.len(), digests.len(), offline.len(), all),
        (1, 1, 1, 1, 3),
        "{:#?}",
        receiver.told("ops")
    );
    assert_eq!((named(&offline[0]), counted(&offline)), (gone.clone(), GONE as u64));
    assert_eq!((named(&digests[0]), counted(&digests)), (gone.clone(), GONE as u64), "those that did not come back");
    let second = |field: &str| digests[0][field].as_u64().expect("a time");
    let told_s = second("ended") - second("since");
    assert!(
        (cut_s - LATE_S..=back_s + LATE_S).contains(&told_s),
        "{told_s} s are told, {cut_s} s it was, and after {back_s} s all were back"
    );
    let fired: Vec<u64> =
        events(&hub, away, "fired").iter().map(|row| row["server"].as_u64().expect("an id")).collect();
    assert_eq!(fired.iter().filter(|id| !gone.contains(id)).count(), 0, "{fired:?}");
    assert_eq!(events(&hub, isolated, "fired").len(), 1);
}

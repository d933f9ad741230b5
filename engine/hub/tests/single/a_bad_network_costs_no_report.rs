//! Agents report through a network that loses, delays, reorders and doubles packets, carries only short ones, or gives them
//! another address every second. Every report is in history, once. `NETWORK_S=60` keeps it bad for longer.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::bad_network::{Badness, Relay};
use crate::hub::{new_hub, quick_backoff, wait_until};
use windfire_bench::given::{given, seed};
use windfire_bench::swarm::{Account, Swarm, SwarmOptions, Target};
use windfire_bench::tally;

const AGENTS: usize = 20;
/// Payload of the longest UDP packet where the path has the least MTU of IPv6.
const BYTES_AT_MTU_1280: usize = 1280 - 40 - 8;

fn networks() -> [(&'static str, Badness); 9] {
    let lost = |lost| Badness { lost, ..Badness::default() };
    let delay = Duration::from_millis(150);
    [
        ("1 % lost", lost(0.01)),
        ("5 % lost", lost(0.05)),
        ("20 % lost", lost(0.2)),
        ("30 % late by up to 150 ms", Badness { delayed: 0.3, delay, ..Badness::default() }),
        ("30 % twice", Badness { doubled: 0.3, ..Badness::default() }),
        ("MTU 1280", Badness { bytes_max: BYTES_AT_MTU_1280, ..Badness::default() }),
        ("another address every second", Badness { moved_every: Some(Duration::from_secs(1)), ..Badness::default() }),
        ("gone for longer than a session lasts", lost(1.0)),
        (
            "all of it",
            Badness {
                lost: 0.05,
                doubled: 0.1,
                delayed: 0.3,
                delay,
                bytes_max: BYTES_AT_MTU_1280,
                moved_every: Some(Duration::from_secs(2)),
            },
        ),
    ]
}

fn report_through(name: &str, badness: Badness, seed: u64, bad_for: Duration) {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(AGENTS, "");
    hub.start();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let (relay, address) = runtime.block_on(Relay::start(hub.quic(), badness, seed));
    let is_outage = badness.lost >= 1.0;
    if is_outage {
        relay.mend();
    }
    let target = Target { hubs: vec![address.to_string()], fingerprint: hub.fingerprint() };
    let options = SwarmOptions {
        interval: Duration::from_millis(100),
        backoff: quick_backoff(),
        ack_each_report: true,
        threads: 1,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start_at(&target, &credentials, options);
    if is_outage {
        // Only a session that was there can end.
        wait_until("every agent has an ack", || swarm.accounts().iter().all(|account| account.acked > 0));
        relay.spoil();
    }
    // Bad for a given time is what is asked for.
    std::thread::sleep(bad_for);
    if is_outage {
        wait_until("no session is left", || hub.metric("windfire_sessions") == 0.0);
    }
    let acked_now = || Account::total(&swarm.accounts()).acked;
    wait_until("something is acknowledged while the network is bad", || acked_now() > 0);
    let in_time = acked_now();
    relay.mend();
    wait_until("every agent is back", || hub.metric("windfire_sessions") as usize == AGENTS);
    let before = swarm.accounts();
    wait_until("what was made then is acknowledged", || {
        swarm.accounts().iter().zip(&before).all(|(now, before)| now.acked >= before.pushed)
    });
    let accounts = swarm.settle();
    let opened = hub.metric("windfire_sessions_opened_total");
    assert!(hub.terminate().success());
    let Account { pushed, acked } = Account::total(&accounts);
    let (lost, doubled) = hub.check_history(accounts.iter().map(|account| account.pushed));
    let packets = &relay.packets;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    tally!(
        "{name}: {} packets, {} lost, {} doubled, {} late, {} moves; {pushed} reports, {in_time} acknowledged in the bad \
         time, {acked} at the end, {lost} lost, {doubled} doubled; {opened} sessions of {AGENTS} agents",
        count(&packets.all),
        count(&packets.lost),
        count(&packets.doubled),
        count(&packets.delayed),
        count(&packets.moves),
    );
    if is_outage {
        assert!(opened as usize > AGENTS, "{name}: a session ends when nothing comes");
    } else {
        // Some agents may have begun again, because a machine with much to do made the network even worse. If each
        // change of an address cost a session, there would be several of each agent.
        assert!(opened as usize <= AGENTS + AGENTS / 2, "{name}: {opened} sessions, though something always came");
    }
    assert_eq!((acked, lost, doubled), (pushed, 0, 0), "{name}");
}

#[test]
fn a_bad_network_costs_no_report() {
    let (seed, seconds) = (seed(), given("NETWORK_S", 5));
    std::thread::scope(|scope| {
        let runs = networks().map(|(name, badness)| {
            scope.spawn(move || report_through(name, badness, seed, Duration::from_secs(seconds)))
        });
        runs.into_iter().for_each(|run| run.join().expect("it held"));
    });
}

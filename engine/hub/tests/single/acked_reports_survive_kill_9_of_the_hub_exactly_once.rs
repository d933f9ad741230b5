//! 200 agents at 10 reports a second; the hub is killed 20 times at random moments, or `KILLS=200` times. What an agent was
//! told is durable is in history exactly once, nothing is there twice, and agents come back by themselves.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::time::{Duration, Instant};

use crate::hub::{new_hub, quick_backoff, wait_until};
use windfire_bench::given::{given, seed};
use windfire_bench::swarm::{Account, Swarm, SwarmOptions};
use windfire_bench::tally;

const AGENTS: usize = 200;
const INTERVAL: Duration = Duration::from_millis(100);

#[test]
fn acked_reports_survive_kill_9_of_the_hub_exactly_once() {
    let (mut random, kills) = (fastrand::Rng::with_seed(seed()), given("KILLS", 20));
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(AGENTS, "");
    hub.start_at_once();
    let options = SwarmOptions {
        interval: INTERVAL,
        backoff: quick_backoff(),
        ack_each_report: false,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    let acked_so_far = |swarm: &Swarm| Account::total(&swarm.accounts()).acked;
    wait_until("some are acknowledged", || acked_so_far(&swarm) > 0);
    let mut acked_at_kills = 0;
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(random.u64(50..1500)));
        hub.kill();
        acked_at_kills += acked_so_far(&swarm);
        hub.start_at_once();
    }
    let started = Instant::now();
    wait_until("every agent is back", || hub.metric("windfire_sessions") as usize == AGENTS);
    let back_s = started.elapsed().as_secs_f64();
    let accounts = swarm.settle();
    let known = hub.metric("windfire_reports_duplicate_total");
    assert!(hub.terminate().success());

    let numbers = hub.reported_numbers();
    let (mut acked, mut found, mut doubled, mut lost) = (0, 0, 0, 0);
    assert_eq!(numbers.len(), accounts.len());
    for (account, numbers) in accounts.iter().zip(&numbers) {
        let mut sorted = numbers.clone();
        sorted.sort_unstable();
        sorted.dedup();
        doubled += numbers.len() - sorted.len();
        found += numbers.len();
        acked += account.acked;
        lost += (1..=account.acked).filter(|number| sorted.binary_search(number).is_err()).count();
    }
    let pushed: u64 = accounts.iter().map(|account| account.pushed).sum();
    tally!(
        "{kills} kills, {AGENTS} agents back {back_s:.2} s after the last: {pushed} reports made, {acked} acked, {found} in \
         history, {lost} lost, {doubled} doubled, {known} sent again and known since the last start"
    );
    assert!(acked_at_kills > 0, "no kill came after an ack: the test shows nothing");
    assert_eq!(acked, pushed, "a graceful stop acknowledges everything");
    assert_eq!((lost, doubled), (0, 0));
    assert_eq!(found as u64, pushed);
}

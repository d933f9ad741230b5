//! Agents lose their connections about once a second, and come back to any of three hubs each time. Each report is on
//! every hub exactly once. `FLAP_S=300` lets them flap for longer.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::time::{Duration, Instant};

use crate::hub::wait_until;
use crate::hubs::faults::{eager_agents, made_by};
use crate::hubs::{Hubs, await_acks};
use windfire_bench::given::given;
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};
use windfire_bench::tally;

const AGENTS: usize = 10;
/// Sessions of each hub without which the agents did not flap.
const SESSIONS_MIN: f64 = AGENTS as f64;

#[test]
fn agents_flap() {
    let time = Duration::from_secs(given("FLAP_S", 3));
    let mut cluster = Hubs::new(3, AGENTS);
    cluster.start();
    let options = SwarmOptions { flaps_per_s: AGENTS as f64, ..eager_agents() };
    let begun = Instant::now();
    let mut swarm = Swarm::start_at(&Target::of_all(&cluster.hubs), &cluster.credentials, options);
    let opened = || cluster.hubs.iter().map(|hub| hub.metric("windfire_sessions_opened_total"));
    wait_until("each hub had them several times", || opened().all(|sessions| sessions >= SESSIONS_MIN));
    std::thread::sleep(time.saturating_sub(begun.elapsed()));
    await_acks(&swarm);
    let accounts = swarm.settle();
    let flaps = (opened().sum::<f64>() as u64).saturating_sub(AGENTS as u64);
    tally!("an agent came back {flaps} times in {:.1} s", begun.elapsed().as_secs_f64());
    cluster.await_equal();
    let fault = "an agent comes back, to any hub, about every second";
    cluster.stop_and_compare(&made_by(&accounts)).tell_and_check(fault, flaps, swarm.take_longest_silence());
}

//! A hub is stopped, and its cluster goes on without it. When it is back it follows the streams from where it was, with
//! nobody's help, and is ready once it has what the others have. `AWAY_S=3600` keeps it away for an hour.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::hub::sick_disk::acked;
use crate::hub::wait_until;
use crate::hubs::faults::{eager_agents, made_by};
use crate::hubs::{Hubs, await_acks, is_ready};
use windfire_bench::given::given;
use windfire_bench::swarm::{Swarm, Target};
use windfire_bench::tally;

const AGENTS: usize = 20;
/// Reports that the hub misses at least.
const MISSED_MIN: u64 = 1000;

#[test]
fn a_hub_is_away() {
    let away = Duration::from_secs(given("AWAY_S", 0));
    let mut cluster = Hubs::new(2, AGENTS);
    cluster.start();
    let mut swarm = Swarm::start_at(&Target::of(&cluster.hubs[0]), &cluster.credentials, eager_agents());
    await_acks(&swarm);
    let before = acked(&swarm);
    assert!(cluster.hubs[1].terminate().success());
    sleep(away);
    wait_until("there is something to catch up with", || acked(&swarm) >= before + MISSED_MIN);
    let (missed, started) = (acked(&swarm) - before, Instant::now());
    cluster.hubs[1].start_at_once();
    let serves = started.elapsed();
    wait_until("it is ready", || is_ready(&cluster.hubs[1]));
    tally!("{missed} reports behind: it answers after {serves:?}, and is ready after {:?}", started.elapsed());
    let accounts = swarm.settle();
    cluster.await_equal();
    let fault = "hub away, and back";
    cluster.stop_and_compare(&made_by(&accounts)).tell_and_check(fault, 1, swarm.take_longest_silence());
}

//! Three hubs, three brokers, 20 agents at 10 reports a second that know all hubs. A hub and a broker are killed twice, or
//! `KILLS=50` times. Then every hub has every report once, and the exports of the hubs are equal.

use std::thread::sleep;
use std::time::Duration;

use crate::hub::wait_until;
use crate::hubs::faults::{eager_agents, made_by};
use crate::hubs::{Hubs, await_acks, is_ready};
use windfire_bench::given::{given, seed};
use windfire_bench::swarm::{Swarm, Target};
use windfire_bench::tally;

const AGENTS: usize = 20;

#[test]
fn hubs_and_brokers_are_killed() {
    let (mut random, kills) = (fastrand::Rng::with_seed(seed()), given("KILLS", 2));
    let mut cluster = Hubs::new(3, AGENTS);
    cluster.start();
    let mut swarm = Swarm::start_at(&Target::of_all(&cluster.hubs), &cluster.credentials, eager_agents());
    await_acks(&swarm);
    let (mut without_hub, mut without_broker) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..kills {
        sleep(Duration::from_millis(random.u64(100..1000)));
        let killed = random.usize(..cluster.hubs.len());
        cluster.hubs[killed].kill();
        without_hub = without_hub.max(await_acks(&swarm));
        cluster.hubs[killed].start_at_once();
        sleep(Duration::from_millis(random.u64(100..1000)));
        let killed = random.usize(..cluster.brokers.brokers.len());
        cluster.brokers.kill(killed);
        without_broker = without_broker.max(await_acks(&swarm));
        cluster.brokers.restart(killed);
    }
    tally!(
        "{kills} kills: at most {:.1} s until acks after a hub was killed, {:.1} s after a broker was",
        without_hub.as_secs_f64(),
        without_broker.as_secs_f64()
    );
    let accounts = swarm.settle();
    wait_until("all hubs are ready", || cluster.hubs.iter().all(is_ready));
    cluster.await_equal();
    let fault = "kill -9 of a hub, then of a broker";
    cluster.stop_and_compare(&made_by(&accounts)).tell_and_check(fault, kills, swarm.take_longest_silence());
}

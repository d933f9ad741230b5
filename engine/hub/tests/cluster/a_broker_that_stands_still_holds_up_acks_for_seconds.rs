//! The broker that leads most streams stands still under load, and nobody closes its connections, as on a machine that
//! hangs. The others elect leaders, and hubs that were connected to it go to another one: agents have acks again within
//! 15 s. Then it goes on, and again nothing is lost or doubled. `STOPS=50` stops brokers more often.

use std::time::Duration;

use crate::hub::frozen_disk::stand_still;
use crate::hubs::faults::{acks_max, eager_agents, made_by, signal};
use crate::hubs::{Hubs, await_acks};
use rustix::process::Signal;
use windfire_bench::given::given;
use windfire_bench::swarm::{Swarm, Target};

const AGENTS: usize = 20;

#[test]
fn a_broker_stands_still() {
    let stops = given("STOPS", 1);
    let mut cluster = Hubs::new(2, AGENTS);
    cluster.start();
    let mut swarm = Swarm::start_at(&Target::of_all(&cluster.hubs), &cluster.credentials, eager_agents());
    let mut slowest = Duration::ZERO;
    for _ in 0..stops {
        await_acks(&swarm);
        let leader = cluster.leader_of_most();
        let broker = &cluster.brokers.brokers[leader];
        stand_still(broker.pid());
        slowest = slowest.max(await_acks(&swarm));
        signal(broker.pid(), Signal::CONT);
        broker.await_health();
    }
    await_acks(&swarm);
    let accounts = swarm.settle();
    cluster.await_equal();
    let fault = "SIGSTOP of the broker that leads most streams";
    cluster.stop_and_compare(&made_by(&accounts)).tell_and_check(fault, stops, swarm.take_longest_silence());
    assert!(slowest <= acks_max(stops == 1), "acks came after {slowest:?}");
}

//! A hub of two stops. Its agents do not wait as long as they would before they try the same hub again.

use std::time::{Duration, Instant};

use crate::hubs::{Hubs, await_acks};
use windfire_agent::backoff::BackoffOptions;
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};

const AGENTS: usize = 10;
/// Much longer than a move may take: an agent moves within a quarter of its first wait. The hub itself may need seconds
/// to stop, and a busy machine some more.
const WAIT: Duration = Duration::from_secs(60);

#[test]
fn a_hub_stops() {
    let mut cluster = Hubs::new(2, AGENTS);
    cluster.start();
    let options = SwarmOptions {
        interval: Duration::from_millis(200),
        backoff: BackoffOptions { first: WAIT, max: WAIT, refused: 3 * WAIT },
        ack_each_report: true,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start_at(&Target::of_all(&cluster.hubs), &cluster.credentials, options);
    await_acks(&swarm);
    let stopped = if cluster.hubs[0].metric("windfire_sessions") > 0.0 { 0 } else { 1 };
    let begun = Instant::now();
    assert!(cluster.hubs[stopped].terminate().success());
    await_acks(&swarm);
    let took = begun.elapsed();
    assert!(took < WAIT / 2, "the agents were at the other hub after {took:?}");
    cluster.hubs[stopped].start_at_once();
    let accounts = swarm.settle();
    cluster.await_equal();
    cluster.stop_and_check(&accounts);
}

//! A hub is killed while all agents report through it. Each of them reports to another hub and has acks there within
//! 15 s, and the panel of another hub shows no server as silent for longer. Agents wait and try as they do by default.
//! There are 100 agents, or `AGENTS=1000`, and the hub is killed once, or `KILLS=50` times.

use std::time::{Duration, Instant};

use crate::hub::panel::{Panel, result};
use crate::hub::wait_until;
use crate::hubs::faults::{acks_max, made_by};
use crate::hubs::{Hubs, await_acks, is_ready};
use windfire_bench::clock::unix_ms;
use windfire_bench::given::given;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};
use windfire_bench::tally;

const HUBS: usize = 3;

/// Milliseconds since the report, as the panel of a hub shows it in seconds, of the server that is silent for longest.
fn silent_ms(panel: &Panel, hub: &HubProcess) -> i64 {
    let (list, now_ms) = (result(&panel.get(hub, "/api/v1/server/list")), unix_ms());
    let age_ms = |active_s: Option<i64>| now_ms - 1000 * active_s.expect("a time");
    let servers = list.as_array().expect("a list").iter();
    servers.map(|server| age_ms(server["last_active"].as_i64())).max().expect("servers")
}

#[test]
fn a_hub_is_killed_under_all_agents() {
    let (agents, kills) = (given("AGENTS", 100usize), given("KILLS", 1));
    let mut cluster = Hubs::new(HUBS, agents);
    cluster.start();
    let ramp = Duration::from_secs_f64(agents as f64 / 500.0);
    let options = SwarmOptions { ack_each_report: true, ramp, ..SwarmOptions::default() };
    let mut swarm = Swarm::start_at(&Target::of_all(&cluster.hubs), &cluster.credentials, options);
    await_acks(&swarm);
    let panel = Panel::of_admin(&cluster.hubs[0]);
    let (mut slowest, mut silent_ms_max) = (Duration::ZERO, 0);
    for kill in 0..kills {
        // The other hubs stop, and tell their agents.
        let killed = kill % HUBS;
        let others: Vec<usize> = (0..HUBS).filter(|number| *number != killed).collect();
        for number in &others {
            assert!(cluster.hubs[*number].terminate().success());
        }
        let all = agents as f64;
        wait_until("all agents are at one hub", || cluster.hubs[killed].metric("windfire_sessions") == all);
        for number in &others {
            cluster.hubs[*number].start_at_once();
            wait_until("the other hub is ready", || is_ready(&cluster.hubs[*number]));
        }
        await_acks(&swarm);
        let (before, begun) = (swarm.accounts(), Instant::now());
        cluster.hubs[killed].kill();
        wait_until("each agent has acks at another hub", || {
            silent_ms_max = silent_ms_max.max(silent_ms(&panel, &cluster.hubs[others[0]]));
            swarm.accounts().iter().zip(&before).all(|(now, before)| now.acked > before.pushed)
        });
        slowest = slowest.max(begun.elapsed());
        cluster.hubs[killed].start_at_once();
        wait_until("the hub is ready", || is_ready(&cluster.hubs[killed]));
    }
    let accounts = swarm.settle();
    tally!("acks elsewhere after {slowest:?}; the panel showed a report {silent_ms_max} ms old");
    cluster.await_equal();
    let (fault, times) = (format!("kill -9 of the hub of all {agents} agents"), kills as u64);
    cluster.stop_and_compare(&made_by(&accounts)).tell_and_check(&fault, times, swarm.take_longest_silence());
    let acks_max = acks_max(agents <= 100 && kills == 1);
    assert!(slowest <= acks_max, "acks came after {slowest:?}");
    // The panel has whole seconds, and agents report once in one.
    let shown_max = acks_max + Duration::from_secs(2);
    assert!(u128::from(silent_ms_max.unsigned_abs()) <= shown_max.as_millis(), "{silent_ms_max} ms");
}

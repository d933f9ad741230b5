//! A hub leaves its cluster. It continues alone with the data that it has. When all brokers are lost, it becomes the
//! first hub of a new cluster, which others join.

use std::process::Output;
use std::time::Duration;

use crate::hub::{quick_backoff, wait_until};
use crate::hubs::brokers::BrokerCluster;
use crate::hubs::{Hubs, await_acks, export, is_ready, succeeded};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions, Target};

const AGENTS: usize = 5;

/// Agents report for a while. Returns how many reports they made.
fn report(cluster: &Hubs, target: &Target) -> usize {
    let interval = Duration::from_millis(100);
    let options = SwarmOptions { interval, backoff: quick_backoff(), ..SwarmOptions::default() };
    let mut swarm = Swarm::start_at(target, &cluster.credentials, options);
    await_acks(&swarm);
    let accounts = swarm.settle();
    accounts.iter().for_each(|account| assert_eq!(account.acked, account.pushed));
    usize::try_from(accounts.iter().map(|account| account.pushed).sum::<u64>()).expect("few")
}

fn count(hub: &HubProcess) -> usize {
    export(hub).iter().filter(|byte| **byte == b'\n').count()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn it_is_alone_and_may_begin_a_new_cluster() {
    let mut cluster = Hubs::new(2, AGENTS);
    cluster.start();
    let mut reports = report(&cluster, &Target::of_all(&cluster.hubs));
    cluster.await_equal();
    // The one that runs is not made to leave.
    let running = cluster.run(&cluster.hubs[1], "leave", "hub-1", &[]);
    assert!(!running.status.success() && cluster.hubs[1].data().join("CLUSTER").exists(), "{}", said(&running));
    assert!(cluster.hubs.iter_mut().all(|hub| hub.terminate().success()));

    let mut alone = cluster.hub("hub-1", &[]);
    let left = cluster.run(&alone, "leave", "hub-1", &[]);
    assert!(left.status.success(), "{}", said(&left));
    for words in ["is alone from now on", "its cluster_hub_id is free", "list of hubs of every agent"] {
        assert!(said(&left).contains(words), "{}", said(&left));
    }
    let again = cluster.run(&alone, "leave", "hub-1", &[]);
    assert!(!again.status.success() && said(&again).contains("belongs to no cluster"), "{}", said(&again));
    let refused = cluster.hubs[1].try_start().expect_err("it is in no cluster");
    assert!(refused.contains("windfire cluster join --from"), "{refused}");

    alone.start();
    assert!(is_ready(&alone));
    assert_eq!(count(&alone), reports, "it has what it had");
    reports += report(&cluster, &Target::of(&alone));
    assert!(alone.terminate().success());

    // The brokers are lost with all that they had, and others take their place.
    cluster.brokers = BrokerCluster::start(3);
    succeeded(&cluster.run(&alone, "init", "hub-1", &[]));
    let mut first = cluster.hub("hub-1", &cluster.arguments("hub-1"));
    first.start_at_once();
    wait_until("the hub is ready", || is_ready(&first));
    let second = cluster.join("hub-2", &first);
    cluster.hubs = vec![first, second];
    reports += report(&cluster, &Target::of_all(&cluster.hubs));
    cluster.await_equal();
    wait_until("both have every report", || cluster.hubs.iter().all(|hub| count(hub) >= reports));
    assert_eq!(count(&cluster.hubs[0]), reports);
    assert!(export(&cluster.hubs[0]) == export(&cluster.hubs[1]), "the exports of the hubs differ");
}

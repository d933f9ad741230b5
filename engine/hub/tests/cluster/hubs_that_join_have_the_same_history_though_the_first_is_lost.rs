//! A hub with history becomes the first of a cluster, and two others join it while agents report. Then its machine is
//! gone for good, process and folder, and a new hub joins from one of the others. Each time the exports of all hubs are
//! equal and have every report.

use std::fs;
use std::time::Duration;

use crate::hub::{quick_backoff, wait_until};
use crate::hubs::{Hubs, await_acks, export, is_ready};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Account, Swarm, SwarmOptions, Target};

const AGENTS: usize = 10;
const INTERVAL: Duration = Duration::from_millis(100);

fn swarm(target: &Target, credentials: &[String]) -> Swarm {
    let options = SwarmOptions { interval: INTERVAL, backoff: quick_backoff(), ..SwarmOptions::default() };
    let swarm = Swarm::start_at(target, credentials, options);
    await_acks(&swarm);
    swarm
}

/// Reports that were made, all of which must be acknowledged.
fn made(accounts: &[Account]) -> u64 {
    accounts.iter().for_each(|account| assert_eq!(account.acked, account.pushed));
    accounts.iter().map(|account| account.pushed).sum()
}

/// Waits until every hub has so many reports, and checks that they are the same.
fn check_equal(hubs: &[HubProcess], reports: u64) {
    let lines = |export: &[u8]| export.iter().filter(|byte| **byte == b'\n').count() as u64;
    for hub in hubs {
        wait_until("the hub has every report", || lines(&export(hub)) >= reports);
    }
    let exports: Vec<Vec<u8>> = hubs.iter().map(export).collect();
    assert_eq!(lines(&exports[0]), reports, "each report is there once");
    assert!(exports.iter().all(|export| *export == exports[0]), "the exports of the hubs differ");
}

#[test]
fn a_cluster_outlives_its_first_hub() {
    let mut reports = 0;
    let mut cluster = Hubs::first(AGENTS, |hub, credentials| {
        reports += made(&swarm(&Target::of(hub), credentials).settle());
    });
    cluster.start();
    let mut agents = swarm(&Target::of(&cluster.hubs[0]), &cluster.credentials);
    for id in ["hub-1", "hub-2"] {
        let hub = cluster.join(id, &cluster.hubs[0]);
        cluster.hubs.push(hub);
        await_acks(&agents);
    }
    reports += made(&agents.settle());
    cluster.await_equal();
    check_equal(&cluster.hubs, reports);

    let mut agents = swarm(&Target::of_all(&cluster.hubs), &cluster.credentials);
    let mut lost = cluster.hubs.remove(0);
    lost.kill();
    fs::remove_dir_all(lost.data()).expect("own folder");
    await_acks(&agents);
    let hub = cluster.join("hub-3", &cluster.hubs[0]);
    cluster.hubs.push(hub);
    await_acks(&agents);
    reports += made(&agents.settle());
    wait_until("all hubs are ready", || cluster.hubs.iter().all(is_ready));
    cluster.await_equal();
    check_equal(&cluster.hubs, reports);
    wait_until("nothing is left of what was sent", || !cluster.hubs[0].data().join("sending").exists());
}

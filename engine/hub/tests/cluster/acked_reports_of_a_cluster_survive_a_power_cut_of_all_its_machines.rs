//! Three brokers and two hubs, each on a disk of its own. The power of all of them is cut at one moment: what kernels had
//! not written is lost. What an agent was told is durable is on every hub exactly once. `CUTS=20` cuts more often.
//!
//! Needs root and loop devices. Elsewhere it is skipped and says so.

use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use crate::hub::frozen_disk::{FrozenDisk, stand_still};
use crate::hub::sick_disk::acked;
use crate::hub::wait_until;
use crate::hubs::brokers::BrokerCluster;
use crate::hubs::faults::{eager_agents, made_by};
use crate::hubs::{Hubs, await_acks, is_ready};
use windfire_bench::given::{given, seed};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, Target};
use windfire_bench::{skipped, tally};

const AGENTS: usize = 20;
const BROKERS: usize = 3;
const HUBS: usize = 2;

/// Cuts the power of all these disks: of each, what was written to it before `end` ends whoever uses them.
fn cut_power(disks: &[FrozenDisk], end: &mut dyn FnMut()) {
    match disks.split_first() {
        Some((first, others)) => first.cut_power(|| cut_power(others, end)),
        None => end(),
    }
}

#[test]
fn the_power_of_all_machines_is_cut() {
    let (mut random, cuts) = (fastrand::Rng::with_seed(seed()), given("CUTS", 1));
    let disks: Result<Vec<FrozenDisk>, String> = (0..BROKERS + HUBS).map(|_| FrozenDisk::mount()).collect();
    let disks = match disks {
        Ok(disks) => disks,
        Err(why) => return skipped!("no disks of its own: {why}"),
    };
    let (of_brokers, of_hubs) = disks.split_at(BROKERS);
    let folders: Vec<PathBuf> = of_brokers.iter().map(|disk| disk.path().join("broker")).collect();
    folders.iter().for_each(|folder| fs::create_dir(folder).expect("a folder"));
    let mut cluster = Hubs::with_brokers(BrokerCluster::in_folders(&folders), HUBS, AGENTS);
    for (number, disk) in of_hubs.iter().enumerate() {
        cluster.move_hub(number, &disk.path().join("hub"));
    }
    cluster.start();
    // The test has written configurations and copies, and synced none of them.
    disks.iter().for_each(FrozenDisk::sync);
    let mut swarm = Swarm::start_at(&Target::of_all(&cluster.hubs), &cluster.credentials, eager_agents());
    let mut acked_at_cuts = 0;
    for _ in 0..cuts {
        let before = acked(&swarm);
        await_acks(&swarm);
        sleep(Duration::from_millis(random.u64(50..700)));
        // They do nothing while the disks are copied: each ack is for what is on the copies, or not sent.
        let hubs = cluster.hubs.iter().map(HubProcess::pid);
        hubs.chain(cluster.brokers.brokers.iter().map(|broker| broker.pid())).for_each(stand_still);
        acked_at_cuts += acked(&swarm) - before;
        cut_power(&disks, &mut || {
            cluster.hubs.iter_mut().for_each(HubProcess::kill);
            (0..BROKERS).for_each(|broker| cluster.brokers.kill(broker));
        });
        cluster.brokers.restart_all();
        cluster.hubs.iter_mut().for_each(HubProcess::start_at_once);
    }
    await_acks(&swarm);
    let accounts = swarm.settle();
    wait_until("all hubs are ready", || cluster.hubs.iter().all(is_ready));
    cluster.await_equal();
    tally!("{acked_at_cuts} reports were acknowledged between the cuts");
    let fault = "power cut of all brokers and hubs at once";
    cluster.stop_and_compare(&made_by(&accounts)).tell_and_check(fault, cuts, swarm.take_longest_silence());
    assert!(acked_at_cuts > 0, "no cut came after an ack: the test shows nothing");
}

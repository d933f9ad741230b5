//! A hub's store is on a disk whose power is cut at random moments: what the kernel had not written is lost. What an agent was
//! told is durable is in history exactly once. `CUTS=50` cuts more often.
//!
//! Needs root and loop devices. Elsewhere it is skipped and says so.

mod hub;

use std::path::Path;
use std::time::Duration;

use hub::frozen_disk::{FrozenDisk, stand_still};
use hub::{HUB, quick_backoff, wait_until};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions};

const AGENTS: usize = 50;

#[test]
fn acked_reports_survive_a_power_cut_exactly_once() {
    let number = |name: &str| std::env::var(name).ok().and_then(|number| number.parse().ok());
    let (seed, cuts) = (number("SEED").unwrap_or_else(|| fastrand::u64(..)), number("CUTS").unwrap_or(10));
    println!("seed {seed} (set SEED to repeat its choices)");
    let mut random = fastrand::Rng::with_seed(seed);
    let disk = match FrozenDisk::mount() {
        Ok(disk) => disk,
        Err(why) => return eprintln!("skipped: no disk of its own: {why}"),
    };
    let mut hub = HubProcess::new(Path::new(HUB), &disk.path().join("data"), &[]);
    let credentials = hub.make_servers(AGENTS, "");
    hub.start_at_once();
    let options = SwarmOptions {
        interval: Duration::from_millis(50),
        backoff: quick_backoff(),
        ack_each_report: true,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    let mut acked_at_cuts = 0;
    for _ in 0..cuts {
        let before = swarm.accounts().iter().map(|account| account.acked).sum::<u64>();
        wait_until("some are acknowledged", || swarm.accounts().iter().any(|account| account.acked > 0));
        std::thread::sleep(Duration::from_millis(random.u64(50..700)));
        // The hub does nothing while the disk is copied: each ack is for what is on the copy, or not sent.
        stand_still(hub.pid());
        acked_at_cuts += swarm.accounts().iter().map(|account| account.acked).sum::<u64>() - before;
        disk.cut_power(|| hub.kill());
        hub.start_at_once();
    }
    wait_until("every agent is back", || hub.metric("windfire_sessions").to_string() == AGENTS.to_string());
    let accounts = swarm.finish();
    assert!(hub.terminate().success());
    let (pushed, acked) = accounts.iter().fold((0, 0), |sum, one| (sum.0 + one.pushed, sum.1 + one.acked));
    let (lost, doubled) = hub.check_history(accounts.iter().map(|account| account.pushed));
    println!(
        "{cuts} power cuts, {acked_at_cuts} reports acknowledged between them: {pushed} reports, {acked} acknowledged at the \
         end, {lost} lost, {doubled} doubled"
    );
    assert!(acked_at_cuts > 0, "no cut came after an ack: the test shows nothing");
    assert_eq!((acked, lost, doubled), (pushed, 0, 0));
}

//! A hub's store is on a disk whose power is cut at random moments: what the kernel had not written is lost. What an agent was
//! told is durable is in history exactly once. `CUTS=50` cuts more often.
//!
//! Needs root and loop devices. Elsewhere it is skipped and says so.

use std::path::Path;
use std::time::Duration;

use crate::hub::frozen_disk::{FrozenDisk, stand_still};
use crate::hub::sick_disk::{acked, eager_agents, settle};
use crate::hub::{HUB, wait_until};
use windfire_bench::given::{given, seed};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::Swarm;
use windfire_bench::{skipped, tally};

const AGENTS: usize = 50;

#[test]
fn acked_reports_survive_a_power_cut_exactly_once() {
    let (mut random, cuts) = (fastrand::Rng::with_seed(seed()), given("CUTS", 10));
    let disk = match FrozenDisk::mount() {
        Ok(disk) => disk,
        Err(why) => return skipped!("no disk of its own: {why}"),
    };
    let mut hub = HubProcess::new(Path::new(HUB), &disk.path().join("data"), &[]);
    let credentials = hub.make_servers(AGENTS, "");
    hub.start_at_once();
    let mut swarm = Swarm::start(&hub, &credentials, eager_agents());
    let mut acked_at_cuts = 0;
    for _ in 0..cuts {
        let before = acked(&swarm);
        wait_until("some are acknowledged", || swarm.accounts().iter().any(|account| account.acked > 0));
        std::thread::sleep(Duration::from_millis(random.u64(50..700)));
        // The hub does nothing while the disk is copied: each ack is for what is on the copy, or not sent.
        stand_still(hub.pid());
        acked_at_cuts += acked(&swarm) - before;
        disk.cut_power(|| hub.kill());
        hub.start_at_once();
    }
    let (pushed, lost, doubled) = settle(&mut hub, &mut swarm);
    tally!(
        "{cuts} power cuts, {acked_at_cuts} reports acknowledged between them: {pushed} reports, all acknowledged at the \
         end, {lost} lost, {doubled} doubled"
    );
    assert!(acked_at_cuts > 0, "no cut came after an ack: the test shows nothing");
    assert_eq!((lost, doubled), (0, 0));
}

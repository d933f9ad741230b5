//! Every write and sync of the hub's disk fails with an I/O error, while agents report. No report becomes durable and
//! none is acknowledged that is not, readers are answered, and `/readyz` says why. When the disk is well, so is the
//! hub, without a restart. The kernel forgets what it could not write, so at the end the hub is killed and the power is
//! cut: each acknowledged report is on the disk, and in history once. `DISK_ROUNDS=50` fails more often.
//!
//! The kernel gives a file system up whose journal it could not write. Such a disk is mounted again.
//!
//! Needs root, loop devices, and ext4 for temporary files. Elsewhere it is skipped and says so.

use std::cell::Cell;
use std::path::Path;
use std::time::Duration;

use crate::hub::HUB;
use crate::hub::frozen_disk::{FrozenDisk, stand_still};
use crate::hub::sick_disk::{Outages, Reader, acked, eager_agents, settle};
use windfire_bench::given::given;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::Swarm;
use windfire_bench::{skipped, tally};

const AGENTS: usize = 20;
const FAILING: Duration = Duration::from_secs(2);

#[test]
fn a_disk_whose_writes_fail_stops_acks_until_it_is_well() {
    let rounds = given("DISK_ROUNDS", 2);
    let disk = match FrozenDisk::mount_that_can_fail() {
        Ok(disk) => disk,
        Err(why) => return skipped!("no disk can be made whose writes fail: {why}"),
    };
    let mut hub = HubProcess::new(Path::new(HUB), &disk.path().join("data"), &[]);
    let credentials = hub.make_servers(AGENTS, "");
    let token = hub.make_token();
    hub.start();
    let mut swarm = Swarm::start(&hub, &credentials, eager_agents());
    let reader = Reader::start(&hub, &token, &[]);
    let given_up = Cell::new(0);
    let mend = || {
        disk.mend_writes();
        if disk.is_given_up() {
            given_up.set(given_up.get() + 1);
            disk.take_away();
            disk.bring_back();
        }
    };
    let fail = || disk.fail_writes();
    let outages = Outages::outlast((&hub, &swarm), rounds, (FAILING, "Input/output"), fail, mend);
    let answers = reader.finish();

    // The hub does nothing while the disk is copied: each ack is for what is on the copy, or not sent.
    stand_still(hub.pid());
    let acked_at_cut = acked(&swarm);
    disk.cut_power(|| hub.kill());
    hub.start_at_once();
    let (pushed, lost, doubled) = settle(&mut hub, &mut swarm);
    tally!(
        "{rounds} times {FAILING:?} of I/O errors, after {} of which the disk was mounted again, then a power cut: \
         {pushed} reports, {acked_at_cut} of them acknowledged before the cut, {} while writes failed, as they were \
         durable before; {lost} lost, {doubled} doubled; {} answers, none for {:?} at the longest; no ack for {:?} at the longest",
        given_up.get(),
        outages.acked,
        answers.count,
        answers.longest_silence,
        outages.without_ack
    );
    assert!(acked_at_cut > 0, "nothing was acknowledged before the cut: the test shows nothing");
    assert_eq!((lost, doubled), (0, 0));
}

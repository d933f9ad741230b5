//! The kernel finds an error and makes the hub's file system read-only under the running hub, while agents report.
//! Somebody unmounts it, and mounts it again for writing. Until then no report becomes durable and none is acknowledged
//! that is not, readers are answered, and `/readyz` says why. While the disk is away, nothing is written into the
//! folder beneath its mount point. When it is back, the hub goes on without a restart, and at the end each acknowledged
//! report is in history once, also after `kill -9`. `DISK_ROUNDS=50` does it more often.
//!
//! What is mounted again is what was written to the disk: whatever the kernel still held in memory is lost.
//!
//! Needs root and loop devices. Elsewhere it is skipped and says so.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::hub::frozen_disk::FrozenDisk;
use crate::hub::sick_disk::{Outages, Reader, acked, eager_agents, settle};
use crate::hub::{HUB, wait_until};
use windfire_bench::given::given;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::Swarm;
use windfire_bench::{skipped, tally};

const AGENTS: usize = 20;
const READ_ONLY: Duration = Duration::from_millis(1500);

#[test]
fn a_disk_that_turns_read_only_stops_acks_until_it_is_back() {
    let rounds = given("DISK_ROUNDS", 2);
    let disk = match FrozenDisk::mount_that_can_turn_read_only() {
        Ok(disk) => disk,
        Err(why) => return skipped!("no disk can be made that turns read-only: {why}"),
    };
    // The mount point itself: while the disk is away, there is an empty folder.
    let mut hub = HubProcess::new(Path::new(HUB), &disk.path(), &[]);
    let credentials = hub.make_servers(AGENTS, "");
    let token = hub.make_token();
    hub.start();
    let mut swarm = Swarm::start(&hub, &credentials, eager_agents());
    let reader = Reader::start(&hub, &token, &[]);
    let unmount_and_mount = || {
        disk.take_away();
        let failures = || hub.metric("windfire_commit_failures_total");
        let before = failures();
        wait_until("commits were tried without the disk, and failed", || failures() >= before + 2.0);
        let entries = fs::read_dir(disk.path()).expect("the mount point").flatten();
        let made: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        assert!(made.is_empty(), "made beneath the mount point: {made:?}");
        disk.bring_back();
    };
    let fail = || disk.turn_read_only();
    let outages = Outages::outlast((&hub, &swarm), rounds, (READ_ONLY, "Read-only"), fail, unmount_and_mount);
    let answers = reader.finish();

    let acked_at_kill = acked(&swarm);
    hub.kill();
    hub.start_at_once();
    let (pushed, lost, doubled) = settle(&mut hub, &mut swarm);
    tally!(
        "{rounds} times read-only for {READ_ONLY:?}, unmounted, and mounted again, then kill -9: {pushed} reports, \
         {acked_at_kill} of them acknowledged before the kill, {} while commits failed, as they were durable before; \
         {lost} lost, {doubled} doubled; {} answers, none for {:?} at the longest; no ack for {:?} at the longest",
        outages.acked,
        answers.count,
        answers.longest_silence,
        outages.without_ack
    );
    assert_eq!((lost, doubled), (0, 0));
}

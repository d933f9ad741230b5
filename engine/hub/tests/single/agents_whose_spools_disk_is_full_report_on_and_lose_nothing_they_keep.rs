//! The disk that agents' spools are on is full: the agents report on, and while the hub is away they hold their
//! readings in memory, up to an hour of them. Each reading is kept or refused, and all that were kept arrive. When the
//! disk has room again, the spools take readings again.
//!
//! Needs root and loop devices. Elsewhere it is skipped and says so.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hub::frozen_disk::FrozenDisk;
use crate::hub::spools::bytes_in;
use crate::hub::{new_hub, quick_backoff, wait_until};
use windfire_agent::limits::{MEMORY_REPORTS_MAX, SPOOL_BYTES_MAX};
use windfire_agent::outbox::{Outbox, SpoolOptions, new_outbox_id};
use windfire_bench::swarm::{Account, Swarm, SwarmOptions, Target};
use windfire_bench::{skipped, tally};

/// Agents that report all the time.
const AGENTS: usize = 5;
/// Agents that start on the full disk, with readings of an outage that are more than memory holds.
const LATE_AGENTS: usize = 2;
const OUTAGE_S: u32 = 5000;
const DISK_BYTES: u64 = 16 << 20;
/// More than the ends of files that are there already may hold.
const READINGS: u64 = 50;
/// Bytes that spools on a full disk may still take, all together: a record is begun and cut off again. Readings have
/// more.
const ENDS_BYTES: u64 = 2048 * AGENTS as u64;

fn open(folders: &[PathBuf]) -> Vec<Outbox> {
    let open = |folder: &PathBuf| {
        let spool = SpoolOptions { folder: folder.clone(), bytes_max: SPOOL_BYTES_MAX };
        Outbox::in_spool(&spool, new_outbox_id()).expect("a spool")
    };
    folders.iter().map(open).collect()
}

/// Takes all the room that is left on a disk, down to the last block.
fn fill(disk: &FrozenDisk, ballast: &Path) {
    drop(File::create(ballast).expect("room for a name"));
    for piece_bytes in [1 << 20, 4096, 1] {
        // What is reserved and not needed becomes free.
        disk.sync();
        let mut file = OpenOptions::new().append(true).open(ballast).expect("a file");
        let piece = vec![1u8; piece_bytes];
        let full = std::iter::repeat_with(|| file.write_all(&piece)).find_map(Result::err).expect("it ends");
        assert_eq!(full.kind(), ErrorKind::StorageFull, "{full}");
    }
}

/// Waits until each agent has so many reports more than in `before`, of those that `count` counts.
fn wait_for_more(what: &str, swarm: &Swarm, before: &[Account], count: fn(&Account) -> u64) {
    wait_until(what, || {
        let both = |(now, before): (&Account, &Account)| count(now) >= count(before) + READINGS;
        swarm.accounts().iter().zip(before).all(both)
    });
}

#[test]
fn agents_whose_spools_disk_is_full_report_on_and_lose_nothing_they_keep() {
    let disk = match FrozenDisk::mount_of(DISK_BYTES) {
        Ok(disk) => disk,
        Err(why) => return skipped!("no disk of its own: {why}"),
    };
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(AGENTS + LATE_AGENTS, "");
    let (of_agents, of_late) = credentials.split_at(AGENTS);
    hub.start();
    let folder_of = |agent: usize| disk.path().join(format!("spool-{agent}"));
    let spools: Vec<PathBuf> = (0..AGENTS + LATE_AGENTS).map(folder_of).collect();
    let options = SwarmOptions {
        interval: Duration::from_millis(20),
        backoff: quick_backoff(),
        ack_each_report: true,
        ..SwarmOptions::default()
    };
    // Each spool was used before.
    drop(open(&spools));
    let mut swarm = Swarm::start_with(&Target::of(&hub), of_agents, open(&spools[..AGENTS]), options.clone());
    let acked: fn(&Account) -> u64 = |account| account.acked;
    let pushed: fn(&Account) -> u64 = |account| account.pushed;
    wait_for_more("all report", &swarm, &[Account { pushed: 0, acked: 0 }; AGENTS], acked);

    let ballast = disk.path().join("ballast");
    fill(&disk, &ballast);
    let spooled = || spools[..AGENTS].iter().map(|spool| bytes_in(spool)).sum::<u64>();
    wait_for_more("all report with a full disk", &swarm, &swarm.accounts(), acked);
    let full_bytes = spooled() + ENDS_BYTES;
    wait_for_more("all report on with a full disk", &swarm, &swarm.accounts(), acked);
    assert!(spooled() <= full_bytes, "the disk was not full");

    hub.kill();
    wait_for_more("all hold readings in memory", &swarm, &swarm.accounts(), pushed);
    let outage = SwarmOptions { interval: Duration::from_secs(1), backlog: OUTAGE_S, ..options };
    let mut late = Swarm::start_silent(&Target::of(&hub), of_late, open(&spools[AGENTS..]), outage);
    let made = u64::from(OUTAGE_S) * LATE_AGENTS as u64;
    let kept = |swarm: &Swarm| swarm.accounts().iter().map(pushed).sum::<u64>();
    wait_until("each reading is kept or refused", || kept(&late) + late.refused() == made);
    let late_kept = kept(&late);
    let held_max = MEMORY_REPORTS_MAX * LATE_AGENTS as u64;
    assert!((held_max..held_max + READINGS * LATE_AGENTS as u64).contains(&late_kept), "{late_kept} kept");
    assert!(spooled() <= full_bytes, "the disk was not full");
    let at_return = swarm.accounts();
    hub.start_at_once();
    wait_until("the hub has what was held in memory", || {
        let is_taken = |(now, then): (&Account, &Account)| now.acked >= then.pushed;
        swarm.accounts().iter().zip(&at_return).all(is_taken)
            && late.accounts().iter().all(|one| one.acked == one.pushed)
    });

    std::fs::remove_file(&ballast).expect("removed");
    wait_until("the spools take readings again", || spooled() > full_bytes);
    wait_for_more("all report with room", &swarm, &swarm.accounts(), acked);
    let accounts = [swarm.settle(), late.settle()].concat();
    assert_eq!(swarm.refused(), 0, "memory had room for all");
    assert!(hub.terminate().success());
    let reports: u64 = accounts.iter().map(pushed).sum();
    let (lost, doubled) = hub.check_history(accounts.iter().map(pushed));
    tally!(
        "{AGENTS} agents on a full disk and {LATE_AGENTS} that started on it: {reports} reports kept, {lost} lost, \
         {doubled} doubled; of {made} readings of an outage that found no room, memory held {late_kept}"
    );
    assert!(accounts.iter().all(|account| account.acked == account.pushed), "{accounts:?}");
    assert_eq!((lost, doubled), (0, 0));
}

//! The kernel makes the disk of an agent's spool read-only, with readings of an outage on it. An agent that starts
//! there says why the spool cannot be used, and reports from memory. When the disk can be written again, the readings
//! that it had are sent too, without a restart. The disk becomes read-only once more, under the running agent: it
//! reports on, and says so once. Each reading that was on the disk is in history once.
//!
//! Needs root and loop devices. Elsewhere it is skipped and says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hub::agent_process::{AgentProcess, with_spool};
use crate::hub::frozen_disk::FrozenDisk;
use crate::hub::spools::{bytes_in, samples_in};
use crate::hub::{new_hub, wait_until};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::{skipped, tally};
use windfire_engine::sample::Sample;

/// Bytes of a few readings.
const READINGS_BYTES: u64 = 200;
/// Milliseconds by which the hub may move a reading that comes late.
const MOVED_MS_MAX: u64 = 10_000;
/// Longer than an agent waits for its last acks.
const STOP_MAX: Duration = Duration::from_secs(30);

/// Waits until three more reports are durable.
fn wait_for_reports(what: &str, hub: &HubProcess) {
    let durable = || hub.metric("windfire_reports_durable_total");
    let before = durable();
    wait_until(what, || durable() >= before + 3.0);
}

/// The files of a spool's readings.
fn segments(spool: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(spool).expect("a spool").map(|entry| entry.expect("listed").path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "seg")).collect()
}

/// Whether both are the same reading.
fn is_same(one: &Sample, other: &Sample) -> bool {
    let mut moved = one.clone();
    moved.time_ms = other.time_ms;
    moved == *other && one.time_ms.abs_diff(other.time_ms) <= MOVED_MS_MAX
}

#[test]
fn an_agent_whose_spools_disk_is_read_only_reports_on_and_loses_nothing() {
    let disk = match FrozenDisk::mount_that_can_turn_read_only() {
        Ok(disk) => disk,
        Err(why) => return skipped!("no disk can be made that turns read-only: {why}"),
    };
    let (_folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let spool = disk.path().join("spool");
    let mut agent = AgentProcess::start(with_spool(&hub, &credential, &spool));
    agent.wait_for_log("connected");
    wait_for_reports("it reports", &hub);
    hub.kill();
    let before = bytes_in(&spool);
    wait_until("readings wait in the spool", || bytes_in(&spool) >= before + READINGS_BYTES);
    agent.stop();
    disk.sync();
    let (on_disk, files) = (samples_in(&spool), segments(&spool));
    disk.turn_read_only();

    hub.start_at_once();
    let mut agent = AgentProcess::start(with_spool(&hub, &credential, &spool));
    agent.wait_for_log("the spool cannot be used");
    agent.wait_for_log("connected");
    wait_for_reports("it reports from memory", &hub);
    disk.take_away();
    disk.bring_back();
    agent.wait_for_log("the spool can be used now");
    wait_until("what the spool had is settled", || files.iter().all(|file| !file.exists()));
    wait_for_reports("it reports from the spool", &hub);

    disk.turn_read_only();
    agent.wait_for_log("it cannot be written");
    wait_for_reports("it reports on", &hub);
    agent.terminate();
    assert!(agent.ends_within(STOP_MAX), "it does not stop");
    let log = agent.rest_of_log();
    let is_wrong = |line: &&String| line.contains("it cannot be written") || line.contains("ERROR");
    assert_eq!(log.iter().filter(is_wrong).count(), 0, "said again and again: {log:#?}");
    assert!(hub.terminate().success());
    let history = hub.samples().remove(0);
    for (number, sample) in &on_disk {
        let found = history.iter().filter(|taken| is_same(sample, taken)).count();
        assert_eq!(found, 1, "reading {number} of the spool: {sample:?}");
    }
    tally!("{} readings were on the disk, and each is among the {} in history once", on_disk.len(), history.len());
}

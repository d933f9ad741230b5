//! The disk that an agent's spool lies on hangs: the agent goes on reading, keeps its session, and hears that it should stop.
//! When the disk is back, each reading is in history.

use std::time::{Duration, Instant};

use crate::hub::agent_process::{AgentProcess, with_spool};
use crate::hub::frozen_disk::FrozenDisk;
use crate::hub::{new_hub, wait_until};
use windfire_agent::limits::IDLE_TIMEOUT;
use windfire_bench::skipped;

#[test]
fn an_agent_whose_spool_hangs_stays_and_loses_nothing() {
    let disk = match FrozenDisk::mount() {
        Ok(disk) => disk,
        Err(why) => return skipped!("no file system can be mounted here: {why}"),
    };
    let (_folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let mut agent = AgentProcess::start(with_spool(&hub, &credential, &disk.path().join("spool")));
    agent.wait_for_log("connected");
    let durable = || hub.metric("windfire_reports_durable_total");
    wait_until("reports are durable", || durable() >= 2.0);

    let frozen = disk.freeze();
    let began = Instant::now();
    agent.wait_for_log("the spool's disk does not answer");
    // Longer than a session lives without a word.
    let silence = IDLE_TIMEOUT + Duration::from_secs(4);
    wait_until("the session has outlived the silence", || {
        assert_eq!(hub.metric("windfire_sessions"), 1.0, "after {:?}", began.elapsed());
        began.elapsed() > silence
    });
    let before = durable();
    drop(frozen);
    agent.wait_for_log("the spool's disk answers again");
    let read_meanwhile = silence.as_secs_f64() - 3.0;
    wait_until("what was read meanwhile is durable", || durable() >= before + read_meanwhile);
    assert_eq!(hub.metric("windfire_sessions_opened_total"), 1.0);
    let readings = hub.cli(&["export", "--format", "ndjson"]);
    let rows = String::from_utf8_lossy(&readings.stdout).lines().count();
    assert!(rows as f64 >= before + read_meanwhile, "{rows} rows, {before} before");

    // The system does not let go of a process that waits for such a disk; the agent does what it can.
    let frozen = disk.freeze();
    agent.terminate();
    agent.wait_for_log("stopping");
    drop(frozen);
    assert!(agent.ends_within(Duration::from_secs(30)), "it still runs");
}

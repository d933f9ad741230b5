//! A byte of a table file of a stopped hub changes. The hub starts, its agents report, and a compaction reads the file.
//! RocksDB takes no write after that. Acks go on, `/readyz` stays green and mentions it, the service manager is told
//! the same, the log names the file and the remedy, `/metrics` counts it. So does the next start.

use std::fs;
use std::path::{Path, PathBuf};

use crate::hub::notify::Manager;
use crate::hub::sick_disk::{acked, eager_agents};
use crate::hub::{new_hub, wait_until};
use windfire_bench::clock::unix_ms;
use windfire_bench::fast::FastFleet;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::numbered::report;
use windfire_bench::swarm::{Account, Swarm};
use windfire_engine::Options;
use windfire_engine::history::verify_unopened;
use windfire_wire::Report;

const SERVERS: usize = 2;
const HOUR_MS: i64 = 3_600_000;
/// Milliseconds between two reports of a server.
const INTERVAL_MS: i64 = 1000;
/// Reports of a server in one frame.
const REPORTS_PER_FRAME: u64 = 100;
/// Reports of a server in each life of the store: enough for a block.
const REPORTS_PER_LIFE: u64 = 700;
/// Lives that write what a compaction merges. Each leaves the raw tier a table file, which the next one makes of the
/// write-ahead log. RocksDB merges four of them with the damaged one: that of the last life is made by the hub.
const LIVES: u64 = 4;
/// Acks that are waited for, so that they are not those of reports that were durable before.
const ACKS: u64 = 50;

/// One life of the store in this process: its agents bring a block of reports each. In the first, all files are merged.
/// Returns the agents' credentials.
fn live(folder: &Path, life: u64, start_ms: i64) -> Vec<String> {
    let time_ms = |sequence: u64| start_ms + sequence.cast_signed() * INTERVAL_MS;
    let first = life * REPORTS_PER_LIFE + 1;
    let mut fleet = FastFleet::open(folder, SERVERS, Options::default(), time_ms(first));
    let ids = fleet.server_ids();
    assert_eq!(fleet.next_sequence(0), first, "it has the reports of the lives before");
    let mut until = first;
    while until < first + REPORTS_PER_LIFE {
        until += REPORTS_PER_FRAME;
        let made = |id, sequence| Report { time_ms: time_ms(sequence), ..report(id, sequence) };
        fleet.run(time_ms(until), &mut |server, sequence| (sequence < until).then(|| made(ids[server], sequence)));
    }
    if life == 0 {
        fleet.engine.history().compact().expect("a healthy store");
    }
    (0..SERVERS).map(|server| fleet.credential(server)).collect()
}

fn turn(path: &Path) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[5] ^= 1;
    fs::write(path, bytes).expect("written");
}

/// Damages the table file of the raw tier, which is the one whose damage `verify` finds there. Returns its path in the
/// data folder.
fn damage_raw_table(data: &Path) -> String {
    let files = fs::read_dir(data.join("rocksdb")).expect("a store").map(|entry| entry.expect("readable").path());
    let mut tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    let is_raw = |path: &PathBuf| {
        turn(path);
        let verified = verify_unopened(data);
        let is_raw = verified.is_ok_and(|verified| verified.corrupt.iter().any(|name| name.starts_with("raw, ")));
        if !is_raw {
            turn(path);
        }
        is_raw
    };
    let damaged = tables.find(is_raw).expect("a table file of the raw tier");
    format!("rocksdb/{}", damaged.file_name().expect("a name").to_string_lossy())
}

/// Lets agents report until the damage is known and acks came after that.
fn report_and_be_acked(hub: &HubProcess, credentials: &[String]) {
    let mut swarm = Swarm::start(hub, credentials, eager_agents());
    wait_until("reports are acknowledged", || acked(&swarm) > ACKS);
    wait_until("the damage is known", || hub.metric("windfire_damaged_tables") == 1.0);
    let known = acked(&swarm);
    wait_until("acks go on", || acked(&swarm) > known + ACKS);
    assert_eq!(hub.metric("windfire_poisoned"), 0.0);
    let ready = hub.get("/readyz", "");
    assert!(ready.status == 200 && ready.text().contains("but damaged table files: 1"), "{}", ready.text());
    let Account { pushed, acked } = Account::total(&swarm.settle());
    assert_eq!(acked, pushed, "reports that are not acknowledged at the end");
}

#[test]
fn a_damaged_table_file_is_told_and_stops_no_ack() {
    let (folder, hub) = new_hub(&[]);
    let manager = Manager::new(folder.path());
    let mut hub = hub.with_variable("NOTIFY_SOCKET", manager.socket());
    // All in one hour, so that the files overlap and have to be merged.
    let start_ms = unix_ms().div_euclid(HOUR_MS) * HOUR_MS - 3 * HOUR_MS;
    live(hub.data(), 0, start_ms);
    let file = damage_raw_table(hub.data());
    let mut credentials = Vec::new();
    for life in 1..=LIVES {
        credentials = live(hub.data(), life, start_ms);
    }
    assert!(!hub.data().join("DAMAGED").exists(), "only the hub meets the damage");

    let is_told = |line: &&String| line.contains("is damaged") && line.contains(&file) && line.contains("family raw");
    for starts in 1..=2 {
        hub.start();
        report_and_be_acked(&hub, &credentials);
        wait_until("its status tells it", || manager.status().contains("but damaged table files: 1"));
        assert!(hub.terminate().success());
        let log = hub.log();
        let told: Vec<&String> = log.iter().filter(is_told).collect();
        assert_eq!(told.len(), starts, "once in each life: {told:#?}");
        assert!(told.iter().all(|line| line.contains("windfire salvage") && line.contains("restore a backup")));
    }
    let verified = hub.cli(&["verify"]);
    let words = String::from_utf8_lossy(&verified.stderr);
    assert!(!verified.status.success() && words.contains(file.trim_start_matches("rocksdb/")), "{words}");
}

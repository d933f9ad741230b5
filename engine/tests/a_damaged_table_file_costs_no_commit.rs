//! A byte of the raw tier's table file is damaged, and then a compaction reads it. RocksDB takes no write after that.
//! The next commit succeeds all the same, and the file is named, also after a start. Later hours are whole.

use std::fs;
use std::path::{Path, PathBuf};

use windfire_bench::fast::FastFleet;
use windfire_bench::numbered::{INTERVAL_MS, START_MS, report};
use windfire_engine::history::verify_unopened;
use windfire_engine::{DamagedTable, Engine, Options};

const SERVERS: usize = 3;
const REPORTS_PER_COMMIT: u64 = 50;
const HOUR_MS: i64 = 3_600_000;
/// Reports of each server before the damage: two hours that are packed, and half of a third.
const BEFORE: u64 = 900;
/// Reports of each server in each part after that: an hour.
const PER_PART: u64 = 360;
const PARTS: u64 = 3;

/// Takes reports up to that number, with a commit and a round of upkeep for some of them at a time.
fn run_until(fleet: &mut FastFleet, last: u64) {
    let ids = fleet.server_ids();
    let mut until = fleet.next_sequence(0);
    while until <= last {
        until += REPORTS_PER_COMMIT;
        let (now_ms, end) = (START_MS + until.cast_signed() * INTERVAL_MS, until.min(last + 1));
        fleet.run(now_ms, &mut |server, sequence| (sequence < end).then(|| report(ids[server], sequence)));
    }
}

fn turn(path: &Path) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[5] ^= 1;
    fs::write(path, bytes).expect("written");
}

/// The table file of the raw tier, which is the one whose damage `verify` finds there.
fn raw_table(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder.join("rocksdb")).expect("a store").map(|entry| entry.expect("readable").path());
    let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    let is_raw = |path: &PathBuf| {
        turn(path);
        let verified = verify_unopened(folder);
        turn(path);
        verified.is_ok_and(|verified| verified.corrupt.iter().any(|name| name.starts_with("raw, ")))
    };
    let raw: Vec<PathBuf> = tables.filter(is_raw).collect();
    let [raw] = &raw[..] else { panic!("not one file of the raw tier, but {raw:?}") };
    raw.clone()
}

#[test]
fn a_damaged_table_file_costs_no_commit() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fleet = FastFleet::open(folder.path(), SERVERS, Options::default(), START_MS);
    run_until(&mut fleet, BEFORE);
    fleet.engine.history().compact().expect("a healthy store");
    drop(fleet);
    let raw = raw_table(folder.path());
    turn(&raw);
    let file = format!("rocksdb/{}", raw.file_name().expect("a name").to_string_lossy());
    let damaged = [DamagedTable { file: file.clone(), family: "raw" }];

    let now_ms = START_MS + (BEFORE + 1).cast_signed() * INTERVAL_MS;
    let mut fleet = FastFleet::open(folder.path(), SERVERS, Options::default(), now_ms);
    let ids = fleet.server_ids();
    run_until(&mut fleet, BEFORE + PER_PART);
    assert!(fleet.engine.damaged_tables().tables.is_empty(), "no compaction has read it yet");
    for part in 2..=PARTS {
        // The first time, it fails at the damage, and so may what comes after it.
        let _ends_all_writes = fleet.engine.history().compact();
        run_until(&mut fleet, BEFORE + part * PER_PART);
        assert_eq!(fleet.engine.damaged_tables().tables, damaged);
        assert_eq!((fleet.engine.poison_reason(), fleet.engine.store_failure()), (None, None));
    }
    drop(fleet);

    let verified = verify_unopened(folder.path()).expect("readable");
    assert!(verified.corrupt.iter().any(|name| name.contains(&file)), "{:?}", verified.corrupt);
    let engine = Engine::open(folder.path(), Options::default()).expect("a store with damage");
    assert_eq!(engine.damaged_tables().tables, damaged, "a start knows it");
    // Hours that began after the damage.
    let from_ms = (START_MS + BEFORE.cast_signed() * INTERVAL_MS).div_euclid(HOUR_MS) * HOUR_MS + HOUR_MS;
    let expected: Vec<u64> = (1..=BEFORE + PARTS * PER_PART)
        .filter(|sequence| START_MS + sequence.cast_signed() * INTERVAL_MS >= from_ms)
        .collect();
    for id in ids {
        let mut numbers = Vec::new();
        let visit = &mut |sequence, _: &_| numbers.push(sequence);
        let until_ms = from_ms + (PARTS.cast_signed() + 2) * HOUR_MS;
        engine.history().reports(id, from_ms, until_ms, visit).expect("readable");
        numbers.sort_unstable();
        assert_eq!(numbers, expected, "server {id}");
    }
}

//! A byte of the first block of the raw tier's table file is damaged. The hours that the block has cannot be read, and
//! every other hour is read as before.

use std::fs;
use std::path::{Path, PathBuf};

use windfire_bench::fast::FastFleet;
use windfire_bench::numbered::{INTERVAL_MS, START_MS, report};
use windfire_bench::tally;
use windfire_engine::history::verify_unopened;
use windfire_engine::{Engine, Options};

const SERVERS: usize = 3;
/// A day and a part.
const LAST: u64 = 9000;
const REPORTS_PER_COMMIT: u64 = 100;
const HOUR_MS: i64 = 3_600_000;
const HOURS: i64 = LAST.cast_signed() * INTERVAL_MS / HOUR_MS + 1;

/// Numbers of the reports of each server in each hour; `None` where they cannot be read.
fn read(folder: &Path, ids: &[u64]) -> Vec<Option<Vec<u64>>> {
    let engine = Engine::open(folder, Options::default()).expect("readable enough to be opened");
    let first = START_MS.div_euclid(HOUR_MS);
    let hours = (first..=first + HOURS).flat_map(|hour| ids.iter().map(move |id| (*id, hour * HOUR_MS)));
    let of_hour = |(id, from_ms): (u64, i64)| {
        let mut numbers = Vec::new();
        let visit = &mut |sequence, _: &_| numbers.push(sequence);
        let read = engine.history().reports(id, from_ms, from_ms + HOUR_MS, visit);
        read.is_ok().then_some(numbers)
    };
    hours.map(of_hour).collect()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("listed")) {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copied");
        }
    }
}

/// The table file of the raw tier, which is the one whose first block `verify` misses as that tier's.
fn raw_table(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder.join("rocksdb")).expect("a store").map(|entry| entry.expect("readable").path());
    let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    let is_raw = |path: &PathBuf| {
        let sound = fs::read(path).expect("readable");
        damage(path, &sound, 5);
        let verified = verify_unopened(folder);
        fs::write(path, sound).expect("put back");
        verified.is_ok_and(|verified| verified.corrupt.iter().any(|name| name.starts_with("raw, ")))
    };
    let raw: Vec<PathBuf> = tables.filter(is_raw).collect();
    let [raw] = &raw[..] else { panic!("not one file of the raw tier, but {raw:?}") };
    raw.clone()
}

fn damage(path: &Path, sound: &[u8], at: usize) {
    let mut bytes = sound.to_vec();
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_damaged_first_block_costs_no_other_hour() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sound = folder.path().join("sound");
    let mut fleet = FastFleet::open(&sound, SERVERS, Options::default(), START_MS);
    let ids = fleet.server_ids();
    for until in (1..=LAST / REPORTS_PER_COMMIT).map(|commit| commit * REPORTS_PER_COMMIT) {
        let now_ms = START_MS + until.cast_signed() * INTERVAL_MS;
        fleet.run(now_ms, &mut |server, sequence| (sequence <= until).then(|| report(ids[server], sequence)));
    }
    fleet.engine.history().compact().expect("a healthy store");
    drop(fleet);
    let raw = raw_table(&sound);
    let bytes = fs::read(&raw).expect("readable");
    let before_damage = folder.path().join("whole");
    copy(&sound, &before_damage);
    let whole = read(&before_damage, &ids);
    assert!(whole.iter().all(Option::is_some), "{whole:?}");

    let damaged = folder.path().join("damaged");
    copy(&sound, &damaged);
    damage(&damaged.join("rocksdb").join(raw.file_name().expect("a name")), &bytes, 5);
    let hours = read(&damaged, &ids);
    let unreadable = hours.iter().filter(|hour| hour.is_none()).count();
    tally!("{unreadable} of {} hours cannot be read", hours.len());
    assert!((1..=hours.len() / 4).contains(&unreadable), "{unreadable} of {} hours", hours.len());
    let is_whole = |(now, before): (&Option<Vec<u64>>, &Option<Vec<u64>>)| now.is_none() || now == before;
    assert!(hours.iter().zip(&whole).all(is_whole), "an hour without damage is not as it was");
}

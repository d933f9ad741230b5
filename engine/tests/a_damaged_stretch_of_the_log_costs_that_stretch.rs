//! A byte of the log's file is damaged: the engine starts, serves every server, and takes reports. What was in the damaged part
//! is named, once, and lost; every other report is in history.

use std::fs;
use std::path::{Path, PathBuf};

use windfire_bench::fast::FastFleet;
use windfire_bench::numbered::{INTERVAL_MS, START_MS, report};
use windfire_engine::Options;
use windfire_engine::history::verify_unopened;

const SERVERS: usize = 40;
const LAST: u64 = 500;

fn now_ms(sequence: u64) -> i64 {
    START_MS + sequence.cast_signed() * INTERVAL_MS
}

/// The largest file of the store: the log's, which has nearly everything here.
fn log_file(folder: &Path) -> PathBuf {
    let files = fs::read_dir(folder.join("rocksdb")).expect("a store").map(|entry| entry.expect("readable").path());
    let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    tables.max_by_key(|path| path.metadata().expect("there").len()).expect("a table")
}

#[test]
fn a_damaged_stretch_of_the_log_costs_that_stretch() {
    for catches_up_later in [false, true] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut fleet = FastFleet::open(folder.path(), SERVERS, Options::default(), START_MS);
        let ids = fleet.server_ids();
        for until in 1..=LAST {
            let report = &mut |server: usize, sequence| (sequence <= until).then(|| report(ids[server], sequence));
            fleet.commit(now_ms(until), report);
        }
        fleet.engine.history().compact().expect("a healthy store");
        drop(fleet);
        let file = log_file(folder.path());
        let mut bytes = fs::read(&file).expect("readable");
        let middle = bytes.len() / 3;
        bytes[middle] ^= 0x55;
        fs::write(&file, bytes).expect("writable");

        let verified = verify_unopened(folder.path()).expect("readable but for that");
        assert_eq!(verified.corrupt_blocks, 1, "{:?}", verified.corrupt);
        assert!(verified.corrupt[0].starts_with("log, from commit "), "{:?}", verified.corrupt);

        let options = Options { catches_up_later, ..Options::default() };
        let mut fleet = FastFleet::open(folder.path(), SERVERS, options, now_ms(LAST));
        let last = LAST + 1;
        fleet.commit(now_ms(last), &mut |server, sequence| (sequence <= last).then(|| report(ids[server], sequence)));
        let upkeep = fleet.upkeep(now_ms(last));
        assert!((1..=2).contains(&upkeep.corrupt_blocks), "named by the start, the rounds after it, or both");
        let mut missing = 0;
        for (server, id) in ids.iter().enumerate() {
            let mut numbers = Vec::new();
            let visit = &mut |sequence, _: &_| numbers.push(sequence);
            fleet.engine.history().reports(*id, START_MS, now_ms(last + 1), visit).expect("readable");
            assert!(numbers.windows(2).all(|two| two[0] < two[1]), "server {server}: each once, in order");
            assert_eq!((numbers.first(), numbers.last()), (Some(&1), Some(&last)), "server {server}: both ends");
            missing += last - numbers.len() as u64;
        }
        // A block of a table has some 4 KiB.
        assert!((1..SERVERS as u64 * LAST / 20).contains(&missing), "{missing} reports are missing");
    }
}

//! A byte of each table file is damaged, one file at a time. Either the store cannot be opened, or `verify` names a damaged
//! part. It never finds all sound, also where neither a start nor a query would read that byte.

use std::fs;
use std::path::{Path, PathBuf};

use windfire_bench::fast::FastFleet;
use windfire_bench::numbered::{INTERVAL_MS, START_MS, report};
use windfire_bench::tally;
use windfire_engine::history::verify_unopened;
use windfire_engine::{Engine, Options};

const SERVERS: usize = 3;
/// Two hours and a part: hours that are packed, and reports that are in the log.
const LAST: u64 = 900;
const REPORTS_PER_COMMIT: u64 = 50;

fn tables(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder.join("rocksdb")).expect("a store").map(|entry| entry.expect("readable").path());
    let mut tables: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "sst")).collect();
    tables.sort();
    tables
}

#[test]
fn verify_names_damage_in_every_family() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fleet = FastFleet::open(folder.path(), SERVERS, Options::default(), START_MS);
    let ids = fleet.server_ids();
    for until in (1..=LAST / REPORTS_PER_COMMIT).map(|commit| commit * REPORTS_PER_COMMIT) {
        let now_ms = START_MS + until.cast_signed() * INTERVAL_MS;
        fleet.run(now_ms, &mut |server, sequence| (sequence <= until).then(|| report(ids[server], sequence)));
    }
    fleet.engine.checkpoint().expect("on disk");
    drop(fleet);
    // Opened again, the write-ahead log becomes a table file of each family.
    drop(Engine::open(folder.path(), Options::default()).expect("whole"));
    let verified = verify_unopened(folder.path()).expect("readable");
    assert_eq!(verified.corrupt_blocks, 0, "{:?}", verified.corrupt);

    let (mut refused, mut named) = (0, Vec::new());
    for path in tables(folder.path()) {
        let sound = fs::read(&path).expect("readable");
        let mut bytes = sound.clone();
        // In the first block, which holds the first keys.
        bytes[5] ^= 1;
        fs::write(&path, bytes).expect("written");
        match verify_unopened(folder.path()) {
            Err(_) => refused += 1,
            Ok(verified) => {
                assert!(verified.corrupt_blocks > 0, "{} is damaged, and all is sound", path.display());
                named.extend(verified.corrupt);
            }
        }
        fs::write(&path, sound).expect("written");
    }
    tally!("{refused} damaged files could not be opened, and {} damages of the others are named", named.len());
    println!("{named:#?}");
    assert!(named.iter().any(|name| name.starts_with("raw, which was read no further: ")), "{named:?}");
    assert!(named.iter().any(|name| name.starts_with("todo, which was read no further: ")), "{named:?}");
}

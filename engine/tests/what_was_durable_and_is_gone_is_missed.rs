//! A store that lost a part of itself says so and stays as it is; what can be read of it is saved into a new one.

use std::fs;
use std::path::{Path, PathBuf};

use windfire_engine::server::NewServer;
use windfire_engine::{Engine, Options, Selection, StoreError, contents, is_store, salvage};

const SERVERS: usize = 200;

/// A store with servers in its write-ahead log.
fn store() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let engine = Engine::open(&data, Options::default()).expect("a new store");
    for number in 0..SERVERS {
        let new = NewServer { name: format!("server {number}"), note: "n".repeat(300), ..NewServer::default() };
        engine.registry().add_server(new, 0).expect("room");
    }
    (folder, data)
}

fn files(data: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(data.join("rocksdb")).expect("a folder").flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    files.sort();
    files
}

/// Every file of the database and its bytes; RocksDB's own log is no part of it.
fn everything(data: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(data.join("rocksdb")).expect("a folder").flatten().map(|entry| entry.path());
    let mut all: Vec<_> = entries
        .filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("LOG")))
        .map(|path| (path.clone(), fs::read(&path).expect("readable")))
        .collect();
    all.sort();
    all
}

fn refusal(data: &Path) -> StoreError {
    Engine::open(data, Options::default()).err().expect("refused")
}

fn turn_a_bit(path: &Path, offset: usize) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[offset] ^= 1;
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_log_that_is_missing_empty_or_shorter_is_missed_and_nothing_is_changed() {
    let damages: [fn(&Path); 4] = [
        |log| fs::remove_file(log).expect("removed"),
        |log| fs::write(log, "").expect("emptied"),
        |log| {
            let bytes = fs::read(log).expect("readable");
            fs::write(log, &bytes[..bytes.len() / 2]).expect("halved");
        },
        // Only the very last change.
        |log| {
            let bytes = fs::read(log).expect("readable");
            fs::write(log, &bytes[..bytes.len() - 1]).expect("cut");
        },
    ];
    for damage in damages {
        let (_folder, data) = store();
        let log = files(&data, "log").pop().expect("a log");
        let whole = fs::read(&log).expect("readable");
        damage(&log);
        let before = everything(&data);
        for _ in 0..2 {
            let error = refusal(&data);
            assert!(matches!(error, StoreError::LogLost { .. }), "{error}");
            assert!(error.to_string().contains("salvage"), "{error}");
        }
        assert!(matches!(contents(&data), Err(StoreError::LogLost { .. })));
        assert!(everything(&data) == before, "nothing was changed");
        fs::write(&log, whole).expect("put back");
        let engine = Engine::open(&data, Options::default()).expect("whole again");
        assert_eq!(engine.registry().server_count(), SERVERS);
    }
}

#[test]
fn a_manifest_that_lost_its_end_is_missed_and_what_it_listed_is_saved() {
    let (folder, data) = store();
    // Opened again, the log becomes table files, and the end of a new manifest lists them. The next change notes that.
    let engine = Engine::open(&data, Options::default()).expect("whole");
    engine.registry().add_server(NewServer { name: "one more".to_owned(), ..NewServer::default() }, 0).expect("room");
    drop(engine);
    let is_manifest =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("MANIFEST"));
    let mut entries = fs::read_dir(data.join("rocksdb")).expect("a folder").flatten().map(|entry| entry.path());
    let manifest = entries.find(is_manifest).expect("a manifest");
    let sound = fs::read(&manifest).expect("readable");
    let damages: [fn(&mut Vec<u8>); 3] = [
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.truncate(bytes.len() * 3 / 4),
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let mut bytes = sound.clone();
        damage(&mut bytes);
        fs::write(&manifest, bytes).expect("written");
        let before = everything(&data);
        for error in [refusal(&data), contents(&data).expect_err("refused")] {
            assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
            assert!(error.to_string().contains("MANIFEST"), "{error}");
        }
        let new = folder.path().join(format!("new {number}"));
        let saved = salvage(&data, &new).expect("something");
        assert!(everything(&data) == before, "the damaged store was only read");
        assert!(!saved.lost.is_empty());
        let engine = Engine::open(&new, Options::default()).expect("a whole store");
        assert_eq!(engine.registry().server_count(), SERVERS + 1, "{saved:?}");
    }
    fs::write(&manifest, sound).expect("put back");
    let engine = Engine::open(&data, Options::default()).expect("whole again");
    assert_eq!(engine.registry().server_count(), SERVERS + 1);
}

#[test]
fn a_store_that_was_opened_again_and_again_misses_nothing() {
    let (_folder, data) = store();
    for _ in 0..3 {
        drop(Engine::open(&data, Options::default()).expect("whole"));
    }
    let engine = Engine::open(&data, Options::default()).expect("whole");
    assert_eq!(engine.registry().server_count(), SERVERS);
    drop(engine);
    // An older hub wrote no note, and the newest log of a store that nothing was written to is empty.
    fs::remove_file(data.join("DURABLE")).expect("there");
    drop(Engine::open(&data, Options::default()).expect("whole"));
}

#[test]
fn a_folder_that_says_format_must_have_its_database() {
    let damages: [fn(&Path); 4] = [
        |data| fs::remove_dir_all(data.join("rocksdb")).expect("removed"),
        |data| {
            fs::remove_dir_all(data.join("rocksdb")).expect("removed");
            fs::create_dir(data.join("rocksdb")).expect("made");
        },
        |data| fs::remove_file(data.join("rocksdb").join("CURRENT")).expect("removed"),
        |data| fs::rename(data.join("rocksdb"), data.join("elsewhere")).expect("moved"),
    ];
    for damage in damages {
        let (_folder, data) = store();
        damage(&data);
        for _ in 0..2 {
            let error = refusal(&data);
            assert!(matches!(error, StoreError::NoDatabase { .. }), "{error}");
            assert!(!data.join("rocksdb").join("CURRENT").exists(), "no empty database was made");
        }
    }
}

#[test]
fn a_store_whose_making_was_interrupted_is_made() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("FORMAT.new"), "windf").expect("written");
    assert!(!is_store(folder.path()));
    drop(Engine::open(folder.path(), Options::default()).expect("a new store"));
    assert!(is_store(folder.path()));
}

#[test]
fn what_lies_before_and_behind_a_damaged_record_is_saved() {
    for part in [0, 3, 9] {
        let (folder, data) = store();
        let log = files(&data, "log").pop().expect("a log");
        let length = fs::read(&log).expect("readable").len();
        turn_a_bit(&log, (length * part / 10 + 20).min(length - 5));
        let before = everything(&data);
        // The last record's damage stops the start like any other: it was acknowledged.
        assert!(matches!(refusal(&data), StoreError::Corrupt { .. } | StoreError::LogLost { .. }));
        let new = folder.path().join("new");
        let saved = salvage(&data, &new).expect("something");
        assert!(everything(&data) == before, "the damaged store was only read");
        assert!(saved.lost_places > 0 && !saved.lost.is_empty(), "{saved:?}");
        let engine = Engine::open(&new, Options::default()).expect("a whole store");
        // RocksDB gives a damaged record up with the rest of its block of 32 KiB, at most.
        assert!(
            engine.registry().server_count() >= SERVERS - 90,
            "{} of {SERVERS}: {:?}",
            engine.registry().server_count(),
            saved.lost
        );
        assert!(engine.registry().server_count() < SERVERS || part == 0, "{saved:?}");
        engine
            .registry()
            .add_server(NewServer { name: "one more".to_owned(), ..NewServer::default() }, 0)
            .expect("works");
    }
}

#[test]
fn what_lies_around_a_damaged_part_of_a_table_file_is_saved() {
    let (folder, data) = store();
    // Opened again, the log becomes table files.
    drop(Engine::open(&data, Options::default()).expect("whole"));
    let largest = files(&data, "sst").into_iter().max_by_key(|path| fs::metadata(path).map_or(0, |meta| meta.len()));
    let largest = largest.expect("a table file");
    turn_a_bit(&largest, fs::read(&largest).expect("readable").len() / 2);
    let before = everything(&data);
    let saved = salvage(&data, &folder.path().join("new")).expect("something");
    assert!(everything(&data) == before, "the damaged store was only read");
    assert_eq!(saved.lost_places, 1, "{saved:?}");
    let servers = saved.families.iter().find(|family| family.name == "servers").expect("a family").pairs;
    assert!((SERVERS as u64 - 30..SERVERS as u64).contains(&servers), "{servers}: {:?}", saved.lost);
    let engine = Engine::open(&folder.path().join("new"), Options::default()).expect("a whole store");
    assert_eq!(engine.snapshot(Selection::All).len() as u64, servers);
}

#[test]
fn a_database_that_cannot_be_opened_is_repaired_in_a_copy() {
    let damages: [fn(&Path); 3] = [
        |data| fs::remove_file(data.join("rocksdb").join("CURRENT")).expect("removed"),
        |data| fs::remove_file(files(data, "sst").pop().expect("a table file")).expect("removed"),
        |data| fs::remove_file(data.join("FORMAT")).expect("removed"),
    ];
    for damage in damages {
        let (folder, data) = store();
        drop(Engine::open(&data, Options::default()).expect("whole"));
        damage(&data);
        let before = everything(&data);
        let new = folder.path().join("new");
        let saved = salvage(&data, &new).expect("something");
        assert!(everything(&data) == before, "the damaged store was only read");
        assert!(!saved.lost.is_empty());
        drop(Engine::open(&new, Options::default()).expect("a whole store"));
        let names: Vec<_> = fs::read_dir(&new).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }
}

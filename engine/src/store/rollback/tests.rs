use std::fs;
use std::path::{Path, PathBuf};

use rocksdb::{DB, Options};

use super::age::expire;
use super::keep::keep;
use super::place::ROLLING;
use super::put_back::{STEPS, begin};
use super::*;
use crate::limits::ROLLBACK_KEPT_MS;
use crate::store::durable;
use crate::store::format::VERSION;
use crate::store::format::tests::{FAMILIES_OF_5, make_store_of_5, names, said};
use crate::store::options::{DB_FOLDER, family_names};
use crate::store::{Changes, Store, StoreError, key, servers};

const HOUR_MS: i64 = 3_600_000;
const OF_5: &str = "windfire store 5\n";
const OF_NOW: &str = "windfire store 6\n";

fn new_folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A store of format 5 with one server.
fn old_store() -> tempfile::TempDir {
    let folder = new_folder();
    make_store_of_5(folder.path());
    folder
}

/// One that was upgraded, and has changed since.
fn upgraded_store() -> tempfile::TempDir {
    let folder = old_store();
    let store = open(folder.path()).expect("upgraded");
    rename(&store, "new");
    // A table file of the newer hub too.
    store.compact(key::SERVERS).expect("a healthy store");
    drop(store);
    folder
}

/// Opens a store as a hub does.
fn open(folder: &Path) -> Result<Store, StoreError> {
    open_or_upgrade(folder, None, true).map(|(store, _)| store)
}

/// Gives the one server another name.
fn rename(store: &Store, name: &str) {
    let mut all = store.scan_ids(key::SERVERS, servers::read).expect("readable");
    all[0].name = name.to_owned();
    let mut changes = Changes::default();
    changes.put(key::SERVERS, &key::id_key(all[0].id), servers::write(&all[0]));
    changes.put(key::RULES, &key::id_key(1), vec![1]);
    store.write_synced(&changes).expect("room");
}

/// Names of servers in the store, which is only read.
fn read_names(folder: &Path) -> Vec<String> {
    names(&Store::open_read_only(folder).expect("readable"))
}

/// Every file in a folder and below, and its bytes; without RocksDB's own log.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if !entry.file_name().to_string_lossy().starts_with("LOG") {
            all.push((path.clone(), fs::read(path).expect("readable")));
        }
    }
    all.sort();
    all
}

#[test]
fn an_upgrade_is_undone_once() {
    let folder = upgraded_store();
    let data = folder.path();
    assert_eq!((read_names(data), said(data).as_str()), (vec!["new".to_owned()], OF_NOW));
    let kept = kept_rollback(data).expect("kept");
    assert_eq!((kept.format, &kept.folder, kept.ends_ms), (5, &data.join("pre-5"), None));
    assert!(kept.bytes > 0, "{kept:?}");
    assert_eq!(check_rollback(data), Ok(Some(5)));
    let done = roll_back(data).expect("kept");
    assert_eq!((done.format, done.contents.servers, done.undone.expect("readable").servers), (5, 1, 1));
    assert_eq!((read_names(data), said(data).as_str()), (vec!["old".to_owned()], OF_5));
    assert_eq!(family_names(data).expect("readable").len(), FAMILIES_OF_5 + 1, "an older hub knows them all");
    assert_eq!(roll_back(data), Err(RollbackError::Nothing { folder: data.to_owned() }));
    assert_eq!((kept_rollback(data), data.join(ROLLING).exists()), (None, false));
    // And forward again.
    assert_eq!(names(&open(data).expect("upgraded again")), ["old"]);
    assert_eq!(kept_rollback(data).map(|kept| kept.format), Some(5));
}

#[test]
fn a_store_of_this_format_and_one_that_does_without_are_not_kept() {
    let folder = new_folder();
    for _ in 0..2 {
        let (_store, upgraded) = open_or_upgrade(folder.path(), None, true).expect("a store");
        assert_eq!((upgraded, kept_rollback(folder.path())), (None, None));
    }
    let folder = old_store();
    // What an earlier start kept is not this store any more.
    fs::create_dir_all(folder.path().join("pre-4")).expect("made");
    let (_store, upgraded) = open_or_upgrade(folder.path(), None, false).expect("upgraded");
    assert_eq!(upgraded, Some(Upgraded { from: 5, to: VERSION, rollback: None }));
    assert_eq!((kept_rollback(folder.path()), said(folder.path()).as_str()), (None, OF_NOW));
}

#[test]
fn a_store_that_cannot_be_kept_is_not_upgraded() {
    let folder = old_store();
    let data = folder.path();
    // It cannot be removed as a folder, and no folder can be made in its place.
    fs::write(data.join("pre-5.new"), "").expect("room");
    let error = open(data).err().expect("refused");
    let words = error.to_string();
    assert!(matches!(error, StoreError::NoRollback { format: 5, bytes: 1.., .. }), "{error:?}");
    assert!(words.contains("--without-rollback") && words.contains("Nothing was upgraded"), "{words}");
    assert_eq!(family_names(data).expect("readable").len(), FAMILIES_OF_5 + 1);
    assert_eq!((read_names(data), said(data).as_str()), (vec!["old".to_owned()], OF_5));
    fs::remove_file(data.join("pre-5.new")).expect("own");
    drop(open(data).expect("upgraded"));
    assert_eq!(check_rollback(data), Ok(Some(5)));
}

#[test]
fn what_an_older_hub_wrote_since_is_kept_when_the_upgrade_begins_again() {
    let folder = old_store();
    let data = folder.path();
    keep(data, true, None).expect("kept");
    let has = &key::FAMILIES[..FAMILIES_OF_5];
    let db = DB::open_cf(&Options::default(), data.join(DB_FOLDER), has).expect("as an older hub opens it");
    let family = db.cf_handle(key::SERVERS).expect("a family of format 5");
    let old = db.get_cf(family, key::id_key(7)).expect("readable").expect("there");
    let mut record = servers::read(7, &old).expect("sound");
    record.name = "later".to_owned();
    db.put_cf(family, key::id_key(7), servers::write(&record)).expect("room");
    db.flush_wal(true).expect("room");
    drop(db);
    drop(open(data).expect("upgraded"));
    roll_back(data).expect("kept");
    assert_eq!(read_names(data), ["later"]);
}

#[test]
fn what_was_kept_stays_when_an_upgrade_was_stopped_behind_it() {
    let folder = upgraded_store();
    let data = folder.path();
    // The database has families of the newer format, and the version is not written.
    fs::write(data.join("FORMAT"), OF_5).expect("room");
    drop(open(data).expect("upgraded"));
    assert_eq!(family_names(&data.join("pre-5")).expect("readable").len(), FAMILIES_OF_5 + 1);
    roll_back(data).expect("kept");
    assert_eq!(read_names(data), ["old"]);
}

#[test]
fn a_rollback_that_is_stopped_at_any_step_is_finished_by_the_next() {
    for steps in 0..=STEPS.len() {
        for repeats in 1..=2 {
            let folder = upgraded_store();
            let (data, rolling) = (folder.path(), folder.path().join(ROLLING));
            begin(data, 5).expect("kept");
            for step in STEPS[..steps].repeat(repeats) {
                step(data, &rolling).expect("room");
            }
            let is_finished = steps >= 4;
            assert_eq!(is_rollback_unfinished(data), !is_finished, "{steps} steps");
            if is_finished {
                assert_eq!(roll_back(data), Err(RollbackError::Nothing { folder: data.to_owned() }), "{steps} steps");
            } else {
                assert_eq!(said(data), OF_NOW, "an older hub refuses it: {steps} steps");
                let unfinished = StoreError::RollbackUnfinished { folder: data.to_owned() };
                assert_eq!(open(data).err(), Some(unfinished.clone()), "{steps} steps");
                assert_eq!(Store::open_read_only(data).err(), Some(unfinished), "{steps} steps");
                assert_eq!(roll_back(data).expect("finished").format, 5, "{steps} steps");
            }
            assert_eq!((read_names(data), said(data).as_str()), (vec!["old".to_owned()], OF_5), "{steps} steps");
            assert!(durable::read(data).is_some(), "{steps} steps");
            // What is left takes no space after the next start.
            drop(open(data).expect("upgraded again"));
            assert!(!rolling.exists(), "{steps} steps");
        }
    }
}

#[test]
fn what_is_damaged_or_of_another_store_is_refused_and_nothing_is_changed() {
    let other = upgraded_store();
    let folder = upgraded_store();
    let (data, kept) = (folder.path(), folder.path().join("pre-5"));
    let before = files(data);
    let mut refused = 0;
    for (path, bytes) in files(&kept) {
        let longer = [&bytes[..], b"x"].concat();
        let damages = [None, Some(&bytes[..bytes.len() / 2]), Some(&longer[..])];
        for damage in damages.into_iter().filter(|damage| *damage != Some(&bytes[..])) {
            // The file's other links stay as they are.
            fs::remove_file(&path).expect("own");
            if let Some(damage) = damage {
                fs::write(&path, damage).expect("room");
            }
            let error = roll_back(data).expect_err("damaged");
            assert!(matches!(error, RollbackError::Damaged { .. }), "{}: {error:?}", path.display());
            refused += 1;
            fs::write(&path, &bytes).expect("room");
        }
    }
    assert!(refused > 15, "{refused}");
    assert!(check_rollback(data).is_ok());
    assert_eq!(files(data), before, "nothing was changed");
    fs::rename(&kept, data.join("aside")).expect("own");
    fs::rename(other.path().join("pre-5"), &kept).expect("one file system");
    assert_eq!(roll_back(data), Err(RollbackError::OtherStore { folder: kept, data: data.to_owned() }));
    assert_eq!(said(data), OF_NOW);
}

#[test]
fn what_is_kept_is_not_opened_as_a_store() {
    let folder = upgraded_store();
    let kept = folder.path().join("pre-5");
    let error = open(&kept).err().expect("refused");
    assert!(error.to_string().contains("kept for a rollback"), "{error}");
    assert_eq!(said(&kept), OF_5);
    assert_eq!(read_names(&kept), ["old"], "it can be read");
}

#[test]
fn what_is_kept_goes_after_a_week_and_when_told() {
    let folder = upgraded_store();
    let data = folder.path();
    let start = 1_750_000_000_000;
    for now in [start, start + HOUR_MS, start + ROLLBACK_KEPT_MS - 1] {
        assert_eq!(expire(data, now), Ok(None));
    }
    assert_eq!(kept_rollback(data).and_then(|kept| kept.ends_ms), Some(start + ROLLBACK_KEPT_MS));
    // A removal that was stopped.
    fs::create_dir(data.join("pre-4.new")).expect("made");
    assert_eq!(expire(data, start + ROLLBACK_KEPT_MS), Ok(Some(5)));
    assert_eq!(kept_rollback(data), None);
    assert!(!rollback_names().any(|name| data.join(name).exists()));
    assert_eq!(names(&open(data).expect("sound")), ["new"]);

    let folder = upgraded_store();
    // By a clock that was years ahead.
    assert_eq!(expire(folder.path(), 2 * start), Ok(None));
    assert_eq!(expire(folder.path(), start), Ok(None));
    assert_eq!(expire(folder.path(), start + ROLLBACK_KEPT_MS), Ok(Some(5)));

    let folder = upgraded_store();
    assert_eq!(drop_rollback(folder.path()), Ok(Some(5)));
    assert_eq!(drop_rollback(folder.path()), Ok(None));
}

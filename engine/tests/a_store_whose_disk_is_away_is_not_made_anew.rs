//! The disk of a store is unmounted while the engine runs, and an empty folder is in its place, or an older copy of the
//! store. Nothing is created or taken there. Writes fail until the right disk is back, and then they succeed.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use windfire_engine::server::NewServer;
use windfire_engine::{Engine, Options, Selection, StoreError, WritePoint};

/// Whether the disk refuses writes, so that the engine opens its store again.
static IS_AWAY: AtomicBool = AtomicBool::new(false);

fn is_written(point: WritePoint) -> bool {
    point != WritePoint::Before || !IS_AWAY.load(Ordering::Acquire)
}

fn is_added(engine: &Engine, name: &str) -> bool {
    engine.registry().add_server(NewServer { name: name.to_owned(), ..NewServer::default() }, 0).is_ok()
}

/// Every file and folder in a folder, with its bytes.
fn everything(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let of = |entry: fs::DirEntry| (entry.path().display().to_string(), fs::read(entry.path()).unwrap_or_default());
    let mut all: Vec<_> = entries.map(of).collect();
    all.sort();
    all
}

#[test]
fn a_store_whose_disk_is_away_is_not_made_anew() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let [data, away, older] = ["data", "away", "older"].map(|name| folder.path().join(name));
    let options = Options { at_write: Some(is_written), ..Options::default() };
    let engine = Engine::open(&data, options).expect("a new store");
    assert!(is_added(&engine, "before the backup"));
    engine.backup(&older).expect("room for a copy");
    assert!(is_added(&engine, "after the backup"));

    // The folder beneath the mount point.
    fs::rename(&data, &away).expect("the same disk");
    fs::create_dir(&data).expect("made");
    IS_AWAY.store(true, Ordering::Release);
    for _ in 0..2 {
        assert!(!is_added(&engine, "while the disk is away"));
        let error = engine.mend_store().expect_err("there is no store");
        assert!(error.to_string().contains("FORMAT is gone: mount its disk"), "{error}");
        assert!(everything(&data).is_empty(), "nothing was created: {:?}", everything(&data));
    }

    // Another disk, with what the store was before.
    fs::remove_dir(&data).expect("empty");
    fs::rename(&older, &data).expect("the same disk");
    for _ in 0..2 {
        let error = engine.mend_store().expect_err("an acknowledged change is missing there");
        assert!(matches!(error, StoreError::LogLost { .. }), "{error}");
        assert!(!is_added(&engine, "while an older disk is there"));
    }

    fs::remove_dir_all(&data).expect("removed");
    fs::rename(&away, &data).expect("the same disk");
    IS_AWAY.store(false, Ordering::Release);
    engine.mend_store().expect("the disk is back");
    assert!(is_added(&engine, "after the disk was away"));
    drop(engine);
    let engine = Engine::open(&data, Options::default()).expect("whole");
    let names: Vec<String> = engine.snapshot(Selection::All).iter().map(|view| view.record.name.clone()).collect();
    assert_eq!(names, ["before the backup", "after the backup", "after the disk was away"]);
}

//! A newer hub that is started by mistake beside an older one changes nothing: the older one must open its store again.

use std::fs;

use windfire_engine::{Engine, Options, StoreError, kept_rollback};

#[test]
fn a_store_in_use_keeps_its_format() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let older = Engine::open(folder.path(), Options::default()).expect("a new store");
    let format = folder.path().join("FORMAT");
    fs::write(&format, "windfire store 3\n").expect("written");
    let refused = Engine::open(folder.path(), Options::default()).err();
    assert!(matches!(refused, Some(StoreError::Locked { .. })), "{refused:?}");
    assert_eq!(fs::read_to_string(&format).expect("there"), "windfire store 3\n");
    assert_eq!(kept_rollback(folder.path()), None, "nothing is kept of a store that is in use");
    drop(older);
    drop(Engine::open(folder.path(), Options::default()).expect("free again"));
    assert_eq!(fs::read_to_string(&format).expect("there"), "windfire store 6\n");
}

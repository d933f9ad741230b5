//! Whatever lies in a data folder or a backup is for its owner only, from every start on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::hub::new_hub;

/// Whatever others may do with something below a folder, and with the folder itself.
fn open_to_others(path: &Path, found: &mut Vec<String>) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    if meta.permissions().mode() & 0o077 != 0 {
        found.push(format!("{} {:o}", path.display(), meta.permissions().mode()));
    }
    if meta.is_dir() {
        fs::read_dir(path).expect("readable").flatten().for_each(|entry| open_to_others(&entry.path(), found));
    }
}

fn assert_closed(path: &Path) {
    let mut found = Vec::new();
    open_to_others(path, &mut found);
    assert!(found.is_empty(), "open to others: {found:?}");
}

fn open(path: &Path) {
    let is_folder = path.is_dir();
    fs::set_permissions(path, fs::Permissions::from_mode(if is_folder { 0o755 } else { 0o644 })).expect("own");
    if is_folder {
        fs::read_dir(path).expect("readable").flatten().for_each(|entry| open(&entry.path()));
    }
}

#[test]
fn a_hub_keeps_its_folder_to_its_owner() {
    let (folder, mut hub) = new_hub(&[]);
    fs::create_dir(hub.data()).expect("made");
    open(hub.data());
    hub.start();
    assert!(hub.cli(&["server", "add", "--name", "web"]).status.success());
    assert_closed(hub.data());
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).expect("made");
    open(&copy);
    assert!(hub.cli(&["backup", copy.to_str().expect("UTF-8")]).status.success());
    assert_closed(&copy);
    hub.terminate();
    open(hub.data());
    hub.start();
    assert_closed(hub.data());
    hub.kill();
    // What a verb leaves on a stopped hub's store.
    assert!(hub.cli(&["server", "add", "--name", "web"]).status.success());
    assert_closed(hub.data());
}

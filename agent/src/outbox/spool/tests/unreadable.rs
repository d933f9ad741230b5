//! Files of a spool that cannot be read.

use super::*;

/// An outbox that found the reports 1 to 3, and where they are.
fn found(options: &SpoolOptions) -> (Outbox, PathBuf) {
    let mut outbox = Outbox::in_spool(options, FIRST_ID).expect("new");
    push(&mut outbox, 1..=3);
    drop(outbox);
    let path = segments(options)[0].clone();
    (Outbox::in_spool(options, 8).expect("found"), path)
}

/// From now on the file cannot be read: a folder in its place can be opened, and no byte of it can be read. What it had.
fn make_unreadable(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).expect("the segment");
    fs::remove_file(path).expect("removed");
    fs::create_dir(path).expect("made");
    bytes
}

fn make_readable(path: &Path, bytes: Vec<u8>) {
    fs::remove_dir(path).expect("it was kept");
    fs::write(path, bytes).expect("written");
}

#[test]
fn a_file_that_cannot_be_read_holds_up_its_spool_and_not_the_agent() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub::default();
    let (mut outbox, path) = found(&options);
    push(&mut outbox, 4..=5);
    make_disk_sick(&mut outbox, true);
    push(&mut outbox, [6]);
    let bytes = make_unreadable(&path);
    for _ in 0..3 {
        hub.welcome(&mut outbox);
        assert!(matches!(outbox.next(10), Err(SpoolError::Io { .. })));
    }
    outbox.hasten();
    hub.welcome(&mut outbox);
    assert_eq!(outbox.next(10).expect("it goes on"), None);
    assert!(outbox.has_moved_on(), "what memory holds needs a connection of its own");
    assert_eq!(outbox.unsent(), 0);
    push(&mut outbox, [7]);
    hub.drain(&mut outbox);
    outbox.hasten();
    push(&mut outbox, [8]);
    hub.drain(&mut outbox);
    assert_eq!((hub.times(), outbox.kept_count(), path.is_dir()), (vec![7, 8], 8, true));
    // Once it can be read again, nothing is lost, doubled, or in another order within its run.
    fs::rename(options.folder.join("hidden"), options.folder.join(LOCK)).expect("renamed");
    make_readable(&path, bytes);
    outbox.hasten();
    push(&mut outbox, [9]);
    assert!(outbox.has_moved_on());
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), [7, 8, 1, 2, 3, 4, 5, 6, 9]);
    assert!(matches!(outbox.storage, Storage::Spool(_)));
    drop(outbox);
    let mut outbox = Outbox::in_spool(&options, 9).expect("found");
    push(&mut outbox, [10]);
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), [7, 8, 1, 2, 3, 4, 5, 6, 9, 10]);
}

#[test]
fn a_file_that_stays_unreadable_may_be_taken_away() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub::default();
    let (mut outbox, path) = found(&options);
    push(&mut outbox, [4]);
    make_unreadable(&path);
    hub.welcome(&mut outbox);
    assert!(outbox.next(10).is_err());
    outbox.hasten();
    assert_eq!(outbox.next(10).expect("it goes on"), None);
    fs::rename(&path, folder.path().join("away")).expect("moved");
    outbox.hasten();
    push(&mut outbox, [5]);
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), [4, 5]);
}

#[test]
fn a_spool_that_is_used_again_before_there_is_a_hub_needs_a_connection_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub::default();
    let (mut outbox, path) = found(&options);
    push(&mut outbox, 4..=9);
    let bytes = make_unreadable(&path);
    hub.welcome(&mut outbox);
    assert!(outbox.next(10).is_err());
    outbox.hasten();
    assert_eq!(outbox.next(10).expect("it goes on"), None);
    // No connection comes about meanwhile.
    make_readable(&path, bytes);
    outbox.hasten();
    push(&mut outbox, [10]);
    assert_eq!((outbox.has_moved_on(), outbox.unsent(), outbox.id()), (true, 0, FIRST_ID));
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), (1..=10).collect::<Vec<i64>>());
}

//! Spools over restarts, power cuts, copies and damage.

use std::collections::HashMap;

use super::state::{MACHINE_DIGITS, TITLE_1, parse_state};
use super::*;
use crate::outbox::numbers::STRIDE;
use crate::outbox::{Outbox, Storage};
use windfire_wire::Welcome;

mod unreadable;

const FIRST_ID: u128 = 7;

fn options(folder: &Path) -> SpoolOptions {
    SpoolOptions { folder: folder.join("spool"), bytes_max: SPOOL_BYTES_MIN }
}

fn report(time_ms: i64) -> Report {
    Report { time_ms, mem_used: u64::MAX, cpu: 1.0 / 3.0, ..Report::default() }
}

fn push(outbox: &mut Outbox, times: impl IntoIterator<Item = i64>) {
    times.into_iter().for_each(|time| outbox.push(report(time)).expect("room"));
}

/// A hub's state of one server.
#[derive(Default)]
struct Hub {
    durable: HashMap<u128, u64>,
    next: u64,
    taken: Vec<(u64, i64)>,
}

impl Hub {
    fn welcome(&self, outbox: &mut Outbox) {
        let durable = self.durable.get(&outbox.id()).copied().unwrap_or(0);
        let welcome = Welcome { server_id: 1, durable, next: self.next.max(1), report_interval_ms: 0 };
        outbox.welcome(welcome).expect("welcome");
    }

    /// One connection: takes up to `max` reports, and acknowledges them or not.
    fn connect(&mut self, outbox: &mut Outbox, max: usize, is_acked: bool) {
        self.welcome(outbox);
        let (id, mut left) = (outbox.id(), max);
        while left > 0
            && let Some(pending) = outbox.next(left).expect("readable")
        {
            outbox.sent(&pending, pending.reports.len());
            left -= pending.reports.len();
            for (sequence, report) in (pending.first_sequence..).zip(&pending.reports) {
                assert!(sequence >= self.next, "{sequence} is known already");
                self.taken.push((sequence, report.time_ms));
                self.durable.insert(id, sequence);
                self.next = sequence + 1;
            }
        }
        if is_acked && let Some(up_to) = self.durable.get(&id) {
            outbox.ack(*up_to);
        }
    }

    /// As many connections as it takes.
    fn drain(&mut self, outbox: &mut Outbox) {
        for _ in 0..100 {
            self.connect(outbox, usize::MAX, true);
            if outbox.is_empty() && !outbox.has_moved_on() {
                return;
            }
        }
        panic!("{} reports cannot be settled", outbox.len());
    }

    fn times(&self) -> Vec<i64> {
        self.taken.iter().map(|(_, time)| *time).collect()
    }
}

fn segments(options: &SpoolOptions) -> Vec<PathBuf> {
    let found = list_segments(&options.folder).expect("listed");
    let mut paths: Vec<PathBuf> = found.into_values().flatten().map(|segment| segment.path).collect();
    paths.sort();
    paths
}

/// Version 1's bytes of a spool: `state`, and one segment of reports whose times are their raw numbers.
fn write_version_1(options: &SpoolOptions, state: &str, raws: std::ops::RangeInclusive<u64>) {
    fs::create_dir_all(&options.folder).expect("a folder");
    fs::write(options.folder.join("state"), state).expect("written");
    let records = raws.clone().flat_map(|raw| encode_record(raw, &report(raw as i64)).expect("finite"));
    let path = options.folder.join(format!("{:020}.seg", raws.start()));
    fs::write(path, records.collect::<Vec<u8>>()).expect("written");
}

#[test]
fn what_a_process_leaves_keeps_its_name_and_goes_first() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub::default();
    let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
    push(&mut outbox, 1..=4);
    // The hub stores two of them before the kill; its ack is lost.
    hub.connect(&mut outbox, 2, false);
    drop(outbox);
    let mut outbox = Outbox::in_spool(&options, 8).expect("found");
    push(&mut outbox, [5]);
    assert_eq!((outbox.id(), outbox.len(), outbox.kept_count()), (FIRST_ID, 5, 5));
    hub.connect(&mut outbox, usize::MAX, true);
    assert!(outbox.has_moved_on());
    assert_eq!((outbox.id(), outbox.len(), outbox.unsent()), (8, 1, 0));
    assert_eq!(outbox.next(10).expect("readable"), None, "the connection was for the other run");
    hub.drain(&mut outbox);
    assert_eq!(hub.taken, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
    assert_eq!(hub.durable, HashMap::from([(FIRST_ID, 4), (8, 5)]));
}

#[test]
fn a_spool_that_fell_back_loses_no_new_reading() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub::default();
    let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
    push(&mut outbox, 1..=4);
    let before = fs::read(&segments(&options)[0]).expect("the segment");
    push(&mut outbox, 5..=20);
    hub.connect(&mut outbox, usize::MAX, false);
    drop(outbox);
    // A power cut loses the reports that were not written back. The hub has them.
    fs::write(&segments(&options)[0], before).expect("written");
    // The first process reads on without ever reaching the hub, the second finds its readings.
    let mut outbox = Outbox::in_spool(&options, 8).expect("found");
    push(&mut outbox, 21..=30);
    drop(outbox);
    let mut outbox = Outbox::in_spool(&options, 9).expect("found");
    push(&mut outbox, 31..=33);
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), (1..=33).collect::<Vec<i64>>());
}

#[test]
fn a_copied_spool_loses_and_doubles_no_reading() {
    let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (here, there) = (options(folder.path()), options(other.path()));
    let mut hub = Hub::default();
    let mut outbox = Outbox::in_spool(&here, FIRST_ID).expect("new");
    push(&mut outbox, 1..=4);
    fs::create_dir_all(&there.folder).expect("a folder");
    for path in segments(&here).into_iter().chain([here.folder.join("state")]) {
        fs::copy(&path, there.folder.join(path.file_name().expect("a name"))).expect("copied");
    }
    push(&mut outbox, [5, 6]);
    let mut copy = Outbox::in_spool(&there, 8).expect("found");
    push(&mut copy, 100..=102);
    // They push each other out: each gets on a little, and numbers of one follow those of the other.
    hub.connect(&mut copy, 3, false);
    hub.connect(&mut outbox, 2, true);
    hub.drain(&mut copy);
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), [1, 2, 3, 4, 5, 100, 101, 102, 6]);
    let (sequence, _) = hub.taken[8];
    assert_eq!(sequence % STRIDE, 6, "a number that says which report of its run it is");
}

#[test]
fn a_snapshot_from_before_a_renumbering_doubles_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub { next: 101, ..Hub::default() };
    let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
    push(&mut outbox, 1..=4);
    let snapshot = fs::read(&segments(&options)[0]).expect("the segment");
    hub.connect(&mut outbox, 2, false);
    hub.next += 50;
    hub.connect(&mut outbox, 1, false);
    drop(outbox);
    segments(&options).iter().for_each(|path| fs::write(path, &snapshot).expect("written"));
    hub.drain(&mut Outbox::in_spool(&options, 8).expect("found"));
    assert_eq!(hub.times(), [1, 2, 3, 4]);
}

#[test]
fn a_hub_that_was_put_back_gets_again_what_it_lost() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub::default();
    let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
    push(&mut outbox, 1..=6);
    hub.connect(&mut outbox, 4, true);
    // Its backup is older than the ack.
    let mut hub = Hub { durable: HashMap::from([(FIRST_ID, 2)]), next: 3, ..Hub::default() };
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), [5, 6]);
}

#[test]
fn a_spool_of_version_1_keeps_its_name_and_its_numbers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    write_version_1(&options, &format!("{TITLE_1}\n{FIRST_ID:032x}\n100\n2\n"), 1..=6);
    // This spool sent 101 to 103.
    let mut hub = Hub { durable: HashMap::from([(FIRST_ID, 103)]), next: 104, ..Hub::default() };
    let mut outbox = Outbox::in_spool(&options, 8).expect("found");
    assert_eq!((outbox.id(), outbox.len()), (FIRST_ID, 5));
    push(&mut outbox, [7]);
    hub.connect(&mut outbox, 1, false);
    drop(outbox);
    let mut outbox = Outbox::in_spool(&options, 9).expect("found");
    assert_eq!(outbox.id(), FIRST_ID);
    hub.drain(&mut outbox);
    assert_eq!(hub.taken, [(104, 4), (105, 5), (106, 6), (107 + STRIDE - 100, 7)]);
    assert_eq!(segments(&options).len(), 1);
}

#[test]
fn damage_costs_what_it_touches_and_is_not_built_upon() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
    push(&mut outbox, 1..=9);
    drop(outbox);
    let path = segments(&options)[0].clone();
    let mut bytes = fs::read(&path).expect("the segment");
    let record = bytes.len() / 9;
    // The length of the third, a number of the fifth, and the end.
    bytes[2 * record + 2] ^= 0x40;
    bytes[4 * record + 20] ^= 1;
    bytes.truncate(bytes.len() - 3);
    fs::write(&path, &bytes).expect("written");
    let mut outbox = Outbox::in_spool(&options, 8).expect("found");
    push(&mut outbox, [10]);
    assert_eq!(fs::read(&path).expect("the segment"), bytes, "nothing is cut off");
    let mut hub = Hub::default();
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), [1, 2, 4, 6, 7, 8, 10]);
}

#[test]
fn a_run_that_cannot_be_read_to_its_end_is_settled() {
    // The damage comes after the start: after the reports that can be sent, or before all of them.
    for (is_torn, expected) in [(true, vec![1, 2, 4]), (false, vec![4])] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
        push(&mut outbox, 1..=3);
        drop(outbox);
        let mut outbox = Outbox::in_spool(&options, 8).expect("found");
        push(&mut outbox, [4]);
        let path = &segments(&options)[0];
        let bytes = fs::read(path).expect("the segment");
        let kept = if is_torn { bytes.len() - 1 } else { 0 };
        fs::write(path, &bytes[..kept]).expect("written");
        let mut hub = Hub::default();
        hub.drain(&mut outbox);
        assert_eq!(hub.times(), expected);
    }
}

#[test]
fn done_segments_are_deleted_and_a_full_spool_refuses() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
    let mut pushed = 0;
    while outbox.push(report(pushed + 1)).is_ok() {
        pushed += 1;
    }
    assert!(matches!(outbox.push(report(1)), Err(PushError::Full)));
    assert!(segments(&options).len() >= 2);
    let bytes = |path: &PathBuf| fs::metadata(path).expect("a file").len();
    assert!(segments(&options).iter().map(bytes).sum::<u64>() <= options.bytes_max);
    drop(outbox);
    let mut outbox = Outbox::in_spool(&options, 8).expect("found");
    assert!(matches!(outbox.push(report(1)), Err(PushError::Full)));
    let mut hub = Hub::default();
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), (1..=pushed).collect::<Vec<i64>>());
    assert_eq!(segments(&options).len(), 1);
    push(&mut outbox, [2]);
}

/// The disk has no room from now on, or has it again.
#[cfg(target_os = "linux")]
fn fill_disk(outbox: &mut Outbox, is_full: bool) {
    let Storage::Spool(spool) = &mut outbox.storage else { panic!("not a spool") };
    let path = if is_full { PathBuf::from("/dev/full") } else { spool.own().newest().path.clone() };
    spool.tail = OpenOptions::new().append(true).open(path).expect("a file");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_costs_no_reading_that_memory_holds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub::default();
    let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
    push(&mut outbox, 1..=3);
    fill_disk(&mut outbox, true);
    push(&mut outbox, 4..=6);
    // One that was held is acknowledged, and two are not.
    hub.connect(&mut outbox, 4, true);
    push(&mut outbox, [7]);
    fill_disk(&mut outbox, false);
    push(&mut outbox, [8]);
    drop(outbox);
    let mut outbox = Outbox::in_spool(&options, 8).expect("found");
    assert_eq!(outbox.kept_count(), 8);
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), (1..=8).collect::<Vec<i64>>());

    fill_disk(&mut outbox, true);
    (0..MEMORY_REPORTS_MAX).for_each(|_| outbox.push(report(9)).expect("room in memory"));
    assert!(matches!(outbox.push(report(10)), Err(PushError::Full)));
    hub.drain(&mut outbox);
    assert_eq!(hub.taken.len() as u64, 8 + MEMORY_REPORTS_MAX);
    push(&mut outbox, [11]);
}

/// The disk takes no record from now on, and its files can still be read; or it is well again. Without its lock, a
/// folder is not opened for writing again.
fn make_disk_sick(outbox: &mut Outbox, is_sick: bool) {
    let Storage::Spool(spool) = &mut outbox.storage else { panic!("not a spool") };
    let (lock, hidden) = (spool.options.folder.join(LOCK), spool.options.folder.join("hidden"));
    if is_sick {
        fs::rename(lock, hidden).expect("renamed");
        spool.tail = File::open(&spool.own().newest().path).expect("a file");
    } else {
        fs::rename(hidden, lock).expect("renamed");
    }
}

#[test]
fn a_sick_disk_costs_no_reading_that_memory_holds() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub::default();
    let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
    push(&mut outbox, 1..=3);
    make_disk_sick(&mut outbox, true);
    push(&mut outbox, 4..=6);
    // One that was held is acknowledged, and two are not.
    hub.connect(&mut outbox, 4, true);
    push(&mut outbox, [7]);
    make_disk_sick(&mut outbox, false);
    // What a write left that was not whole is cut off.
    let path = segments(&options)[0].clone();
    let mut torn = fs::read(&path).expect("the segment");
    torn.extend([7; 9]);
    fs::write(&path, &torn).expect("written");
    push(&mut outbox, [8]);
    assert!(matches!(Outbox::in_spool(&options, 8), Err(SpoolError::Locked { .. })), "it is locked again");
    drop(outbox);
    let mut outbox = Outbox::in_spool(&options, 8).expect("found");
    assert_eq!(outbox.kept_count(), 8);
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), (1..=8).collect::<Vec<i64>>());

    make_disk_sick(&mut outbox, true);
    (0..MEMORY_REPORTS_MAX).for_each(|_| outbox.push(report(9)).expect("room in memory"));
    assert!(matches!(outbox.push(report(10)), Err(PushError::Full)));
    hub.drain(&mut outbox);
    assert_eq!(hub.taken.len() as u64, 8 + MEMORY_REPORTS_MAX);
    push(&mut outbox, [11]);
}

#[test]
fn a_done_file_that_cannot_be_deleted_ends_no_connection_and_goes_later() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let mut hub = Hub::default();
    let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
    push(&mut outbox, 1..=3);
    drop(outbox);
    let mut outbox = Outbox::in_spool(&options, 8).expect("found");
    let path = segments(&options)[0].clone();
    // The hub has them already, so nobody reads what is no file.
    hub.durable.insert(FIRST_ID, 3);
    hub.next = 4;
    fs::remove_file(&path).expect("removed");
    fs::create_dir(&path).expect("made");
    hub.connect(&mut outbox, usize::MAX, true);
    assert!(outbox.is_empty() && path.is_dir());
    push(&mut outbox, [4]);
    fs::remove_dir(&path).expect("removed");
    fs::write(&path, "").expect("written");
    push(&mut outbox, [5]);
    assert!(!path.exists(), "it was tried again");
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), [4, 5]);
}

#[test]
fn runs_without_reports_leave_nothing_and_runs_with_some_are_bounded() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    for id in 0..200 {
        drop(Outbox::in_spool(&options, 1000 + id).expect("opened"));
    }
    assert_eq!(segments(&options).len(), 1);
    let mut pushed = 0;
    let mut outbox = Outbox::in_spool(&options, 1).expect("opened");
    while outbox.push(report(pushed + 1)).is_ok() {
        pushed += 1;
        drop(outbox);
        outbox = Outbox::in_spool(&options, 1 + u128::from(pushed.unsigned_abs())).expect("opened");
    }
    assert_eq!(usize::try_from(pushed), Ok(SPOOL_RUNS_MAX + 1));
    let mut hub = Hub::default();
    hub.connect(&mut outbox, usize::MAX, true);
    push(&mut outbox, [pushed + 1]);
    hub.drain(&mut outbox);
    assert_eq!(hub.times(), (1..=pushed + 1).collect::<Vec<i64>>());
}

#[test]
fn a_state_that_was_lost_or_damaged_costs_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let state = options.folder.join("state");
    let mut hub = Hub::default();
    let damages = [
        &b""[..],
        b"windfire spool 2\nmachi",
        b"\0\0\0\xff",
        b"windfire spool ",
        b"windfire spool r\nmachine -\n",
        b"",
    ];
    for (id, damage) in (7u32..).zip(damages) {
        let mut outbox = Outbox::in_spool(&options, id.into()).expect("opened");
        push(&mut outbox, [id.into()]);
        drop(outbox);
        fs::write(&state, damage).expect("written");
    }
    fs::remove_file(&state).expect("removed");
    hub.drain(&mut Outbox::in_spool(&options, 13).expect("opened"));
    assert_eq!(hub.times(), [7, 8, 9, 10, 11, 12]);
    // But a newer version's folder is not touched, nor one whose old segments nothing names.
    fs::write(&state, "windfire spool 3\nwhatever").expect("written");
    assert!(matches!(Outbox::in_spool(&options, 14), Err(SpoolError::State { .. })));
    write_version_1(&options, "windf", 1..=2);
    assert!(matches!(Outbox::in_spool(&options, 14), Err(SpoolError::State { .. })));
}

#[test]
fn the_state_says_whose_machine_it_was_and_not_its_id() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let state = || parse_state(&fs::read_to_string(options.folder.join("state")).expect("a state")).expect("own");
    let open = |id, machine| drop(Spool::open(&options, id, machine).expect("opened"));
    open(1, Some("c0ffee"));
    let first = state();
    assert!(first.machine.as_ref().is_some_and(|digest| digest.len() == MACHINE_DIGITS && !digest.contains("c0ffee")));
    open(2, Some("c0ffee"));
    assert_eq!(state(), first);
    open(3, Some("decade"));
    assert_ne!(state(), first);
    open(4, None);
    assert_eq!(state().machine, None);
}

#[test]
fn two_agents_cannot_share_a_spool() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = options(folder.path());
    let _first = Outbox::in_spool(&options, FIRST_ID).expect("new");
    assert!(matches!(Outbox::in_spool(&options, 8), Err(SpoolError::Locked { .. })));
}

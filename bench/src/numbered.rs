//! Reports whose numbers determine their contents, a process that reports them and dies at a named point, and the check
//! of what is stored after that.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use parking_lot::Mutex;
use windfire_engine::history::Retention;
use windfire_engine::sample::Sample;
use windfire_engine::server::ServerEdit;
use windfire_engine::{Engine, FailPoint, Options, Selection, WritePoint};
use windfire_wire::Report;

use crate::fast::FastFleet;

/// Time of report 0, Unix milliseconds.
pub const START_MS: i64 = 1_790_035_200_000;
/// Milliseconds between two reports of one server.
pub const INTERVAL_MS: i64 = 10_000;
/// Reports of each server between two commits.
const REPORTS_PER_COMMIT: u64 = 2;
/// Commits between two checkpoints.
const COMMITS_PER_CHECKPOINT: u64 = 17;
/// Commits between two changes of the registry.
const COMMITS_PER_CHANGE: u64 = 29;
/// Commits between two whose write fails at first.
const COMMITS_PER_REFUSAL: u64 = 101;
/// Commits between two backups.
const COMMITS_PER_BACKUP: u64 = 149;
/// Reports of one server in one frame, in a store of format 1.
const REPORTS_PER_FRAME: usize = 200;
/// What a line of acks begins with that is about the registry. Others begin with a server's id.
const CHANGE: &str = "change";

/// The report of that server and number: any other number has another.
pub fn report(server_id: u64, sequence: u64) -> Report {
    Report {
        time_ms: START_MS + sequence.cast_signed() * INTERVAL_MS,
        mem_used: sequence * 1_000_003 + server_id,
        net_in_transfer: sequence * 977,
        cpu: (sequence % 10_000) as f64 / 100.0,
        load1: (sequence as f64).sqrt(),
        uptime_s: sequence * 10,
        ..Report::default()
    }
}

/// Where the process ends itself, and how many passes of that point are left.
static KILL: Mutex<Option<(FailPoint, u64)>> = Mutex::new(None);
/// Where the next write fails.
static REFUSAL: Mutex<Option<WritePoint>> = Mutex::new(None);

fn at_fail_point(point: FailPoint) {
    let mut kill = KILL.lock();
    let Some((_, passes_left)) = kill.as_mut().filter(|(at, _)| *at == point) else { return };
    *passes_left = passes_left.saturating_sub(1);
    if *passes_left == 0 {
        let _dies = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

fn at_write(point: WritePoint) -> bool {
    REFUSAL.lock().take_if(|refused| *refused == point).is_none()
}

/// Options with a retention of one day for every report, so that a few days of reports pass every point.
fn options() -> Options {
    let retention = Retention { raw_days: 1, minute_days: 2, quarter_days: 30, disk_bytes_max: 0 };
    Options { retention, ..Options::default() }
}

/// The work of [`run`].
#[derive(Debug)]
pub struct Numbered<'a> {
    /// The store.
    pub data: &'a Path,
    /// Servers. Those that are missing are created.
    pub servers: usize,
    /// Number of the last report of each server.
    pub last: u64,
    /// File to which durable numbers are appended.
    pub acks: &'a Path,
    /// Folder of the newest backup.
    pub backup: &'a Path,
    /// Point at which the process dies, and at which pass of it, counted from 1.
    pub kill_at: Option<(FailPoint, u64)>,
}

/// Reports from where the store ends, and does what a hub does in its life: commits, some of which fail at first,
/// checkpoints, changes of the registry, backups, and upkeep, which first catches up with the log.
///
/// # Panics
/// When the engine refuses valid input.
pub fn run(numbered: &Numbered<'_>) {
    *KILL.lock() = numbered.kill_at;
    let mut acks = OpenOptions::new().create(true).append(true).open(numbered.acks).expect("a file for acks");
    let options =
        Options { at_fail_point: Some(at_fail_point), at_write: Some(at_write), catches_up_later: true, ..options() };
    let mut fleet = FastFleet::open(numbered.data, numbered.servers, options, START_MS);
    let ids = fleet.server_ids();
    let mut until = (0..ids.len()).map(|server| fleet.next_sequence(server)).min().unwrap_or(1);
    let (mut commits, mut change) = (0u64, newest_change(&fleet.engine));
    // It is on disk, even if the process that made it died before it could say so.
    acks.write_all(format!("{CHANGE} {change}\n").as_bytes()).expect("acks written");
    while until < numbered.last {
        until = (until + REPORTS_PER_COMMIT).min(numbered.last);
        commits += 1;
        let now_ms = report(0, until).time_ms;
        let mut durable = String::new();
        fleet.offer(now_ms, &mut |server, sequence| (sequence <= until).then(|| report(ids[server], sequence)));
        if commits.is_multiple_of(COMMITS_PER_REFUSAL) {
            refuse_a_commit(&fleet.engine, commits / COMMITS_PER_REFUSAL);
        }
        fleet.engine.commit().expect("on disk");
        for (server, id) in ids.iter().enumerate() {
            durable.push_str(&format!("{id} {}\n", fleet.next_sequence(server) - 1));
        }
        acks.write_all(durable.as_bytes()).expect("acks written");
        // Far more often than in a hub, so that the log is cut close to the heads.
        if commits.is_multiple_of(COMMITS_PER_CHECKPOINT) {
            fleet.engine.checkpoint().expect("on disk");
        }
        if commits.is_multiple_of(COMMITS_PER_CHANGE) {
            change += 1;
            let edit = ServerEdit { note: Some(change.to_string()), ..ServerEdit::default() };
            fleet.engine.registry().edit_server(ids[0], edit).expect("a known server");
            acks.write_all(format!("{CHANGE} {change}\n").as_bytes()).expect("acks written");
        }
        if commits.is_multiple_of(COMMITS_PER_BACKUP) {
            back_up(&fleet.engine, numbered.backup);
        }
        fleet.upkeep(now_ms);
    }
}

/// Commits, and lets the write fail: of two such commits one is on disk and the other is not.
fn refuse_a_commit(engine: &Engine, number: u64) {
    let point = if number.is_multiple_of(2) { WritePoint::Before } else { WritePoint::After };
    *REFUSAL.lock() = Some(point);
    engine.commit().expect_err("a write that fails");
}

/// Makes a backup in the place of the one before.
fn back_up(engine: &Engine, folder: &Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        removed => removed.expect("own files"),
    }
    engine.backup(folder).expect("a backup");
}

/// Number of the newest change of the registry that [`run`] made.
fn newest_change(engine: &Engine) -> u64 {
    engine.snapshot(Selection::All).first().and_then(|view| view.record.note.parse().ok()).unwrap_or(0)
}

/// Content of the file `FORMAT` of a store of format 1.
pub const FORMAT_1: &str = "windfire store 1\n";

/// Leaves a store of format 1 in a new folder. The reports of each server up to number `last` are in its log, and none
/// are in history.
///
/// # Panics
/// When the engine refuses valid input.
pub fn leave_format_1(data: &Path, servers: usize, last: u64) {
    let mut fleet = FastFleet::open(data, servers, Options::default(), START_MS);
    let ids = fleet.server_ids();
    let first = REPORTS_PER_FRAME as u64;
    for until in (first..last).step_by(REPORTS_PER_FRAME).chain([last]) {
        let now_ms = report(0, until).time_ms;
        fleet.commit(now_ms, &mut |server, sequence| (sequence <= until).then(|| report(ids[server], sequence)));
    }
    drop(fleet);
    fs::write(data.join("FORMAT"), FORMAT_1).expect("written");
}

/// The result of [`check`].
#[derive(Debug, Default)]
pub struct Checked {
    /// Reports in history.
    pub reports: u64,
    /// Reports that are no longer kept.
    pub expired: u64,
}

/// Reads the whole history and compares it with `acks`. Every acknowledged report that is not expired must be there,
/// once, to the bit. There must be no others. Expired ones must be the oldest. The newest change of the registry must
/// be the one acknowledged last, or the one after it.
///
/// # Panics
/// When that is not so.
pub fn check(data: &Path, acks: &Path) -> Checked {
    let engine = Engine::open(data, options()).expect("a store");
    let verified = engine.history().verify().expect("readable");
    assert_eq!((verified.corrupt_blocks, verified.doubled), (0, 0), "{:?}", verified.corrupt);
    let (mut acked, mut changed) = (BTreeMap::<u64, u64>::new(), 0);
    // The last line may be torn.
    for line in fs::read_to_string(acks).unwrap_or_default().split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let (what, number) = line.trim().split_once(' ').expect("two words");
        let number: u64 = number.parse().expect("a number");
        if what == CHANGE {
            changed = number;
        } else {
            acked.insert(what.parse().expect("an id"), number);
        }
    }
    let change = newest_change(&engine);
    assert!((changed..=changed + 1).contains(&change), "change {changed} was acknowledged, {change} is stored");
    let mut checked = Checked::default();
    for view in engine.snapshot(Selection::All) {
        let id = view.record.id;
        let (mut expected, mut first) = (None, None);
        let mut visit = |sequence: u64, sample: &Sample| {
            let wanted = *expected.get_or_insert(sequence);
            assert_eq!(sequence, wanted, "server {id}: a report is missing or doubled");
            assert_eq!(*sample, Sample::from(report(id, sequence)), "server {id}, report {sequence}");
            if first.is_none() {
                first = Some(sample.time_ms);
                checked.expired += sequence - 1;
            }
            checked.reports += 1;
            expected = Some(sequence + 1);
        };
        engine.history().reports(id, START_MS, START_MS + 1000 * 86_400_000, &mut visit).expect("readable");
        // Expiry takes whole hours.
        let is_cut_clean = first.is_none_or(|time_ms| time_ms == report(id, 1).time_ms || time_ms % 3_600_000 == 0);
        assert!(is_cut_clean, "server {id}: history begins in the middle of an hour, at {first:?}");
        let next = expected.unwrap_or(1);
        let acked = acked.get(&id).copied().unwrap_or(0);
        assert!(next > acked, "server {id}: report {acked} was acknowledged, history ends before {next}");
    }
    checked
}

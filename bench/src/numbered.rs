//! Reports whose numbers determine their contents, a process that dies at a marked point of upkeep, and the check of
//! the history after that.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use windfire_engine::history::Retention;
use windfire_engine::sample::Sample;
use windfire_engine::{Engine, FailPoint, Options, Selection};
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

static KILL_AT: AtomicUsize = AtomicUsize::new(usize::MAX);
static PASSES_LEFT: AtomicU64 = AtomicU64::new(0);

fn at_fail_point(point: FailPoint) {
    let is_here = FailPoint::ALL.iter().position(|other| *other == point) == Some(KILL_AT.load(Ordering::Relaxed));
    if is_here && PASSES_LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
        let _dies = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    }
}

/// Options with a retention of one day for every report, so that a few days of reports pass every point.
fn options(at_fail_point: Option<fn(FailPoint)>) -> Options {
    let retention = Retention { raw_days: 1, minute_days: 2, quarter_days: 30, disk_bytes_max: 0 };
    Options { retention, at_fail_point, ..Options::default() }
}

/// Reports up to report number `last`, from where the store ends, and writes the durable numbers to `acks`. With
/// `kill_at` the process dies when it passes that point of upkeep for the `passes`-th time.
///
/// # Panics
/// When the engine refuses valid input.
pub fn run(data: &Path, servers: usize, last: u64, acks: &Path, kill_at: Option<(usize, u64)>) {
    if let Some((point, passes)) = kill_at {
        PASSES_LEFT.store(passes, Ordering::Relaxed);
        KILL_AT.store(point, Ordering::Relaxed);
    }
    let mut acks = OpenOptions::new().create(true).append(true).open(acks).expect("a file for acks");
    let mut fleet = FastFleet::open(data, servers, options(Some(at_fail_point)), START_MS);
    let ids = fleet.server_ids();
    let mut until = (0..ids.len()).map(|server| fleet.next_sequence(server)).min().unwrap_or(1);
    let mut commits = 0;
    while until < last {
        until = (until + REPORTS_PER_COMMIT).min(last);
        let now_ms = report(0, until).time_ms;
        let mut durable = String::new();
        fleet.commit(now_ms, &mut |server, sequence| (sequence <= until).then(|| report(ids[server], sequence)));
        for (server, id) in ids.iter().enumerate() {
            durable.push_str(&format!("{id} {}\n", fleet.next_sequence(server) - 1));
        }
        acks.write_all(durable.as_bytes()).expect("acks written");
        // Far more often than in a hub, so that the log is cut close to the heads.
        commits += 1;
        if commits % COMMITS_PER_CHECKPOINT == 0 {
            fleet.engine.checkpoint().expect("on disk");
        }
        fleet.upkeep(now_ms);
    }
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
/// once, to the bit. There must be no others. Expired ones must be the oldest.
///
/// # Panics
/// When that is not so.
pub fn check(data: &Path, acks: &Path) -> Checked {
    let engine = Engine::open(data, options(None)).expect("a store");
    let verified = engine.history().verify().expect("readable");
    assert_eq!((verified.corrupt_blocks, verified.doubled), (0, 0), "{:?}", verified.corrupt);
    let mut acked: BTreeMap<u64, u64> = BTreeMap::new();
    // The last line may be torn.
    for line in
        std::fs::read_to_string(acks).unwrap_or_default().split_inclusive('\n').filter(|line| line.ends_with('\n'))
    {
        let (id, sequence) = line.trim().split_once(' ').expect("two numbers");
        acked.insert(id.parse().expect("an id"), sequence.parse().expect("a number"));
    }
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

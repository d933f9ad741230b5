//! A process that does what a hub does is killed at each named point of the engine: on a new store, on one of format 1,
//! at a start with a long log, and in a hub's usual life. Afterwards every acknowledged report is in history once, to
//! the bit, and every acknowledged change is there. Half a backup is no store. `ROUNDS=20` kills more often.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::{fs, thread};

use parking_lot::Mutex;
use windfire_bench::given::{given, seed};
use windfire_bench::numbered::{Checked, FORMAT_1, INTERVAL_MS, check, leave_format_1};
use windfire_bench::tally;
use windfire_engine::history::verify_unopened;
use windfire_engine::limits::{FULL_HEADS_MAX, HEAD_ROWS_MAX, RECOVERED_HEADS_MAX};
use windfire_engine::{FailPoint, StoreError, is_store, roll_back};

const SERVERS: usize = 4;
/// Reports of each server in an hour.
const HOUR: u64 = 3_600_000 / INTERVAL_MS.unsigned_abs();
/// Reports of each server that a process makes at most, unless it is killed before: a day and six hours. The raw tier
/// keeps one day.
const STRETCH: u64 = 30 * HOUR;
/// Reports of each server in a store of format 1: more than one head.
const OLD: u64 = HEAD_ROWS_MAX as u64 + 100;
/// Reports of each server after the start of a store that is new or old.
const LATER: u64 = 10;
/// Servers of a long log: they have more full heads than a start holds.
const LONG_SERVERS: usize = RECOVERED_HEADS_MAX / LONG_HEADS + 1;
/// Full heads of each of them: as many as may wait.
const LONG_HEADS: usize = FULL_HEADS_MAX - 1;
/// Reports of each of them.
const LONG: u64 = (HEAD_ROWS_MAX * LONG_HEADS + 50) as u64;
const SIGKILL: i32 = 9;

/// Points of a start that creates a store. A start on a store of an older format passes all but the first.
const NEW: [FailPoint; 5] = [
    FailPoint::StoreBegun,
    FailPoint::DatabaseOpened,
    FailPoint::FormatDrafted,
    FailPoint::FormatWritten,
    FailPoint::StatusRecovered,
];

/// Points of a start on a store of an older format, at which it is kept for a rollback.
const KEPT: [FailPoint; 4] =
    [FailPoint::RollbackBegun, FailPoint::RollbackLinked, FailPoint::RollbackNoted, FailPoint::RollbackKept];

/// How often a process was killed at each point.
type Kills = Mutex<BTreeMap<FailPoint, u64>>;

/// A store, what its processes have acknowledged, and their newest backup.
struct Place<'a> {
    folder: tempfile::TempDir,
    servers: usize,
    kills: &'a Kills,
}

impl<'a> Place<'a> {
    fn new(servers: usize, kills: &'a Kills) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), servers, kills }
    }

    /// One with a store of format 1.
    fn old(servers: usize, last: u64, kills: &'a Kills) -> Self {
        let place = Self::new(servers, kills);
        leave_format_1(&place.path("data"), servers, last);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a process that reports up to number `last`, unless it dies before.
    fn run(&self, last: u64, kill: Option<(FailPoint, u64)>) -> ExitStatus {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windfire-bench"));
        command.args(["numbered", "--servers", &self.servers.to_string(), "--last", &last.to_string()]);
        for name in ["data", "acks", "backup"] {
            command.arg(format!("--{name}")).arg(self.path(name));
        }
        if let Some((point, passes)) = kill {
            command.args(["--kill-at", point.name(), "--passes", &passes.to_string()]);
        }
        command.status().expect("started")
    }

    /// Runs one that dies when it passes the point for the `passes`-th time.
    fn kill(&self, last: u64, point: FailPoint, passes: u64) {
        let status = self.run(last, Some((point, passes)));
        assert_eq!(status.signal(), Some(SIGKILL), "{} was not passed {passes} times: {status}", point.name());
        *self.kills.lock().entry(point).or_default() += 1;
    }

    fn check(&self) -> Checked {
        check(&self.path("data"), &self.path("acks"))
    }

    /// Runs a process to its end. Each server must have every report up to number `last`.
    fn finish(&self, last: u64) -> Checked {
        let status = self.run(last, None);
        assert!(status.success(), "{status}");
        let checked = self.check();
        assert_eq!(checked.reports + checked.expired, last * self.servers as u64, "lost or doubled");
        checked
    }

    /// Whether `FORMAT` is that of a store of this program's format.
    fn is_current(&self) -> bool {
        fs::read_to_string(self.path("data").join("FORMAT")).is_ok_and(|text| text != FORMAT_1)
    }

    /// A rollback brings back every report of before the upgrade, and no other: once.
    fn check_rollback(&self, last: u64) {
        let data = self.path("data");
        let rolled_back = roll_back(&data).expect("kept");
        assert_eq!((rolled_back.format, self.is_current()), (1, false));
        let checked = check(&data, &self.path("no-acks"));
        assert_eq!((checked.reports, checked.expired), (last * self.servers as u64, 0), "lost or doubled");
    }

    /// Checks what a process that died at a point of its backup left of it.
    fn check_backup(&self, point: FailPoint) {
        let backup = self.path("backup");
        if point == FailPoint::BackupWritten {
            assert!(check(&backup, &self.path("acks")).reports > 0, "a backup is a store");
            return;
        }
        assert!(backup.is_dir() && !is_store(&backup), "{}: half a backup is no store", point.name());
        let refused = verify_unopened(&backup);
        assert!(matches!(refused, Err(StoreError::NoDatabase { .. })), "{}: {refused:?}", point.name());
    }
}

/// Kills the first process of a new store.
fn new_stores(kills: &Kills) {
    for point in NEW {
        let place = Place::new(SERVERS, kills);
        place.kill(LATER, point, 1);
        assert_eq!(place.is_current(), point >= FailPoint::FormatWritten, "{}", point.name());
        println!("new store, {}: {:?}", point.name(), place.finish(LATER));
    }
}

/// Kills the first process on a store of format 1.
fn old_stores(kills: &Kills) {
    for point in KEPT.iter().chain(&NEW[1..]).copied().chain([FailPoint::HeadsHandedOver]) {
        let place = Place::old(SERVERS, OLD, kills);
        place.kill(OLD + LATER, point, 1);
        assert_eq!(place.is_current(), point >= FailPoint::FormatWritten, "{}", point.name());
        println!("store of format 1, {}: {:?}", point.name(), place.finish(OLD + LATER));
        place.check_rollback(OLD);
    }
}

/// Kills two processes, one after the other, that make blocks of a long log.
fn long_log(kills: &Kills) {
    let place = Place::old(LONG_SERVERS, LONG, kills);
    // Each reports once more before it catches up.
    place.kill(LONG + 2, FailPoint::CatchUpEncoded, 1);
    place.kill(LONG + 4, FailPoint::CatchUpWritten, 1);
    let checked = place.check();
    tally!("long log of format 1: {checked:?}");
    assert_eq!((checked.reports, checked.expired), ((LONG + 4) * LONG_SERVERS as u64, 0), "lost or doubled");
}

/// How often a process may pass a point before it dies there. Rare points have few passes.
fn passes_max(point: FailPoint) -> u64 {
    match point {
        FailPoint::StatusRecovered
        | FailPoint::HeadsHandedOver
        | FailPoint::DayPacked
        | FailPoint::DayWritten
        | FailPoint::BackupBegun
        | FailPoint::BackupLinked
        | FailPoint::BackupDrafted
        | FailPoint::BackupWritten => 1,
        FailPoint::StoreClosed | FailPoint::RetryEncoded | FailPoint::RetryWritten => 3,
        FailPoint::FloorRaised | FailPoint::Expired => 6,
        _ => 12,
    }
}

/// Kills processes on one store, each at the next point of a hub's usual life.
fn usual_life(rounds: u64, random: &mut fastrand::Rng, kills: &Kills) {
    let place = Place::new(SERVERS, kills);
    let mut checked = Checked::default();
    let reached = |checked: &Checked| (checked.reports + checked.expired) / SERVERS as u64;
    // The first start of a store has no log.
    let later = FailPoint::ALL.iter().copied().filter(|point| *point > FailPoint::HeadsHandedOver);
    let points: Vec<FailPoint> = later.chain([FailPoint::StatusRecovered, FailPoint::HeadsHandedOver]).collect();
    for round in 1..=rounds {
        for point in points.iter().copied() {
            let passes = random.u64(1..=passes_max(point));
            place.kill(reached(&checked) + STRETCH, point, passes);
            if (FailPoint::BackupBegun..=FailPoint::BackupWritten).contains(&point) {
                place.check_backup(point);
            }
            checked = place.check();
            println!("round {round}, {} × {passes}: {checked:?}", point.name());
        }
    }
    checked = place.finish(reached(&checked) + HOUR);
    tally!("usual life: {checked:?}");
    assert!(checked.expired > 0 && checked.reports > 0);
}

#[test]
fn kill_9_at_any_named_point_loses_and_doubles_nothing() {
    let (seed, rounds) = (seed(), given("ROUNDS", 1));
    let kills = Kills::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..rounds {
                new_stores(&kills);
                old_stores(&kills);
                long_log(&kills);
            }
        });
        usual_life(rounds, &mut fastrand::Rng::with_seed(seed), &kills);
    });
    let kills = kills.into_inner();
    for point in FailPoint::ALL {
        println!("{:>6} kills at {}", kills.get(point).copied().unwrap_or(0), point.name());
    }
    tally!("{} kills at {} points", kills.values().sum::<u64>(), kills.len());
    let missed: Vec<&str> =
        FailPoint::ALL.iter().filter(|point| !kills.contains_key(*point)).map(|point| point.name()).collect();
    assert!(missed.is_empty(), "no process was killed at {missed:?}");
}

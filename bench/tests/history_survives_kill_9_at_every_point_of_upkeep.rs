//! A process that reports in fast time is killed at each marked point: in the middle of a head, of a seal, of cutting the
//! log, of packing an hour and a day, of an expiry. Afterwards every acknowledged report is in history once, to the bit.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use windfire_bench::numbered::{Checked, INTERVAL_MS, check};
use windfire_engine::FailPoint;

const SERVERS: usize = 4;
/// Reports of each server that a process makes at most, unless it is killed before: a day and six hours. The raw tier keeps
/// one day.
const STRETCH: u64 = 30 * 3_600_000 / INTERVAL_MS.unsigned_abs();
const ROUNDS: u64 = 2;
const SIGKILL: i32 = 9;

#[test]
fn history_survives_kill_9_at_every_point_of_upkeep() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (data, acks) = (folder.path().join("data"), folder.path().join("acks"));
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let child = |last: u64, kill: Option<(usize, u64)>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_windfire-bench"));
        command.args(["numbered", "--servers", &SERVERS.to_string(), "--last", &last.to_string()]);
        command.arg("--data").arg(&data).arg("--acks").arg(&acks);
        if let Some((point, passes)) = kill {
            command.args(["--kill-at", &point.to_string(), "--passes", &passes.to_string()]);
        }
        command.status().expect("started")
    };
    let mut checked = Checked::default();
    for round in 1..=ROUNDS {
        for (number, point) in FailPoint::ALL.into_iter().enumerate() {
            // Points of which a stretch passes few are met at the first.
            let is_rare = matches!(point, FailPoint::DayPacked | FailPoint::DayWritten);
            let passes = if is_rare { 1 } else { random.u64(1..=12) };
            let last = (checked.reports + checked.expired) / SERVERS as u64 + STRETCH;
            let status = child(last, Some((number, passes)));
            assert_eq!(status.signal(), Some(SIGKILL), "{point:?} was not passed {passes} times: {status}");
            checked = check(&data, &acks);
            println!("round {round}, {point:?} × {passes}: {checked:?}");
        }
    }
    let last = (checked.reports + checked.expired) / SERVERS as u64 + STRETCH;
    assert!(child(last, None).success());
    checked = check(&data, &acks);
    println!("after {} kills: {checked:?}", ROUNDS * FailPoint::ALL.len() as u64);
    assert!(checked.expired > 0 && checked.reports > 0);
    assert_eq!(checked.reports + checked.expired, last * SERVERS as u64, "lost or doubled");
}

//! A start answers before it has read the log: latest status and numbers are complete at once, reports are taken, and rounds
//! of upkeep bring history up to date. A crash in the middle of that, and reports that came meanwhile, change nothing.

use std::path::Path;

use windfire_bench::fast::FastFleet;
use windfire_bench::numbered::{INTERVAL_MS, START_MS, report};
use windfire_engine::limits::{FULL_HEADS_MAX, HEAD_ROWS_MAX, RECOVERED_HEADS_MAX};
use windfire_engine::sample::Sample;
use windfire_engine::{Engine, Options, Selection};

const SERVERS: usize = 200;
/// Reports of each server that no upkeep ever saw: as many as may wait.
const OLD: u64 = (HEAD_ROWS_MAX * (FULL_HEADS_MAX - 1)) as u64;
/// Reports of a server between two commits.
const PER_COMMIT: u64 = 60;
/// Starts that a crash ends, each while history catches up.
const CRASHES: u64 = 5;

// Some heads are made into blocks on the way.
const _: () = assert!(SERVERS * (FULL_HEADS_MAX - 1) > RECOVERED_HEADS_MAX);

fn now_ms(sequence: u64) -> i64 {
    START_MS + sequence.cast_signed() * INTERVAL_MS
}

fn open(folder: &Path, sequence: u64) -> FastFleet {
    let options = Options { catches_up_later: true, ..Options::default() };
    FastFleet::open(folder, SERVERS, options, now_ms(sequence))
}

/// Numbers of a server's reports in history; each has to be what was reported.
fn numbers(engine: &Engine, id: u64) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut visit = |sequence: u64, sample: &Sample| {
        assert_eq!(*sample, Sample::from(report(id, sequence)), "server {id}, report {sequence}");
        numbers.push(sequence);
    };
    engine.history().reports(id, START_MS, now_ms(u64::from(u16::MAX)), &mut visit).expect("readable");
    numbers
}

#[test]
fn a_start_is_short_and_history_catches_up_after_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fleet = open(folder.path(), 0);
    let ids = fleet.server_ids();
    assert_eq!(fleet.engine.history().catch_up(), None, "a new store has nothing to catch up with");
    let mut last = 0;
    while last < OLD {
        last = (last + PER_COMMIT).min(OLD);
        fleet.commit(now_ms(last), &mut |server, sequence| (sequence <= last).then(|| report(ids[server], sequence)));
    }
    drop(fleet);

    for crash in 0..CRASHES {
        let mut fleet = open(folder.path(), last);
        for (server, view) in fleet.engine.snapshot(Selection::All).iter().enumerate() {
            assert_eq!(view.latest.sample, Sample::from(report(ids[server], last)), "the latest status at once");
            assert_eq!(fleet.next_sequence(server), last + 1, "every number is known at once");
        }
        let begun = fleet.engine.history().catch_up().expect("something to catch up with");
        assert_eq!((begun.read, begun.percent()), (0, 0));
        last += 1;
        fleet.commit(now_ms(last), &mut |server, sequence| (sequence <= last).then(|| report(ids[server], sequence)));
        for _ in 0..=crash * 2 {
            let (done, more) = fleet.engine.upkeep(now_ms(last));
            assert!(more.expect("a healthy store"), "crash {crash}: it caught up too early to be disturbed");
            assert_eq!(done.heads_sealed, 0, "newer heads wait for older ones");
        }
        let reached = fleet.engine.history().catch_up().expect("still on the way");
        assert!(reached.read > 0 && reached.read < reached.all, "{reached:?}");
        let known = numbers(&fleet.engine, ids[0]);
        assert!(known.is_sorted() && known.last() == Some(&last), "what came since the start is there");
        assert!((known.len() as u64) < last, "and what was not read is not");
    }

    let mut fleet = open(folder.path(), last);
    last += 1;
    fleet.commit(now_ms(last), &mut |server, sequence| (sequence <= last).then(|| report(ids[server], sequence)));
    fleet.upkeep(now_ms(last));
    assert_eq!(fleet.engine.history().catch_up(), None);
    let check = |engine: &Engine| {
        for id in &ids {
            assert_eq!(numbers(engine, *id), (1..=last).collect::<Vec<_>>(), "server {id}: all of them, once");
        }
        let verified = engine.history().verify().expect("readable");
        assert_eq!((verified.corrupt_blocks, verified.doubled), (0, 0), "{:?}", verified.corrupt);
    };
    check(&fleet.engine);
    drop(fleet);
    // A start that waits for history finds the same.
    check(&Engine::open(folder.path(), Options::default()).expect("a store"));
}

//! A store with blocks of reports made by hand, for tests: times and numbers that no session would take any more are there
//! in stores of older hubs.

use std::ops::Range;

use tempfile::TempDir;

use super::tier::{HOUR_MS, Retention};
use super::upkeep::History;

use crate::block::{Effort, Run};
use crate::fail_point::AtFailPoint;
use crate::limits::{PACK_ROWS_MAX, WALK_ROWS_MAX};
use crate::sample::Sample;
use crate::store::{Changes, Store, key};

/// The hour of all reports, since 1970.
pub(super) const HOUR: i64 = 497_232;
/// Its start, Unix milliseconds.
pub(super) const START_MS: i64 = HOUR * HOUR_MS;

pub(super) struct Made {
    pub(super) store: Store,
    pub(super) history: History,
    pub(super) folder: TempDir,
}

impl Made {
    pub(super) fn new(retention: Retention, at_fail_point: AtFailPoint) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path(), at_fail_point).expect("a new store");
        let history = History::open(&store, retention).expect("a new store");
        Self { store, history, folder }
    }

    /// Stores the reports of a server, numbered from 1, as heads of so many rows would become blocks, and notes that their
    /// hour is due.
    pub(super) fn put(&self, server_id: u64, samples: &[Sample], rows: usize) {
        let mut changes = Changes::default();
        for (block, samples) in samples.chunks(rows).enumerate() {
            let mut run = Run::default();
            let first = (block * rows) as u64 + 1;
            (first..).zip(samples).for_each(|(sequence, sample)| run.push(sequence, sample));
            changes.put(key::RAW, &key::raw_key(HOUR, server_id, first), run.encode(server_id, Effort::Quick));
        }
        changes.put(key::TODO, &key::todo_key(key::TODO_HOUR, server_id, HOUR), Vec::new());
        self.store.write_synced(&changes).expect("on disk");
    }

    /// Every block of a server's hour: its key and bytes.
    pub(super) fn blocks(&self, server_id: u64) -> Vec<(Vec<u8>, Vec<u8>)> {
        let (from, to) = key::raw_range(HOUR, server_id);
        let mut blocks = Vec::new();
        let mut visit = |key: &[u8], value: &[u8]| {
            blocks.push((key.to_vec(), value.to_vec()));
            Ok(())
        };
        self.store.scan_range(key::RAW, &from, &to, &mut visit).expect("readable");
        blocks
    }
}

/// The server of most tests.
pub(super) const SERVER: u64 = 3;

/// Reports of one hour, `time_ms` after its start.
pub(super) fn samples(count: usize, time_ms: impl Fn(i64) -> i64) -> Vec<Sample> {
    let sample = |number: i64| Sample {
        time_ms: START_MS + time_ms(number),
        cpu: (number % 9973) as f64 / 100.0,
        mem_used: number.unsigned_abs(),
        net_in_transfer: number.unsigned_abs() * 10,
        ..Sample::default()
    };
    (0..count as i64).map(sample).collect()
}

/// In one hour: in order, all over it, backwards, nearly all within a second, at two moments.
pub(super) fn orders() -> [Vec<Sample>; 5] {
    let count = WALK_ROWS_MAX * 2 + 1000;
    [
        samples(count, |number| number * 50),
        samples(count, |number| number * 7919 % HOUR_MS),
        samples(count, |number| HOUR_MS - 1 - number * 50),
        samples(count, |number| if number % 100 == 0 { number * 50 } else { 1_800_000 + number % 1000 }),
        samples(count, |number| (number % 2) * 1_000_000),
    ]
}

/// Reports with their numbers, by time.
pub(super) fn in_order(samples: &[Sample]) -> Vec<(u64, Sample)> {
    let mut numbered: Vec<(u64, Sample)> = (1..).zip(samples.iter().cloned()).collect();
    numbered.sort_by_key(|(_, sample)| sample.time_ms);
    numbered
}

/// Three hours, of which the middle one has all reports.
pub(super) const RANGE_MS: Range<i64> = START_MS - HOUR_MS..START_MS + 2 * HOUR_MS;

/// Reports of one hour, more than are packed at once.
pub(super) fn many() -> Vec<Sample> {
    let sample = |number: i64| Sample {
        time_ms: START_MS + number * 45,
        mem_used: number.unsigned_abs(),
        net_in_transfer: number.unsigned_abs() * 10,
        cpu: (number % 100) as f64 / 100.0,
        ..Sample::default()
    };
    (0..PACK_ROWS_MAX as i64 + 9000).map(sample).collect()
}

/// A run of these reports, numbered from 1.
pub(super) fn run_of(samples: &[Sample]) -> Run {
    let mut run = Run::default();
    (1..).zip(samples).for_each(|(sequence, sample)| run.push(sequence, sample));
    run
}

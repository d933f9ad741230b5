//! A store with blocks of reports made by hand, for tests: times and numbers that no session would take any more are there
//! in stores of older hubs.

use std::sync::Arc;

use tempfile::TempDir;

use super::tier::{HOUR_MS, Retention};
use super::{History, Point};
use crate::block::{Effort, Run};
use crate::sample::Sample;
use crate::secret::SecretHash;
use crate::server::ServerRecord;
use crate::slot::Slot;
use crate::status::Status;
use crate::store::{Changes, Store, key};

/// The hour of all reports, since 1970.
pub(super) const HOUR: i64 = 497_232;
/// Its start, Unix milliseconds.
pub(super) const START_MS: i64 = HOUR * HOUR_MS;

pub(super) struct Made {
    pub(super) store: Store,
    pub(super) history: History,
    _folder: TempDir,
}

impl Made {
    pub(super) fn new(retention: Retention, at_point: Option<fn(Point)>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path()).expect("a new store");
        let history = History::open(&store, retention, at_point).expect("a new store");
        Self { store, history, _folder: folder }
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

pub(super) fn slot(id: u64) -> Arc<Slot> {
    let record = ServerRecord {
        id,
        name: String::new(),
        tag: String::new(),
        note: String::new(),
        display_index: 0,
        hide_for_guest: false,
        country: String::new(),
        credential: SecretHash::of("a credential"),
        created_s: 0,
    };
    Arc::new(Slot::new(record, Status::default()))
}

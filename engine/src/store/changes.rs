//! Changes that are written together.

use super::checkpoints::Checkpoints;
use super::positions::Positions;
use super::{clock, key};
use crate::clock::StoredClock;

/// Changes that become durable together.
#[derive(Default)]
pub(crate) struct Changes {
    pub(super) puts: Vec<(Option<&'static str>, Vec<u8>, Vec<u8>)>,
    pub(super) deletes: Vec<(&'static str, Vec<u8>)>,
    /// From the first key to before the second.
    pub(super) range_deletes: Vec<(&'static str, Vec<u8>, Vec<u8>)>,
}

impl Changes {
    pub(crate) fn put(&mut self, family: &'static str, key: &[u8], value: Vec<u8>) {
        self.puts.push((Some(family), key.to_vec(), value));
    }

    pub(crate) fn put_number(&mut self, key: &'static [u8], number: u64) {
        self.puts.push((None, key.to_vec(), number.to_be_bytes().to_vec()));
    }

    pub(crate) fn put_checkpoints(&mut self, checkpoints: &Checkpoints) {
        self.puts.push((None, key::CHECKPOINT.to_vec(), checkpoints.write()));
    }

    pub(crate) fn put_positions(&mut self, positions: &Positions) {
        self.puts.push((None, key::FOLLOWED.to_vec(), positions.write()));
    }

    /// Of the streams of a cluster, nothing was followed.
    pub(crate) fn forget_positions(&mut self) {
        self.put_positions(&Positions::default());
        self.put_number(key::FOLLOWED_REGISTRY, 0);
    }

    pub(crate) fn put_clock(&mut self, clock: &StoredClock) {
        self.puts.push((None, key::CLOCK.to_vec(), clock::write(clock)));
    }

    pub(crate) fn put_time(&mut self, key: &'static [u8], time: i64) {
        self.puts.push((None, key.to_vec(), key::time_key(time).to_vec()));
    }

    pub(crate) fn delete(&mut self, family: &'static str, key: &[u8]) {
        self.deletes.push((family, key.to_vec()));
    }

    /// Deletes every key from `from` on that comes before `to`.
    pub(crate) fn delete_range(&mut self, family: &'static str, from: &[u8], to: &[u8]) {
        self.range_deletes.push((family, from.to_vec(), to.to_vec()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty() && self.range_deletes.is_empty()
    }

    /// Numbers that RocksDB gives to them.
    pub(super) fn count(&self) -> u64 {
        (self.puts.len() + self.deletes.len() + self.range_deletes.len()) as u64
    }

    pub(crate) fn bytes(&self) -> usize {
        self.puts.iter().map(|(_, key, value)| key.len() + value.len()).sum()
    }
}

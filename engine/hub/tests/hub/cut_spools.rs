//! Spools on a disk whose power is cut, and what history must have of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use windfire_bench::swarm::Account;
use windfire_bench::tally;
use windfire_engine::sample::Sample;

use super::frozen_disk::FrozenDisk;
use super::spools::samples_in;

/// Milliseconds that a reading may be from its own time: several that were taken too late, at one moment, are put in
/// order. A hub that gets the agent's clock more than 5 s late, because the machine stood still, takes it for wrong by
/// that.
const MOVED_MS_MAX: i64 = 10_000;

/// The spool of one server, and all that was ever read into it.
struct Spool {
    folder: PathBuf,
    /// What tells a reading from all others of this server.
    number_of: fn(&Sample) -> u64,
    read: BTreeMap<u64, Sample>,
    /// Numbers of the readings that no cut takes: they were on the disk, or acknowledged.
    safe: BTreeSet<u64>,
}

/// The spools of all servers, in the order of the servers.
pub(crate) struct CutSpools {
    spools: Vec<Spool>,
    /// What the cuts found.
    pub(crate) found: Found,
}

/// Readings at the moments of all cuts.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Acknowledged, and still in the files.
    pub(crate) acked: usize,
    /// Not acknowledged, and on the disk.
    pub(crate) unacked: usize,
    /// In the files as the agents saw them, and not on the disk.
    pub(crate) taken: usize,
}

impl CutSpools {
    /// Spools that are new. `number_of` tells the readings of one server apart.
    pub(crate) fn new(folders: impl IntoIterator<Item = (PathBuf, fn(&Sample) -> u64)>) -> Self {
        let spool = |(folder, number_of)| Spool { folder, number_of, read: BTreeMap::new(), safe: BTreeSet::new() };
        Self { spools: folders.into_iter().map(spool).collect(), found: Found::default() }
    }

    /// All that is in the spools now is safe, because the disk is synced, or because no cut comes any more.
    pub(crate) fn sync(&mut self, disk: &FrozenDisk) {
        let before: Vec<_> = self.spools.iter().map(|spool| samples_in(&spool.folder)).collect();
        disk.sync();
        for (spool, samples) in self.spools.iter_mut().zip(before) {
            spool.saw(&samples);
            samples.iter().for_each(|(_, sample)| spool.keep(sample));
        }
    }

    /// Cuts the power of agents that stand still, and ends them with `end`. `acked` is what they knew to be
    /// acknowledged.
    pub(crate) fn cut(&mut self, disk: &FrozenDisk, acked: &[Account], end: impl FnOnce()) {
        let before: Vec<_> = self.spools.iter().map(|spool| samples_in(&spool.folder)).collect();
        disk.cut_power(end);
        let acked = acked.iter().map(|account| account.acked).chain(std::iter::repeat(0));
        for ((spool, before), acked) in self.spools.iter_mut().zip(before).zip(acked) {
            spool.saw(&before);
            let on_disk = samples_in(&spool.folder);
            for (_, sample) in before.iter().filter(|(raw, _)| *raw <= acked) {
                spool.keep(sample);
                self.found.acked += 1;
            }
            for (raw, sample) in &on_disk {
                assert_eq!(spool.read.get(&(spool.number_of)(sample)), Some(sample), "a spool has what was never read");
                spool.keep(sample);
                self.found.unacked += usize::from(*raw > acked);
            }
            let on_disk: BTreeSet<u64> = on_disk.iter().map(|(_, sample)| (spool.number_of)(sample)).collect();
            let is_taken = |(_, sample): &&(u64, Sample)| !on_disk.contains(&(spool.number_of)(sample));
            self.found.taken += before.iter().filter(is_taken).count();
        }
    }

    /// Numbers of the safe readings of a server.
    pub(crate) fn safe(&self, server: usize) -> &BTreeSet<u64> {
        &self.spools[server].safe
    }

    /// Compares with history, in the same order: all that is safe is there, once and as it was read; of the rest each
    /// is there once or not; there is nothing else. Says what it counted.
    pub(crate) fn check(&self, history: &[Vec<Sample>]) {
        assert_eq!(history.len(), self.spools.len(), "servers in history");
        let (mut read, mut safe, mut lost) = (0, 0, 0);
        for (spool, history) in self.spools.iter().zip(history) {
            let folder = spool.folder.display();
            let mut found = BTreeSet::new();
            for sample in history {
                let number = (spool.number_of)(sample);
                assert!(found.insert(number), "{folder}: {number} is in history twice: {sample:?}");
                let read = spool.read.get(&number);
                let read = read.unwrap_or_else(|| panic!("{folder}: {number} was never read: {sample:?}"));
                let is_same = *read == Sample { time_ms: read.time_ms, ..sample.clone() };
                assert!(is_same, "{folder}: {number} was read as {read:?}, and is in history as {sample:?}");
                let moved_ms = sample.time_ms - read.time_ms;
                assert!(moved_ms.abs() <= MOVED_MS_MAX, "{folder}: {number} was moved by {moved_ms} ms");
            }
            let missing: Vec<u64> = spool.safe.difference(&found).copied().collect();
            assert!(missing.is_empty(), "{folder}: on the disk or acknowledged, and not in history: {missing:?}");
            read += spool.read.len();
            safe += spool.safe.len();
            lost += spool.read.len() - found.len();
        }
        tally!(
            "{read} readings, {safe} of them on the disk or acknowledged: each in history once, {lost} others lost by \
             the cuts; at the cuts: {:?}",
            self.found
        );
    }
}

impl Spool {
    fn saw(&mut self, samples: &[(u64, Sample)]) {
        for (_, sample) in samples {
            let number = (self.number_of)(sample);
            let known = self.read.insert(number, sample.clone());
            assert!(known.is_none_or(|known| known == *sample), "two readings have the number {number}");
        }
    }

    fn keep(&mut self, sample: &Sample) {
        self.safe.insert((self.number_of)(sample));
    }
}

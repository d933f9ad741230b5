//! Catching up: a start leaves the log as it is, apart from the newest part, and the rounds of upkeep after it make heads and
//! blocks of what is not in history yet. In the meantime reports are taken and acknowledged, and queries miss the reports
//! that were not read yet.
//!
//! ```text
//! log    ├── in blocks ──┼── to catch up ──────────────┼── new: in heads as it comes ──►
//!        the oldest commit                   the newest commit before the start
//! ```
//! A server's blocks are written in the order of its numbers, because the highest of them says where the next start begins.
//! So new heads wait until the older reports are in blocks, or in heads before them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::head_blocks::{seal_heads, write_sealed};
use crate::fail_point::FailPoint;
use crate::head::Head;
use crate::intake::Position;
use crate::limits::{CATCH_UP_REPORTS_PER_ROUND, RECOVERED_HEADS_MAX, REFUSED_READS_MAX};
use crate::record::Corrupt;
use crate::sample::Sample;
use crate::slot::Slot;
use crate::store::{Changes, LogEntry, Store, StoreError, Unreadable, key, log};

/// The part of the log that is not in history yet, and what was read of it.
pub(crate) struct CatchUp {
    /// Commits before this one are read.
    next: u64,
    /// The newest commit before the start.
    last: u64,
    /// Servers that there were at the start: the log may still have reports of removed ones.
    servers: HashMap<u64, Caught>,
    /// Servers with full heads.
    full: BTreeSet<u64>,
    full_count: usize,
    /// The commit at which the disk refused to be read, and how often in a row.
    refused: (u64, u32),
}

/// What was read of a server's reports and is not in blocks.
struct Caught {
    /// Number of the newest report that is in a block.
    sealed: u64,
    head: Head,
    full_heads: Vec<Head>,
}

/// How far the hub has caught up, in commits of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatchUpProgress {
    /// Commits that are in history now.
    pub read: u64,
    /// Commits in all. Never 0.
    pub all: u64,
}

impl CatchUpProgress {
    /// How much is done, rounded down: 100 only at the end.
    pub fn percent(self) -> u64 {
        u64::try_from(u128::from(self.read) * 100 / u128::from(self.all.max(1))).unwrap_or(100)
    }
}

/// [`CatchUpProgress`], shared with readers.
#[derive(Debug, Default)]
pub(super) struct Progress {
    first: AtomicU64,
    next: AtomicU64,
    /// Behind the newest commit; 0 when there is nothing to catch up.
    end: AtomicU64,
}

impl Progress {
    fn begin(&self, first: u64, end: u64) {
        self.first.store(first, Ordering::Relaxed);
        self.next.store(first, Ordering::Relaxed);
        self.end.store(end, Ordering::Release);
    }

    fn advance(&self, next: u64) {
        self.next.store(next, Ordering::Relaxed);
    }

    fn finish(&self) {
        self.end.store(0, Ordering::Release);
    }

    pub(super) fn get(&self) -> Option<CatchUpProgress> {
        let end = self.end.load(Ordering::Acquire);
        let (first, next) = (self.first.load(Ordering::Relaxed), self.next.load(Ordering::Relaxed));
        (end > 0).then(|| CatchUpProgress {
            read: next.saturating_sub(first).min(end.saturating_sub(first)),
            all: end.saturating_sub(first).max(1),
        })
    }
}

impl CatchUp {
    /// Everything of the log up to the commit `last`, of these servers, that is not in blocks. `servers` has the number of the
    /// newest report that is in a block. `None` when there is no log.
    pub(crate) fn new(
        store: &Store,
        last: u64,
        servers: impl Iterator<Item = (u64, u64)>,
    ) -> Result<Option<Self>, StoreError> {
        let first = match store.first_commit() {
            // The walk finds out what of it can be read.
            Err(StoreError::Corrupt(_) | StoreError::Faulty { .. }) => Some(0),
            first => first?,
        };
        let Some(first) = first.filter(|first| *first <= last) else { return Ok(None) };
        let caught = |sealed| Caught { sealed, head: Head::default(), full_heads: Vec::new() };
        let servers = servers.map(|(id, sealed)| (id, caught(sealed))).collect();
        Ok(Some(Self { next: first, last, servers, full: BTreeSet::new(), full_count: 0, refused: (0, 0) }))
    }

    /// Reads on, for a bounded time. Whether there is more to read. `lose` hears what cannot be read.
    fn read_on(&mut self, store: &Store, lose: &mut dyn FnMut(String)) -> Result<bool, StoreError> {
        let from = self.next;
        // While writes fail, it is the whole disk.
        let is_damage = self.refused.1 >= REFUSED_READS_MAX && !store.health.is_failing();
        let unreadable = if is_damage { Unreadable::OneIsPassedOver } else { Unreadable::Ends };
        let (mut next, mut reports, mut is_over) = (from, 0, true);
        let mut visit = |key: &[u8], value: &[u8]| {
            let commit = key::commit_of(key).ok_or_else(|| Corrupt::at("a log key"))?;
            if commit > self.last {
                return Ok(false);
            }
            let is_enough = reports >= CATCH_UP_REPORTS_PER_ROUND || self.full_count > RECOVERED_HEADS_MAX;
            if is_enough && commit >= next {
                is_over = false;
                return Ok(false);
            }
            next = commit + 1;
            log::read(value, &mut |entry| {
                if let LogEntry::Report { server_id, sequence, received_ms, sample } = entry {
                    reports += 1;
                    self.take(server_id, sequence, &sample, Position(commit), received_ms);
                }
            })?;
            Ok(true)
        };
        // What is read again is lost once.
        let mut lost = Vec::new();
        let walked = store.walk_log(from, unreadable, &mut visit, &mut |what| lost.push(what));
        self.refused = match (&walked, self.refused) {
            (Err(StoreError::Faulty { .. }), (commit, times)) if commit == next => (commit, times.saturating_add(1)),
            (Err(StoreError::Faulty { .. }), _) => (next, 1),
            _ => (0, 0),
        };
        if is_damage && walked.is_err() {
            // There is another such stretch behind the one that was left out. The last commit may be read in part.
            self.next = next.saturating_sub(1).max(from);
            lost.drain(..).for_each(&mut *lose);
        }
        walked?;
        lost.into_iter().for_each(lose);
        self.next = if is_over { self.last + 1 } else { next };
        Ok(!is_over)
    }

    fn take(&mut self, server_id: u64, sequence: u64, sample: &Sample, position: Position, received_ms: i64) {
        // A part of the log that is read again has reports that are in heads already.
        let Some(server) = self.servers.get_mut(&server_id).filter(|server| sequence > server.newest()) else { return };
        server.head.push(sequence, sample, position, received_ms);
        if server.head.is_full() {
            server.full_heads.push(std::mem::take(&mut server.head));
            self.full.insert(server_id);
            self.full_count += 1;
        }
    }

    /// Makes blocks of the full heads, however old.
    fn seal(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        let sealed = |server: &Caught| server.full_heads.last().map(Head::last_sequence);
        for server_id in &self.full {
            if let Some(server) = self.servers.get(server_id) {
                seal_heads(&mut changes, *server_id, &server.full_heads, i64::MIN)?;
            }
        }
        store.reach(FailPoint::CatchUpEncoded);
        write_sealed(store, &changes)?;
        store.reach(FailPoint::CatchUpWritten);
        for server_id in std::mem::take(&mut self.full) {
            if let Some(server) = self.servers.get_mut(&server_id) {
                server.sealed = sealed(server).unwrap_or(server.sealed);
                server.full_heads.clear();
            }
        }
        self.full_count = 0;
        Ok(())
    }
}

impl Caught {
    /// Number of the newest report that was taken.
    fn newest(&self) -> u64 {
        let in_heads = if self.head.is_empty() { self.full_heads.last() } else { Some(&self.head) };
        in_heads.map_or(self.sealed, Head::last_sequence)
    }
}

/// The state of catching up, in history's.
#[derive(Default)]
pub(super) struct CatchingUp {
    under_way: parking_lot::Mutex<Option<CatchUp>>,
    pub(super) progress: Progress,
}

impl CatchingUp {
    pub(super) fn begin(&self, catch_up: CatchUp) {
        self.progress.begin(catch_up.next, catch_up.last + 1);
        *self.under_way.lock() = Some(catch_up);
    }

    /// One step of bounded length. Whether there was something to catch up with. What failed is tried again by the next call.
    /// `lose` hears what of the log cannot be read: it costs that stretch only.
    pub(super) fn step(
        &self,
        store: &Store,
        lose: &mut dyn FnMut(String),
        slots: &dyn Fn() -> Vec<Arc<Slot>>,
        note_full: &dyn Fn(&Arc<Slot>),
    ) -> Result<bool, StoreError> {
        let mut under_way = self.under_way.lock();
        let Some(catch_up) = under_way.as_mut() else { return Ok(false) };
        if catch_up.full_count > RECOVERED_HEADS_MAX {
            catch_up.seal(store)?;
        } else if !catch_up.read_on(store, lose)? {
            let mut servers = std::mem::take(&mut catch_up.servers);
            for slot in slots() {
                let Some(Caught { head, full_heads, .. }) = servers.remove(&slot.id) else { continue };
                if slot.status.lock().resume(full_heads, head) {
                    note_full(&slot);
                }
            }
            store.reach(FailPoint::HeadsHandedOver);
            *under_way = None;
            self.progress.finish();
            return Ok(true);
        }
        self.progress.advance(catch_up.next);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: u64 = 7;
    const LAST: u64 = 15;

    /// A store whose log has a report a commit, numbered like it, and whose disk cannot read commits 4 to 6, and 12.
    fn sick_store(folder: &std::path::Path) -> Store {
        let store = Store::open(folder, None).expect("a new store");
        let mut changes = Changes::default();
        for number in 1..=LAST {
            let mut value = Vec::new();
            log::put_report(&mut value, SERVER, number, 0, &Sample::default(), None);
            changes.put(key::LOG, &key::log_key(number, 0), value);
        }
        store.write_synced(&changes).expect("a healthy store");
        let sick = folder.to_owned();
        *store.at_read.lock() = Some(Box::new(move |_, key| match key::commit_of(key) {
            Some(4..=6 | 12) => {
                Err(StoreError::Faulty { folder: sick.clone(), reason: "Input/output error".to_owned() })
            }
            _ => Ok(()),
        }));
        store
    }

    /// All of a store's log is to be caught up.
    fn all_of(store: &Store) -> CatchUp {
        CatchUp::new(store, LAST, [(SERVER, 0)].into_iter()).expect("a log").expect("not empty")
    }

    /// From now on every read fails like that.
    fn refuse_all(store: &Store, error: StoreError) {
        *store.at_read.lock() = Some(Box::new(move |_, _| Err(error.clone())));
    }

    /// However often it is tried, the log is not left out.
    fn is_never_left_out(catch_up: &mut CatchUp, store: &Store) {
        for _ in 0..=2 * REFUSED_READS_MAX {
            assert!(catch_up.read_on(store, &mut |what| panic!("{what}")).is_err());
        }
    }

    fn numbers(catch_up: &CatchUp) -> Vec<u64> {
        let server = &catch_up.servers[&SERVER];
        server.head.run().expect("own rows").sequences
    }

    #[test]
    fn what_a_disk_cannot_read_for_long_costs_that_stretch_and_no_more() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = sick_store(folder.path());
        let mut catch_up = all_of(&store);
        let mut lost = Vec::new();
        for _ in 0..REFUSED_READS_MAX {
            assert!(catch_up.read_on(&store, &mut |what| lost.push(what)).is_err());
        }
        assert!(lost.is_empty(), "the disk may come back: {lost:?}");
        // Another stretch behind it may come back too.
        for _ in 0..REFUSED_READS_MAX {
            assert!(catch_up.read_on(&store, &mut |what| lost.push(what)).is_err());
            assert!(lost.len() == 1 && lost[0].contains("Input/output error"), "{lost:?}");
        }
        assert_eq!(catch_up.read_on(&store, &mut |what| lost.push(what)), Ok(false));
        let expected = (1..=LAST).filter(|number| !matches!(number, 4..=6 | 12)).collect::<Vec<u64>>();
        assert_eq!((numbers(&catch_up), lost.len()), (expected, 2), "{lost:?}");
    }

    #[test]
    fn files_that_cannot_be_opened_are_no_fault_of_the_disk() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = sick_store(folder.path());
        let (folder, reason) = (folder.path().to_owned(), "Too many open files".to_owned());
        let mut catch_up = all_of(&store);
        refuse_all(&store, StoreError::Unusable { folder, reason });
        is_never_left_out(&mut catch_up, &store);
    }

    #[test]
    fn a_disk_that_refuses_everything_costs_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = sick_store(folder.path());
        let mut catch_up = all_of(&store);
        // Places behind the log are refused too.
        let mut changes = Changes::default();
        changes.put(key::LOG, &key::log_key(u64::MAX, u8::MAX), Vec::new());
        store.write_synced(&changes).expect("a healthy store");
        let (folder, reason) = (folder.path().to_owned(), "Input/output error".to_owned());
        refuse_all(&store, StoreError::Faulty { folder, reason });
        is_never_left_out(&mut catch_up, &store);
    }

    #[test]
    fn a_disk_that_comes_back_costs_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = sick_store(folder.path());
        let mut catch_up = all_of(&store);
        let mut lost = Vec::new();
        for _ in 0..REFUSED_READS_MAX {
            assert!(catch_up.read_on(&store, &mut |what| lost.push(what)).is_err());
        }
        // While writes fail too, it is the whole disk.
        store.health.note(&Err::<(), _>("Input/output error"));
        assert!(catch_up.read_on(&store, &mut |what| lost.push(what)).is_err());
        *store.at_read.lock() = None;
        store.health.note(&Ok::<(), &str>(()));
        assert_eq!(catch_up.read_on(&store, &mut |what| lost.push(what)), Ok(false));
        assert_eq!(numbers(&catch_up), (1..=LAST).collect::<Vec<u64>>());
        assert!(lost.is_empty(), "{lost:?}");
    }
}

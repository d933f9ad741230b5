//! The database of one hub: what is written to it and read from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rocksdb::{ColumnFamily, DB, IteratorMode, ReadOptions, WriteBatch, WriteOptions};

use super::changes::Changes;
use super::damage::{Damage, KnownDamage};
use super::durable::Durable;
use super::error::StoreError;
use super::format::{self, Found, begin_store};
use super::key;
use super::options::open_db_read_only;
use super::rollback::{check_is_finished, check_may_open};
use super::whole::{
    check_database, check_durable, check_manifest, check_tables, durable_number, no_database, open_again, open_whole,
    rehearse,
};
use super::write_gate::{WriteGate, WritePoint, pass};
use crate::fail_point::{AtFailPoint, FailPoint, reach};
use crate::health::Health;
use crate::record::Corrupt;
use crate::waits;

/// Takes one key and its value.
type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), StoreError> + 'a;

/// Takes one key and its value, and says whether there should be more.
pub(super) type VisitWhile<'a> = dyn FnMut(&[u8], &[u8]) -> Result<bool, StoreError> + 'a;

/// When a write is on disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Synced {
    /// When it returns.
    Now,
    /// At some later time. The process can do without it.
    Later,
    /// At some later time. The process cannot do without it.
    LaterAndKept,
}

/// The store of one hub.
pub(crate) struct Store {
    pub(super) folder: PathBuf,
    /// `None` only while [`Store::reopen`] has closed it and could not open it again.
    db: RwLock<Option<DB>>,
    /// The result of the newest write of any kind.
    pub(crate) health: Health,
    /// Before and after each write, for tests from outside.
    gate: Option<WriteGate>,
    /// For tests that end the process at a point.
    at_fail_point: AtFailPoint,
    /// Called before each write, so that a test can make it fail.
    #[cfg(test)]
    pub(crate) at_write: parking_lot::Mutex<Option<AtWrite>>,
    /// Called with the family and the key of each pair that [`Store::scan_while`] reads, so that a test can make it fail.
    #[cfg(test)]
    pub(crate) at_read: parking_lot::Mutex<Option<AtRead>>,
    /// Absent when the store is only read.
    durable: Option<Durable>,
    pub(super) damage: Damage,
}

/// Lets a write go on, or be as if the disk had refused it, as soon as it returns.
#[cfg(test)]
pub(crate) type AtWrite = Box<dyn FnMut() -> Result<(), StoreError> + Send>;

/// Lets a pair be read, or be as if the disk could not read it.
#[cfg(test)]
pub(crate) type AtRead = Box<dyn FnMut(&'static str, &[u8]) -> Result<(), StoreError> + Send>;

impl Store {
    /// Opens the store in `folder`, or creates one there.
    ///
    /// A newer or foreign format, a database that is missing, and a log or a manifest that is shorter than it was are
    /// refused before anything is written. A table file that is missing is refused before anything is read. An older
    /// format is upgraded, and there is no way back but what was kept before.
    pub(crate) fn open(folder: &Path, at_fail_point: AtFailPoint) -> Result<Self, StoreError> {
        check_may_open(folder)?;
        let found = format::check(folder)?;
        if found == Found::New {
            begin_store(folder)?;
            reach(at_fail_point, FailPoint::StoreBegun);
        } else {
            check_database(folder)?;
            check_manifest(folder)?;
            rehearse(folder)?;
        }
        let damage = Damage::open(folder);
        let db = open_whole(folder, &damage.idle_families())?;
        damage.check_again(&db);
        if found != Found::Current {
            reach(at_fail_point, FailPoint::DatabaseOpened);
            format::write(folder, || reach(at_fail_point, FailPoint::FormatDrafted))?;
            reach(at_fail_point, FailPoint::FormatWritten);
        }
        Ok(Self { at_fail_point, ..Self::of(folder, db, Some(Durable::open(folder)), damage) })
    }

    fn of(folder: &Path, db: DB, durable: Option<Durable>, damage: Damage) -> Self {
        Self {
            folder: folder.to_owned(),
            db: RwLock::new(Some(db)),
            health: Health::default(),
            durable,
            damage,
            gate: None,
            at_fail_point: None,
            #[cfg(test)]
            at_write: parking_lot::Mutex::default(),
            #[cfg(test)]
            at_read: parking_lot::Mutex::default(),
        }
    }

    /// With a gate that every write passes.
    pub(crate) fn gated(mut self, gate: Option<WriteGate>) -> Self {
        self.gate = gate;
        self
    }

    /// Lets a test end the process here.
    pub(crate) fn reach(&self, point: FailPoint) {
        reach(self.at_fail_point, point);
    }

    /// Opens the store in `folder` for reading, and changes nothing there. No hub may run on it.
    pub(crate) fn open_read_only(folder: &Path) -> Result<Self, StoreError> {
        check_is_finished(folder)?;
        if format::check(folder)? == Found::New {
            return Err(no_database(folder, "FORMAT"));
        }
        check_database(folder)?;
        check_manifest(folder)?;
        let durable = durable_number(folder);
        let db = open_db_read_only(folder)?;
        check_durable(folder, durable, &db)?;
        check_tables(folder, &db)?;
        let damage = Damage::open_read_only(folder);
        damage.check_again(&db);
        Ok(Self::of(folder, db, None, damage))
    }

    /// Closes RocksDB and opens it again: what clears its error after a failed write, once the disk is back. While it is
    /// not, or another is in its place, the store stays closed.
    pub(crate) fn reopen(&self) -> Result<(), StoreError> {
        let mut db = self.db.write();
        // The old one holds the folder's lock.
        drop(db.take());
        self.reach(FailPoint::StoreClosed);
        let (known, idle) = (self.durable.as_ref().map(Durable::number), self.damage.idle_families());
        *db = Some(open_again(&self.folder, known, &idle)?);
        if let Some(durable) = &self.durable {
            durable.reopen();
        }
        Ok(())
    }

    /// Writes `changes` as one and returns when they are on disk.
    pub(crate) fn write_synced(&self, changes: &Changes) -> Result<(), StoreError> {
        self.write_with(changes, Synced::Now)
    }

    /// Writes `changes` as one, after everything written before and before everything written later. On disk at the latest
    /// with the next [`Store::write_synced`]: a power cut may undo it, whole and with all that came after it.
    pub(crate) fn write(&self, changes: &Changes) -> Result<(), StoreError> {
        self.write_with(changes, Synced::Later)
    }

    /// The table files that are known to be damaged. Never waits.
    pub(crate) fn damaged_tables(&self) -> Arc<KnownDamage> {
        self.damage.known()
    }

    /// Whether files of `family` are not merged, because one of them is damaged.
    pub(crate) fn is_idle(&self, family: &str) -> bool {
        self.damage.is_idle(family)
    }

    /// As [`Store::write`], but this process never opens the store again without it: what is in memory builds on it.
    pub(crate) fn write_kept(&self, changes: &Changes) -> Result<(), StoreError> {
        self.write_with(changes, Synced::LaterAndKept)
    }

    fn write_with(&self, changes: &Changes, sync: Synced) -> Result<(), StoreError> {
        let written = self.write_once(changes, sync);
        // A compaction that met damage ends all writes until the database is opened again. Nothing was written then, and
        // when the damage is marked, the same write succeeds.
        let is_damage = |error: &StoreError| self.with(|db| Ok(self.damage.find(db, error))).unwrap_or(false);
        if written.as_ref().is_err_and(is_damage) {
            self.reopen()?;
            return self.write_once(changes, sync);
        }
        written
    }

    pub(super) fn write_once(&self, changes: &Changes, sync: Synced) -> Result<(), StoreError> {
        let mut options = WriteOptions::default();
        options.set_sync(sync == Synced::Now);
        self.with(|db| {
            let mut batch = WriteBatch::default();
            for (family, key, value) in &changes.puts {
                match family {
                    Some(family) => batch.put_cf(handle(db, family)?, key, value),
                    None => batch.put(key, value),
                }
            }
            for (family, key) in &changes.deletes {
                batch.delete_cf(handle(db, family)?, key);
            }
            for (family, from, to) in &changes.range_deletes {
                batch.delete_range_cf(handle(db, family)?, from, to);
            }
            // Numbers are given in the order of the log: a sync makes everything before durable too.
            let before = db.latest_sequence_number();
            let written = self
                .before_write()
                .and_then(|()| pass(self.gate, WritePoint::Before))
                .and_then(|()| db.write_opt(batch, &options).map_err(|error| self.error(&error)))
                .and_then(|()| pass(self.gate, WritePoint::After));
            self.health.note(&written);
            written?;
            match (&self.durable, sync) {
                (Some(durable), Synced::Now) => durable.raise(before + changes.count()),
                (Some(durable), Synced::LaterAndKept) => durable.keep(before + changes.count()),
                (Some(_), Synced::Later) | (None, _) => {}
            }
            Ok(())
        })
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as in tests")]
    fn before_write(&self) -> Result<(), StoreError> {
        Ok(())
    }

    #[cfg(test)]
    fn before_write(&self) -> Result<(), StoreError> {
        self.at_write.lock().as_mut().map_or(Ok(()), |at_write| at_write())
    }

    #[cfg(test)]
    fn before_read(&self, family: &'static str, key: &[u8]) -> Result<(), StoreError> {
        self.at_read.lock().as_mut().map_or(Ok(()), |at_read| at_read(family, key))
    }

    /// Pairs of `family` from `from` on, in key order, while `visit` says so.
    pub(crate) fn scan_while(
        &self,
        family: &'static str,
        from: &[u8],
        visit: &mut VisitWhile<'_>,
    ) -> Result<(), StoreError> {
        self.with(|db| {
            let mut pairs = db.raw_iterator_cf(handle(db, family)?);
            pairs.seek(from);
            while let Some((key, value)) = pairs.item() {
                #[cfg(test)]
                self.before_read(family, key)?;
                if !visit(key, value)? {
                    return Ok(());
                }
                pairs.next();
            }
            pairs.status().map_err(|error| self.error(&error))
        })
    }

    /// Every pair of `family` from `from` on, in key order.
    pub(crate) fn scan(&self, family: &'static str, from: &[u8], visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.with(|db| {
            let start = IteratorMode::From(from, rocksdb::Direction::Forward);
            for pair in db.iterator_cf(handle(db, family)?, start) {
                let (key, value) = pair.map_err(|error| self.error(&error))?;
                visit(&key, &value)?;
            }
            Ok(())
        })
    }

    /// Every pair of `family` from `from` on that comes before `to`, in key order, as of one moment.
    pub(crate) fn scan_range(
        &self,
        family: &'static str,
        from: &[u8],
        to: &[u8],
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.with(|db| {
            let mut options = ReadOptions::default();
            options.set_iterate_upper_bound(to);
            let mut pairs = db.raw_iterator_cf_opt(handle(db, family)?, options);
            pairs.seek(from);
            while let Some((key, value)) = pairs.item() {
                visit(key, value)?;
                pairs.next();
            }
            pairs.status().map_err(|error| self.error(&error))
        })
    }

    /// Every pair of each range, first key included and second not, as of one moment. One look into the store serves all
    /// ranges, which is what makes many small ones cheap.
    pub(crate) fn scan_ranges(
        &self,
        family: &'static str,
        ranges: impl Iterator<Item = (Vec<u8>, Vec<u8>)>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StoreError> {
        self.with(|db| {
            let mut pairs = db.raw_iterator_cf(handle(db, family)?);
            for (from, to) in ranges {
                pairs.seek(from);
                while let Some((key, value)) = pairs.item().filter(|(key, _)| *key < to.as_slice()) {
                    visit(key, value)?;
                    pairs.next();
                }
                pairs.status().map_err(|error| self.error(&error))?;
            }
            Ok(())
        })
    }

    /// Every record of a family whose keys are ids.
    pub(crate) fn scan_ids<T>(
        &self,
        family: &'static str,
        read: impl Fn(u64, &[u8]) -> Result<T, Corrupt>,
    ) -> Result<Vec<T>, StoreError> {
        let mut records = Vec::new();
        self.scan(family, &[], &mut |key, value| {
            let id = key::id_of(key).ok_or_else(|| Corrupt::at(format!("a key of {family}")))?;
            records.push(read(id, value)?);
            Ok(())
        })?;
        Ok(records)
    }

    /// The number of the newest commit in the log, 0 when there is none.
    pub(crate) fn last_commit(&self) -> Result<u64, StoreError> {
        match self.end_key(key::LOG, IteratorMode::End)? {
            None => Ok(0),
            Some(key) => key::commit_of(&key).ok_or_else(|| Corrupt::at("a log key").into()),
        }
    }

    /// The number of the oldest commit in the log; `None` when there is none.
    pub(crate) fn first_commit(&self) -> Result<Option<u64>, StoreError> {
        let first = self.end_key(key::LOG, IteratorMode::Start)?;
        Ok(first.map(|key| key::commit_of(&key).ok_or_else(|| Corrupt::at("a log key"))).transpose()?)
    }

    /// The first and the last hour or day of a family of blocks; `None` when it is empty.
    pub(crate) fn times(&self, family: &'static str) -> Result<Option<(i64, i64)>, StoreError> {
        let time = |mode| self.end_key(family, mode).map(|key| key.and_then(|key| key::time_of(&key)));
        Ok(time(IteratorMode::Start)?.zip(time(IteratorMode::End)?))
    }

    fn end_key(&self, family: &'static str, mode: IteratorMode<'_>) -> Result<Option<Box<[u8]>>, StoreError> {
        self.with(|db| match db.iterator_cf(handle(db, family)?, mode).next() {
            None => Ok(None),
            Some(Err(error)) => Err(self.error(&error)),
            Some(Ok((key, _))) => Ok(Some(key)),
        })
    }

    pub(super) fn with<T>(&self, use_db: impl FnOnce(&DB) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if !waits::are_allowed() {
            debug_assert!(false, "a loop asked the disk");
            return Err(StoreError::Other(
                "a thread that must not wait asked the disk: this is a bug in the hub".to_owned(),
            ));
        }
        match self.db.read().as_ref() {
            Some(db) => use_db(db),
            None => Err(StoreError::Other("closed after a failed write, waiting for the disk".to_owned())),
        }
    }

    pub(super) fn error(&self, error: &rocksdb::Error) -> StoreError {
        StoreError::from_rocksdb(&self.folder, error)
    }
}

pub(super) fn handle<'a>(db: &'a DB, family: &str) -> Result<&'a ColumnFamily, StoreError> {
    db.cf_handle(family).ok_or_else(|| Corrupt::at(format!("column family {family}, which is missing")).into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn put_log(store: &Store, commits: impl IntoIterator<Item = (u64, u8)>) {
        let mut changes = Changes::default();
        commits
            .into_iter()
            .for_each(|(commit, shard)| changes.put(key::LOG, &key::log_key(commit, shard), vec![7; 64]));
        store.write_synced(&changes).expect("a healthy store");
    }

    fn log_keys(store: &Store) -> BTreeSet<Vec<u8>> {
        let mut keys = BTreeSet::new();
        let mut visit = |key: &[u8], _: &[u8]| {
            keys.insert(key.to_vec());
            Ok(())
        };
        store.scan(key::LOG, &[], &mut visit).expect("a healthy store");
        keys
    }

    fn cut(store: &Store, to: &[u8]) {
        let from = key::log_key(0, 0);
        let mut changes = Changes::default();
        changes.delete_range(key::LOG, &from, to);
        store.write_synced(&changes).expect("a healthy store");
        store.drop_files(key::LOG, &from, to).expect("a healthy store");
    }

    #[test]
    fn a_file_that_ends_with_the_border_keeps_it() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path(), None).expect("a new store");
        put_log(&store, (1..=9).map(|commit| (commit, 0)));
        // One file on a deep level, whose last key is the border.
        store.compact(key::LOG).expect("a healthy store");
        put_log(&store, [(10, 0)]);
        cut(&store, &key::log_key(9, 0));
        let kept = [(9, 0), (10, 0)].map(|(commit, shard)| key::log_key(commit, shard).to_vec());
        assert_eq!(log_keys(&store), BTreeSet::from(kept));
        // And what is wholly before the border does go.
        put_log(&store, [(11, 0)]);
        store.compact(key::LOG).expect("a healthy store");
        cut(&store, &key::log_key(12, 0));
        assert_eq!(store.files(key::LOG).expect("a healthy store").len(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn no_cut_takes_what_lies_at_its_border_or_above(
            parts in proptest::collection::vec(
                proptest::collection::btree_set((0u64..40, proptest::sample::select(vec![0u8, 1, 7, 15])), 1..20), 1..6),
            borders in proptest::collection::vec(any::<proptest::sample::Index>(), 1..6),
            compacted in any::<u8>(),
        ) {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let store = Store::open(folder.path(), None).expect("a new store");
            for (index, part) in parts.into_iter().enumerate() {
                put_log(&store, part);
                if compacted >> index & 1 == 1 {
                    store.compact(key::LOG).expect("a healthy store");
                }
            }
            for border in borders {
                let mut keys = log_keys(&store);
                let border = keys.iter().nth(border.index(keys.len())).expect("the last cut left one").clone();
                let above = keys.split_off(&border);
                cut(&store, &border);
                prop_assert_eq!(log_keys(&store), above);
            }
        }
    }
}

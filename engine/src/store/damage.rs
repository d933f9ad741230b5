//! Table files that a compaction could not read.
//!
//! After a compaction that meets damage, RocksDB takes no write until it is opened again, and then begins the same
//! compaction again: one bit would stop all acks for ever. So such a file is marked, durably, and its family is opened
//! without automatic compactions. Then the damage costs what is in the damaged block, and the merging of that family.
//!
//! A mark goes when its file is gone, and at a start when the file can be read again. A mark that is lost does no harm:
//! the next compaction finds the damage. So nothing about the file of the marks prevents a start.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rocksdb::{DB, LiveFile, ReadOptions};

use super::error::StoreError;
use super::marks::{self, DamagedTable, FILE, has_room, is_table_file, known_family};
use super::options::DB_FOLDER;

/// Bytes of keys and values that are read to tell whether a marked file is sound again. A start waits for it.
const CHECKED_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Bytes of keys and values that are read in the search for damage that RocksDB did not name. A write waits for it.
const SEARCHED_BYTES_MAX: usize = 8 * 1024 * 1024 * 1024;
/// Bytes that RocksDB reads at once then.
const READAHEAD_BYTES: usize = 2 * 1024 * 1024;

/// The table files that are known to be damaged.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct KnownDamage {
    /// The files. Automatic compactions of their families are off.
    pub tables: Vec<DamagedTable>,
    /// Why the file `DAMAGED` was ignored, or could not be written.
    pub complaint: Option<String>,
}

/// The marks of one store.
pub(super) struct Damage {
    folder: PathBuf,
    /// Whether changes are written to the file: not where the store is only read.
    is_stored: bool,
    known: Mutex<Arc<KnownDamage>>,
    /// Held from a look at what is known to its end, which may write: nobody who only asks takes it.
    changing: Mutex<()>,
    /// Marked files that the system could not read. The reason may have been the whole disk, and be over by now.
    unsure: Mutex<HashSet<String>>,
    /// Whether all of the store was read in vain, to find damage that RocksDB did not name. Once must do.
    has_searched: AtomicBool,
}

impl Damage {
    /// The marks of the store in `folder`.
    pub(super) fn open(folder: &Path) -> Self {
        Self::new(folder, true)
    }

    /// The same for a store that is only read.
    pub(super) fn open_read_only(folder: &Path) -> Self {
        Self::new(folder, false)
    }

    fn new(folder: &Path, is_stored: bool) -> Self {
        let known = match marks::read(folder) {
            Ok(tables) => KnownDamage { tables, complaint: None },
            Err(complaint) => KnownDamage { tables: Vec::new(), complaint: Some(complaint) },
        };
        Self {
            folder: folder.to_owned(),
            is_stored,
            known: Mutex::new(Arc::new(known)),
            changing: Mutex::new(()),
            unsure: Mutex::default(),
            has_searched: AtomicBool::new(false),
        }
    }

    pub(super) fn known(&self) -> Arc<KnownDamage> {
        Arc::clone(&self.known.lock())
    }

    /// Families whose files are not merged.
    pub(super) fn idle_families(&self) -> Vec<&'static str> {
        let mut families: Vec<_> = self.known().tables.iter().map(|table| table.family).collect();
        families.sort_unstable();
        families.dedup();
        families
    }

    pub(super) fn is_idle(&self, family: &str) -> bool {
        self.known().tables.iter().any(|table| table.family == family)
    }

    /// Looks for damaged table files that can be why a write failed, and marks them. If there are some, the database is
    /// to be opened again.
    pub(super) fn find(&self, db: &DB, failure: &StoreError) -> bool {
        let Ok(live) = db.live_files() else { return false };
        let words = failure.to_string();
        let mut found: Vec<DamagedTable> =
            live.iter().filter_map(table_of).filter(|table| words.contains(&table.file)).collect();
        match failure {
            StoreError::Corrupt(_) if found.is_empty() => found = self.search(db, &live),
            // It may have been the whole disk, and be over.
            StoreError::Faulty { .. } | StoreError::Unusable { .. } => {
                found.retain(|table| self.is_unreadable(&table.file));
                self.unsure.lock().extend(found.iter().map(|table| table.file.clone()));
            }
            _ => {}
        }
        let is_found = !found.is_empty();
        self.mark(found);
        is_found
    }

    /// Whether the system cannot read a file that it can open. Not being able to open one is no damage.
    fn is_unreadable(&self, file: &str) -> bool {
        let Ok(mut file) = File::open(self.folder.join(file)) else { return false };
        io::copy(&mut file, &mut io::sink()).is_err()
    }

    /// Reads the store, table file by table file, as far as one write may wait for that.
    fn search(&self, db: &DB, live: &[LiveFile]) -> Vec<DamagedTable> {
        if self.has_searched.swap(true, Ordering::AcqRel) {
            return Vec::new();
        }
        let (known, mut left) = (self.known(), SEARCHED_BYTES_MAX);
        let mut found = Vec::new();
        for (file, table) in live.iter().filter_map(|file| Some((file, table_of(file)?))) {
            if !known.tables.contains(&table) && is_readable(db, file, left) == Some(false) {
                found.push(table);
            }
            left = left.saturating_sub(file.size);
        }
        self.has_searched.store(found.is_empty(), Ordering::Release);
        found
    }

    fn mark(&self, found: Vec<DamagedTable>) {
        let _changing = self.changing.lock();
        let mut tables = self.known().tables.clone();
        for table in found {
            if has_room(&tables, &table) {
                tables.push(table);
            }
        }
        self.set(tables);
    }

    /// Removes the marks of files that are gone, or that can be read again. For a start.
    pub(super) fn check_again(&self, db: &DB) {
        if self.is_stored && self.known().complaint.is_some() {
            // If it cannot be removed, the next start tells it again.
            let _told_again = fs::remove_file(self.folder.join(FILE));
        }
        self.keep(db, |file| is_readable(db, file, CHECKED_BYTES_MAX) != Some(true));
    }

    /// Removes the marks of files that are gone, and of those that the system can read again.
    pub(super) fn forget_gone(&self, db: &DB) {
        let is_unsure = |file: &str| self.unsure.lock().contains(file);
        self.keep(db, |file| {
            let path = path_of(file);
            !is_unsure(&path) || self.is_unreadable(&path)
        });
    }

    /// Keeps the marks of files that are there and damaged. Other families compact again.
    fn keep(&self, db: &DB, is_damaged: impl Fn(&LiveFile) -> bool) {
        // Nothing is marked on any healthy disk.
        if self.known().tables.is_empty() {
            return;
        }
        let _changing = self.changing.lock();
        let known = self.known();
        let Ok(live) = db.live_files() else { return };
        let is_kept =
            |table: &&DamagedTable| live.iter().find(|file| path_of(file) == table.file).is_some_and(&is_damaged);
        let tables: Vec<_> = known.tables.iter().filter(is_kept).cloned().collect();
        if tables.len() == known.tables.len() {
            return;
        }
        let idle_before = self.idle_families();
        self.unsure.lock().retain(|file| tables.iter().any(|table| table.file == *file));
        self.set(tables);
        for family in idle_before.into_iter().filter(|family| self.is_stored && !self.is_idle(family)) {
            if let Some(handle) = db.cf_handle(family) {
                // Otherwise with the next start.
                let _later = db.set_options_cf(handle, &[("disable_auto_compactions", "false")]);
            }
        }
    }

    fn set(&self, tables: Vec<DamagedTable>) {
        let known = self.known();
        if known.tables == tables {
            return;
        }
        let saved = if self.is_stored { marks::save(&self.folder, &tables) } else { Ok(()) };
        let complaint = match saved {
            Ok(()) => None,
            Err(error) => Some(format!(
                "{} cannot be written ({error}): the next start does not know which table files are damaged, until a \
                 compaction reads them",
                self.folder.join(FILE).display()
            )),
        };
        *self.known.lock() = Arc::new(KnownDamage { tables, complaint });
    }
}

/// Whether every key of a table file can be read, and what others have between its first and its last. `None` when that
/// is more than `bytes_max`.
fn is_readable(db: &DB, file: &LiveFile, bytes_max: usize) -> Option<bool> {
    let family = db.cf_handle(&file.column_family_name)?;
    let mut options = ReadOptions::default();
    options.fill_cache(false);
    options.set_readahead_size(READAHEAD_BYTES);
    #[expect(deprecated, reason = "it costs time where ranges are deleted, and a compaction reads those keys too")]
    options.set_ignore_range_deletions(true);
    let mut pairs = db.raw_iterator_cf_opt(family, options);
    pairs.seek(file.start_key.as_deref().unwrap_or_default());
    let mut bytes = 0usize;
    while let Some((key, value)) = pairs.item() {
        if file.end_key.as_deref().is_some_and(|end| key > end) {
            break;
        }
        bytes = bytes.saturating_add(key.len() + value.len());
        if bytes > bytes_max {
            return None;
        }
        pairs.next();
    }
    Some(pairs.status().is_ok())
}

/// A table file's path in the data folder.
pub(super) fn path_of(file: &LiveFile) -> String {
    // RocksDB's name of it begins with a slash.
    format!("{DB_FOLDER}/{}", file.name.trim_start_matches('/'))
}

fn table_of(file: &LiveFile) -> Option<DamagedTable> {
    let (file, family) = (path_of(file), known_family(&file.column_family_name)?);
    is_table_file(&file).then_some(DamagedTable { file, family })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use tempfile::TempDir;

    use super::*;
    use crate::record::Corrupt;
    use crate::store::database::Synced;
    use crate::store::{Changes, Store, key};

    /// More files of level 0 than those at which RocksDB stops writes to a family that it compacts.
    const LEVEL_0_FILES: usize = 40;

    /// The same keys each time, so that the files of two rounds overlap.
    fn changes(round: u8) -> Changes {
        let mut changes = Changes::default();
        (0..64).for_each(|place| changes.put(key::RAW, &[place; 24], vec![round; 1024]));
        changes
    }

    fn tables(folder: &TempDir) -> Vec<PathBuf> {
        let files = fs::read_dir(folder.path().join(DB_FOLDER)).expect("a folder").flatten();
        let is_table = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "sst");
        files.map(|entry| entry.path()).filter(is_table).collect()
    }

    /// Turns a bit of the file's first block over, or back.
    fn turn(path: &Path) {
        let file = File::options().read(true).write(true).open(path).expect("there");
        let mut byte = [0];
        file.read_exact_at(&mut byte, 5).expect("readable");
        file.write_all_at(&[byte[0] ^ 1], 5).expect("writable");
    }

    /// A store with a damaged table file on a deep level, and newer values of its keys that are not merged with it.
    fn with_damage() -> (TempDir, Store, PathBuf, DamagedTable) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path(), None).expect("a new store");
        store.write_synced(&changes(1)).expect("a healthy store");
        store.compact(key::RAW).expect("a healthy store");
        let tables = tables(&folder);
        let [path] = &tables[..] else { panic!("not one table file, but {tables:?}") };
        let path = path.clone();
        turn(&path);
        store.write_synced(&changes(2)).expect("a healthy store");
        let name = path.file_name().expect("a name").to_string_lossy();
        let damaged = DamagedTable { file: format!("{DB_FOLDER}/{name}"), family: key::RAW };
        (folder, store, path, damaged)
    }

    #[test]
    fn a_damaged_file_is_told_and_prevents_no_start() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(FILE);
        let starts = |is_removed: bool| {
            let store = Store::open(folder.path(), None).expect("no mark prevents a start");
            let known = store.damaged_tables();
            let told = known.complaint.as_deref().unwrap_or_default();
            assert!(known.tables.is_empty() && told.contains("DAMAGED was ignored"), "{known:?}");
            assert_eq!(path.exists(), !is_removed);
            store.write_synced(&changes(1)).expect("a healthy store");
        };
        let large = vec![b'x'; 1 << 20];
        let contents: [&[u8]; 4] = [b"", b"\xff\0", b"windfire damaged 1\n", &large];
        for bytes in contents {
            drop(Store::open(folder.path(), None).expect("a store"));
            fs::write(&path, bytes).expect("written");
            starts(true);
        }
        fs::create_dir(&path).expect("made");
        starts(false);
    }

    #[test]
    fn damage_that_a_compaction_meets_is_marked_and_ends_no_writes() {
        let (folder, store, path, damaged) = with_damage();
        // Without a mark each compaction fails, and every write after it.
        for _ in 0..3 {
            store.compact(key::RAW).expect("flushed");
            for _ in 0..2 {
                let error = store.write_once(&changes(3), Synced::Now).expect_err("a compaction met damage");
                assert!(matches!(&error, StoreError::Corrupt(at) if at.what.contains(&damaged.file)), "{error:?}");
            }
            store.reopen().expect("whole");
        }
        assert_eq!(*store.damaged_tables(), KnownDamage::default());
        store.compact(key::RAW).expect("flushed");
        store.write_synced(&changes(4)).expect("damage costs no write");
        assert_eq!(store.damaged_tables().tables, std::slice::from_ref(&damaged));
        assert_eq!(marks::read(folder.path()), Ok(vec![damaged.clone()]));
        assert!(store.is_idle(key::RAW) && !store.is_idle(key::LOG) && !store.health.is_failing());

        for _ in 0..LEVEL_0_FILES {
            store.write_synced(&changes(5)).expect("files of level 0 stop no write");
            store.compact(key::RAW).expect("flushed");
        }
        store.compact_range(key::RAW, &[0], &[u8::MAX]).expect("nothing to do");
        store.write_once(&changes(6), Synced::Now).expect("nothing was merged");
        assert!(store.files(key::RAW).expect("readable").len() > LEVEL_0_FILES);

        drop(store);
        let store = Store::open(folder.path(), None).expect("whole");
        assert_eq!(store.damaged_tables().tables, std::slice::from_ref(&damaged), "a start knows it");
        store.compact(key::RAW).expect("flushed");
        store.write_once(&changes(7), Synced::Now).expect("nothing was merged");
        drop(store);
        let only_read = Store::open_read_only(folder.path()).expect("whole");
        assert_eq!(only_read.damaged_tables().tables, [damaged]);
        drop(only_read);

        // As if the file had been put back.
        turn(&path);
        let store = Store::open(folder.path(), None).expect("whole");
        assert_eq!(*store.damaged_tables(), KnownDamage::default());
        assert!(!folder.path().join(FILE).exists());
        store.compact(key::RAW).expect("a healthy store");
        store.write_once(&changes(8), Synced::Now).expect("a healthy store");
        assert_eq!(store.files(key::RAW).expect("readable").len(), 1, "merged again");
    }

    #[test]
    fn a_family_compacts_again_when_its_damaged_file_is_gone() {
        let (folder, store, _, damaged) = with_damage();
        store.compact(key::RAW).expect("flushed");
        store.write_synced(&changes(3)).expect("damage costs no write");
        assert_eq!(store.damaged_tables().tables, [damaged]);
        store.drop_files(key::RAW, &[0], &[u8::MAX]).expect("a healthy store");
        assert_eq!(*store.damaged_tables(), KnownDamage::default());
        assert!(!store.is_idle(key::RAW) && !folder.path().join(FILE).exists());
        store.compact(key::RAW).expect("a healthy store");
        store.write_once(&changes(4), Synced::Now).expect("a healthy store");
        assert_eq!(store.files(key::RAW).expect("readable").len(), 1, "merged again");
    }

    #[test]
    fn damage_without_a_name_is_searched_for_once() {
        let (_folder, store, path, damaged) = with_damage();
        let unnamed = StoreError::from(Corrupt::at("bad entry in block"));
        let find = |error: &StoreError| store.with(|db| Ok(store.damage.find(db, error))).expect("open");
        assert!(find(&unnamed));
        assert_eq!(store.damaged_tables().tables, [damaged]);
        turn(&path);
        assert!(!find(&unnamed), "nothing is damaged");
        turn(&path);
        assert!(!find(&unnamed), "all was read in vain before");
    }

    #[test]
    fn a_file_that_the_system_can_read_again_is_not_marked() {
        let (folder, store, path, damaged) = with_damage();
        let reason = format!("IO error: While pread offset 0 len 4096: {}: Input/output error", path.display());
        let error = StoreError::Faulty { folder: folder.path().to_owned(), reason };
        assert!(error.to_string().contains(&damaged.file));
        let is_found = store.with(|db| Ok(store.damage.find(db, &error))).expect("open");
        assert!(!is_found && store.damaged_tables().tables.is_empty());
    }
}

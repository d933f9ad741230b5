//! Checks that a store is whole: its database is there, and so is everything that was durable once.

use std::path::Path;
use std::{fs, io};

use rocksdb::DB;

use super::damage::path_of;
use super::durable;
use super::error::StoreError;
use super::format::{self, Found};
use super::options::{DB_FOLDER, open_db, open_db_read_only};
use crate::record::Corrupt;

/// Bytes of write-ahead log that a start reads twice, in memory, to see that nothing is missing before it changes anything.
/// More of it than this was neither emptied nor lost; what is missing of it is seen afterwards.
const REHEARSED_WAL_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Opens the database for writing, and sees that nothing that was durable is missing. As [`open_db`].
pub(super) fn open_whole(folder: &Path, idle: &[&str]) -> Result<DB, StoreError> {
    let db = open_db(folder, idle)?;
    check_durable(folder, durable_number(folder), &db)?;
    check_tables(folder, &db)?;
    Ok(db)
}

/// Opens the database again that this process had open, with the changes up to `known` at least. Nothing is created:
/// while the folder's disk is not mounted, an empty folder may be in its place, and RocksDB would begin a new database
/// there.
pub(super) fn open_again(folder: &Path, known: Option<u64>, idle: &[&str]) -> Result<DB, StoreError> {
    if format::check(folder)? == Found::New {
        let reason = "its file FORMAT is gone: mount its disk, or put the folder back".to_owned();
        return Err(StoreError::Unusable { folder: folder.to_owned(), reason });
    }
    check_database(folder)?;
    let db = open_db(folder, idle)?;
    check_durable(folder, durable_number(folder).max(known), &db)?;
    check_tables(folder, &db)?;
    Ok(db)
}

/// Whether every change that was durable is there. A database that is opened for writing forgets which log it read, so the
/// first look is [`rehearse`]'s, as far as that can afford one.
pub(super) fn check_durable(folder: &Path, durable: Option<u64>, db: &DB) -> Result<(), StoreError> {
    let found = db.latest_sequence_number();
    match durable.filter(|durable| *durable > found) {
        Some(durable) => Err(StoreError::LogLost { folder: folder.to_owned(), durable, found }),
        None => Ok(()),
    }
}

/// A table file that is not as the manifest says.
#[derive(PartialEq, Eq)]
struct LostTable {
    /// Its path in the data folder.
    file: String,
    bytes: u64,
    /// `None` when it is gone.
    found_bytes: Option<u64>,
}

/// Whether every table file that the manifest lists is there, in its size. RocksDB itself opens the first sixteen
/// at a start, and any other when it is first read: hours later, while the hub serves.
pub(super) fn check_tables(folder: &Path, db: &DB) -> Result<(), StoreError> {
    let lost = lost_tables(folder, db)?;
    if lost.is_empty() {
        return Ok(());
    }
    // RocksDB deletes files that it has just replaced. What is still listed now, and was gone before, is missing.
    match lost_tables(folder, db)?.into_iter().find(|table| lost.contains(table)) {
        None => Ok(()),
        Some(LostTable { file, bytes, found_bytes }) => {
            let state = match found_bytes {
                None => "is not there".to_owned(),
                Some(found) => format!("has {found} bytes instead of {bytes}"),
            };
            Err(StoreError::TableLost { folder: folder.to_owned(), file, state })
        }
    }
}

fn lost_tables(folder: &Path, db: &DB) -> Result<Vec<LostTable>, StoreError> {
    let mut lost = Vec::new();
    for table in db.live_files().map_err(|error| StoreError::from_rocksdb(folder, &error))? {
        let file = path_of(&table);
        let bytes = table.size as u64;
        let found_bytes = match fs::metadata(folder.join(&file)) {
            Ok(found) => Some(found.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(StoreError::unusable(folder, &error)),
        };
        if found_bytes != Some(bytes) {
            lost.push(LostTable { file, bytes, found_bytes });
        }
    }
    Ok(lost)
}

/// Number of a change that was on disk; `None` when nothing says so.
pub(super) fn durable_number(folder: &Path) -> Option<u64> {
    durable::read(folder).map(|note| note.number)
}

/// Whether the manifest has all that was durable of it. To be called before RocksDB deletes what a shorter one does not
/// list.
pub(super) fn check_manifest(folder: &Path) -> Result<(), StoreError> {
    let Some(manifest) = durable::read(folder).and_then(|note| note.manifest) else { return Ok(()) };
    let database = folder.join(DB_FOLDER);
    if manifest.is_kept(&database).map_err(|error| StoreError::unusable(folder, &error))? {
        return Ok(());
    }
    let path = database.join(&manifest.name);
    Err(Corrupt::at(format!("{}, whose first {} bytes are not as they were", path.display(), manifest.bytes)).into())
}

/// Opens the database for reading and checks it, when its write-ahead log is short enough to be held in memory.
pub(super) fn rehearse(folder: &Path) -> Result<(), StoreError> {
    // Read before the database: a hub may run on the folder, and write in the meantime.
    let durable = durable_number(folder);
    if durable.is_none() || wal_bytes(folder)? > REHEARSED_WAL_BYTES_MAX {
        return Ok(());
    }
    match open_db_read_only(folder) {
        Ok(db) => check_durable(folder, durable, &db),
        // Opening it for writing reports the same error. The reason may also be no damage, but a hub that runs.
        Err(_) => Ok(()),
    }
}

fn wal_bytes(folder: &Path) -> Result<u64, StoreError> {
    let bytes = || {
        let is_log = |entry: &fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "log");
        let entries = fs::read_dir(folder.join(DB_FOLDER))?.collect::<io::Result<Vec<_>>>()?;
        Ok(entries
            .iter()
            .filter(|entry| is_log(entry))
            .filter_map(|entry| entry.metadata().ok())
            .map(|meta| meta.len())
            .sum())
    };
    bytes().map_err(|error: io::Error| StoreError::unusable(folder, &error))
}

/// Whether a folder that says `FORMAT` has its database. Without it RocksDB would make an empty one, without a word.
pub(super) fn check_database(folder: &Path) -> Result<(), StoreError> {
    let current = folder.join(DB_FOLDER).join("CURRENT");
    match current.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(no_database(folder, &format!("{DB_FOLDER}/CURRENT"))),
        Err(error) => Err(StoreError::unusable(folder, &error)),
    }
}

pub(super) fn no_database(folder: &Path, missing: &str) -> StoreError {
    StoreError::NoDatabase { folder: folder.to_owned(), missing: missing.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::store::{Changes, Store, key};

    /// Table files that RocksDB opens at a start.
    const OPENED_AT_START: usize = 16;

    /// A store with two table files of each family.
    fn store_with_tables() -> (tempfile::TempDir, Vec<PathBuf>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for round in 0..2u8 {
            let store = Store::open(folder.path(), None).expect("whole");
            let mut changes = Changes::default();
            key::FAMILIES.into_iter().for_each(|family| changes.put(family, &[round; 24], vec![round; 64]));
            store.write_synced(&changes).expect("a healthy store");
        }
        // Each start makes table files of the write-ahead log.
        drop(Store::open(folder.path(), None).expect("whole"));
        let files = fs::read_dir(folder.path().join(DB_FOLDER)).expect("a folder").flatten().map(|entry| entry.path());
        let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst")).collect();
        (folder, tables)
    }

    #[test]
    fn each_table_file_that_is_gone_or_of_another_size_is_missed_before_anything_is_read() {
        let (folder, tables) = store_with_tables();
        assert!(tables.len() > OPENED_AT_START, "{tables:?}");
        let aside = tempfile::tempdir().expect("a temporary folder");
        let (mut refused, mut lost) = (0, 0);
        for table in &tables {
            let sound = aside.path().join("sound");
            fs::copy(table, &sound).expect("copied");
            let bytes = fs::read(table).expect("readable");
            let longer = [&bytes[..], &b"x"[..]].concat();
            let states: [Option<&[u8]>; 4] = [None, Some(&bytes[..bytes.len() - 1]), Some(&[]), Some(&longer)];
            for found in states {
                let found_bytes = found.map(<[u8]>::len);
                match found {
                    None => fs::remove_file(table).expect("there"),
                    Some(found) => fs::write(table, found).expect("written"),
                }
                for error in [Store::open(folder.path(), None).err(), Store::open_read_only(folder.path()).err()] {
                    let error = error.unwrap_or_else(|| panic!("{} with {found_bytes:?} bytes", table.display()));
                    let words = error.to_string();
                    assert!(words.contains(&*table.to_string_lossy()), "{words}");
                    match error {
                        StoreError::TableLost { .. } => lost += 1,
                        error => assert!(matches!(error, StoreError::Corrupt(_)), "{error:?}"),
                    }
                    refused += 1;
                }
            }
            fs::copy(&sound, table).expect("put back");
        }
        drop(Store::open(folder.path(), None).expect("whole again"));
        println!("{} table files: {refused} starts refused, {lost} of them not by RocksDB", tables.len());
        assert!(lost > 0);
    }
}

//! Checks that a store is whole: its database is there, and so is everything that was durable once.

use std::io;
use std::path::Path;

use rocksdb::DB;

use super::durable;
use super::error::StoreError;
use super::format::{self, Found};
use super::options::{DB_FOLDER, open_db, open_db_read_only};
use crate::record::Corrupt;

/// Bytes of write-ahead log that a start reads twice, in memory, to see that nothing is missing before it changes anything.
/// More of it than this was neither emptied nor lost; what is missing of it is seen afterwards.
const REHEARSED_WAL_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Opens the database for writing, and sees that nothing that was durable is missing.
pub(super) fn open_whole(folder: &Path) -> Result<DB, StoreError> {
    let db = open_db(folder)?;
    check_durable(folder, durable_number(folder), &db)?;
    Ok(db)
}

/// Opens the database again that this process had open, with the changes up to `known` at least. Nothing is created:
/// while the folder's disk is not mounted, an empty folder may be in its place, and RocksDB would begin a new database
/// there.
pub(super) fn open_again(folder: &Path, known: Option<u64>) -> Result<DB, StoreError> {
    if format::check(folder)? == Found::New {
        let reason = "its file FORMAT is gone: mount its disk, or put the folder back".to_owned();
        return Err(StoreError::Unusable { folder: folder.to_owned(), reason });
    }
    check_database(folder)?;
    let db = open_db(folder)?;
    check_durable(folder, durable_number(folder).max(known), &db)?;
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
        let is_log = |entry: &std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "log");
        let entries = std::fs::read_dir(folder.join(DB_FOLDER))?.collect::<io::Result<Vec<_>>>()?;
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

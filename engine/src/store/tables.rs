//! The table files of the store: how large they are, and what merges and drops them.

use rocksdb::{BottommostLevelCompaction, CompactOptions};

use super::damage::path_of;
use super::database::{Store, handle};
use super::error::StoreError;
use super::key;

/// A table file of a family.
pub(crate) struct TableFile {
    /// Its path in the data folder.
    pub(crate) file: String,
    pub(crate) first_key: Vec<u8>,
    pub(crate) last_key: Vec<u8>,
    pub(crate) bytes: u64,
}

impl Store {
    /// Gives back the disk space of files that hold nothing but keys from `from` on that come before `to`, which nobody reads
    /// any more. A range like every other here: `to` itself stays.
    pub(crate) fn drop_files(&self, family: &'static str, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        // RocksDB drops a file whose last key is the end that it is given.
        let Some(last) = key::some_key_before(to) else { return Ok(()) };
        self.with(|db| {
            db.delete_file_in_range_cf(handle(db, family)?, from, &last).map_err(|error| self.error(&error))?;
            self.damage.forget_gone(db);
            Ok(())
        })
    }

    /// The table files of `family`.
    pub(crate) fn files(&self, family: &'static str) -> Result<Vec<TableFile>, StoreError> {
        self.with(|db| {
            let files = db.live_files().map_err(|error| self.error(&error))?;
            let of_family = files.into_iter().filter(|file| file.column_family_name == family);
            let file = |file: rocksdb::LiveFile| TableFile {
                file: path_of(&file),
                first_key: file.start_key.unwrap_or_default(),
                last_key: file.end_key.unwrap_or_default(),
                bytes: file.size as u64,
            };
            Ok(of_family.map(file).collect())
        })
    }

    /// Bytes of `family` that are still in memory and the write-ahead log only.
    pub(crate) fn memory_bytes(&self, family: &'static str) -> Result<u64, StoreError> {
        self.with(|db| {
            let bytes = db.property_int_value_cf(handle(db, family)?, "rocksdb.cur-size-all-mem-tables");
            Ok(bytes.map_err(|error| self.error(&error))?.unwrap_or(0))
        })
    }

    /// Merges the table files of `family` into as few as may be. If one of them is damaged, nothing is merged.
    pub(crate) fn compact(&self, family: &'static str) -> Result<(), StoreError> {
        self.with(|db| {
            db.flush_cf(handle(db, family)?).map_err(|error| self.error(&error))?;
            if !self.is_idle(family) {
                db.compact_range_cf(handle(db, family)?, None::<&[u8]>, None::<&[u8]>);
            }
            Ok(())
        })
    }

    /// Rewrites the files that have keys between two keys, so that what was deleted there is gone from the disk. If a file
    /// of the family is damaged, nothing is rewritten.
    pub(crate) fn compact_range(&self, family: &'static str, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        if self.is_idle(family) {
            return Ok(());
        }
        self.with(|db| {
            let family = handle(db, family)?;
            db.flush_cf(family).map_err(|error| self.error(&error))?;
            // Files in the last level too: they are where the deleted keys are.
            let mut options = CompactOptions::default();
            options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
            db.compact_range_cf_opt(family, Some(from), Some(to), &options);
            Ok(())
        })
    }
}

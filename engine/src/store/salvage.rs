//! Saves what can be read of a damaged store into a new one. The damaged one is only read.
//!
//! A record of the write-ahead log that is damaged is left out, and those behind it are read on. A part of a table file that
//! is damaged is left out, and the next key that can be read is searched for. What RocksDB cannot open at all it first
//! repairs, in a copy.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rocksdb::{ColumnFamily, DB, DBRecoveryMode, InfoLogger, LogLevel, Options, WriteBatch};

use super::database::handle;
use super::error::StoreError;
use super::format::{self, Found};
use super::key;
use super::options::{BLOCK_CACHE_BYTES, DB_FOLDER, family_options, open_db};
use super::whole::{check_manifest, durable_number, open_whole};
use crate::limits::CORRUPT_BLOCKS_NAMED_MAX;

/// Folder of the copy that RocksDB repairs, within the new one.
const REPAIR_FOLDER: &str = "repairing";
/// Bytes of pairs that are written at once.
const BATCH_BYTES: usize = 1024 * 1024;

/// The result of a salvage: what was saved, and what was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Each family of the store.
    pub families: Vec<SalvagedFamily>,
    /// What could not be read, by name. At most [`CORRUPT_BLOCKS_NAMED_MAX`].
    pub lost: Vec<String>,
    /// How many places could not be read.
    pub lost_places: u64,
}

/// One family of a store that was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalvagedFamily {
    /// Its name.
    pub name: &'static str,
    /// Pairs that were saved.
    pub pairs: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl Salvaged {
    fn lose(&mut self, what: String) {
        self.lost_places += 1;
        if self.lost.len() < CORRUPT_BLOCKS_NAMED_MAX {
            self.lost.push(what);
        }
    }
}

/// Saves what can be read of the store in `from` into a new store in `to`, which is an empty folder. Changes nothing in
/// `from`; no hub may run on it.
///
/// # Errors
/// Nothing can be read, a newer hub wrote the store, or `to` cannot be written. What is in `to` then is no store.
pub fn salvage(from: &Path, to: &Path) -> Result<Salvaged, StoreError> {
    let mut salvaged = Salvaged::default();
    let found = match format::check(from) {
        Err(StoreError::Corrupt { .. }) | Ok(Found::New) => {
            salvaged.lose("file FORMAT: taken for one of this version".to_owned());
            Found::Current
        }
        other => other?,
    };
    let said = Said::default();
    // A manifest that was cut can be opened, and does not list every table file.
    let opened = check_manifest(from)
        .and_then(|()| open(&from.join(DB_FOLDER), &said).map_err(|error| StoreError::from_rocksdb(from, &error)));
    let damaged = match opened {
        Ok(db) => db,
        Err(error) => {
            salvaged.lose(format!("the database as it is ({error}): saved from a repaired copy"));
            open(&repaired_copy(from, to)?, &said).map_err(|error| StoreError::from_rocksdb(from, &error))?
        }
    };
    said.lock().drain(..).for_each(|line| salvaged.lose(line));
    let change = damaged.latest_sequence_number();
    if let Some(durable) = durable_number(from).filter(|durable| *durable > change) {
        salvaged.lose(format!("{} changes after number {change}, which were on disk once", durable - change));
    }
    let new = open_db(to, &[])?;
    for name in std::iter::once(key::DEFAULT).chain(key::FAMILIES) {
        // A store of an older version has fewer.
        if let Some(family) = damaged.cf_handle(name) {
            copy_family(&damaged, family, &new, name, &mut salvaged)?;
        }
    }
    if salvaged.lost_places > 0 {
        // The next start takes nothing for known that may be lost, and reads all of the log.
        new.delete(key::CHECKPOINT).map_err(|error| StoreError::from_rocksdb(to, &error))?;
    }
    new.flush_wal(true).map_err(|error| StoreError::from_rocksdb(to, &error))?;
    drop((new, damaged));
    drop(open_whole(to, &[])?);
    let _only_after_a_repair = fs::remove_dir_all(to.join(REPAIR_FOLDER));
    if found == Found::Older {
        format::copy(from, to)?;
    } else {
        format::write(to, || ())?;
    }
    Ok(salvaged)
}

/// Lines in which RocksDB says what it left out.
type Said = Arc<Mutex<Vec<String>>>;

fn open(path: &Path, said: &Said) -> Result<DB, rocksdb::Error> {
    let mut options = Options::default();
    options.set_wal_recovery_mode(DBRecoveryMode::SkipAnyCorruptedRecord);
    let said = Arc::clone(said);
    options.set_info_logger(InfoLogger::new_callback_logger(LogLevel::Warn, move |_, line| {
        let mut said = said.lock();
        if line.contains("dropping") && said.len() < CORRUPT_BLOCKS_NAMED_MAX {
            said.push(format!("write-ahead log {}", line.trim()));
        }
    }));
    let known = DB::list_cf(&options, path)?;
    let cache = rocksdb::Cache::new_lru_cache(BLOCK_CACHE_BYTES);
    let families = known.into_iter().map(|name| {
        let options = family_options(&name, &cache);
        rocksdb::ColumnFamilyDescriptor::new(name, options)
    });
    DB::open_cf_descriptors_read_only(&options, path, families, false)
}

/// A copy of the database that RocksDB has made what it can of.
fn repaired_copy(from: &Path, to: &Path) -> Result<std::path::PathBuf, StoreError> {
    let path = to.join(REPAIR_FOLDER);
    let copy = || {
        fs::create_dir_all(&path)?;
        for entry in fs::read_dir(from.join(DB_FOLDER))? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::copy(entry.path(), path.join(entry.file_name()))?;
            }
        }
        Ok(())
    };
    copy().map_err(|error: std::io::Error| StoreError::unusable(to, &error))?;
    DB::repair(&Options::default(), &path).map_err(|error| StoreError::from_rocksdb(from, &error))?;
    Ok(path)
}

fn copy_family(
    damaged: &DB,
    family: &ColumnFamily,
    new: &DB,
    name: &'static str,
    salvaged: &mut Salvaged,
) -> Result<(), StoreError> {
    let (mut pairs, mut bytes) = (0, 0);
    let mut batch = WriteBatch::default();
    let write = |batch: &mut WriteBatch| {
        new.write(std::mem::take(batch)).map_err(|error| StoreError::Other(format!("the new store: {error}")))
    };
    let to = handle(new, name)?;
    let mut iterator = damaged.raw_iterator_cf(family);
    iterator.seek_to_first();
    // Where reading goes on behind the last damage, and the last key that was read.
    let (mut place, mut last) = (0, Vec::new());
    loop {
        while let Some((key, value)) = iterator.item() {
            batch.put_cf(to, key, value);
            (pairs, bytes) = (pairs + 1, bytes + (key.len() + value.len()) as u64);
            last = key.to_vec();
            if batch.size_in_bytes() >= BATCH_BYTES {
                write(&mut batch)?;
            }
            iterator.next();
        }
        let Err(error) = iterator.status() else { break };
        let from = if last.is_empty() { place } else { place.max(place_of(&last).saturating_add(1)) };
        // Each look is a new iterator's: one that met damage may keep it.
        let at = |place: u128| {
            let mut iterator = damaged.raw_iterator_cf(family);
            iterator.seek(place.to_be_bytes());
            iterator
        };
        let next = next_readable(from, &mut |place| at(place).status().is_ok());
        if let Some(next) = next {
            iterator = at(next);
            place = next.saturating_add(1);
        }
        let until = iterator.key().map_or_else(|| "the end".to_owned(), |key| describe(name, key));
        let after = if last.is_empty() { "the beginning".to_owned() } else { describe(name, &last) };
        salvaged.lose(format!("{name}, between {after} and {until}: {error}"));
        if next.is_none() {
            break;
        }
    }
    write(&mut batch)?;
    salvaged.families.push(SalvagedFamily { name, pairs, bytes });
    Ok(())
}

fn describe(family: &str, key: &[u8]) -> String {
    match family {
        key::LOG => key::commit_of(key).map_or_else(|| "a key".to_owned(), |commit| format!("commit {commit}")),
        key::RAW | key::MINUTE | key::QUARTER => key::describe(family, key),
        _ => key::id_of(key).map_or_else(|| "a key".to_owned(), |id| format!("id {id}")),
    }
}

/// A key's first 16 bytes as a number: keys lie in its order.
fn place_of(key: &[u8]) -> u128 {
    let mut bytes = [0; 16];
    let length = key.len().min(16);
    bytes[..length].copy_from_slice(&key[..length]);
    u128::from_be_bytes(bytes)
}

/// The first place from `from` on that can be read, given that the damage is in one piece: by doubling steps, then by halving.
/// `None` when nothing behind `from` can be read.
pub(crate) fn next_readable(from: u128, is_readable: &mut dyn FnMut(u128) -> bool) -> Option<u128> {
    if is_readable(from) {
        return Some(from);
    }
    let (mut damaged, mut step) = (from, 1u128);
    let mut readable = loop {
        let place = from.checked_add(step)?;
        if is_readable(place) {
            break place;
        }
        damaged = place;
        step = step.checked_mul(2)?;
    };
    while readable - damaged > 1 {
        let middle = damaged + (readable - damaged) / 2;
        if is_readable(middle) {
            readable = middle;
        } else {
            damaged = middle;
        }
    }
    Some(readable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_readable_place_is_found(from in 0u128..1 << 100, length in 0u128..1 << 90) {
            prop_assert_eq!(next_readable(from, &mut |place| place >= from + length), Some(from + length));
        }
    }

    #[test]
    fn damage_without_an_end_is_no_loop() {
        assert_eq!(next_readable(7, &mut |_| false), None);
        assert_eq!(next_readable(u128::MAX, &mut |_| false), None);
    }
}

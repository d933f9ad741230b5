//! Reads every block there is.

use std::path::Path;

use super::tier::{Retention, Tier};
use super::upkeep::History;
use crate::block::Block;
use crate::limits::{CORRUPT_BLOCKS_NAMED_MAX, TABLES_NAMED_MAX};
use crate::store::{Store, StoreError, Unreadable, key, log};

/// The result of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verified {
    /// Blocks read, checksum and every column.
    pub blocks: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Reports that history has twice.
    pub doubled: u64,
    /// Blocks and other parts that cannot be read, by name. At most [`crate::limits::CORRUPT_BLOCKS_NAMED_MAX`].
    pub corrupt: Vec<String>,
    /// Blocks and other parts that cannot be read.
    pub corrupt_blocks: u64,
}

/// Reads every block of the store in `folder`, its log, and all else. Changes nothing there; no hub may run on it.
///
/// # Errors
/// There is no store, or it cannot be read. Corrupt blocks are in the answer.
pub fn verify_unopened(folder: &Path) -> Result<Verified, StoreError> {
    let store = Store::open_read_only(folder)?;
    History::open(&store, Retention::default())?.verify(&store)
}

impl Verified {
    fn note_corrupt(&mut self, name: String) {
        self.corrupt_blocks += 1;
        if self.corrupt.len() < CORRUPT_BLOCKS_NAMED_MAX {
            self.corrupt.push(name);
        }
    }

    /// Notes how the reading of a family ended. A damaged table file ends that of its family, and of no other.
    fn note_end(
        &mut self,
        store: &Store,
        family: &'static str,
        read: Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match read.as_ref().err().and_then(StoreError::damage) {
            Some(damage) => {
                let mut name = format!("{family}, which was read no further: {damage}");
                // Of a few bytes of its tables RocksDB does not say where they are.
                if !name.contains(".sst") {
                    let mut tables: Vec<String> = store.files(family)?.into_iter().map(|table| table.file).collect();
                    let others = tables.len().saturating_sub(TABLES_NAMED_MAX);
                    tables.truncate(TABLES_NAMED_MAX);
                    let more = if others > 0 { format!(", and {others} others") } else { String::new() };
                    name.push_str(&format!(", in one of {}{more}", tables.join(", ")));
                }
                self.note_corrupt(name);
                Ok(())
            }
            None => read,
        }
    }
}

impl History {
    /// Reads every block of every tier, the log, and the records of all else. For a healthy store `corrupt` is empty
    /// and `doubled` 0.
    pub(crate) fn verify(&self, store: &Store) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        for tier in Tier::ALL {
            if store.lacks(tier.family())? {
                continue;
            }
            let (mut hour_and_server, mut last_sequence) = (None, 0);
            let scanned = store.scan(tier.family(), &key::time_key(self.floor(tier)), &mut |key, value| {
                verified.blocks += 1;
                verified.bytes += value.len() as u64;
                let read = Block::read(value).and_then(|block| {
                    if tier == Tier::Raw {
                        let run = block.run()?;
                        Ok((run.len(), run.sequences))
                    } else {
                        block.summary_run()?;
                        Ok((block.header.rows, Vec::new()))
                    }
                });
                match read {
                    Ok((rows, sequences)) => {
                        verified.rows += rows as u64;
                        let of = key::raw_of(key).map(|(hour, server_id, _)| (hour, server_id));
                        if of != hour_and_server {
                            (hour_and_server, last_sequence) = (of, 0);
                        }
                        // Within an hour of a server, numbers only rise.
                        for sequence in sequences {
                            verified.doubled += u64::from(sequence <= last_sequence);
                            last_sequence = sequence;
                        }
                    }
                    Err(error) => {
                        verified.note_corrupt(format!("{}: {error}", key::describe(tier.family(), key)));
                    }
                }
                Ok(())
            });
            verified.note_end(store, tier.family(), scanned)?;
        }
        let mut read = |_: &[u8], value: &[u8]| Ok(log::read(value, &mut |_| {}).map(|()| true)?);
        store.walk_log(0, Unreadable::ArePassedOver, &mut read, &mut |lost| verified.note_corrupt(lost))?;
        // A start reads some of these, and upkeep the others: their damage would stop either.
        for family in key::FAMILIES.into_iter().filter(|family| *family != key::LOG && !key::TIERS.contains(family)) {
            if store.lacks(family)? {
                continue;
            }
            let scanned = store.scan(family, &[], &mut |_, _| Ok(()));
            verified.note_end(store, family, scanned)?;
        }
        // A compaction also reads what is deleted, and no query.
        for table in &store.damaged_tables().tables {
            if !verified.corrupt.iter().any(|name| name.contains(&table.file)) {
                verified.note_corrupt(format!("{}, table file {}: a compaction met damage", table.family, table.file));
            }
        }
        Ok(verified)
    }
}

//! Reads every block there is.

use std::path::Path;

use super::tier::{Retention, Tier};
use super::upkeep::History;
use crate::block::Block;
use crate::limits::CORRUPT_BLOCKS_NAMED_MAX;
use crate::store::{Store, StoreError, key, log};

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
    /// Blocks that cannot be read, by name. At most [`crate::limits::CORRUPT_BLOCKS_NAMED_MAX`].
    pub corrupt: Vec<String>,
    /// Blocks that cannot be read.
    pub corrupt_blocks: u64,
}

/// Reads every block of the store in `folder`, and its log. Changes nothing there; no hub may run on it.
///
/// # Errors
/// There is no store, or it cannot be read. Corrupt blocks are in the answer.
pub fn verify_unopened(folder: &Path) -> Result<Verified, StoreError> {
    let store = Store::open_read_only(folder)?;
    History::open(&store, Retention::default())?.verify(&store)
}

impl History {
    /// Reads every block of every tier, and the log. For a healthy store `corrupt` is empty and `doubled` 0.
    pub(crate) fn verify(&self, store: &Store) -> Result<Verified, StoreError> {
        let mut verified = Verified::default();
        for tier in Tier::ALL {
            let (mut hour_and_server, mut last_sequence) = (None, 0);
            store.scan(tier.family(), &key::time_key(self.floor(tier)), &mut |key, value| {
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
                        verified.corrupt_blocks += 1;
                        if verified.corrupt.len() < CORRUPT_BLOCKS_NAMED_MAX {
                            verified.corrupt.push(format!("{}: {error}", key::describe(tier.family(), key)));
                        }
                    }
                }
                Ok(())
            })?;
        }
        let mut read = |_: &[u8], value: &[u8]| Ok(log::read(value, &mut |_| {}).map(|()| true)?);
        store.walk_log(0, &mut read, &mut |lost| {
            verified.corrupt_blocks += 1;
            if verified.corrupt.len() < CORRUPT_BLOCKS_NAMED_MAX {
                verified.corrupt.push(lost);
            }
        })?;
        Ok(verified)
    }
}

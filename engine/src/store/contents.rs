//! The contents of a store in a few numbers, so that a copy can be compared with its original.

use std::path::Path;

use super::database::Store;
use super::error::StoreError;
use super::format::{self, Found};
use super::key;

/// A store in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contents {
    /// Watched servers.
    pub servers: u64,
    /// The newest commit.
    pub commit: u64,
    /// The newest change, as RocksDB numbers them.
    pub change: u64,
}

/// Reads what the store in `folder` holds. Changes nothing there; no hub may run on it.
///
/// # Errors
/// There is no store, or it cannot be read.
pub fn contents(folder: &Path) -> Result<Contents, StoreError> {
    let store = Store::open_read_only(folder)?;
    Ok(Contents {
        servers: store.scan_ids(key::SERVERS, |id, _| Ok(id))?.len() as u64,
        commit: store.last_commit()?.max(store.checkpoints()?.newest()),
        change: store.with(|db| Ok(db.latest_sequence_number()))?,
    })
}

impl Store {
    /// Whether it has no such family because it is of an older format. One of this format has all.
    pub(crate) fn lacks(&self, family: &str) -> Result<bool, StoreError> {
        if self.with(|db| Ok(db.cf_handle(family).is_some()))? {
            return Ok(false);
        }
        Ok(format::check(&self.folder)? == Found::Older)
    }
}

//! A copy of the store while it is in use.

use std::path::Path;

use rocksdb::checkpoint::Checkpoint;

use super::database::Store;
use super::error::StoreError;
use super::format;
use super::options::DB_FOLDER;
use crate::fail_point::FailPoint;

impl Store {
    /// Makes `folder`, which must be missing or empty, a copy of the store as of now. Files are linked where possible.
    pub(crate) fn backup(&self, folder: &Path) -> Result<(), StoreError> {
        let is_used = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        if is_used {
            let reason = "it is not empty: name a new folder".to_owned();
            return Err(StoreError::Unusable { folder: folder.to_owned(), reason });
        }
        std::fs::create_dir_all(folder).map_err(|error| StoreError::unusable(folder, &error))?;
        self.reach(FailPoint::BackupBegun);
        self.with(|db| {
            let checkpoint = Checkpoint::new(db).map_err(|error| self.error(&error))?;
            let path = folder.join(DB_FOLDER);
            checkpoint.create_checkpoint(path).map_err(|error| StoreError::from_rocksdb(folder, &error))
        })?;
        self.reach(FailPoint::BackupLinked);
        // Last: what has no version is no store.
        format::write(folder, || self.reach(FailPoint::BackupDrafted))?;
        self.reach(FailPoint::BackupWritten);
        Ok(())
    }
}

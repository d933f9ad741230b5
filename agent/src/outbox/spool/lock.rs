//! The lock of a spool: one process at a time uses it.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use crate::outbox::error::{SpoolError, at};

/// The file that whoever uses a spool has locked. Every spool that was used has it.
pub(in crate::outbox) const LOCK: &str = "lock";

/// Locks a folder, in which the file is made if it is not there.
pub(super) fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
    take_lock(&file, folder)?;
    Ok(file)
}

/// # Errors
/// Another process has it.
pub(super) fn take_lock(file: &File, folder: &Path) -> Result<(), SpoolError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(fs::TryLockError::WouldBlock) => Err(SpoolError::Locked { folder: folder.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(SpoolError::Io { path: folder.join(LOCK), error }),
    }
}

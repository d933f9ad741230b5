//! What is kept for a rollback, and for how long.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::place::{clean, drop_rollback, kept_format, name, read_text, write_synced};
use crate::limits::ROLLBACK_KEPT_MS;
use crate::store::database::Store;
use crate::store::error::StoreError;

const SINCE: &str = "SINCE";
const SINCE_PREFIX: &str = "windfire since ";
/// Bytes of a file `SINCE` that are read.
const SINCE_BYTES_MAX: u64 = 256;

/// What is kept for a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollback {
    /// Format of the store as it was.
    pub format: u32,
    /// The folder.
    pub folder: PathBuf,
    /// Bytes that are in no other folder: what its removal would free.
    pub bytes: u64,
    /// When it is removed, Unix milliseconds. `None` until upkeep has seen it.
    pub ends_ms: Option<i64>,
}

/// What is kept for a rollback in a data folder; `None` if nothing is.
pub fn kept_rollback(folder: &Path) -> Option<Rollback> {
    let format = kept_format(folder)?;
    let path = folder.join(name(format));
    let ends_ms = since(&path).map(|since_ms| since_ms.saturating_add(ROLLBACK_KEPT_MS));
    Some(Rollback { format, bytes: own_bytes(&path, true), folder: path, ends_ms })
}

impl Store {
    /// Removes what is kept for a rollback when it is old enough at `now_ms`, and what is left of earlier ones. Returns
    /// the format of what was removed.
    pub(crate) fn expire_rollback(&self, now_ms: i64) -> Result<Option<u32>, StoreError> {
        expire(&self.folder, now_ms)
    }
}

pub(super) fn expire(folder: &Path, now_ms: i64) -> Result<Option<u32>, StoreError> {
    let failed = |error: io::Error| StoreError::unusable(folder, &error);
    clean(folder).map_err(failed)?;
    let Some(format) = kept_format(folder) else { return Ok(None) };
    let path = folder.join(name(format));
    match since(&path) {
        Some(since_ms) if now_ms.saturating_sub(since_ms) >= ROLLBACK_KEPT_MS => drop_rollback(folder),
        Some(since_ms) if since_ms <= now_ms => Ok(None),
        // Not counted yet, or by a clock that was ahead.
        _ => write_since(&path, now_ms).map(|()| None).map_err(failed),
    }
}

fn since(path: &Path) -> Option<i64> {
    read_text(&path.join(SINCE), SINCE_BYTES_MAX).ok()?.strip_prefix(SINCE_PREFIX)?.trim_end().parse().ok()
}

fn write_since(path: &Path, now_ms: i64) -> io::Result<()> {
    write_synced(&path.join(SINCE), &format!("{SINCE_PREFIX}{now_ms}\n"))
}

/// Bytes of the files in a folder and in the folders in it, of which there is no other link. What cannot be read counts
/// as none.
fn own_bytes(folder: &Path, looks_below: bool) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_file() && found.nlink() == 1 => found.len(),
        Ok(found) if found.is_dir() && looks_below => own_bytes(&entry.path(), false),
        _ => 0,
    });
    bytes.sum()
}

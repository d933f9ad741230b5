//! The way back from an upgrade: a store of an older format, kept as it was in the data folder's folder `pre-<format>`.
//!
//! ```text
//! pre-5/FORMAT, DURABLE, DAMAGED, rocksdb/     as in a data folder; the table files are links
//! pre-5/ROLLBACK                               what it is: see `note`
//! pre-5/SINCE = "windfire since " ms "\n"      when upkeep first saw it, Unix milliseconds
//! pre-5.new/                                   one that is being taken, or removed
//! rolling-back/                                one that is being put back: unfinished while it has a FORMAT
//! ```

mod keep;
mod note;
mod put_back;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::database::Store;
use super::error::StoreError;
use super::format::{FILE as FORMAT, VERSION};
use crate::limits::ROLLBACK_KEPT_MS;
use note::NOTE;

pub(super) use keep::keep;
pub use put_back::{RollbackError, RolledBack, check_rollback, roll_back};

/// Folder in the data folder with what is being put back.
const ROLLING: &str = "rolling-back";
const SINCE: &str = "SINCE";
const SINCE_PREFIX: &str = "windfire since ";
/// Bytes of a file `SINCE` that are read.
const SINCE_BYTES_MAX: u64 = 256;

/// A store that was upgraded when it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// Its format before.
    pub from: u32,
    /// Its format now.
    pub to: u32,
    /// The folder that has it as it was. `None` if none was kept.
    pub rollback: Option<PathBuf>,
}

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

/// Whether a rollback of the data folder was interrupted. Until [`roll_back`] has finished it, the store is not opened.
pub fn is_rollback_unfinished(folder: &Path) -> bool {
    folder.join(ROLLING).join(FORMAT).exists()
}

/// Names of the folders that rollbacks may have in a data folder.
pub fn rollback_names() -> impl Iterator<Item = String> {
    (1..VERSION).flat_map(|format| [name(format), draft_name(format)]).chain([ROLLING.to_owned()])
}

/// Removes what is kept for a rollback. Returns the format to which no rollback is possible any more.
///
/// # Errors
/// The folder cannot be removed. What is left of it is of no use, and the next upgrade or removal removes it.
pub fn drop_rollback(folder: &Path) -> Result<Option<u32>, StoreError> {
    let Some(format) = kept_format(folder) else { return Ok(None) };
    let dropped = folder.join(draft_name(format));
    // A part of it must not look like all of it.
    remove(&dropped)
        .and_then(|()| fs::rename(folder.join(name(format)), &dropped))
        .and_then(|()| remove(&dropped))
        .map_err(|error| StoreError::unusable(folder, &error))?;
    Ok(Some(format))
}

impl Store {
    /// Removes what is kept for a rollback when it is old enough at `now_ms`, and what is left of earlier ones. Returns
    /// the format of what was removed.
    pub(crate) fn expire_rollback(&self, now_ms: i64) -> Result<Option<u32>, StoreError> {
        expire(&self.folder, now_ms)
    }
}

fn expire(folder: &Path, now_ms: i64) -> Result<Option<u32>, StoreError> {
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

/// Refuses to open a folder as a store while it is one that a rollback needs, or while a rollback of it is unfinished.
pub(super) fn check_may_open(folder: &Path) -> Result<(), StoreError> {
    if folder.join(NOTE).exists() {
        let reason = "it is kept for a rollback, and a hub would change it: name the folder above it".to_owned();
        return Err(StoreError::Unusable { folder: folder.to_owned(), reason });
    }
    check_is_finished(folder)
}

/// Refuses a folder whose rollback is unfinished.
pub(super) fn check_is_finished(folder: &Path) -> Result<(), StoreError> {
    if is_rollback_unfinished(folder) {
        return Err(StoreError::RollbackUnfinished { folder: folder.to_owned() });
    }
    Ok(())
}

fn name(format: u32) -> String {
    format!("pre-{format}")
}

fn draft_name(format: u32) -> String {
    format!("pre-{format}.new")
}

/// The newest format that is kept. There is only one, but for what an operator puts there.
fn kept_format(folder: &Path) -> Option<u32> {
    (1..VERSION).rev().find(|format| folder.join(name(*format)).is_dir())
}

fn since(path: &Path) -> Option<i64> {
    read_text(&path.join(SINCE), SINCE_BYTES_MAX).ok()?.strip_prefix(SINCE_PREFIX)?.trim_end().parse().ok()
}

fn write_since(path: &Path, now_ms: i64) -> io::Result<()> {
    write_synced(&path.join(SINCE), &format!("{SINCE_PREFIX}{now_ms}\n"))
}

/// Writes a file, durably, so that a crash leaves no half-written one behind.
fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

/// A text file of at most so many bytes.
fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("it has more than {bytes_max} bytes")));
    }
    Ok(text)
}

/// Removes what was left when an upgrade, a rollback or a removal was stopped before its end.
fn clean(folder: &Path) -> io::Result<()> {
    (1..VERSION).try_for_each(|format| remove(&folder.join(draft_name(format))))?;
    if is_rollback_unfinished(folder) {
        return Ok(());
    }
    remove(&folder.join(ROLLING))
}

/// Removes a folder, if it exists.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
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

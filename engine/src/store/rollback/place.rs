//! The folders of rollbacks in a data folder: their names, what they mean, and how they are removed.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use crate::store::error::StoreError;
use crate::store::format::{FILE as FORMAT, VERSION};

/// The file that says what such a folder is. Its bytes are those of [`super::note`].
pub(super) const NOTE: &str = "ROLLBACK";
/// Folder in the data folder with what is being put back.
pub(super) const ROLLING: &str = "rolling-back";

/// Whether a rollback of the data folder was interrupted. Until [`super::roll_back`] has finished it, the store is not opened.
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

/// Refuses to open a folder as a store while it is one that a rollback needs, or while a rollback of it is unfinished.
pub(in crate::store) fn check_may_open(folder: &Path) -> Result<(), StoreError> {
    if folder.join(NOTE).exists() {
        let reason = "it is kept for a rollback, and a hub would change it: name the folder above it".to_owned();
        return Err(StoreError::Unusable { folder: folder.to_owned(), reason });
    }
    check_is_finished(folder)
}

/// Refuses a folder whose rollback is unfinished.
pub(in crate::store) fn check_is_finished(folder: &Path) -> Result<(), StoreError> {
    if is_rollback_unfinished(folder) {
        return Err(StoreError::RollbackUnfinished { folder: folder.to_owned() });
    }
    Ok(())
}

pub(super) fn name(format: u32) -> String {
    format!("pre-{format}")
}

pub(super) fn draft_name(format: u32) -> String {
    format!("pre-{format}.new")
}

/// The newest format that is kept. There is only one, but for what an operator puts there.
pub(super) fn kept_format(folder: &Path) -> Option<u32> {
    (1..VERSION).rev().find(|format| folder.join(name(*format)).is_dir())
}

/// Writes a file, durably, so that a crash leaves no half-written one behind.
pub(super) fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut file = File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

/// A text file of at most so many bytes.
pub(super) fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(bytes_max + 1).read_to_string(&mut text)?;
    if text.len() as u64 > bytes_max {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("it has more than {bytes_max} bytes")));
    }
    Ok(text)
}

/// Removes what was left when an upgrade, a rollback or a removal was stopped before its end.
pub(super) fn clean(folder: &Path) -> io::Result<()> {
    (1..VERSION).try_for_each(|format| remove(&folder.join(draft_name(format))))?;
    if is_rollback_unfinished(folder) {
        return Ok(());
    }
    remove(&folder.join(ROLLING))
}

/// Removes a folder, if it exists.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

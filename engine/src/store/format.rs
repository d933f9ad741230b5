//! The store's version, in a file next to RocksDB's folder, so that a newer store is refused before anything is opened.
//! A folder that has it is a hub's.
//!
//! Versions, newest first:
//! * 5: names of sensors once a log value: kinds 2 and 3 of its entries.
//! * 4: a checkpoint for each shard.
//! * 3: users of the panel; API tokens with tags.
//! * 2: history. The log is cut behind what is in blocks; families `raw`, `minute`, `quarter`, `facts`, `sealed`, `todo`.
//! * 1: the first. The log holds every report. Later versions pack it into blocks.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use crate::record::Corrupt;

const VERSION: u32 = 5;
const FILE: &str = "FORMAT";
const PREFIX: &str = "windfire store ";

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none: no store, or one that is being made.
    New,
    /// An older version. Ours only when the store is: it may turn out to be in use by an older hub.
    Older,
    Current,
}

/// Whether there is a store in `folder`: a hub made it, and came to the end of making it.
pub fn is_store(folder: &Path) -> bool {
    folder.join(FILE).exists()
}

/// Whether a hub began to make a store in `folder` and was stopped before its end. It may go on.
pub fn is_begun(folder: &Path) -> bool {
    draft(folder).exists()
}

/// Checks the folder's version. Makes and changes nothing.
pub(super) fn check(folder: &Path) -> Result<Found, StoreError> {
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match version(&text) {
            Some(VERSION) => Ok(Found::Current),
            Some(1..VERSION) => Ok(Found::Older),
            Some(found) => Err(StoreError::NewerFormat { found, supported: VERSION }),
            None => Err(Corrupt::at(path.display().to_string()).into()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::New),
        Err(error) => Err(StoreError::unusable(folder, &error)),
    }
}

/// The version that the file's text says.
pub(super) fn version(text: &str) -> Option<u32> {
    text.trim_end().strip_prefix(PREFIX)?.parse().ok()
}

/// Makes the folder and notes that a store is being made there, which [`crate::Engine::open`] does to the end.
///
/// # Errors
/// The folder cannot be written.
pub fn begin_store(folder: &Path) -> Result<(), StoreError> {
    let begin = || {
        fs::create_dir_all(folder)?;
        write_draft(folder)
    };
    begin().map_err(|error| StoreError::unusable(folder, &error))
}

/// Writes our version: from now on there is a store. Calls `on_draft` before that, when the version is on disk under
/// another name.
pub(super) fn write(folder: &Path, on_draft: impl FnOnce()) -> Result<(), StoreError> {
    // Renamed into place, so that a crash leaves no half-written version behind.
    let write = || {
        write_draft(folder)?;
        on_draft();
        fs::rename(draft(folder), folder.join(FILE))
    };
    write().map_err(|error| StoreError::unusable(folder, &error))
}

/// Makes the version in `to` that of the store in `from`.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), StoreError> {
    let copy = || fs::copy(from.join(FILE), draft(to)).and_then(|_| fs::rename(draft(to), to.join(FILE)));
    copy().map_err(|error| StoreError::unusable(to, &error))
}

fn draft(folder: &Path) -> PathBuf {
    folder.join(FILE).with_extension("new")
}

fn write_draft(folder: &Path) -> io::Result<()> {
    let mut file = fs::File::create(draft(folder))?;
    writeln!(file, "{PREFIX}{VERSION}")?;
    file.sync_all()
}

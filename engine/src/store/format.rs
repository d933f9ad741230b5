//! The store's version, in a file of its own beside RocksDB, so that a newer store is refused before anything is opened.
//!
//! Versions, newest first:
//! * 4: a checkpoint for each shard.
//! * 3: users of the panel; API tokens with tags.
//! * 2: history. The log is cut behind what is in blocks; families `raw`, `minute`, `quarter`, `facts`, `sealed`, `todo`.
//! * 1: the first. The log holds every report. Later versions pack it into blocks.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::StoreError;

const VERSION: u32 = 4;
const FILE: &str = "FORMAT";
const PREFIX: &str = "windfire store ";

/// Checks the folder's version, and makes a folder that is not there. Whether [`write()`] has to follow: the version is ours
/// only when the store is, and it may turn out to be in use by an older hub.
pub(super) fn check(folder: &Path) -> Result<bool, StoreError> {
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim_end().strip_prefix(PREFIX).and_then(|version| version.parse::<u32>().ok()) {
            Some(VERSION) => Ok(false),
            Some(1..VERSION) => Ok(true),
            Some(found) => Err(StoreError::NewerFormat { found, supported: VERSION }),
            None => Err(StoreError::Corrupt { what: format!("{}", path.display()) }),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(folder).map_err(|error| StoreError::unusable(folder, &error))?;
            Ok(true)
        }
        Err(error) => Err(StoreError::unusable(folder, &error)),
    }
}

/// Writes our version.
pub(super) fn write(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(FILE);
    let write = || {
        // Renamed into place, so that a crash leaves no half-written version behind.
        let draft = path.with_extension("new");
        let mut file = fs::File::create(&draft)?;
        writeln!(file, "{PREFIX}{VERSION}")?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    };
    write().map_err(|error| StoreError::unusable(folder, &error))
}

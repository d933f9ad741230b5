//! Puts back what was kept before an upgrade.
//!
//! It begins with one rename, of `pre-<format>` to `rolling-back`. From then on the folder is not opened as a store until
//! every step is done. Each step is done once, however often all of them are repeated. `FORMAT` comes last: until then
//! an older hub refuses the folder, and from then on all of it is the older hub's.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::note::{Note, identity};
use super::place::{ROLLING, clean, is_rollback_unfinished, kept_format, name, remove, sync_folder};
use crate::store::contents::{Contents, contents};
use crate::store::durable::FILE as DURABLE;
use crate::store::error::StoreError;
use crate::store::format::{FILE as FORMAT, store_format};
use crate::store::marks::FILE as DAMAGED;
use crate::store::options::DB_FOLDER;

/// Name within [`ROLLING`] of the database that is replaced.
const UNDONE: &str = "undone";

/// Why there is no rollback.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RollbackError {
    /// Nothing is kept.
    #[error(
        "data folder {folder} has nothing to roll back to. A hub that upgrades a store keeps it as it was in a folder \
         pre-<format>, for 7 days. Nothing was changed"
    )]
    Nothing {
        /// The data folder.
        folder: PathBuf,
    },
    /// What is kept is not as it was.
    #[error(
        "folder {folder} is damaged: {what}. Nothing was changed. Put the file back, or restore a backup into another \
         folder"
    )]
    Damaged {
        /// The folder that is kept.
        folder: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// What is kept was taken of another store.
    #[error(
        "folder {folder} was not taken of the store in data folder {data}: put the right one there. Nothing was changed"
    )]
    OtherStore {
        /// The folder that is kept.
        folder: PathBuf,
        /// The data folder.
        data: PathBuf,
    },
    /// The data folder cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A rollback that is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolledBack {
    /// Format of the store now.
    pub format: u32,
    /// What the store holds now.
    pub contents: Contents,
    /// What the store held before the rollback, or why that cannot be said.
    pub undone: Result<Contents, String>,
}

/// Puts back the store that was kept before its upgrade, or finishes a rollback that was interrupted. What came since
/// the upgrade is lost. No hub may run on the folder.
///
/// # Errors
/// There is nothing to put back, or it is damaged or of another store; then nothing was changed. If the folder cannot be
/// written, the next call continues.
pub fn roll_back(folder: &Path) -> Result<RolledBack, RollbackError> {
    let failed = |error: io::Error| StoreError::unusable(folder, &error);
    if is_rollback_unfinished(folder) {
        let rolling = folder.join(ROLLING);
        let note = Note::read(&rolling).map_err(|what| RollbackError::Damaged { folder: rolling, what })?;
        finish(folder)?;
        let undone = Err("this rollback was interrupted before".to_owned());
        return Ok(RolledBack { format: note.format, contents: note.contents, undone });
    }
    let Some((format, note)) = checked(folder)? else {
        return Err(RollbackError::Nothing { folder: folder.to_owned() });
    };
    let undone = contents(folder).map_err(|error| error.to_string());
    begin(folder, format).map_err(failed)?;
    finish(folder)?;
    Ok(RolledBack { format, contents: note.contents, undone })
}

/// Checks what is kept for a rollback, without reading its blocks. Returns its format; `None` if nothing is kept.
///
/// # Errors
/// As [`roll_back`].
pub fn check_rollback(folder: &Path) -> Result<Option<u32>, RollbackError> {
    Ok(checked(folder)?.map(|(format, _)| format))
}

fn checked(folder: &Path) -> Result<Option<(u32, Note)>, RollbackError> {
    // A newer hub's folder is not ours to change.
    store_format(folder)?;
    let Some(format) = kept_format(folder) else { return Ok(None) };
    let path = folder.join(name(format));
    let damaged = |what: String| RollbackError::Damaged { folder: path.clone(), what };
    let note = Note::read(&path).map_err(damaged)?;
    if note.format != format || store_format(&path).map_err(|error| damaged(error.to_string()))? != Some(format) {
        return Err(damaged(format!("it is not a store of format {format}")));
    }
    for (file, bytes) in &note.files {
        match fs::symlink_metadata(path.join(file)) {
            Ok(found) if found.is_file() && found.len() == *bytes => {}
            Ok(found) if found.is_file() => {
                return Err(damaged(format!("{file} has {} of {bytes} bytes", found.len())));
            }
            _ => return Err(damaged(format!("{file} is missing"))),
        }
    }
    let own = identity(folder).map_err(|error| StoreError::unusable(folder, &error))?;
    // A data folder that has lost its database has no identity, and may need a rollback all the same.
    if own.is_some_and(|own| own != note.store) {
        return Err(RollbackError::OtherStore { folder: path, data: folder.to_owned() });
    }
    let found = contents(&path).map_err(|error| damaged(error.to_string()))?;
    if found != note.contents {
        let Contents { servers, commit, change } = note.contents;
        return Err(damaged(format!(
            "it has {} servers, {} commits and {} changes instead of {servers}, {commit} and {change}",
            found.servers, found.commit, found.change
        )));
    }
    Ok(Some((format, note)))
}

/// The rename from which on there is no way but to the end.
pub(super) fn begin(folder: &Path, format: u32) -> io::Result<()> {
    clean(folder)?;
    fs::rename(folder.join(name(format)), folder.join(ROLLING))?;
    sync_folder(folder)
}

/// One step of a rollback of the data folder, with the folder [`ROLLING`] in it.
pub(super) type Step = fn(&Path, &Path) -> io::Result<()>;

/// All of them, in their order.
pub(super) const STEPS: [Step; 5] = [take_away, put_database, put_marks, put_format, clean_up];

fn finish(folder: &Path) -> Result<(), StoreError> {
    let rolling = folder.join(ROLLING);
    let mut done = STEPS.iter().map(|step| step(folder, &rolling));
    done.try_for_each(|done| done).map_err(|error| StoreError::unusable(folder, &error))
}

/// Takes away what is of the newer format.
fn take_away(folder: &Path, rolling: &Path) -> io::Result<()> {
    // The database of before is still there, so nothing is in its place yet.
    if !rolling.join(DB_FOLDER).is_dir() {
        return Ok(());
    }
    for file in [DURABLE, DAMAGED] {
        if_there(fs::remove_file(folder.join(file)))?;
    }
    if_there(fs::rename(folder.join(DB_FOLDER), rolling.join(UNDONE)))
}

fn put_database(folder: &Path, rolling: &Path) -> io::Result<()> {
    if_there(fs::rename(rolling.join(DB_FOLDER), folder.join(DB_FOLDER)))
}

fn put_marks(folder: &Path, rolling: &Path) -> io::Result<()> {
    for file in [DURABLE, DAMAGED] {
        if_there(fs::rename(rolling.join(file), folder.join(file)))?;
    }
    sync_folder(folder)
}

/// From here on there is an older hub's store.
fn put_format(folder: &Path, rolling: &Path) -> io::Result<()> {
    if_there(fs::rename(rolling.join(FORMAT), folder.join(FORMAT)))?;
    sync_folder(folder)
}

fn clean_up(_folder: &Path, rolling: &Path) -> io::Result<()> {
    remove(rolling)
}

/// A step that was done before finds nothing to do.
fn if_there(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

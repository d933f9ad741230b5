//! Keeps a store of an older format as it is, before it is upgraded.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rocksdb::DB;
use rocksdb::checkpoint::Checkpoint;

use super::note::{Note, identity};
use super::place::{NOTE, clean, draft_name, name, remove, sync_folder};
use crate::fail_point::{AtFailPoint, FailPoint, reach};
use crate::store::contents::contents;
use crate::store::durable;
use crate::store::error::StoreError;
use crate::store::format::{FILE as FORMAT, VERSION, store_format};
use crate::store::marks::FILE as DAMAGED;
use crate::store::options::{DB_FOLDER, family_names, open_db_as_it_is};
use crate::store::whole::{check_durable, check_tables, durable_number, no_database};

/// For a store that has no identity.
const NO_IDENTITY: &str = "-";

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

/// To be called before the store in `folder` is upgraded. With `keeps_rollback`, all of it is kept before anything is
/// changed that an older hub would not understand.
pub(super) fn keep(folder: &Path, keeps_rollback: bool, at_fail_point: AtFailPoint) -> Result<Upgraded, StoreError> {
    let Some(from) = store_format(folder)? else { return Err(no_database(folder, FORMAT)) };
    let kept = folder.join(name(from));
    if !keeps_rollback {
        return Ok(Upgraded { from, to: VERSION, rollback: None });
    }
    if !is_upgrade_begun(folder, &kept) {
        // It holds the store's lock, so no older hub writes in the meantime.
        let db = open_db_as_it_is(folder)?;
        check_durable(folder, durable_number(folder), &db)?;
        check_tables(folder, &db)?;
        if let Err(error) = take(folder, from, &db, at_fail_point) {
            // If it stays, the next start removes it.
            let _may_stay = remove(&folder.join(draft_name(from)));
            return Err(no_rollback(folder, from, error));
        }
    }
    Ok(Upgraded { from, to: VERSION, rollback: Some(kept) })
}

/// Whether a hub that kept the store began to upgrade it, and was stopped before the version was written. Then the store
/// has families that an older hub does not know, and what was kept is the one way back.
fn is_upgrade_begun(folder: &Path, kept: &Path) -> bool {
    kept.join(NOTE).exists()
        && family_names(kept).is_ok_and(|before| family_names(folder).is_ok_and(|names| names != before))
}

fn take(folder: &Path, format: u32, db: &DB, at_fail_point: AtFailPoint) -> Result<(), StoreError> {
    let failed = |error: io::Error| StoreError::unusable(folder, &error);
    let (draft, kept) = (folder.join(draft_name(format)), folder.join(name(format)));
    clean(folder).and_then(|()| fs::create_dir(&draft)).map_err(failed)?;
    reach(at_fail_point, FailPoint::RollbackBegun);
    let checkpoint = Checkpoint::new(db).map_err(|error| StoreError::from_rocksdb(folder, &error))?;
    let linked = checkpoint.create_checkpoint(draft.join(DB_FOLDER));
    linked.map_err(|error| StoreError::from_rocksdb(folder, &error))?;
    reach(at_fail_point, FailPoint::RollbackLinked);
    for file in [FORMAT, DAMAGED] {
        copy(&folder.join(file), &draft.join(file)).map_err(failed)?;
    }
    let contents = contents(&draft)?;
    if durable_number(folder).is_some_and(|durable| durable > contents.change) {
        let words = format!("its copy ends with change {}, before the store does", contents.change);
        return Err(StoreError::Other(words));
    }
    durable::write_new(&draft, contents.change).map_err(failed)?;
    let store = identity(folder).map_err(failed)?.unwrap_or_else(|| NO_IDENTITY.to_owned());
    let files = files(&draft).map_err(failed)?;
    let note = Note { format, store, contents, files };
    note.write(&draft).and_then(|()| sync_folder(&draft)).map_err(failed)?;
    reach(at_fail_point, FailPoint::RollbackNoted);
    // An earlier one of this format lacks what older hubs wrote since.
    let named = remove(&kept).and_then(|()| fs::rename(&draft, &kept)).and_then(|()| sync_folder(folder));
    named.map_err(failed)?;
    reach(at_fail_point, FailPoint::RollbackKept);
    // A rollback is one step. What was kept before an upgrade before this one holds space for nothing.
    let mut others = (1..VERSION).filter(|other| *other != format);
    others.try_for_each(|other| remove(&folder.join(name(other)))).map_err(failed)
}

/// Copies a file, durably, if there is one.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::copy(from, to) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        copied => copied.and_then(|_| File::open(to)?.sync_all()),
    }
}

/// The files in a folder and in its database, by their paths, with their bytes.
fn files(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for (path, below) in [(folder.to_owned(), String::new()), (folder.join(DB_FOLDER), format!("{DB_FOLDER}/"))] {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.is_file() {
                files.push((format!("{below}{}", entry.file_name().to_string_lossy()), found.len()));
            }
        }
    }
    files.sort();
    Ok(files)
}

fn no_rollback(folder: &Path, format: u32, error: StoreError) -> StoreError {
    let reason = match error {
        StoreError::DiskFull { .. } => "no space left on its disk".to_owned(),
        StoreError::Unusable { reason, .. } | StoreError::Faulty { reason, .. } => reason,
        other => other.to_string(),
    };
    let (mut bytes, mut bytes_without_links) = (0, 0);
    for (path, length) in files(folder).unwrap_or_default() {
        if !path.starts_with(DB_FOLDER) {
            continue;
        }
        bytes_without_links += length;
        if !path.ends_with(".sst") {
            bytes += length;
        }
    }
    StoreError::NoRollback { folder: folder.to_owned(), format, reason, bytes, bytes_without_links }
}

//! The data folder: whether it is a hub's, and its access rights.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::process::{Flock, FlockType, Pid, fcntl_getlk};
use windfire_engine::{StoreError, rollback_names};

use crate::config::FIRST_PASSWORD;

/// Files and folders of a hub in its data folder.
/// What is kept for a rollback has more: [`rollback_names`].
const KEPT: [&str; 7] = ["FORMAT", "DURABLE", "DAMAGED", "CLUSTER", "rocksdb", "tls", "admin.sock"];
/// Names that a folder may have in it when a hub starts on it for the first time: a disk's own folder, this hub's log
/// and configuration, and the first password of a hub whose store is gone.
const TOLERATED: [&str; 4] = ["lost+found", "hub.log", "windfire.toml", FIRST_PASSWORD];
/// Rights of all users but the owner.
const OTHERS: u32 = 0o077;
/// Set on folders that all users share, such as /tmp.
const STICKY: u32 = 0o1000;

/// The process that has the store open.
pub(crate) enum Holder {
    Nobody,
    /// There is no database.
    NoStore,
    /// By its id, if the system tells it: it may run in another container.
    Process(Option<i32>),
}

/// Prepares the data folder for a hub: a hub's folder or a new one, open to its owner only. A folder with other files
/// is not changed.
pub(crate) fn prepare(data: &Path) -> Result<(), String> {
    if !windfire_engine::is_store(data) && !windfire_engine::is_begun(data) {
        let stranger = stranger(data).map_err(|error| unusable(data, &error))?;
        if let Some(name) = stranger {
            return Err(format!(
                "data folder {} is neither empty nor a hub's: it has no file FORMAT, but {name:?}. Name another with \
                 --data, or restore a backup into another",
                data.display()
            ));
        }
    }
    fs::create_dir_all(data).map_err(|error| unusable(data, &error))?;
    close(data)
}

/// Refuses a folder without `FORMAT` that has something else than a first start leaves that was interrupted. Such a start
/// makes the certificate before the database, and `CURRENT` before any table file. The folder is a part of a backup, or of
/// a copy of a data folder. `certificate` is the missing file of the hub's certificate.
pub(crate) fn check_unfinished(data: &Path, certificate: Option<&str>) -> Result<(), String> {
    let database = data.join("rocksdb");
    let has_database = database.join("CURRENT").try_exists().map_err(|error| unusable(data, &error))?;
    let has_tables_only = !has_database && has_tables(&database).map_err(|error| unusable(data, &error))?;
    let (missing, otherwise) = match certificate {
        Some(file) if has_database => {
            (file, "; if no agent knows this hub yet, start once with --new-certificate to create a certificate")
        }
        _ if has_tables_only => ("rocksdb/CURRENT", ""),
        _ => return Ok(()),
    };
    Err(format!(
        "data folder {} is a part of a backup or of a data folder: it has tables or a database, but no file FORMAT and no \
         {missing}. Copy all of it again, or restore a backup into another folder{otherwise}. Nothing was changed",
        data.display()
    ))
}

/// Whether there are table files of RocksDB in a folder.
fn has_tables(folder: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        entries => entries?,
    };
    for entry in entries {
        if entry?.path().extension().is_some_and(|extension| extension == "sst") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses a folder on which no hub was started.
pub(crate) fn check_is_hubs(data: &Path) -> Result<(), String> {
    if windfire_engine::is_store(data) {
        return Ok(());
    }
    Err(format!(
        "data folder {} is not a hub's: it has no file FORMAT; name another with --data, or start a hub on it first",
        data.display()
    ))
}

/// Looks at the lock of the database, without taking it.
pub(crate) fn holder(data: &Path) -> io::Result<Holder> {
    let path = data.join("rocksdb/LOCK");
    match fs::metadata(&path) {
        Ok(found) if found.is_file() => {}
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => return Ok(Holder::NoStore),
    }
    let lock = fcntl_getlk(File::open(&path)?, &Flock::from(FlockType::WriteLock))?;
    Ok(lock.map_or(Holder::Nobody, |lock| Holder::Process(lock.pid.map(Pid::as_raw_pid))))
}

/// The first name in a folder that a new data folder may not have. `None` for a folder that is empty or missing.
pub(crate) fn stranger(folder: &Path) -> io::Result<Option<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        entries => entries?,
    };
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<Vec<_>>>()?;
    names.sort();
    Ok(names.into_iter().find(|name| !TOLERATED.contains(&name.as_str())))
}

/// Removes the rights of other users: the folder has keys, hashes and the admin socket in it.
pub(crate) fn close(folder: &Path) -> Result<(), String> {
    let mode = || Ok(fs::metadata(folder)?.permissions().mode());
    let failed = |why: &dyn std::fmt::Display| {
        format!(
            "folder {} is open to others and cannot be closed: {why}. Make this user its owner, name a folder inside \
             it, or mount its file system with umask=077",
            folder.display()
        )
    };
    let before = mode().map_err(|error: io::Error| unusable(folder, &error))?;
    if before & STICKY != 0 {
        return Err(failed(&"all users share it (its sticky bit is set)"));
    }
    if before & OTHERS != 0 {
        fs::set_permissions(folder, Permissions::from_mode(0o700)).map_err(|error| failed(&error))?;
        let after = mode().map_err(|error: io::Error| unusable(folder, &error))?;
        if after & OTHERS != 0 {
            return Err(failed(&format!("its file system keeps mode {:03o}", after & 0o777)));
        }
    }
    KEPT.iter().for_each(|name| close_tree(&folder.join(name)));
    rollback_names().for_each(|name| close_tree(&folder.join(name)));
    Ok(())
}

/// Closes files that were created before the folder was closed. The folder itself is closed, so errors are ignored.
fn close_tree(path: &Path) {
    let Ok(found) = fs::symlink_metadata(path) else { return };
    if found.is_symlink() {
        return;
    }
    let mode = found.permissions().mode();
    if mode & OTHERS != 0 {
        let _may_stay = fs::set_permissions(path, Permissions::from_mode(mode & 0o7777 & !OTHERS));
    }
    if found.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.for_each(|entry| close_tree(&entry.path()));
    }
}

/// Copies a file, or a folder with all that is in it, and syncs it to disk. Links and special files are refused by
/// name, because their targets may change later.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("{} to {}: {error}", from.display(), to.display());
    let found = fs::symlink_metadata(from).map_err(failed)?;
    if found.is_file() {
        fs::copy(from, to).and_then(|_| File::open(to)?.sync_all()).map_err(failed)
    } else if found.is_dir() {
        fs::create_dir_all(to).map_err(failed)?;
        for entry in fs::read_dir(from).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
        Ok(())
    } else {
        let kind = if found.is_symlink() { "a symbolic link" } else { "neither a file nor a folder" };
        Err(format!("{} is {kind}, which is not copied: put the file itself there", from.display()))
    }
}

/// A folder that is being filled. Unless [`Draft::done`] is called, it is removed with the files created in it. Files
/// that were there before stay.
pub(crate) struct Draft<'a> {
    folder: &'a Path,
    /// Folders that were created, the innermost first.
    made: Vec<&'a Path>,
    /// Names that may be created in it.
    names: &'a [&'a str],
    is_done: bool,
}

impl<'a> Draft<'a> {
    /// Creates `folder`, open to its owner only. `names` are the files and folders that may be created in it.
    pub(crate) fn new(folder: &'a Path, names: &'a [&'a str]) -> Result<Self, String> {
        let is_missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
        let made = folder.ancestors().take_while(is_missing).collect();
        let draft = Self { folder, made, names, is_done: false };
        fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
        close(folder)?;
        Ok(draft)
    }

    pub(crate) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.names.iter().for_each(|name| remove(&self.folder.join(name)));
            self.made.iter().for_each(|folder| drop(fs::remove_dir(folder)));
        }
    }
}

/// Removes a file or a folder, if it exists.
pub(crate) fn remove(path: &Path) {
    let _not_there = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        _ => fs::remove_file(path),
    };
}

fn unusable(folder: &Path, error: &io::Error) -> String {
    let words = error.to_string();
    format!("folder {} cannot be used: {words}{}", folder.display(), remedy(&words))
}

/// Why a store cannot be opened, with the remedy.
pub(crate) fn explain(error: &StoreError) -> String {
    let words = error.to_string();
    match error {
        StoreError::Unusable { .. } | StoreError::Other(_) => {
            let remedy = remedy(&words);
            words + remedy
        }
        StoreError::Corrupt(_) => {
            words + ": restore a backup, or save what can be read with \"windfire salvage NEW_FOLDER\""
        }
        _ => words,
    }
}

/// The remedy for the system's error text on a folder. RocksDB passes only the text on.
fn remedy(words: &str) -> &'static str {
    let remedies = [
        (
            "ermission denied",
            ": it belongs to another user. Give it to the user that runs this (chown -R), or name another with --data",
        ),
        ("peration not permitted", ": run this as its owner, or name another with --data"),
        (
            "ead-only file system",
            ": mount it for writing, let the hub's unit write to it (ReadWritePaths=), or name another folder",
        ),
        ("ot a directory", ": a part of its path is a file; name another with --data"),
        ("o such file", ": it cannot be created there; name another with --data"),
        ("ile exists", ": there is a file of that name; name another with --data"),
        ("o space left", ": free some, or name one on a larger disk with --data"),
        ("oo many open files", ": allow this process more open files (ulimit -n)"),
    ];
    remedies.iter().find(|(system, _)| words.contains(system)).map_or("", |(_, remedy)| remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_folder_of_others_things_is_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["holiday.jpg", ".hidden", "tls", "rocksdb", "admin.sock", "restoring"] {
            let data = folder.path().join(format!("with {name}"));
            fs::create_dir(&data).expect("made");
            fs::set_permissions(&data, Permissions::from_mode(0o755)).expect("own");
            fs::write(data.join(name), "").expect("written");
            let error = prepare(&data).expect_err("refused");
            assert!(error.contains(name) && error.contains("--data"), "{error}");
            assert_eq!((mode(&data), fs::read_dir(&data).expect("there").count()), (0o755, 1));
        }
    }

    #[test]
    fn an_empty_folder_a_new_disk_and_a_hubs_folder_are_closed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for names in
            [&[][..], &["lost+found", "hub.log", "first-password"], &["FORMAT", "anything"], &["FORMAT.new", "rocksdb"]]
        {
            let data = folder.path().join(format!("with {names:?}"));
            fs::create_dir(&data).expect("made");
            names.iter().for_each(|name| fs::write(data.join(name), "").expect("written"));
            fs::set_permissions(&data, Permissions::from_mode(0o775)).expect("own");
            prepare(&data).expect("fit");
            assert_eq!(mode(&data), 0o700, "{names:?}");
        }
        let data = folder.path().join("not/there/yet");
        prepare(&data).expect("made");
        assert_eq!(mode(&data), 0o700);
    }

    #[test]
    fn what_lies_in_a_hubs_folder_is_closed_too() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (outside, inside) = (folder.path().join("outside"), folder.path().join("data/rocksdb"));
        let kept = folder.path().join("data/pre-5/rocksdb");
        fs::create_dir_all(&inside).expect("made");
        fs::create_dir_all(&kept).expect("made");
        fs::set_permissions(&kept, Permissions::from_mode(0o755)).expect("own");
        fs::write(&outside, "").expect("written");
        fs::set_permissions(&outside, Permissions::from_mode(0o644)).expect("own");
        let file = inside.join("000001.sst");
        fs::write(&file, "").expect("written");
        fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("own");
        std::os::unix::fs::symlink(&outside, inside.join("link")).expect("made");
        fs::write(folder.path().join("data/FORMAT"), "").expect("written");
        prepare(&folder.path().join("data")).expect("fit");
        assert_eq!((mode(&file), mode(&kept), mode(&outside)), (0o600, 0o700, 0o644));
    }

    #[test]
    fn a_folder_that_cannot_be_used_comes_with_a_remedy() {
        let folder = Path::new("/srv/windfire");
        for number in [1, 2, 13, 17, 20, 24, 28, 30] {
            let error = io::Error::from_raw_os_error(number);
            let said = unusable(folder, &error);
            assert!(said.starts_with("folder /srv/windfire cannot be used: "), "{said}");
            assert!(said.len() > format!("folder /srv/windfire cannot be used: {error}").len(), "{said}");
            let reason = format!("IO error: While open a file: /srv/windfire/rocksdb/CURRENT: {error}");
            let said = explain(&StoreError::Unusable { folder: folder.to_owned(), reason });
            assert!(said.contains(remedy(&error.to_string())), "{said}");
        }
        assert!(unusable(folder, &io::Error::from_raw_os_error(5)).ends_with("(os error 5)"));
    }

    #[test]
    fn a_folder_that_everybody_shares_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).expect("own");
        assert!(prepare(folder.path()).expect_err("refused").contains("share"));
    }

    #[test]
    fn links_are_refused_and_a_draft_that_fails_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("a/b/to"));
        fs::create_dir(&from).expect("made");
        std::os::unix::fs::symlink("/etc/passwd", from.join("link")).expect("made");
        let draft = Draft::new(&to, &["copy"]).expect("made");
        assert!(copy(&from, &to.join("copy")).expect_err("refused").contains("link is a symbolic link"));
        drop(draft);
        assert!(!folder.path().join("a").exists());
    }

    #[test]
    fn a_store_that_is_closed_is_held_by_nobody() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(matches!(holder(folder.path()), Ok(Holder::NoStore)));
        fs::create_dir(folder.path().join("rocksdb")).expect("made");
        fs::write(folder.path().join("rocksdb/LOCK"), "").expect("room");
        assert!(matches!(holder(folder.path()), Ok(Holder::Nobody)));
    }
}

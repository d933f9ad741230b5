//! The data folder: its owner and rights, the format of its store, and the process that has the store open.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use windfire_doctor::Finding;
use windfire_engine::{StoreError, check_rollback, is_rollback_unfinished, kept_rollback};

use super::asked::Asked;
use crate::cli::{size, span};
use crate::folder::{self, Holder};

/// Bytes that a file FORMAT may have: it has one short line.
const FORMAT_BYTES_MAX: u64 = 1024;
/// Folders whose files a hub makes.
const STORED: [&str; 2] = ["rocksdb", "tls"];
/// Files of one of them that are looked at.
const FILES_MAX: usize = 100_000;
/// Rights of all users but the owner.
const OTHERS: u32 = 0o077;
/// Set on folders that all users share, such as /tmp.
const STICKY: u32 = 0o1000;

/// Whose a folder is, and its rights.
pub(super) struct Owner {
    uid: u32,
    mode: u32,
}

pub(super) fn owner(data: &Path) -> io::Result<Owner> {
    let found = fs::metadata(data)?;
    if !found.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(Owner { uid: found.uid(), mode: found.mode() })
}

/// `own_uid` is the user that runs this.
pub(super) fn judge_owner(data: &Path, found: &io::Result<Owner>, own_uid: u32) -> Finding {
    const CHECK: &str = "folder";
    let data = data.display();
    let Owner { uid, mode } = match found {
        Ok(owner) => owner,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let remedy = "name the hub's folder with --data, or start a hub on it";
            return Finding::bad(CHECK, format!("{data} does not exist"), remedy);
        }
        Err(error) => {
            let remedy = "run this as the user that the hub runs as, or name the hub's folder with --data";
            return Finding::bad(CHECK, format!("{data} cannot be read: {error}"), remedy);
        }
    };
    let seen = format!("{data} belongs to user {uid} and has mode {:03o}", mode & 0o7777);
    if mode & STICKY != 0 {
        return Finding::bad(CHECK, seen, "all users share it, so no hub starts on it: name a folder inside it");
    }
    if mode & OTHERS != 0 {
        return Finding::bad(CHECK, seen, format!("other users may open it: chmod 700 {data}"));
    }
    if *uid != own_uid && own_uid != 0 {
        let remedy = format!("this runs as user {own_uid}: run it, and the hub, as user {uid}");
        return Finding::bad(CHECK, seen, remedy);
    }
    Finding::ok(CHECK, seen)
}

/// Whose the data folder and the store's files are.
pub(super) struct Owners {
    folder_uid: u32,
    /// Of `FORMAT`, which the hub's user made.
    store_uid: u32,
    /// A file of the store or a certificate that is another user's. Root leaves such files, which the hub can neither read
    /// nor write.
    foreign: Option<(PathBuf, u32)>,
}

pub(super) fn owners(data: &Path) -> io::Result<Owners> {
    let (folder_uid, store_uid) = (fs::metadata(data)?.uid(), fs::metadata(data.join("FORMAT"))?.uid());
    for folder in STORED.map(|name| data.join(name)) {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for path in entries.take(FILES_MAX).map_while(|entry| entry.ok().map(|entry| entry.path())) {
            // A hub that runs deletes files.
            match fs::symlink_metadata(&path) {
                Ok(found) if found.uid() != store_uid => {
                    return Ok(Owners { folder_uid, store_uid, foreign: Some((path, found.uid())) });
                }
                _ => {}
            }
        }
    }
    Ok(Owners { folder_uid, store_uid, foreign: None })
}

pub(super) fn judge_files(data: &Path, found: &io::Result<Owners>) -> Finding {
    const CHECK: &str = "files";
    let data = data.display();
    match found {
        Ok(Owners { store_uid, foreign: Some((path, uid)), .. }) => {
            let seen = format!("{} belongs to user {uid}, and the store to user {store_uid}", path.display());
            let remedy = format!("stop the hub, and give all of it to its user: chown -R {store_uid} {data}");
            Finding::bad(CHECK, seen, remedy)
        }
        Ok(Owners { folder_uid, store_uid, .. }) if folder_uid != store_uid => {
            let seen = format!("the folder belongs to user {folder_uid}, and its files to user {store_uid}");
            let remedy =
                format!("if the hub runs as user {folder_uid}, stop it and give it all: chown -R {folder_uid} {data}");
            Finding::warn(CHECK, seen, remedy)
        }
        Ok(_) => Finding::ok(CHECK, "all of the store and of the certificates belongs to one user"),
        Err(error) => {
            let seen = format!("{data} cannot be looked at: {error}");
            Finding::bad(CHECK, seen, format!("give all of it to the hub's user (chown -R USER {data})"))
        }
    }
}

/// The version of the store. A `FORMAT` that is no small file is an error.
pub(super) fn format(data: &Path) -> Result<Option<u32>, StoreError> {
    match fs::metadata(data.join("FORMAT")) {
        Ok(found) if !found.is_file() || found.len() > FORMAT_BYTES_MAX => {
            let reason = "FORMAT is not a file of one line".to_owned();
            Err(StoreError::Unusable { folder: data.to_owned(), reason })
        }
        _ => windfire_engine::store_format(data),
    }
}

/// The first file in the folder that a new hub's folder may not have.
pub(super) fn first_stranger(data: &Path) -> Option<String> {
    folder::stranger(data).ok().flatten()
}

/// `is_begun`: a hub began to create a store. `stranger` is the name of another file in the folder.
pub(super) fn judge_format(
    data: &Path,
    format: &Result<Option<u32>, StoreError>,
    is_begun: bool,
    stranger: &Option<String>,
) -> Finding {
    const CHECK: &str = "format";
    let backup = "restore a backup into another folder, or save what can be read with \"windfire salvage NEW_FOLDER\"";
    let another = "name the hub's folder with --data";
    match (format, stranger) {
        (Ok(Some(version)), _) => Finding::ok(CHECK, format!("store of format {version}")),
        (Ok(None), _) if is_begun => {
            Finding::warn(CHECK, "the first start of a hub did not come to its end", "start the hub again")
        }
        (Ok(None), None) => {
            let seen = format!("no hub was started on {}", data.display());
            Finding::warn(CHECK, seen, format!("start one, or {another}"))
        }
        (Ok(None), Some(name)) => {
            let seen = format!("{} is not a hub's: it has no file FORMAT, but {name:?}", data.display());
            Finding::bad(CHECK, seen, another)
        }
        (Err(error @ StoreError::NewerFormat { .. }), _) => {
            Finding::bad(CHECK, error.to_string(), "use the newer hub's program")
        }
        (Err(error @ StoreError::Unusable { .. }), _) => {
            Finding::bad(CHECK, error.to_string(), format!("run this as the hub's user, or {backup}"))
        }
        (Err(error), _) => Finding::bad(CHECK, error.to_string(), backup),
    }
}

pub(super) fn judge_lock(holder: &io::Result<Holder>, asked: &Asked) -> Finding {
    const CHECK: &str = "lock";
    let answers = asked.facts().is_some();
    match holder {
        Ok(Holder::Process(process)) => {
            let process = process.map_or("a process elsewhere".to_owned(), |process| format!("process {process}"));
            if answers {
                return Finding::ok(CHECK, format!("{process} has the store open, and answers"));
            }
            let remedy = "wait if it is a hub that starts or stops; otherwise end it";
            let seen = format!("{process} has the store open, and does not answer on the admin socket");
            Finding::bad(CHECK, seen, remedy)
        }
        Ok(Holder::Nobody | Holder::NoStore) if answers => {
            let remedy = "put the data folder on a local disk: two hubs could use it at once";
            Finding::warn(CHECK, "a hub answers, but the file system shows no lock of its store", remedy)
        }
        Ok(Holder::Nobody) => Finding::ok(CHECK, "no process has the store open"),
        Ok(Holder::NoStore) => Finding::info(CHECK, "there is no database"),
        Err(error) => {
            Finding::warn(CHECK, format!("the lock of the store cannot be seen: {error}"), "run this as the hub's user")
        }
    }
}

/// What is kept for a rollback of the store's newest upgrade; no finding if nothing is.
pub(super) fn rollback(data: &Path, now_s: i64) -> Option<Finding> {
    const CHECK: &str = "rollback";
    if is_rollback_unfinished(data) {
        let remedy = format!("finish it with \"windfire --data {} rollback\"", data.display());
        return Some(Finding::bad(CHECK, "a rollback was interrupted, and no hub starts before its end", remedy));
    }
    let kept = kept_rollback(data)?;
    if let Err(error) = check_rollback(data) {
        let remedy = "if no rollback is needed, remove it with \"windfire storage --drop-rollback\"";
        return Some(Finding::warn(CHECK, error.to_string(), remedy));
    }
    let ends = match kept.ends_ms {
        Some(ms) => format!("in {}", span(ms.div_euclid(1000) - now_s)),
        None => "after 7 days".to_owned(),
    };
    let seen = format!(
        "{} has the store as it was in format {}; it takes {} and is removed {ends}",
        kept.folder.display(),
        kept.format,
        size(kept.bytes)
    );
    Some(Finding::info(CHECK, seen))
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;

    use super::*;

    #[test]
    fn a_folder_is_its_owners_alone() {
        let data = Path::new("/srv/windfire");
        for (found, own_uid, verdict, words) in [
            (Ok(Owner { uid: 7, mode: 0o40700 }), 7, Verdict::Ok, "mode 700"),
            (Ok(Owner { uid: 7, mode: 0o40700 }), 0, Verdict::Ok, "user 7"),
            (Ok(Owner { uid: 7, mode: 0o40700 }), 8, Verdict::Bad, "as user 7"),
            (Ok(Owner { uid: 7, mode: 0o40750 }), 7, Verdict::Bad, "chmod 700 /srv/windfire"),
            (Ok(Owner { uid: 0, mode: 0o41777 }), 0, Verdict::Bad, "a folder inside it"),
            (Err(io::ErrorKind::NotFound.into()), 7, Verdict::Bad, "--data"),
            (Err(io::ErrorKind::NotADirectory.into()), 7, Verdict::Bad, "--data"),
            (Err(io::ErrorKind::PermissionDenied.into()), 7, Verdict::Bad, "the user that the hub runs as"),
        ] {
            let finding = judge_owner(data, &found, own_uid);
            let said = windfire_doctor::text(std::slice::from_ref(&finding));
            assert!(finding.verdict == verdict && said.contains(words), "{said}");
        }
    }

    #[test]
    fn a_format_is_a_stores_or_says_what_is_missing() {
        let data = Path::new("/srv/windfire");
        let unusable = StoreError::Unusable { folder: PathBuf::from("/srv"), reason: "no".to_owned() };
        let newer = StoreError::NewerFormat { found: 9, supported: 6 };
        let name = Some("holiday.jpg".to_owned());
        for (format, is_begun, stranger, verdict, words) in [
            (Ok(Some(6)), false, &None, Verdict::Ok, "format 6"),
            (Ok(None), true, &None, Verdict::Warn, "start the hub again"),
            (Ok(None), false, &None, Verdict::Warn, "--data"),
            (Ok(None), false, &name, Verdict::Bad, "holiday.jpg"),
            (Err(newer), false, &None, Verdict::Bad, "newer hub"),
            (Err(unusable), false, &None, Verdict::Bad, "the hub's user"),
            (Err(StoreError::Other("odd".to_owned())), false, &None, Verdict::Bad, "restore a backup"),
        ] {
            let finding = judge_format(data, &format, is_begun, stranger);
            let said = windfire_doctor::text(std::slice::from_ref(&finding));
            assert!(finding.verdict == verdict && said.contains(words), "{said}");
        }
    }

    #[test]
    fn files_that_root_left_in_a_hubs_folder_are_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path();
        assert_eq!(judge_files(data, &owners(data)).verdict, Verdict::Bad, "no store");
        for name in ["rocksdb", "tls"] {
            fs::create_dir(data.join(name)).expect("made");
        }
        for name in ["FORMAT", "rocksdb/000007.sst", "tls/key.pem"] {
            fs::write(data.join(name), "").expect("room");
        }
        assert_eq!(judge_files(data, &owners(data)).verdict, Verdict::Ok);
        if !rustix::process::geteuid().is_root() {
            return windfire_bench::skipped!("needs root");
        }
        std::os::unix::fs::chown(data.join("rocksdb/000007.sst"), Some(54_321), None).expect("root may");
        let finding = judge_files(data, &owners(data));
        let said = windfire_doctor::text(std::slice::from_ref(&finding));
        assert!(finding.verdict == Verdict::Bad && said.contains("000007.sst belongs to user 54321"), "{said}");
        assert!(said.contains("chown -R 0 "), "{said}");
        // As after a restore that root ran into the folder of the hub's user.
        std::os::unix::fs::chown(data.join("rocksdb/000007.sst"), Some(0), None).expect("root may");
        std::os::unix::fs::chown(data, Some(54_321), None).expect("root may");
        let finding = judge_files(data, &owners(data));
        let said = windfire_doctor::text(std::slice::from_ref(&finding));
        assert!(finding.verdict == Verdict::Warn && said.contains("chown -R 54321 "), "{said}");
    }

    #[test]
    fn a_format_that_is_a_folder_a_pipe_or_endless_is_an_error() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path();
        assert_eq!(format(data), Ok(None));
        fs::create_dir(data.join("FORMAT")).expect("made");
        assert!(matches!(format(data), Err(StoreError::Unusable { .. })));
        fs::remove_dir(data.join("FORMAT")).expect("own");
        fs::write(data.join("FORMAT"), "x".repeat(10_000)).expect("room");
        assert!(matches!(format(data), Err(StoreError::Unusable { .. })));
        fs::write(data.join("FORMAT"), "windfire stor\0").expect("room");
        assert!(matches!(format(data), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn a_lock_is_the_running_hubs_or_a_fault() {
        let silent = Asked::Silent("no answer".to_owned());
        for (holder, asked, verdict) in [
            (Ok(Holder::Nobody), &Asked::Stopped, Verdict::Ok),
            (Ok(Holder::NoStore), &Asked::Stopped, Verdict::Info),
            (Ok(Holder::Process(Some(12))), &Asked::Stopped, Verdict::Bad),
            (Ok(Holder::Process(None)), &silent, Verdict::Bad),
            (Err(io::ErrorKind::PermissionDenied.into()), &Asked::Stopped, Verdict::Warn),
        ] {
            assert_eq!(judge_lock(&holder, asked).verdict, verdict);
        }
    }

    #[test]
    fn what_is_kept_for_a_rollback_is_shown_and_judged() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path();
        assert!(rollback(data, 0).is_none());
        for (name, verdict, words) in
            [("pre-5", Verdict::Warn, "ROLLBACK"), ("rolling-back", Verdict::Bad, "finish it")]
        {
            fs::create_dir(data.join(name)).expect("made");
            fs::write(data.join(name).join("FORMAT"), "windfire store 5\n").expect("room");
            let finding = rollback(data, 0).expect("a finding");
            let said = windfire_doctor::text(std::slice::from_ref(&finding));
            assert!(finding.verdict == verdict && said.contains(words), "{said}");
        }
    }
}

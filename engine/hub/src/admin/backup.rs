//! Backups of a hub: how they are created, checked and restored. `backup_list.rs` has the bytes of their file `BACKUP`.
//!
//! The file is written last. Until then there is `BACKUP.new`, and the backup is refused. A hub that starts on a backup
//! removes it. From then on the folder is a hub's data folder.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use windfire_engine::history::verify_unopened;
use windfire_engine::{Contents, Engine, Options, contents};

use super::Hub;
use super::VerifiedAnswer;
use super::backup_list::{self, FILE};
use super::history::verified_answer;
use crate::cluster::MEMBERSHIP_FILE;
use crate::folder::{self, Draft};
use crate::tls;
use crate::user::check_may_write;

/// Marks a backup that is not complete. The list is written to it, and then it gets the list's name.
const DRAFT: &str = "BACKUP.new";
/// Folder in the data folder into which a backup is copied first. Its contents are then moved to their place.
const RESTORING: &str = "restoring";
/// Folder in the data folder for a backup that is handed over to another hub.
pub(super) const SENDING: &str = "sending";
/// Parts of a backup that are restored, in the order in which they are moved to their place. `FORMAT` comes last, as it
/// marks the folder as a hub's.
const RESTORED: [&str; 4] = ["tls", "rocksdb", MEMBERSHIP_FILE, "FORMAT"];
/// Names that a backup may have in it, complete or not.
const NAMES: [&str; 8] = ["rocksdb", "rocksdb.tmp", "FORMAT", "FORMAT.new", "tls", MEMBERSHIP_FILE, DRAFT, FILE];

/// Copies the data folder of a hub that is asked by the command line.
pub(super) fn backup(hub: &Hub<'_>, to: &Path) -> Result<(), String> {
    copy_hub(hub.engine, hub.data, to)
}

/// Copies the data folder to `to`, so that a hub can be started on the copy.
pub(super) fn copy_hub(engine: &Engine, data: &Path, to: &Path) -> Result<(), String> {
    if fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(format!("backup {} is not empty: name a new folder", to.display()));
    }
    let certificate = tls::missing(data)?;
    if let Some(missing) = certificate {
        return Err(format!(
            "data folder {} has no {missing}, by which agents verify this hub: put it back before a backup",
            data.display()
        ));
    }
    let draft = Draft::new(to, &NAMES)?;
    let failed = |error: &dyn std::fmt::Display| format!("backup {}: {error}", to.display());
    engine.backup(to).map_err(|error| failed(&error))?;
    // The store is complete now, and a hub that is killed from here on leaves a certificate that may not be.
    fs::write(to.join(DRAFT), "").map_err(|error| failed(&error))?;
    folder::copy(&data.join("tls"), &to.join("tls")).map_err(|error| failed(&error))?;
    if data.join(MEMBERSHIP_FILE).exists() {
        folder::copy(&data.join(MEMBERSHIP_FILE), &to.join(MEMBERSHIP_FILE)).map_err(|error| failed(&error))?;
    }
    let contents = contents(to).map_err(|error| failed(&error))?;
    write(to, contents).map_err(|error| failed(&error))?;
    draft.done();
    Ok(())
}

fn write(folder: &Path, contents: Contents) -> io::Result<()> {
    let mut files = Vec::new();
    list(folder, "", &mut files)?;
    files.retain(|(path, _)| path != DRAFT);
    files.sort();
    let draft = folder.join(DRAFT);
    fs::write(&draft, backup_list::text(contents, files.iter().map(|(path, bytes)| (path.as_str(), *bytes))))?;
    fs::File::open(&draft)?.sync_all()?;
    fs::rename(draft, folder.join(FILE))
}

fn list(folder: &Path, below: &str, files: &mut Vec<(String, u64)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        let found = entry.metadata()?;
        if found.is_dir() {
            list(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push((path, found.len()));
        }
    }
    Ok(())
}

/// The contents that a backup lists, after a check that its files have the listed sizes. `None` for a backup of an
/// older hub, which has no list.
fn check_files(backup: &Path) -> Result<Option<Contents>, String> {
    let wrong = |what: &str| format!("backup {} is incomplete or damaged: {what}", backup.display());
    let text = match fs::read_to_string(backup.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && backup.join(DRAFT).exists() => {
            return Err(wrong("its hub was stopped before the end, so create another"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|error| wrong(&format!("{FILE}: {error}")))?,
    };
    let said = backup_list::parse(&text).ok_or_else(|| wrong(&format!("its file {FILE} is damaged")))?;
    for (path, bytes) in said.files {
        match fs::symlink_metadata(backup.join(path)) {
            Ok(found) if found.is_file() && found.len() == bytes => {}
            Ok(found) if found.is_file() => {
                return Err(wrong(&format!("{path} has {} of {bytes} bytes", found.len())));
            }
            Ok(found) if found.is_symlink() => {
                return Err(wrong(&format!("{path} is a symbolic link, which is not followed: put the file there")));
            }
            _ => return Err(wrong(&format!("{path} is missing"))),
        }
    }
    Ok(Some(said.contents))
}

fn compare(folder: &Path, said: Option<Contents>) -> Result<(), String> {
    if said.is_none() {
        // A backup of an older hub has no list to compare with. It is read completely when it is opened next.
        return Ok(());
    }
    let found = contents(folder).map_err(|error| error.to_string())?;
    match said {
        Some(said) if said != found => Err(format!(
            "the store differs from the backup: it has {} servers, {} commits and {} changes instead of {}, {} and {}",
            found.servers, found.commit, found.change, said.servers, said.commit, said.change
        )),
        _ => Ok(()),
    }
}

/// Whether a folder is a backup, complete or not, on which no hub was started yet.
pub(super) fn is_backup(folder: &Path) -> bool {
    [FILE, DRAFT].iter().any(|name| folder.join(name).exists())
}

/// Removes the list of contents: a hub runs on this folder now and changes them. Also removes what an earlier process
/// was handing over when it was killed.
pub(crate) fn is_a_hub_now(data: &Path) {
    for name in [FILE, DRAFT] {
        let _was_no_backup = fs::remove_file(data.join(name));
    }
    folder::remove(&data.join(SENDING));
}

/// Compares a backup with its list and checks every block. It changes nothing.
pub(super) fn verify(backup: &Path) -> Result<VerifiedAnswer, String> {
    let said = check_files(backup)?;
    compare(backup, said)?;
    verify_unopened(backup).map(verified_answer).map_err(|error| error.to_string())
}

/// Creates the data folder from a backup. An incomplete backup changes nothing.
pub(crate) fn restore(backup: &Path, data: &Path, with_new_certificate: bool) -> Result<(), String> {
    check_is_new(data)?;
    if !windfire_engine::is_store(backup) {
        return Err(format!(
            "{} is not a backup: it has no file FORMAT; name a folder that \"windfire backup\" created",
            backup.display()
        ));
    }
    let said = check_files(backup)?;
    let missing = tls::missing(backup)?;
    if let Some(missing) = missing.filter(|_| !with_new_certificate) {
        return Err(format!(
            "backup {} has no {missing}, by which agents verify their hub: put it there, or restore with \
             --new-certificate, start the hub with --new-certificate, and give every agent the new fingerprint",
            backup.display()
        ));
    }
    let copy = |beside: &Path| -> Result<Option<Contents>, String> {
        let is_wanted = |name: &&str| match *name {
            "tls" => missing.is_none(),
            MEMBERSHIP_FILE => backup.join(MEMBERSHIP_FILE).exists(),
            _ => true,
        };
        let mut wanted = RESTORED.into_iter().filter(is_wanted);
        wanted.try_for_each(|name| folder::copy(&backup.join(name), &beside.join(name)))?;
        Ok(said)
    };
    // The backup itself stays what it is, so the copy needs no way back.
    let options = Options { without_rollback: true, ..Options::default() };
    fill(data, options, copy, |_| Ok(()))
        .map_err(|error: String| format!("restore to {}: {error}; nothing was restored", data.display()))?;
    folder::close(data)
}

/// Refuses a data folder that has something in it. What an interrupted restore has left there is removed.
pub(crate) fn check_is_new(data: &Path) -> Result<(), String> {
    check_may_write(data)?;
    if !windfire_engine::is_store(data) {
        folder::remove(&data.join(RESTORING));
    }
    let stranger = folder::stranger(data).map_err(|error| format!("data folder {}: {error}", data.display()))?;
    match stranger {
        None => Ok(()),
        Some(name) => {
            let data = data.display();
            Err(format!("data folder {data} is not empty: it has {name:?}; name a new one with --data"))
        }
    }
}

/// Creates a data folder: `copy` puts a hub's files into a folder and says what the store must hold, all of it is read,
/// as at a start, and `check` looks at it. If any of this fails, nothing is left.
pub(crate) fn fill<E: From<String>>(
    data: &Path,
    options: Options,
    copy: impl FnOnce(&Path) -> Result<Option<Contents>, E>,
    check: impl FnOnce(&Engine) -> Result<(), E>,
) -> Result<(), E> {
    let draft = Draft::new(data, &[RESTORING, "tls", "rocksdb", MEMBERSHIP_FILE, "FORMAT"])?;
    let beside = data.join(RESTORING);
    fs::create_dir(&beside).map_err(|error| error.to_string())?;
    let said = copy(&beside)?;
    compare(&beside, said)?;
    let engine = Engine::open(&beside, options).map_err(|error| error.to_string())?;
    check(&engine)?;
    drop(engine);
    for name in RESTORED.into_iter().filter(|name| beside.join(name).exists()) {
        fs::rename(beside.join(name), data.join(name)).map_err(|error| error.to_string())?;
    }
    draft.done();
    folder::remove(&beside);
    Ok(())
}

/// Saves the readable part of a damaged data folder into a new one, without changing the damaged one. Returns a text
/// for the operator.
pub(crate) fn salvage(data: &Path, new: &Path) -> Result<String, String> {
    if !data.join("rocksdb").is_dir() {
        return Err(format!("data folder {} has no folder rocksdb: name the right one with --data", data.display()));
    }
    let is_used = fs::read_dir(new).is_ok_and(|mut entries| entries.next().is_some());
    if is_used || new.starts_with(data) {
        let why = if is_used { "is not empty" } else { "is inside the damaged one" };
        return Err(format!("folder {} {why}: name a new one", new.display()));
    }
    let draft = Draft::new(new, &["rocksdb", "repairing", "FORMAT", "FORMAT.new", "DURABLE", "tls"])?;
    let failed = |error: &dyn std::fmt::Display| format!("data folder {} cannot be saved: {error}", data.display());
    let mut saved = windfire_engine::salvage(data, new).map_err(|error| failed(&error))?;
    if let Err(error) = folder::copy(&data.join("tls"), &new.join("tls")) {
        folder::remove(&new.join("tls"));
        saved.lost.push(format!(
            "the certificate ({error}): start with --new-certificate, and give agents the new fingerprint"
        ));
        saved.lost_places += 1;
    }
    draft.done();
    let mut text = String::new();
    for family in saved.families.iter().filter(|family| family.pairs > 0) {
        let _into_a_string = writeln!(text, "{:<14} {:>9} records, {} bytes", family.name, family.pairs, family.bytes);
    }
    let _into_a_string = writeln!(text, "{} places could not be read", saved.lost_places);
    for lost in &saved.lost {
        let _into_a_string = writeln!(text, "lost: {lost}");
    }
    let place = new.display();
    let _into_a_string =
        write!(text, "{place} has all that could be read: check it with --data {place} verify, then start a hub on it");
    Ok(text)
}

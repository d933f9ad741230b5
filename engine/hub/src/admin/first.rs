//! What a new store begins with: an administrator, and the rules of alerts that every hub has.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use windfire_engine::Engine;
use windfire_engine::secret::new_password;
use windfire_engine::user::{PasswordHash, Role};

use crate::config::FIRST_PASSWORD;

/// Name of the first administrator.
pub(crate) const ADMINISTRATOR: &str = "admin";

/// Creates the first administrator of a new store. Its password goes into `file`, or else to standard output, so that
/// no log keeps it.
///
/// # Errors
/// The file cannot be written, or the store. Then there is no administrator yet, and the next start tries again.
pub(crate) fn make_administrator(engine: &Engine, file: Option<&Path>, now_s: i64) -> Result<(), String> {
    if !engine.registry().users().is_empty() {
        return Ok(());
    }
    let password = new_password();
    let hash = PasswordHash::of(&password)?;
    // Before there is a user: the password of one that exists could not be told any more.
    if let Some(path) = file {
        keep(path, &password).map_err(|error| {
            let remedy = "name a file in a folder of the hub's user";
            format!("first_password_file = {path:?} cannot be written: {error}: {remedy}")
        })?;
    }
    engine
        .registry()
        .add_user(ADMINISTRATOR.to_owned(), Role::Admin, hash, now_s)
        .map_err(|error| error.to_string())?;
    match file {
        Some(path) => tracing::info!(file = %path.display(), "user {ADMINISTRATOR}: the password is in this file"),
        None => print(&password),
    }
    Ok(())
}

/// Writes a file that only its owner can read.
fn keep(path: &Path, password: &str) -> io::Result<()> {
    // One of an earlier hub may be open to others, or be a link to elsewhere.
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(format!("{password}\n").as_bytes())?;
    file.sync_all()?;
    // And its name: after a power cut there would be a user whose password nobody can read.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// Removes the file of the first password, which is not valid any more. If none is configured for this process, it is
/// the one that a hub with a state folder writes: that folder is its data folder.
pub(super) fn forget(file: Option<&Path>, data: &Path) {
    let path = file.map_or_else(|| data.join(FIRST_PASSWORD), Path::to_owned);
    // Nothing but such a file: a device may have been named.
    if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        return;
    }
    if let Err(error) = fs::remove_file(&path) {
        tracing::warn!(file = %path.display(), %error, "delete this file: its password is not valid any more");
    }
}

fn print(password: &str) {
    // In one write, and separated from log lines that the same terminal may show.
    let rule = "-".repeat(72);
    let lines = format!(
        "\n{rule}\nadministrator: user {ADMINISTRATOR}, password {password} (shown once)\nIt is for the panel. \"windfire \
         admin password\" creates a new one.\n{rule}\n\n"
    );
    if io::stdout().write_all(lines.as_bytes()).is_err() {
        tracing::warn!("the administrator's password was not printed: \"windfire admin password\" creates a new one");
    }
}

/// Creates the rules of alerts of a new store. On a disk that takes no writes, the next start tries again.
pub(crate) fn begin_rules(engine: &Engine, now_s: i64) {
    if let Err(error) = engine.registry().begin_rules(now_s) {
        tracing::warn!(%error, "the default rules of alerts were not created: the next start tries again");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn the_file_of_the_password_is_new_and_its_owners_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (path, elsewhere) = (folder.path().join("first-password"), folder.path().join("elsewhere"));
        fs::write(&elsewhere, "other").expect("written");
        symlink(&elsewhere, &path).expect("made");
        for password in ["first", "second"] {
            keep(&path, password).expect("written");
            let found = fs::symlink_metadata(&path).expect("there");
            assert!(found.is_file());
            assert_eq!(found.permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::read_to_string(&path).expect("there"), format!("{password}\n"));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("own");
        }
        assert_eq!(fs::read_to_string(&elsewhere).expect("there"), "other");
        assert!(keep(&folder.path().join("no/such/folder"), "x").is_err());
    }

    #[test]
    fn the_file_goes_when_its_password_does() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (usual, other) = (folder.path().join("first-password"), folder.path().join("other"));
        keep(&usual, "x").expect("written");
        keep(&other, "x").expect("written");
        forget(Some(&other), folder.path());
        assert!(!other.exists() && usual.exists());
        symlink(&usual, &other).expect("made");
        forget(Some(&other), folder.path());
        assert!(fs::symlink_metadata(&other).is_ok() && usual.exists(), "what the hub did not write stays");
        forget(None, folder.path());
        assert!(!usual.exists());
        forget(None, folder.path());
    }
}

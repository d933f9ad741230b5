//! Which cluster a data folder belongs to: a file with the cluster's id, which backups have too.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use windfire_cluster::ClusterId;

/// The file in the data folder.
pub(crate) const FILE: &str = "CLUSTER";
/// The same while the cluster is created.
const DRAFT: &str = "CLUSTER.new";
/// Random bytes of an id.
const ID_BYTES: usize = 16;

/// The cluster of a data folder; none if the hub is alone.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub(super) fn read(data: &Path) -> Result<Option<ClusterId>, String> {
    read_file(&data.join(FILE))
}

/// Whether a data folder belongs to a cluster, or to one that is not readable any more.
pub(crate) fn is_member(data: &Path) -> bool {
    data.join(FILE).exists()
}

/// The cluster that is created, with the id of an earlier attempt if there was one.
///
/// # Errors
/// The file cannot be read or written.
pub(super) fn begin(data: &Path) -> Result<ClusterId, String> {
    if let Some(known) = read(data)? {
        return Ok(known);
    }
    let path = data.join(DRAFT);
    if let Some(begun) = read_file(&path)? {
        return Ok(begun);
    }
    let id = new_id()?;
    let write = || {
        let mut file = fs::File::create(&path)?;
        file.write_all(format!("{id}\n").as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error: io::Error| format!("{}: {error}", path.display()))?;
    Ok(id)
}

/// The cluster is created: the folder belongs to it.
///
/// # Errors
/// The file cannot be renamed.
pub(super) fn finish(data: &Path) -> Result<(), String> {
    let path = data.join(FILE);
    match fs::rename(data.join(DRAFT), &path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.exists() => Ok(()),
        renamed => renamed.and_then(|()| fs::File::open(data)?.sync_all()),
    }
    .map_err(|error| format!("{}: {error}", path.display()))
}

/// The folder belongs to no cluster any more.
///
/// # Errors
/// The file cannot be removed.
pub(super) fn leave(data: &Path) -> Result<(), String> {
    let path = data.join(FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // Only then may anything that the membership needs be forgotten.
        removed => removed.and_then(|()| fs::File::open(data)?.sync_all()),
    }
    .map_err(|error| format!("{}: {error}", path.display()))
}

fn read_file(path: &Path) -> Result<Option<ClusterId>, String> {
    let wrong = |why: &str| format!("{}: {why}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => match text.trim_end().parse() {
            Ok(id) => Ok(Some(id)),
            Err(_) => Err(wrong("it has no id of a cluster in it: restore a backup of this hub or of another")),
        },
        // A folder that cannot be is told by whoever makes it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

fn new_id() -> Result<ClusterId, String> {
    let bytes: [u8; ID_BYTES] = random()?;
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.parse().map_err(|error: windfire_cluster::NameError| error.to_string())
}

/// Bytes that nobody had before.
///
/// # Errors
/// The operating system gives none.
pub(super) fn random<const N: usize>() -> Result<[u8; N], String> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| "the operating system gives no randomness".to_owned())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stays_the_same_through_attempts_and_belongs_to_the_folder_only_at_the_end() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path();
        assert_eq!(read(data), Ok(None));
        let first = begin(data).expect("room");
        assert_eq!((begin(data), read(data)), (Ok(first.clone()), Ok(None)));
        finish(data).expect("room");
        assert_eq!((begin(data), read(data)), (Ok(first.clone()), Ok(Some(first))));
        finish(data).expect("it is finished");
        leave(data).expect("there");
        assert_eq!(read(data), Ok(None));
        leave(data).expect("it has left");
        begin(data).and_then(|_| finish(data)).expect("room");
        let other = tempfile::tempdir().expect("a temporary folder");
        assert_ne!(begin(other.path()), begin(data));
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for text in ["", "\n", "A", "a b"] {
            fs::write(folder.path().join(FILE), text).expect("written");
            let error = read(folder.path()).expect_err("damaged");
            assert!(error.contains("CLUSTER") && error.contains("restore"), "{error}");
        }
    }
}

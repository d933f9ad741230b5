//! Which cluster a data folder belongs to: a file with the cluster's id, which backups have too.
//!
//! The name of the cluster is in its second line, so that another name is told before the brokers are asked for streams
//! that they do not have. Files of the first hubs have no name, and stay valid.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};
use windfire_cluster::{ClusterId, ClusterName};

/// The file in the data folder.
pub(crate) const FILE: &str = "CLUSTER";
/// The same while the cluster is created.
const DRAFT: &str = "CLUSTER.new";
/// Random bytes of an id.
const ID_BYTES: usize = 16;

/// The cluster that a file names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    id: ClusterId,
    /// None in a file of the first hubs.
    name: Option<ClusterName>,
}

impl Known {
    /// The id, for a hub of the data folder that was told that name.
    ///
    /// # Errors
    /// The cluster has another name.
    pub(super) fn called(self, name: &ClusterName, data: &Path) -> Result<ClusterId, String> {
        match self.name {
            Some(own) if own != *name => {
                let (data, own, name) = (data.display(), own.to_string(), name.to_string());
                Err(format!(
                    "data folder {data} belongs to the cluster {own:?}, and cluster_name = {name:?}: give cluster_name \
                     = {own:?}, or another data folder"
                ))
            }
            _ => Ok(self.id),
        }
    }
}

/// The cluster of a data folder; none if the hub is alone.
///
/// # Errors
/// The file cannot be read, or is damaged.
pub(super) fn read(data: &Path) -> Result<Option<Known>, String> {
    read_file(&data.join(FILE))
}

/// The id of a cluster, from the text of a file.
///
/// # Errors
/// It has none.
pub(super) fn id_of(text: &str) -> Result<ClusterId, String> {
    parse(text).map(|known| known.id).ok_or_else(|| format!("{FILE} has no id of a cluster in it"))
}

/// Whether a data folder belongs to a cluster, or to one that is not readable any more.
pub(crate) fn is_member(data: &Path) -> bool {
    data.join(FILE).exists()
}

/// The cluster that is created, with the id of an earlier attempt under this name if there was one.
///
/// # Errors
/// The file cannot be read or written, or the folder belongs to a cluster with another name.
pub(super) fn begin(data: &Path, name: &ClusterName) -> Result<ClusterId, String> {
    if let Some(known) = read(data)? {
        return known.called(name, data);
    }
    let path = data.join(DRAFT);
    // An attempt under another name has made nothing that anybody uses.
    if let Some(begun) = read_file(&path)?.filter(|begun| begun.name.as_ref().is_none_or(|own| own == name)) {
        return Ok(begun.id);
    }
    let id = new_id()?;
    let write = || {
        let mut file = fs::File::create(&path)?;
        file.write_all(format!("{id}\n{name}\n").as_bytes())?;
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

fn read_file(path: &Path) -> Result<Option<Known>, String> {
    let wrong = |why: &str| format!("{}: {why}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => match parse(&text) {
            Some(known) => Ok(Some(known)),
            None => Err(wrong("it has no id of a cluster in it: restore a backup of this hub or of another")),
        },
        // A folder that cannot be is told by whoever makes it.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

/// Reads the text of a file: the id, and the name if it has one.
fn parse(text: &str) -> Option<Known> {
    let (id, name) = match text.trim_end().split_once('\n') {
        Some((id, name)) => (id, Some(name.parse().ok()?)),
        None => (text.trim_end(), None),
    };
    Some(Known { id: id.parse().ok()?, name })
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
        let (data, name) = (folder.path(), name("prod"));
        assert_eq!(read(data), Ok(None));
        let first = begin(data, &name).expect("room");
        assert_eq!((begin(data, &name), read(data)), (Ok(first.clone()), Ok(None)));
        finish(data).expect("room");
        let known = Known { id: first.clone(), name: Some(name.clone()) };
        assert_eq!((begin(data, &name), read(data)), (Ok(first), Ok(Some(known))));
        finish(data).expect("it is finished");
        leave(data).expect("there");
        assert_eq!(read(data), Ok(None));
        leave(data).expect("it has left");
        begin(data, &name).and_then(|_| finish(data)).expect("room");
        let other = tempfile::tempdir().expect("a temporary folder");
        assert_ne!(begin(other.path(), &name), begin(data, &name));
    }

    #[test]
    fn another_name_is_told_and_a_file_without_a_name_fits_any() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (data, first, second) = (folder.path(), name("prod"), name("test"));
        // A name that was given by mistake, before anything was finished.
        let mistaken = begin(data, &second).expect("room");
        let id = begin(data, &first).expect("room");
        assert_ne!(id, mistaken);
        finish(data).expect("room");
        let called = |name: &ClusterName| read(data).expect("readable").expect("there").called(name, data);
        assert_eq!(called(&first), Ok(id.clone()));
        for refused in [called(&second), begin(data, &second)] {
            let error = refused.expect_err("another name");
            assert!(error.contains("\"prod\"") && error.contains("cluster_name = \"test\""), "{error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let text = fs::read_to_string(data.join(FILE)).expect("written");
        assert_eq!((text.as_str(), id_of(&text)), (format!("{id}\nprod\n").as_str(), Ok(id.clone())));
        fs::write(data.join(FILE), format!("{id}\n")).expect("written");
        assert_eq!((called(&first), called(&second)), (Ok(id.clone()), Ok(id)));
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for text in ["", "\n", "A", "a b", "a\nB", "a\nb\nc", "\nb"] {
            fs::write(folder.path().join(FILE), text).expect("written");
            let error = read(folder.path()).expect_err("damaged");
            assert!(error.contains("CLUSTER") && error.contains("restore"), "{error}");
            assert!(id_of(text).is_err(), "{text:?}");
        }
    }

    fn name(text: &str) -> ClusterName {
        text.parse().expect("a name")
    }
}

//! The store's version, in a file next to RocksDB's folder, so that a newer store is refused before anything is opened.
//! A folder that has it is a hub's.
//!
//! Versions, newest first:
//! * 6: alerts: families `rules`, `channels`, `silences`, `alerts`, `notices`, `alert_log`.
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

/// The format of this hub.
pub(super) const VERSION: u32 = 6;
/// Name of the file.
pub(super) const FILE: &str = "FORMAT";
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
    Ok(match store_format(folder)? {
        Some(VERSION) => Found::Current,
        Some(_) => Found::Older,
        None => Found::New,
    })
}

/// The version of the store in `folder`, which is this hub's or an older one. `None` if there is no store. Makes and
/// changes nothing.
///
/// # Errors
/// The version is newer, the file does not say one, or it cannot be read.
pub fn store_format(folder: &Path) -> Result<Option<u32>, StoreError> {
    let path = folder.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => match version(&text) {
            Some(found @ 1..=VERSION) => Ok(Some(found)),
            Some(found) => Err(StoreError::NewerFormat { found, supported: VERSION }),
            None => Err(Corrupt::at(path.display().to_string()).into()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        // It is no text.
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(Corrupt::at(path.display().to_string()).into()),
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

#[cfg(test)]
pub(super) mod tests {
    use rocksdb::{DB, Options};

    use super::*;
    use crate::history::verify_unopened;
    use crate::secret::SecretHash;
    use crate::server::ServerRecord;
    use crate::store::options::DB_FOLDER;
    use crate::store::{Store, contents, key, servers};

    /// Families of format 5.
    pub(in crate::store) const FAMILIES_OF_5: usize = 14;

    /// A store as a hub of format 5 left it, with one server.
    pub(in crate::store) fn make_store_of_5(folder: &Path) {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = DB::open_cf(&options, folder.join(DB_FOLDER), &key::FAMILIES[..FAMILIES_OF_5]).expect("a database");
        let server = ServerRecord {
            id: 7,
            name: "old".to_owned(),
            tag: String::new(),
            note: String::new(),
            display_index: 0,
            hide_for_guest: false,
            country: String::new(),
            credential: SecretHash::of("a credential"),
            created_s: 0,
        };
        let family = db.cf_handle(key::SERVERS).expect("a family of format 5");
        db.put_cf(family, key::id_key(server.id), servers::write(&server)).expect("room");
        db.flush_wal(true).expect("room");
        say(folder, 5);
    }

    pub(in crate::store) fn say(folder: &Path, version: u32) {
        fs::write(folder.join(FILE), format!("{PREFIX}{version}\n")).expect("room");
    }

    pub(in crate::store) fn said(folder: &Path) -> String {
        fs::read_to_string(folder.join(FILE)).expect("there")
    }

    pub(in crate::store) fn names(store: &Store) -> Vec<String> {
        let servers = store.scan_ids(key::SERVERS, servers::read).expect("readable");
        servers.into_iter().map(|server| server.name).collect()
    }

    #[test]
    fn a_store_of_format_5_keeps_what_it_has_and_gets_the_families_of_alerts() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        make_store_of_5(folder.path());
        // To look at it, as at a backup, changes nothing.
        assert_eq!(store_format(folder.path()), Ok(Some(5)));
        assert_eq!(contents(folder.path()).expect("readable").servers, 1);
        assert_eq!(verify_unopened(folder.path()).expect("readable").corrupt, [""; 0], "it lacks nothing that it had");
        assert_eq!(said(folder.path()), "windfire store 5\n");
        let store = Store::open(folder.path(), None).expect("opened");
        assert_eq!((names(&store), said(folder.path())), (vec!["old".to_owned()], "windfire store 6\n".to_owned()));
        for family in key::FAMILIES.into_iter().skip(FAMILIES_OF_5) {
            let mut changes = crate::store::Changes::default();
            changes.put(family, &key::id_key(1), vec![1]);
            store.write_synced(&changes).expect("room");
            assert_eq!(
                store.scan_ids(family, |id, value| Ok((id, value.to_vec()))),
                Ok(vec![(1, vec![1])]),
                "{family}"
            );
        }
        drop(store);
        assert_eq!(names(&Store::open(folder.path(), None).expect("opened again")), ["old"]);
    }

    #[test]
    fn a_store_of_this_format_without_one_of_its_families_is_corrupt() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        make_store_of_5(folder.path());
        say(folder.path(), VERSION);
        let corrupt = verify_unopened(folder.path()).expect("readable").corrupt;
        println!("{corrupt:#?}");
        assert_eq!(corrupt.len(), key::FAMILIES.len() - FAMILIES_OF_5);
        assert!(corrupt.iter().any(|name| name.contains("column family rules, which is missing")), "{corrupt:?}");
    }

    #[test]
    fn a_store_of_a_newer_format_is_refused_and_not_touched() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        drop(Store::open(folder.path(), None).expect("a new store"));
        say(folder.path(), VERSION + 1);
        let refused = Store::open(folder.path(), None).err();
        assert_eq!(refused, Some(StoreError::NewerFormat { found: VERSION + 1, supported: VERSION }));
        assert!(store_format(folder.path()).is_err_and(|error| Some(error) == refused));
        assert_eq!(said(folder.path()), format!("{PREFIX}{}\n", VERSION + 1));
    }
}

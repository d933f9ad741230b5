//! Why a store fails.

use std::io;
use std::path::{Path, PathBuf};

use crate::record::Corrupt;

/// Why the store cannot be opened, read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("data folder {folder} is in use by another hub: stop it, or choose another folder with --data")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder cannot be made, read or written.
    #[error("data folder {folder} cannot be used: {reason}")]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The disk reports an I/O error.
    #[error(
        "data folder {folder} cannot be used: {reason}: the disk has a fault, which the kernel's log describes. If it does not \
         go away, save what can be read with \"windfire salvage NEW_FOLDER\""
    )]
    Faulty {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// The disk has no room.
    #[error("no space left for data folder {folder}: free some, or move the folder to a larger disk")]
    DiskFull {
        /// The folder.
        folder: PathBuf,
    },
    /// A newer hub wrote the store.
    #[error("store format {found} is newer than this hub's {supported}: use the newer hub, nothing was changed")]
    NewerFormat {
        /// Version found.
        found: u32,
        /// Newest version this hub knows.
        supported: u32,
    },
    /// What a rollback needs could not be kept, so a store of an older format was not upgraded.
    #[error(
        "data folder {folder} has a store of format {format}, and what a rollback needs cannot be kept: {reason}. It takes \
         {bytes} bytes, and {bytes_without_links} where the disk has no hard links. Nothing was upgraded. Free some space, or \
         start once with \"windfire serve --without-rollback\": then only a backup leads back"
    )]
    NoRollback {
        /// The folder.
        folder: PathBuf,
        /// Format of the store.
        format: u32,
        /// What failed.
        reason: String,
        /// Bytes that are copied in any case.
        bytes: u64,
        /// Bytes that are copied where files cannot be linked.
        bytes_without_links: u64,
    },
    /// A rollback was interrupted.
    #[error(
        "a rollback of data folder {folder} was interrupted: finish it with \"windfire --data {folder} rollback\". Nothing was \
         changed"
    )]
    RollbackUnfinished {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder says that it has a store, and the database is not there.
    #[error(
        "data folder {folder} has a file FORMAT but no database: {missing} is not there. Put it back, or restore a backup into \
         another folder; to start empty, name another folder with --data. Nothing was changed"
    )]
    NoDatabase {
        /// The folder.
        folder: PathBuf,
        /// What is missing.
        missing: String,
    },
    /// The write-ahead log went missing, whole or in part.
    #[error(
        "data folder {folder} has lost acknowledged data: changes up to number {durable} were on disk, and the database knows \
         them up to {found} only. A file {folder}/rocksdb/*.log is missing or shorter than it was: put it back, or restore a \
         backup, or save what is left with \"windfire salvage NEW_FOLDER\""
    )]
    LogLost {
        /// The folder.
        folder: PathBuf,
        /// Number of a change that was on disk.
        durable: u64,
        /// Number of the newest that is there.
        found: u64,
    },
    /// A table file is not there, or is shorter or longer than it was.
    #[error(
        "data folder {folder} has lost stored data: its file {folder}/{file} {state}: put it back, or restore a backup, or \
         save what is left with \"windfire salvage NEW_FOLDER\""
    )]
    TableLost {
        /// The folder.
        folder: PathBuf,
        /// The file, by its path in the folder.
        file: String,
        /// What is wrong with it.
        state: String,
    },
    /// Stored bytes do not mean anything.
    #[error("the store is {0}")]
    Corrupt(#[from] Corrupt),
    /// RocksDB reports something else.
    #[error("store: {0}")]
    Other(String),
}

impl StoreError {
    /// What cannot be read, if one place may be all that is wrong: its bytes mean nothing, or the disk cannot read them.
    pub(crate) fn damage(&self) -> Option<String> {
        match self {
            Self::Corrupt(corrupt) => Some(corrupt.to_string()),
            Self::Faulty { reason, .. } => Some(reason.clone()),
            _ => None,
        }
    }

    pub(super) fn unusable(folder: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull => Self::DiskFull { folder: folder.to_owned() },
            _ => Self::Unusable { folder: folder.to_owned(), reason: error.to_string() },
        }
    }

    pub(super) fn from_rocksdb(folder: &Path, error: &rocksdb::Error) -> Self {
        let text = error.to_string();
        let folder = folder.to_owned();
        if text.contains("No space left") {
            Self::DiskFull { folder }
        } else if text.contains("While lock file") || text.contains("lock hold by current process") {
            Self::Locked { folder }
        } else if error.kind() == rocksdb::ErrorKind::Corruption {
            Corrupt::at(text.trim_start_matches("Corruption: ").to_owned()).into()
        } else if text.contains("Input/output error") {
            Self::Faulty { folder, reason: text }
        } else if error.kind() == rocksdb::ErrorKind::IOError {
            Self::Unusable { folder, reason: text }
        } else {
            Self::Other(text)
        }
    }
}

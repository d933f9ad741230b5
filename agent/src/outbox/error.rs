//! Errors of an outbox.

use std::io;
use std::path::{Path, PathBuf};

use windfire_wire::WireError;

use super::numbers::NEXT_MAX;

/// Why a report was not kept.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The outbox holds all it may until the hub acknowledges some.
    #[error("the outbox is full")]
    Full,
    /// The report cannot be sent.
    #[error(transparent)]
    Report(#[from] WireError),
}

/// Why a connection cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WelcomeError {
    /// The hub's numbers leave none for this agent.
    #[error("the next report of this server would have number {next}, and {NEXT_MAX} is the highest that can be used")]
    Numbers {
        /// As the hub said.
        next: u64,
    },
}

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another agent has it open.
    #[error("spool {folder} is in use by another agent: stop it, or give each its own folder")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The system refused.
    #[error("spool {path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The state is not readable.
    #[error("spool {path} is not readable: move the folder away to start an empty one, or use the agent that wrote it")]
    State {
        /// The file.
        path: PathBuf,
    },
}

impl SpoolError {
    /// Whether the disk has no room.
    pub(super) fn is_of_full_disk(&self) -> bool {
        let kinds = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        matches!(self, Self::Io { error, .. } if kinds.contains(&error.kind()))
    }

    /// Whether it is the disk that refuses, and not the way in which the agent was set up.
    pub(super) fn is_of_disk(&self) -> bool {
        let is_sick = |error: &io::Error| error.kind() == io::ErrorKind::ReadOnlyFilesystem || is_fault(error);
        self.is_of_full_disk() || matches!(self, Self::Io { error, .. } if is_sick(error))
    }
}

/// Whether a device failed or is gone, or a file system found itself damaged.
#[cfg(unix)]
fn is_fault(error: &io::Error) -> bool {
    use rustix::io::Errno;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const MORE: [Errno; 2] = [Errno::UCLEAN, Errno::REMOTEIO];
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const MORE: [Errno; 0] = [];
    // File systems with checksums have their own words for a bad sector.
    let usual = [Errno::IO, Errno::NXIO, Errno::NODEV, Errno::STALE, Errno::BADMSG, Errno::ILSEQ, Errno::TIMEDOUT];
    let faults = [&usual[..], &MORE].concat();
    Errno::from_io_error(error).is_some_and(|errno| faults.contains(&errno))
}

#[cfg(not(unix))]
fn is_fault(_: &io::Error) -> bool {
    false
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> SpoolError + '_ {
    move |error| SpoolError::Io { path: path.to_owned(), error }
}

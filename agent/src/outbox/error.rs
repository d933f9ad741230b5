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
    /// The spool cannot be written.
    #[error(transparent)]
    Spool(#[from] SpoolError),
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
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
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

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> SpoolError + '_ {
    move |error| SpoolError::Io { path: path.to_owned(), error }
}

//! Options and errors of a collector.

use std::path::PathBuf;

/// Values to read besides v0's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectorOptions {
    /// Temperature sensors; off by default, as in v0.
    pub temperatures: bool,
    /// GPUs; off by default, as in v0.
    pub gpu: bool,
    /// Public addresses to report, `v4/v6`; empty lets the hub use the connection's address.
    pub ip: String,
    /// File that keeps transfers over a restart of the agent. Without one they begin with the interfaces' counters at
    /// the start.
    pub transfers: Option<PathBuf>,
    /// Folder where the host's root is mounted, if this process is in a container and reports its host. Only on Linux.
    pub host_root: Option<PathBuf>,
}

/// Why this machine cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("this machine's {what} cannot be read: {error}")]
pub struct CollectorError {
    pub(super) what: &'static str,
    pub(super) error: String,
}

//! The hub under test.

use std::net::SocketAddr;

use crate::hub_process::HubProcess;
use crate::swarm::Target;

/// A hub that runs already.
#[derive(Debug, Clone)]
pub struct OtherHub {
    /// The address of its agents.
    pub target: Target,
    /// Its HTTP address.
    pub http: SocketAddr,
}

/// The hub under test.
pub enum Hub {
    /// Started by us, on its own folder: CPU, memory, disk and history are measured.
    Own(Box<HubProcess>),
    /// A hub that already runs.
    Other(OtherHub),
}

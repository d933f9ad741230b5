//! Why a connection to the hub ended.

use windfire_wire::{RefuseReason, WireError};

use crate::outbox::SpoolError;
use crate::trust::Fingerprint;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The hub's name has no address, or is none.
    #[error("hub {hub} has no address: {reason}")]
    NoAddress {
        /// As configured.
        hub: String,
        /// The system's words.
        reason: String,
    },
    /// The hub showed another certificate than the pinned one.
    #[error("hub {hub} has fingerprint {found}, not the expected {expected}: check which of the two is yours")]
    WrongFingerprint {
        /// As configured.
        hub: String,
        /// Of the certificate that came.
        found: Fingerprint,
        /// As configured.
        expected: Fingerprint,
    },
    /// No connection, or it broke.
    #[error("hub {hub}: {reason}")]
    Connection {
        /// As configured.
        hub: String,
        /// The reason.
        reason: String,
    },
    /// The hub refused the agent.
    #[error("hub refused: {} ({detail})", reason.name())]
    Refused {
        /// The hub's reason.
        reason: RefuseReason,
        /// For a person.
        detail: String,
    },
    /// The hub's `Welcome` leaves no numbers for this agent.
    #[error("hub {hub}: {reason}: another agent has used up the server's numbers: remove the server and add it again")]
    Numbers {
        /// As configured.
        hub: String,
        /// Which numbers.
        reason: String,
    },
    /// The hub's frames break the protocol.
    #[error("hub's frame: {0}")]
    Frame(#[from] WireError),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// The hub `hub` sent a welcome that leaves no numbers, for that reason.
pub(super) fn no_numbers(hub: &str, reason: &impl std::fmt::Display) -> LinkError {
    LinkError::Numbers { hub: hub.to_owned(), reason: reason.to_string() }
}

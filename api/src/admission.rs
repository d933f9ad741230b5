//! Asks the hub whether there is room for an answer. The hub has the bounds of the shared memory and connections.

use crate::viewer::Viewer;

/// The expected cost of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A small, constant amount.
    Small,
    /// Bytes that are rendered as a whole, as many as there are servers.
    Whole,
    /// A body that is computed while it is sent, and the memory that it holds, in bytes.
    Stream {
        /// At most, by the plan of the query.
        bytes: usize,
    },
    /// A stream without an end.
    Live,
}

/// Why an answer is refused for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// All clients together use all the room.
    Hub,
    /// This client uses its whole share.
    Client,
    /// This token or user has all the connections that it may have, and an answer is under way on each.
    Connections {
        /// Connections that one token or user may have.
        max: usize,
    },
    /// The answer would never fit.
    TooLarge {
        /// Bytes that it would hold at once.
        bytes: usize,
        /// Bytes that all answers may hold together.
        bytes_max: usize,
    },
}

/// Decides whether work is begun. It is called when the viewer is known, and again when the cost is known.
pub trait Admission {
    /// # Errors
    /// There is no room. Nothing is held.
    fn admit(&self, viewer: &Viewer, work: Work) -> Result<(), Busy>;
}

/// Room for everything: for a caller that answers one request at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unbounded;

impl Admission for Unbounded {
    fn admit(&self, _: &Viewer, _: Work) -> Result<(), Busy> {
        Ok(())
    }
}

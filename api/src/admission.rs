//! What the hub is asked before an answer costs anything: memory and connections are shared, and have their bounds there.

use crate::viewer::Viewer;

/// What an answer is going to cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Hardly anything.
    Small,
    /// Bytes that are rendered as a whole, as many as there are servers.
    Whole,
    /// Bytes that are made while they are sent, and what is held meanwhile, in bytes.
    Stream {
        /// At most, by the plan of the query.
        bytes: usize,
    },
    /// A stream without an end.
    Live,
}

/// Why an answer is not made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// All who ask together have what there is.
    Hub,
    /// This client has its share.
    Client,
    /// It would never fit.
    TooLarge {
        /// Bytes that it would hold at once.
        bytes: usize,
        /// Bytes that there are for all.
        bytes_max: usize,
    },
}

/// Decides whether work is begun. Asked as soon as it is known who asks, and again when it is known what for.
pub trait Admission {
    /// # Errors
    /// There is no room; nothing is held.
    fn admit(&self, viewer: &Viewer, work: Work) -> Result<(), Busy>;
}

/// Room for everything: where one request is answered at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unbounded;

impl Admission for Unbounded {
    fn admit(&self, _: &Viewer, _: Work) -> Result<(), Busy> {
        Ok(())
    }
}

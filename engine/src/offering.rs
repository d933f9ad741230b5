//! What a session of this hub has given to the stream of its partition. Only a hub of a cluster has any.

use std::sync::Arc;

use windfire_wire::Temperature;

use crate::intake::Position;
use crate::latest::HostFacts;

/// What the present session of a server has offered. It begins when this hub's own follower has passed the session's
/// marker: from then on no other session's reports count, so what this one numbers and dates stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Offering {
    /// Highest sequence number that was offered, or that was applied before the session.
    pub(crate) last_sequence: u64,
    /// The message that carries it. The first position when nothing was offered yet.
    pub(crate) message: Position,
    /// The sensors of the last report in that message.
    pub(crate) sensors: Option<Arc<[Temperature]>>,
    /// The newest facts that were offered.
    pub(crate) facts: Option<Arc<HostFacts>>,
    /// Its first reading has its place in time, after those that were applied before the session.
    pub(crate) is_dated: bool,
}

//! How reports come in: which reports of a batch are new, and how they become durable.
//!
//! [`Intake`] is all that a session sees of it. [`Alone`] is the intake of a single hub: a batch is applied and put
//! into the pending bytes of its shard under one lock, and is durable when the next commit is. [`Following`] is the
//! intake of a hub in a cluster: what is offered becomes a message for the stream of its partition, and what comes from
//! the stream is applied. In both, [`Status::apply`](crate::status::Status::apply) decides. [`Side`] is one of the two.

mod alone;
mod batch;
mod commit;
mod commits;
mod following;
mod shard;
mod side;
mod watermark;

use std::sync::Arc;

use crate::latest::HostFacts;
use crate::slot::Slot;
use crate::timing::HubTime;

pub(crate) use alone::Alone;
pub(crate) use batch::{Applied, Batch, NotApplied};
pub use commit::Committed;
pub(crate) use commits::Commits;
pub(crate) use following::{Effects, Following, seal_message, unseal_message};
pub use following::{FollowError, Followed, Member, Message, Outcome, checked_message, read_message};
pub(crate) use shard::{Shard, Shards};
pub(crate) use side::Side;
pub(crate) use watermark::{Position, Ticket, Watermark};

/// Where sessions hand in their reports.
pub(crate) trait Intake {
    /// A session has opened on this hub: it asks for the right to report for the server. The hub had the registry as of
    /// `registry_position` then, or a newer one.
    fn announce(&self, slot: &Slot, epoch: u64, registry_position: u64);

    /// Whether the session has that right, and everything that was taken before it is durable. `ticket` covers what
    /// this hub took.
    fn is_seated(&self, slot: &Slot, epoch: u64, ticket: Ticket) -> bool;

    /// Takes the reports of `batch` that are new for the server, or none. A report is new if its sequence number is
    /// above all earlier ones. The others were taken before and are only counted. Never waits.
    fn offer(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        outbox_id: u128,
        batch: &mut Batch,
        now: HubTime,
    ) -> Result<Applied, NotApplied>;

    /// Replaces the server's facts.
    fn set_facts(&self, slot: &Arc<Slot>, epoch: u64, facts: HostFacts, now_ms: i64) -> Result<(), NotApplied>;

    /// Whether the reports of the session with that ticket are durable, and counted.
    fn covers(&self, slot: &Slot, epoch: u64, ticket: Ticket) -> bool;
}

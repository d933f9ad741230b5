//! How reports come in: who decides what of a batch is new, and what makes it durable.
//!
//! [`Intake`] is all that a session sees of it. [`Alone`] is the way of a hub by itself: a batch is applied and put into the
//! pending bytes of its shard under one lock, and is durable when the next commit is. A hub that follows a log shared with others
//! would publish what is offered, and apply what comes back: in both, [`Status::apply`](crate::status::Status::apply) decides.

mod alone;
mod batch;
mod commit;
mod shard;
mod watermark;

use std::sync::Arc;

use crate::slot::Slot;
use crate::timing::HubTime;

pub(crate) use alone::Alone;
pub(crate) use batch::{Applied, Batch, NotApplied};
pub use commit::Committed;
pub(crate) use shard::Shards;
pub(crate) use watermark::{Position, Ticket, Watermark};

/// Where sessions hand in their reports.
pub(crate) trait Intake {
    /// Takes the reports of `batch` that are new for the server, or nothing. A report is new when its sequence number is above
    /// all before it; the others were taken before and are only counted. Never waits.
    fn offer(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        outbox_id: u128,
        batch: &mut Batch,
        now: HubTime,
    ) -> Result<Applied, NotApplied>;

    /// Whether what got that ticket is durable.
    fn covers(&self, ticket: Ticket) -> bool;
}

//! How reports come in: which reports of a batch are new, and how they become durable.
//!
//! [`Intake`] is all that a session sees of it. [`Alone`] is the intake of a single hub: a batch is applied and put
//! into the pending bytes of its shard under one lock, and is durable when the next commit is. A hub that follows a log
//! shared with others would publish the offered batches, and apply those that come back. In both,
//! [`Status::apply`](crate::status::Status::apply) decides.

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

    /// Whether the reports with that ticket are durable.
    fn covers(&self, ticket: Ticket) -> bool;
}

//! The intake of a single hub: a batch is applied at once, and durable with the next commit.

use std::sync::Arc;

use super::{Applied, Batch, Commits, Intake, NotApplied, Ticket};
use crate::latest::HostFacts;
use crate::slot::Slot;
use crate::timing::HubTime;

/// The hub's own commits are all that its reports wait for.
pub(crate) struct Alone {
    commits: Arc<Commits>,
}

impl Alone {
    pub(crate) fn new(commits: Arc<Commits>) -> Self {
        Self { commits }
    }
}

impl Intake for Alone {
    /// A session of this hub is the newest as soon as it is open here.
    fn announce(&self, _slot: &Slot, _epoch: u64, _registry_position: u64) {}

    fn is_seated(&self, _slot: &Slot, _epoch: u64, ticket: Ticket) -> bool {
        self.commits.watermark().covers(ticket)
    }

    fn offer(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        outbox_id: u128,
        batch: &mut Batch,
        now: HubTime,
    ) -> Result<Applied, NotApplied> {
        if self.commits.are_failing() {
            return Err(NotApplied::Full);
        }
        let applied = self.commits.shards().of(slot).offer(slot, epoch, outbox_id, batch, now)?;
        self.commits.counters().reports_taken.add(applied.taken);
        if applied.taken > 0 {
            self.commits.notify_pending();
        }
        Ok(applied)
    }

    fn set_facts(&self, slot: &Arc<Slot>, epoch: u64, facts: HostFacts, now_ms: i64) -> Result<(), NotApplied> {
        self.commits.shards().of(slot).set_facts(slot, epoch, facts, now_ms)?;
        self.commits.notify_pending();
        Ok(())
    }

    fn covers(&self, _slot: &Slot, _epoch: u64, ticket: Ticket) -> bool {
        self.commits.watermark().covers(ticket)
    }
}

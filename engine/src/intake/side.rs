//! The intake that a hub has.
//!
//! It is an enum, because a hub is either alone or in a cluster from its start to its end, and one program does both. A
//! type parameter of the engine would reach every crate that names it. The price is one branch per batch, which always
//! goes the same way.

use std::sync::Arc;

use super::{Alone, Applied, Batch, Following, Intake, NotApplied, Ticket};
use crate::latest::HostFacts;
use crate::slot::Slot;
use crate::timing::HubTime;

/// One of the two intakes.
pub(crate) enum Side {
    /// A single hub.
    Alone(Alone),
    /// A hub of a cluster.
    Following(Box<Following>),
}

impl Side {
    /// The intake of a hub of a cluster.
    pub(crate) fn following(&self) -> Option<&Following> {
        match self {
            Self::Alone(_) => None,
            Self::Following(following) => Some(following),
        }
    }
}

impl Intake for Side {
    fn announce(&self, slot: &Slot, epoch: u64, registry_position: u64) {
        match self {
            Self::Alone(alone) => alone.announce(slot, epoch, registry_position),
            Self::Following(following) => following.announce(slot, epoch, registry_position),
        }
    }

    fn is_seated(&self, slot: &Slot, epoch: u64, ticket: Ticket) -> bool {
        match self {
            Self::Alone(alone) => alone.is_seated(slot, epoch, ticket),
            Self::Following(following) => following.is_seated(slot, epoch, ticket),
        }
    }

    fn offer(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        outbox_id: u128,
        batch: &mut Batch,
        now: HubTime,
    ) -> Result<Applied, NotApplied> {
        match self {
            Self::Alone(alone) => alone.offer(slot, epoch, outbox_id, batch, now),
            Self::Following(following) => following.offer(slot, epoch, outbox_id, batch, now),
        }
    }

    fn set_facts(&self, slot: &Arc<Slot>, epoch: u64, facts: HostFacts, now_ms: i64) -> Result<(), NotApplied> {
        match self {
            Self::Alone(alone) => alone.set_facts(slot, epoch, facts, now_ms),
            Self::Following(following) => following.set_facts(slot, epoch, facts, now_ms),
        }
    }

    fn covers(&self, slot: &Slot, epoch: u64, ticket: Ticket) -> bool {
        match self {
            Self::Alone(alone) => alone.covers(slot, epoch, ticket),
            Self::Following(following) => following.covers(slot, epoch, ticket),
        }
    }
}

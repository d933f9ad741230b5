//! What sessions bring: markers, reports and facts, which become messages. Nothing is applied here.
//!
//! A session may offer reports once this hub's own follower has passed its marker. By then everything that any hub
//! published before is applied here, and nothing of older sessions counts any more. So this hub knows the server's last
//! number and the time of its last reading, and it is the only one that goes on from there: it drops what is known, and
//! places each reading in time. The other hubs take both as they are.

use std::sync::Arc;

use super::Following;
use super::message::BatchHead;
use crate::intake::{Applied, Batch, Intake, NotApplied, Position, Ticket};
use crate::latest::HostFacts;
use crate::slot::Slot;
use crate::status::known_count;
use crate::store::hosts;
use crate::timing::HubTime;

impl Intake for Following {
    fn announce(&self, slot: &Slot, epoch: u64, registry_position: u64) {
        if let Some(partition) = self.partitions.get(slot.shard()) {
            partition.outgoing.lock().put_marker(slot.id, epoch, registry_position);
        }
    }

    fn is_seated(&self, slot: &Slot, epoch: u64, _ticket: Ticket) -> bool {
        let status = slot.status.lock();
        status.is_open(epoch) && status.offering().is_some()
    }

    fn offer(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        outbox_id: u128,
        batch: &mut Batch,
        now: HubTime,
    ) -> Result<Applied, NotApplied> {
        let shard = slot.shard();
        let partition = self.partitions.get(shard).ok_or(NotApplied::Closed)?;
        if self.commits.are_failing() {
            return Err(NotApplied::Full);
        }
        let mut outgoing = partition.outgoing.lock();
        let mut status = slot.status.lock();
        if !status.is_open(epoch) {
            return Err(NotApplied::Closed);
        }
        let Some(offering) = status.offering() else { return Err(NotApplied::Closed) };
        let (mut message, mut last_sequence) = (offering.message, offering.last_sequence);
        let known = known_count(last_sequence, batch.first_sequence, batch.samples.len());
        let first_sequence = batch.first_sequence + known as u64;
        let new = &mut batch.samples[known..];
        if !new.is_empty() {
            // Sensors are written as differences within one message.
            let before = offering.sensors.clone().filter(|_| message == outgoing.position());
            if !status.has_room() {
                return Err(NotApplied::Full);
            }
            let rates = self.commits.shards().of(slot).rates();
            if !status.has_share(rates, new, now.now_ms) {
                return Err(NotApplied::OverShare);
            }
            if !outgoing.has_room(new, before.as_deref()) {
                return Err(NotApplied::Full);
            }
            status.date(outbox_id, new, now);
            let head = BatchHead { server_id: slot.id, epoch, outbox_id, received_ms: now.now_ms, first_sequence };
            let bytes = outgoing.put_batch(&head, new, before.as_deref());
            status.spend(new.len(), bytes);
            (message, last_sequence) = (outgoing.position(), first_sequence + (new.len() as u64 - 1));
            if let Some(offering) = status.offering_mut() {
                (offering.message, offering.last_sequence) = (message, last_sequence);
                offering.sensors = new.last().and_then(|sample| sample.temperatures.clone());
            }
        }
        Ok(Applied {
            ticket: Ticket { shard, position: message },
            last_sequence,
            taken: new.len() as u64,
            duplicates: known as u64,
            has_full_head: false,
        })
    }

    fn set_facts(&self, slot: &Arc<Slot>, epoch: u64, facts: HostFacts, now_ms: i64) -> Result<(), NotApplied> {
        let partition = self.partitions.get(slot.shard()).ok_or(NotApplied::Closed)?;
        let mut outgoing = partition.outgoing.lock();
        let mut status = slot.status.lock();
        if !status.is_open(epoch) {
            return Err(NotApplied::Closed);
        }
        if **status.newest_facts() != facts {
            let facts = Arc::new(facts);
            // Each hub writes them, however often they change: they count against the server's share.
            status.spend(0, hosts::write(&facts).len());
            if let Some(offering) = status.offering_mut() {
                offering.facts = Some(Arc::clone(&facts));
            }
            outgoing.put_facts(slot.id, epoch, now_ms, facts);
        }
        Ok(())
    }

    /// That this hub's follower has applied the message is not enough: if a newer session's marker came before it, its
    /// reports did not count. The message is looked at first, because the follower ends the older session before it
    /// passes what comes behind the marker.
    fn covers(&self, slot: &Slot, epoch: u64, ticket: Ticket) -> bool {
        let Position(number) = ticket.position;
        let has_passed = self.partitions.get(ticket.shard).is_some_and(|partition| partition.has_passed(number));
        has_passed && slot.status.lock().is_open(epoch)
    }
}

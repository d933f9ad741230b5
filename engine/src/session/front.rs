//! The part of the engine that sessions use.

use std::sync::Arc;

use windfire_wire::{HelloClock, Host};

use crate::engine::Engine;
use crate::intake::{Applied, Batch, Intake, NotApplied, Ticket};
use crate::latest::HostFacts;
use crate::slot::Slot;

impl Engine {
    /// Takes the new part of a batch, or nothing.
    pub(crate) fn offer(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        outbox_id: u128,
        batch: &mut Batch,
        now_ms: i64,
    ) -> Result<Applied, NotApplied> {
        let offered = self.intake().offer(slot, epoch, outbox_id, batch, self.clock().hub_time(now_ms));
        match offered {
            Ok(applied) => {
                if self.intake().following().is_some() {
                    self.counters().reports_offered.add(applied.taken);
                }
                self.counters().reports_duplicate.add(applied.duplicates);
                if applied.has_full_head {
                    self.note_full(slot);
                }
            }
            Err(NotApplied::Full | NotApplied::OverShare) => self.counters().stalls.add(1),
            Err(NotApplied::Closed) => {}
        }
        offered
    }

    pub(crate) fn set_facts(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        host: Host,
        peer_address: &str,
        now_ms: i64,
    ) -> Result<(), NotApplied> {
        let address = if host.ip.is_empty() { peer_address.to_owned() } else { host.ip.clone() };
        let country = self.options().country_of.as_ref().map_or_else(String::new, |country_of| country_of(&address));
        self.intake().set_facts(slot, epoch, HostFacts { host, address, country }, now_ms)
    }

    /// Replaces the address in the server's facts, unless its agent names its own.
    pub(crate) fn set_peer_address(
        &self,
        slot: &Arc<Slot>,
        epoch: u64,
        peer_address: &str,
        now_ms: i64,
    ) -> Result<(), NotApplied> {
        let host = slot.status.lock().newest_facts().host.clone();
        if host.ip.is_empty() { self.set_facts(slot, epoch, host, peer_address, now_ms) } else { Ok(()) }
    }

    /// Takes the time of a server's agent, as read a moment ago.
    pub(crate) fn take_clock(&self, slot: &Slot, clock: HelloClock, now_ms: i64) {
        let HelloClock { now_ms: agent_ms, uptime_ms } = clock;
        let now = self.clock().hub_time(now_ms);
        let skew_ms = slot.status.lock().take_clock(agent_ms, uptime_ms, now);
        self.clock().witness(slot.id, now.now_ms.saturating_add(skew_ms));
    }

    /// A session has opened on this hub.
    pub(crate) fn announce(&self, slot: &Slot, epoch: u64) {
        // Read after the slot was found: the message that brought the server is among those up to this one.
        self.intake().announce(slot, epoch, self.registry().begun());
    }

    /// Whether a session that has opened may begin.
    pub(crate) fn is_seated(&self, slot: &Slot, epoch: u64, ticket: Ticket) -> bool {
        self.intake().is_seated(slot, epoch, ticket)
    }

    pub(crate) fn is_durable(&self, slot: &Slot, epoch: u64, ticket: Ticket) -> bool {
        self.intake().covers(slot, epoch, ticket)
    }

    pub(crate) fn samples_per_frame_of(&self, server_id: u64) -> u32 {
        self.pacing().of(server_id)
    }
}

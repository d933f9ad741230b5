//! What a stream brings, applied in its order.
//!
//! Every decision depends only on the server's status and the message, so hubs that have applied the same messages have
//! the same statuses and the same history. What a hub decides by its own state (whether there is room, whether a share
//! is used up) is decided before a report is published, or holds up the whole message.

use std::sync::Arc;

use super::message::{BatchHead, Entry, Header, read_entries, read_header};
use super::{FollowError, Following};
use crate::counters::Counters;
use crate::intake::shard::{Pending, Shard};
use crate::limits::PENDING_BYTES_PER_SHARD_MAX;
use crate::record::Corrupt;
use crate::sample::Sample;
use crate::session_id::SessionId;
use crate::slot::Slot;
use crate::status::{Kick, known_count};
use crate::timing::Dating;

/// What became of a message that a stream brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Followed {
    /// It is applied.
    Applied,
    /// It was applied before.
    Known,
    /// There is no room for it: commit, and let [`crate::Engine::upkeep`] make blocks of heads; then bring it again.
    Full,
    /// It is about servers as the registry has them further on. Bring it again when this hub has followed the
    /// registry's stream so far.
    Waits,
}

/// What follows from a message once the locks are free.
#[derive(Default)]
pub(crate) struct Effects {
    /// Servers with a full head, which the next round of upkeep seals.
    pub(crate) full: Vec<Arc<Slot>>,
    /// Ends sessions that newer ones supersede.
    pub(crate) kicks: Vec<Kick>,
}

/// A message while it is applied.
struct Applying<'a> {
    header: Header,
    is_own: bool,
    shard: &'a Shard,
    pending: &'a mut Pending,
    counters: &'a Counters,
    effects: &'a mut Effects,
}

impl Following {
    /// As [`crate::Engine::follow`]. `slot_of` finds a server in the registry as of `registry_position`, or a newer
    /// one.
    pub(crate) fn follow(
        &self,
        (partition, position): (usize, u64),
        message: &[u8],
        registry_position: u64,
        slot_of: &dyn Fn(u64) -> Option<Arc<Slot>>,
        effects: &mut Effects,
    ) -> Result<Followed, FollowError> {
        let no_partition = FollowError::NoPartition { partition };
        let Some(shard) = self.commits.shards().get(partition) else { return Err(no_partition) };
        let Some(of) = self.partitions.get(partition) else { return Err(no_partition) };
        let mut pending = shard.lock();
        if position <= pending.followed {
            return Ok(Followed::Known);
        }
        if position != pending.followed + 1 {
            return Err(FollowError::Gap { partition, followed: pending.followed, found: position });
        }
        let (header, entries) = read_header(message)?;
        if header.partition != partition {
            return Err(Corrupt::at("its partition, which is another one").into());
        }
        let is_own = (header.hub_id, header.boot_id) == (self.own.hub_id, self.own.boot_id);
        if let Some(missing) = of.missing_before(header.number).filter(|_| is_own) {
            return Err(FollowError::Hole { partition, missing, found: header.number });
        }
        // All of it is read before any of it is applied.
        let mut has_room = !self.commits.are_failing() && pending.log.len() < PENDING_BYTES_PER_SHARD_MAX;
        let mut waits = false;
        read_entries(entries, partition, &mut |entry| match entry {
            Entry::Batch(head, _) if has_room => {
                has_room = slot_of(head.server_id).is_none_or(|slot| slot.status.lock().has_room());
            }
            Entry::Marker { registry_position: of_session, .. } => waits |= of_session > registry_position,
            Entry::Batch(..) | Entry::Facts { .. } => {}
        })?;
        // Otherwise this hub would pass over a server that others know already.
        if waits {
            return Ok(Followed::Waits);
        }
        if !has_room {
            return Ok(Followed::Full);
        }
        let counters = self.commits.counters();
        let mut applying = Applying { header, is_own, shard, pending: &mut pending, counters, effects };
        read_entries(entries, partition, &mut |entry| applying.apply(entry, slot_of))?;
        pending.followed = position;
        drop(pending);
        counters.messages_followed.add(1);
        if is_own {
            of.pass(header.number);
        }
        self.commits.notify_pending();
        Ok(Followed::Applied)
    }
}

impl Applying<'_> {
    fn apply(&mut self, entry: Entry<'_>, slot_of: &dyn Fn(u64) -> Option<Arc<Slot>>) {
        let (server_id, reports) = match &entry {
            Entry::Marker { server_id, .. } | Entry::Facts { server_id, .. } => (*server_id, 0),
            Entry::Batch(head, samples) => (head.server_id, samples.len() as u64),
        };
        // A server that is not there was removed: this hub has followed the registry as far as the session's.
        let Some(slot) = slot_of(server_id) else {
            self.counters.reports_of_no_server.add(reports);
            return;
        };
        match entry {
            Entry::Marker { epoch, .. } => self.mark(&slot, self.session(epoch)),
            Entry::Batch(head, samples) => self.take(&slot, &head, samples),
            Entry::Facts { epoch, came_ms, facts, .. } => {
                let mut status = slot.status.lock();
                if status.session() == Some(self.session(epoch)) && status.set_facts(*facts, came_ms) {
                    self.shard.note_changed(&slot, &mut status);
                    self.pending.keep_facts(&slot, &mut status, came_ms);
                }
            }
        }
    }

    /// The session of an entry of this message.
    fn session(&self, epoch: u64) -> SessionId {
        SessionId { hub_id: self.header.hub_id, boot_id: self.header.boot_id, epoch }
    }

    fn mark(&mut self, slot: &Arc<Slot>, session: SessionId) {
        let mut status = slot.status.lock();
        self.effects.kicks.extend(status.mark(session, self.is_own));
        self.pending.put_session(slot, &mut status, &session);
    }

    fn take(&mut self, slot: &Arc<Slot>, head: &BatchHead, samples: &mut [Sample]) {
        let mut status = slot.status.lock();
        if status.session() != Some(self.session(head.epoch)) {
            self.counters.reports_superseded.add(samples.len() as u64);
            return;
        }
        let known = known_count(status.progress().last_sequence, head.first_sequence, samples.len());
        self.counters.reports_known.add(known as u64);
        let new = &mut samples[known..];
        if new.is_empty() {
            return;
        }
        self.counters.reports_taken.add(new.len() as u64);
        let first_new = head.first_sequence + known as u64;
        let dating = Dating::Placed { received_ms: head.received_ms };
        if self.pending.put(slot, &mut status, (head.outbox_id, first_new, new), dating) {
            self.effects.full.push(Arc::clone(slot));
        }
        self.shard.note_changed(slot, &mut status);
    }
}

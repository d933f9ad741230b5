//! The last events of one key of subscribers.

use std::collections::VecDeque;
use std::sync::Arc;

use windfire_engine::Engine;

use super::event::{Event, Stamp};
use super::fleet::{Difference, Fleet};
use super::memory::Memory;
use super::row::Precision;
use super::{Filter, StreamKey};

/// Events that are kept for subscribers that fall behind or reconnect.
const EVENTS_MAX: usize = 32;
/// Bytes of these events.
const EVENTS_BYTES_MAX: usize = 4 * 1024 * 1024;

pub(super) struct EventRing {
    /// Events in order, each with its tick.
    events: VecDeque<(u64, Arc<Event>)>,
    /// Everything after this tick is in `events`.
    complete_from: u64,
    /// The tick up to which there are events.
    tick: u64,
    snapshot: Option<(u64, Arc<Event>)>,
    /// The servers of this key and their shown state, if they are shown more exactly than to others.
    own: Option<(Arc<[u64]>, Fleet)>,
    /// The tick at which a subscriber last read.
    pub(super) read_at: u64,
}

impl EventRing {
    pub(super) fn new(key: &StreamKey, tick: u64) -> Self {
        let own = match &key.filter {
            Filter::Ids(ids) => Some((Arc::clone(ids), Fleet::new(key.precision()))),
            Filter::All | Filter::Tag(_) => None,
        };
        Self { events: VecDeque::new(), complete_from: tick, tick, snapshot: None, own, read_at: tick }
    }

    /// Compares the servers that are shown more exactly.
    pub(super) fn own_fleet(&mut self, engine: &Engine, stamp: Stamp) -> Option<Difference> {
        let (ids, fleet) = self.own.as_mut()?;
        debug_assert_eq!(fleet.precision(), Precision::Exact, "coarse numbers are shared");
        Some(fleet.advance_some(engine, ids, stamp.now_s, stamp.offline_after_s))
    }

    /// Adds an event with the changes.
    pub(super) fn advance(
        &mut self,
        key: &StreamKey,
        engine: &Engine,
        (shared, shared_difference): (&Fleet, &Difference),
        stamp: Stamp,
        memory: &Memory,
    ) {
        let own_difference = self.own_fleet(engine, stamp);
        let event = match (&self.own, &own_difference) {
            (Some((_, fleet)), Some(difference)) => Event::change(key, fleet, difference, stamp, memory),
            _ => Event::change(key, shared, shared_difference, stamp, memory),
        };
        self.tick = stamp.tick;
        self.events.extend(event.map(|event| (stamp.tick, Arc::new(event))));
        let bytes: usize = self.events.iter().map(|(_, event)| event.size()).sum();
        self.forget_events(bytes.saturating_sub(EVENTS_BYTES_MAX));
    }

    /// Bytes of the kept events.
    pub(super) fn bytes(&self) -> usize {
        let snapshot = self.snapshot.as_ref().map_or(0, |(_, snapshot)| snapshot.size());
        self.events.iter().map(|(_, event)| event.size()).sum::<usize>() + snapshot
    }

    /// Frees so many bytes, the oldest events first. A subscriber that needs them gets a new snapshot instead.
    pub(super) fn forget(&mut self, over: usize) {
        let stale = self.snapshot.take_if(|(tick, _)| *tick < self.tick);
        self.forget_events(over.saturating_sub(stale.map_or(0, |(_, snapshot)| snapshot.size())));
    }

    fn forget_events(&mut self, mut over: usize) {
        while self.events.len() > EVENTS_MAX || over > 0 {
            let Some((tick, event)) = self.events.pop_front() else { break };
            over = over.saturating_sub(event.size());
            self.complete_from = tick;
        }
    }

    /// The event after a position and the reader's next position, or no event if there is none yet. `None` if the
    /// reader needs a snapshot.
    pub(super) fn after(&self, position: Option<u64>) -> Option<(Option<Arc<Event>>, u64)> {
        let position = position.filter(|position| (self.complete_from..=self.tick).contains(position))?;
        let next = self.events.iter().find(|(tick, _)| *tick > position);
        Some(next.map_or((None, position), |(tick, event)| (Some(Arc::clone(event)), *tick)))
    }

    /// The snapshot, rendered once for all subscribers that need it at this tick. `None` if it is not rendered yet and
    /// there is no room.
    pub(super) fn snapshot(
        &mut self,
        key: &StreamKey,
        shared: &Fleet,
        stamp: Stamp,
        room: Option<&Memory>,
    ) -> Option<Arc<Event>> {
        if let Some((tick, snapshot)) = &self.snapshot
            && *tick == stamp.tick
        {
            return Some(Arc::clone(snapshot));
        }
        let fleet = self.own.as_ref().map_or(shared, |(_, fleet)| fleet);
        let snapshot = Arc::new(Event::snapshot(key, fleet, stamp, room?));
        self.snapshot = Some((stamp.tick, Arc::clone(&snapshot)));
        Some(snapshot)
    }
}

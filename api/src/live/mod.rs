//! The live stream: the changes since the second before, encoded once for all subscribers of one stream key.
//!
//! [`Live`] is advanced once per second ([`Live::advance`]) while it has subscribers. `fleet` has the state that was
//! shown last and finds the changes, `row` defines which numbers of a server are shown and how exactly, `event` encodes
//! them, and `event_ring` keeps the last events of one stream key. A subscriber has a position and no queue: one that
//! falls further behind than the ring reaches gets a new snapshot.

mod event;
mod event_ring;
mod fleet;
mod key;
mod memory;
mod row;
mod websocket;

use std::collections::HashMap;

use bytes::Bytes;
use parking_lot::Mutex;
use tungstenite::Utf8Bytes;
use windfire_engine::Engine;

use crate::context::Api;
use crate::viewer::{Audience, Viewer};
use event_ring::EventRing;
use fleet::Fleet;
pub(crate) use key::Filter;
pub use key::StreamKey;
use memory::Memory;
use row::Precision;
use websocket::Documents;

/// Servers that one stream may name by id.
pub const IDS_PER_STREAM_MAX: usize = 200;
/// Stream keys at once. Each costs a pass over the changes every second.
const RINGS_MAX: usize = 512;
/// Of these, those of guests, who may ask for any keys.
const GUEST_RINGS_MAX: usize = 128;
/// Default bound of the bytes of events, snapshots and documents.
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// Ticks that a watched ring may go unread before a new one may take its place.
const UNREAD_TICKS_WATCHED_MAX: u64 = 2;
/// Advances after which a ring without readers is forgotten.
const UNREAD_ADVANCES_MAX: u64 = 60;

/// A stream that a client asked for.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// The audience and filter.
    pub key: StreamKey,
    /// The last event that was seen before, as the client says it.
    pub last_event_id: Option<String>,
    /// Whether the bytes are gzip.
    pub is_compressed: bool,
    pub(crate) viewer: Viewer,
}

impl Subscription {
    /// Whether the client may still watch.
    pub fn is_still_allowed(&self, api: &Api, engine: &Engine, now_s: i64) -> bool {
        api.still_admits(&self.viewer, engine, now_s)
    }
}

/// How far a subscriber has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position(u64);

/// The state that all subscribers share.
pub struct Live {
    state: Mutex<State>,
    bytes_max: usize,
    memories: Memories,
}

/// Memory for guests, and for clients with a token or login. Each of the two may use half, so that guests who do not
/// read take nothing from signed-in users.
#[derive(Default)]
struct Memories {
    guests: Memory,
    known: Memory,
}

impl Memories {
    fn of(&self, audience: &Audience) -> &Memory {
        if *audience == Audience::Guests { &self.guests } else { &self.known }
    }
}

struct State {
    /// Of the last comparison of the fleet.
    stamp: event::Stamp,
    fleet: Fleet,
    rings: HashMap<StreamKey, EventRing>,
    documents: Documents,
}

impl Live {
    /// Nothing is shown yet. `epoch` is random.
    pub fn new(epoch: u64, offline_after_s: i64) -> Self {
        let stamp = event::Stamp { epoch, tick: 0, now_s: 0, offline_after_s, pace: 1 };
        let fleet = Fleet::new(Precision::Coarse);
        let state = State { stamp, fleet, rings: HashMap::new(), documents: Documents::default() };
        Self { state: Mutex::new(state), bytes_max: BYTES_MAX, memories: Memories::default() }
    }

    /// The same with another bound of the bytes that it holds.
    #[must_use]
    pub fn bounded(self, bytes_max: usize) -> Self {
        Self { bytes_max, ..self }
    }

    /// Servers count as offline so many seconds after their last report, from the next comparison on. Subscribers are told
    /// the number with their next snapshot.
    pub fn set_offline_after(&self, seconds: i64) {
        self.state.lock().stamp.offline_after_s = seconds;
    }

    /// Bytes of events, snapshots and documents that rings remember or sockets have not taken yet.
    pub fn held_bytes(&self) -> usize {
        self.memories.guests.bytes() + self.memories.known.bytes()
    }

    /// Compares every server with its last state and adds events for the changes. Does nothing without subscribers.
    pub fn advance(&self, engine: &Engine, now_s: i64) {
        let mut state = self.state.lock();
        let State { stamp, rings, fleet, .. } = &mut *state;
        rings.retain(|_, ring| stamp.tick - ring.read_at <= UNREAD_ADVANCES_MAX);
        if rings.is_empty() {
            *fleet = Fleet::new(Precision::Coarse);
            return;
        }
        state.advance(engine, now_s, &self.memories);
        self.forget(&mut state);
    }

    /// Makes room for a subscriber of that key, before its stream begins.
    ///
    /// # Errors
    /// There are too many stream keys, or the present ones use all of their memory.
    pub fn join(&self, engine: &Engine, key: &StreamKey, now_s: i64) -> Result<(), TooMany> {
        let mut state = self.state.lock();
        self.ring(&mut state, engine, key, now_s)
    }

    /// The next bytes for a subscriber of that key, and its position then. `None` if there are none yet.
    ///
    /// # Errors
    /// There are too many stream keys.
    pub fn next(
        &self,
        engine: &Engine,
        key: &StreamKey,
        position: Option<Position>,
        is_compressed: bool,
        now_s: i64,
    ) -> Result<Option<(Bytes, Position)>, TooMany> {
        let mut state = self.state.lock();
        self.ring(&mut state, engine, key, now_s)?;
        let State { stamp, fleet, rings, .. } = &mut *state;
        let Some(ring) = rings.get_mut(key) else { return Ok(None) };
        ring.read_at = stamp.tick;
        let position = position.map(|Position(position)| position);
        if let Some((event, at)) = ring.after(position) {
            return Ok(event.map(|event| (event.bytes(is_compressed), Position(at))));
        }
        // If slow readers hold all the room, others wait for the next tick.
        let snapshot = ring.snapshot(key, fleet, *stamp, self.room(&key.audience));
        Ok(snapshot.map(|snapshot| (snapshot.bytes(is_compressed), Position(stamp.tick))))
    }

    fn ring(&self, state: &mut State, engine: &Engine, key: &StreamKey, now_s: i64) -> Result<(), TooMany> {
        if state.rings.contains_key(key) {
            return Ok(());
        }
        self.forget(state);
        if self.room(&key.audience).is_none() || !state.make_room_for(key) {
            return Err(TooMany);
        }
        if state.rings.is_empty() {
            // The fleet is not followed while there are no subscribers.
            state.advance(engine, now_s, &self.memories);
        }
        let mut ring = EventRing::new(key, state.stamp.tick);
        ring.own_fleet(engine, state.stamp);
        state.rings.insert(key.clone(), ring);
        Ok(())
    }

    /// The memory, if it has room for more bytes.
    fn room(&self, audience: &Audience) -> Option<&Memory> {
        let memory = self.memories.of(audience);
        (memory.bytes() < self.bytes_max / 2).then_some(memory)
    }

    /// Frees excess memory, in the largest rings first.
    fn forget(&self, state: &mut State) {
        for memory in [&self.memories.guests, &self.memories.known] {
            self.forget_of(memory, state);
        }
    }

    fn forget_of(&self, memory: &Memory, state: &mut State) {
        let over = || memory.bytes().saturating_sub(self.bytes_max / 2);
        if over() == 0 {
            return;
        }
        state.documents.forget_before(i64::MAX);
        let of_memory = |key: &StreamKey| std::ptr::eq(self.memories.of(&key.audience), memory);
        let rings = state.rings.iter_mut().filter(|(key, _)| of_memory(key));
        let mut rings: Vec<(usize, &mut EventRing)> = rings.map(|(_, ring)| (ring.bytes(), ring)).collect();
        rings.sort_unstable_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        for (_, ring) in rings {
            match over() {
                0 => return,
                over => ring.forget(over),
            }
        }
    }

    /// The position of the subscriber with that last event. `None` if it needs a snapshot.
    pub fn position(&self, last_event_id: Option<&str>) -> Option<Position> {
        let (epoch, tick) = last_event_id?.split_once('-')?;
        let stamp = self.state.lock().stamp;
        let is_ours = u64::from_str_radix(epoch, 16).ok()? == stamp.epoch;
        let tick: u64 = tick.parse().ok()?;
        (is_ours && tick <= stamp.tick).then_some(Position(tick))
    }

    /// The document that `/ws` sends to that viewer at present (contract 1.11). `None` while there is no room for one.
    pub fn document(&self, engine: &Engine, viewer: &Viewer, now_ms: i64) -> Option<Utf8Bytes> {
        self.state.lock().documents.current(engine, viewer.audience(), now_ms, self.room(viewer.audience()))
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        formatter.debug_struct("Live").field("tick", &state.stamp.tick).field("rings", &state.rings.len()).finish()
    }
}

impl State {
    fn advance(&mut self, engine: &Engine, now_s: i64, memories: &Memories) {
        self.stamp.tick += 1;
        self.stamp.now_s = now_s;
        self.stamp.pace = samples_per_frame(engine);
        let stamp = self.stamp;
        let difference = self.fleet.advance(engine, now_s, stamp.offline_after_s);
        for (key, ring) in &mut self.rings {
            ring.advance(key, engine, (&self.fleet, &difference), stamp, memories.of(&key.audience));
        }
    }

    /// Whether there is a place for one more ring. A ring without readers gives up its own.
    fn make_room_for(&mut self, key: &StreamKey) -> bool {
        let is_guests = |key: &StreamKey| key.audience == Audience::Guests;
        let guests = self.rings.keys().filter(|key| is_guests(key)).count();
        let are_guests_full = is_guests(key) && guests >= GUEST_RINGS_MAX;
        if !are_guests_full && self.rings.len() < RINGS_MAX {
            return true;
        }
        let tick = self.stamp.tick;
        let is_left = |ring: &EventRing| tick - ring.read_at > UNREAD_TICKS_WATCHED_MAX;
        let others = self.rings.iter().filter(|(key, _)| !are_guests_full || is_guests(key));
        let left = others.filter(|(_, ring)| is_left(ring)).min_by_key(|(_, ring)| ring.read_at);
        let left = left.map(|(key, _)| key.clone());
        left.is_some_and(|key| self.rings.remove(&key).is_some())
    }
}

/// Mean samples per frame, rounded up. It is small, so it fits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 10")]
fn samples_per_frame(engine: &Engine) -> u32 {
    engine.samples_per_frame().ceil() as u32
}

/// There are too many stream keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

/// A comment that keeps a silent stream open, in either coding.
pub fn keep_alive(is_compressed: bool) -> Bytes {
    event::Event::comment().bytes(is_compressed)
}

/// The bytes before the first event of a stream.
pub fn preamble(is_compressed: bool) -> Bytes {
    if is_compressed { Bytes::from_static(event::GZIP_HEAD) } else { Bytes::new() }
}

/// The stream of a viewer who asked for some servers.
pub(crate) fn watch(
    viewer: &Viewer,
    (tag, ids): (Option<&str>, Option<Vec<u64>>),
    last_event_id: Option<&str>,
) -> Result<Subscription, String> {
    let filter = match (tag, ids) {
        (Some(tag), _) => Filter::Tag(tag.to_owned()),
        (None, Some(mut ids)) => {
            ids.sort_unstable();
            ids.dedup();
            if ids.len() > IDS_PER_STREAM_MAX {
                return Err(format!("{} ids are too many for one stream: {IDS_PER_STREAM_MAX} at most", ids.len()));
            }
            Filter::Ids(ids.into())
        }
        (None, None) => Filter::All,
    };
    let key = StreamKey { audience: viewer.audience().clone(), filter };
    let last_event_id = last_event_id.map(str::to_owned);
    Ok(Subscription { key, last_event_id, is_compressed: false, viewer: viewer.clone() })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use windfire_engine::Options;
    use windfire_engine::server::NewServer;

    use super::*;

    fn fleet(servers: usize) -> (TempDir, Engine) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Engine::open(folder.path(), Options::default()).expect("a new store");
        for number in 0..servers {
            let server = NewServer { name: format!("server {number}"), ..NewServer::default() };
            engine.registry().add_server(server, 0).expect("room");
        }
        (folder, engine)
    }

    fn key(audience: Audience, tag: usize) -> StreamKey {
        StreamKey { audience, filter: Filter::Tag(tag.to_string()) }
    }

    #[test]
    fn kinds_of_watchers_are_bounded_and_unwatched_ones_give_way() {
        let (_folder, engine) = fleet(1);
        let live = Live::new(1, 30);
        let join = |audience: Audience, tag: usize| live.join(&engine, &key(audience, tag), 1);
        assert!((0..GUEST_RINGS_MAX).all(|tag| join(Audience::Guests, tag).is_ok()));
        assert_eq!(join(Audience::Guests, GUEST_RINGS_MAX), Err(TooMany));
        assert_eq!(join(Audience::Guests, 0), Ok(()), "subscribers of the same key need no more room");
        assert!((GUEST_RINGS_MAX..RINGS_MAX).all(|tag| join(Audience::All, tag).is_ok()));
        assert_eq!(join(Audience::All, RINGS_MAX), Err(TooMany));
        // All but one are read on.
        for now_s in 2..6 {
            live.advance(&engine, now_s);
            for tag in 1..GUEST_RINGS_MAX {
                live.next(&engine, &key(Audience::Guests, tag), None, false, now_s).expect("there already");
            }
            for tag in GUEST_RINGS_MAX..RINGS_MAX {
                live.next(&engine, &key(Audience::All, tag), None, false, now_s).expect("there already");
            }
        }
        assert_eq!(join(Audience::Guests, GUEST_RINGS_MAX), Ok(()), "the place of the unread ring");
        assert_eq!(join(Audience::Guests, 0), Err(TooMany));
    }

    #[test]
    fn what_sockets_hold_counts_and_who_finds_no_room_waits() {
        let (_folder, engine) = fleet(1000);
        let bytes_max = 400_000;
        let live = Live::new(1, 30).bounded(bytes_max);
        let guests = StreamKey { audience: Audience::Guests, filter: Filter::All };
        let mut held = Vec::new();
        let tick = |now_s| {
            live.advance(&engine, now_s);
            live.next(&engine, &guests, None, false, now_s).expect("there already")
        };
        // One slow reader after the other holds a snapshot, each of another second.
        for now_s in 1..100 {
            match tick(now_s) {
                Some((bytes, _)) => held.push(bytes),
                None => break,
            }
        }
        let snapshot_bytes = held[0].len();
        assert!((2..20).contains(&held.len()), "{} snapshots of {snapshot_bytes} bytes", held.len());
        assert!(live.held_bytes() < bytes_max + snapshot_bytes, "{}", live.held_bytes());
        assert!(live.document(&engine, &Viewer::guest(), 1_000_000).is_none());
        assert_eq!(live.join(&engine, &key(Audience::Guests, 1), 100), Err(TooMany));
        // Guests who do not read take nothing from signed-in users.
        let all = StreamKey { audience: Audience::All, filter: Filter::All };
        assert_eq!(live.join(&engine, &all, 100), Ok(()));
        assert!(live.next(&engine, &all, None, false, 100).expect("there already").is_some());
        held.clear();
        assert!(tick(101).is_some(), "there is room again");
        let document = live.document(&engine, &Viewer::guest(), 1_000_000).expect("room");
        assert_eq!(document.matches("\"ID\":").count(), 1000);
    }

    #[test]
    fn a_channel_forgets_rather_than_to_grow() {
        /// Some three events.
        const BYTES: usize = 8000;
        let (_folder, engine) = fleet(20);
        let live = Live::new(1, 30).bounded(BYTES);
        let all = StreamKey { audience: Audience::All, filter: Filter::All };
        let (_, mut position) = live.next(&engine, &all, None, true, 1).expect("room").expect("a snapshot");
        for now_s in 2..20 {
            // Every server is edited each second, so every event is as large as a snapshot.
            for id in 1..=20 {
                let edit = windfire_engine::server::ServerEdit { note: Some(now_s.to_string()), ..Default::default() };
                engine.registry().edit_server(id, edit).expect("there");
            }
            live.advance(&engine, now_s);
            assert!(live.held_bytes() <= BYTES, "{}", live.held_bytes());
            let next = live.next(&engine, &all, Some(position), true, now_s).expect("there already");
            position = next.map_or(position, |(_, at)| at);
        }
        assert!(live.next(&engine, &all, None, true, 20).expect("there already").is_some());
    }
}

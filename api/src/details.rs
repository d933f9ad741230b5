//! The cached `details` of all servers: the most frequent answer, and the largest.
//!
//! ```text
//! entry     one server's JSON, rendered again when it reported or was edited
//! page      eight entries joined, built again when one of them was rendered
//! answer    head, pages, tail: shared by counting references
//! ```
//! So the cost of an answer depends on the changes since the previous one, not on the size of the fleet. This is for
//! viewers who see everything. Answers for others are rendered.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use parking_lot::Mutex;
use windfire_engine::Engine;
use windfire_engine::latest::Latest;
use windfire_engine::server::ServerRecord;

use crate::render;
use crate::render::json::JsonWriter;

/// Entries of a page. Few, so that a report causes little work. More than one, because every page is passed to the
/// socket.
const PAGE_ENTRIES: usize = 8;

/// Bytes of all entries above which nothing is cached: 300,000 usual servers.
const KEPT_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A compressed answer is used for so many times the duration of its compression, although reports have come since.
const COMPRESSED_AGE_FACTOR: u32 = 10;

/// The answer as it is now.
pub(crate) struct Ready {
    /// Differs whenever the answer does.
    pub(crate) tag: String,
    /// In order.
    pub(crate) pieces: Vec<Bytes>,
    /// Content coding of the pieces.
    pub(crate) coding: Option<&'static str>,
}

/// The cached `details` of all servers.
#[derive(Debug, Default)]
pub struct DetailsCache {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The registry's version when the places were assigned. `None` before the first time.
    registry_version: Option<u64>,
    /// Counts answers that differ.
    version: u64,
    /// Distinguishes this process's tags from another's.
    epoch: u64,
    places: HashMap<u64, usize>,
    entries: Vec<Entry>,
    bytes: usize,
    pages: Vec<Page>,
    compressed: HashMap<&'static str, Compressed>,
}

#[derive(Debug)]
struct Entry {
    /// As it was when the JSON was rendered: an edit replaces it.
    record: Arc<ServerRecord>,
    json: Box<[u8]>,
}

#[derive(Debug, Default)]
struct Page {
    bytes: Bytes,
    is_stale: bool,
}

#[derive(Debug)]
struct Compressed {
    version: u64,
    registry_version: Option<u64>,
    /// It is used until then.
    until: Instant,
    bytes: Bytes,
}

/// Compresses an answer.
pub(crate) type Compress<'a> = &'a dyn Fn(&[Bytes]) -> io::Result<Vec<u8>>;

impl DetailsCache {
    /// The answer, compressed if the client asks for that. `None` if there is nothing to cache, or too much.
    pub(crate) fn ready(&self, engine: &Engine, coding: Option<(&'static str, Compress<'_>)>) -> Option<Ready> {
        let mut state = self.state.lock();
        state.refresh(engine);
        if state.entries.is_empty() || state.bytes > KEPT_BYTES_MAX {
            // The cache of a fleet that grew too large is dropped.
            *state = State { epoch: state.epoch, version: state.version + 1, ..State::default() };
            return None;
        }
        match coding {
            None => Some(Ready { tag: state.tag(state.version), pieces: state.pieces(), coding: None }),
            Some((name, compress)) => state.compressed(name, compress),
        }
    }
}

impl State {
    fn refresh(&mut self, engine: &Engine) {
        if self.epoch == 0 {
            self.epoch = fastrand::u64(1..);
        }
        // Read before anything else: servers that change after this are rendered again the next time.
        let registry_version = engine.registry().version();
        if self.registry_version != Some(registry_version) {
            self.arrange(engine);
            self.registry_version = Some(registry_version);
            self.version += 1;
        } else {
            let mut is_changed = false;
            engine.visit_changed(|record, latest| {
                // A server that was just created has no place yet. It gets one the next time.
                let Some(place) = self.places.get(&record.id) else { return };
                let entry = Entry::of(record, latest);
                self.bytes = self.bytes + entry.json.len() - self.entries[*place].json.len();
                self.entries[*place] = entry;
                self.pages[place / PAGE_ENTRIES].is_stale = true;
                is_changed = true;
            });
            self.version += u64::from(is_changed);
        }
        for (number, page) in self.pages.iter_mut().enumerate().filter(|(_, page)| page.is_stale) {
            let start = number * PAGE_ENTRIES;
            let entries = &self.entries[start..(start + PAGE_ENTRIES).min(self.entries.len())];
            let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.json.len() + 1).sum());
            for (place, entry) in (start..).zip(entries) {
                if place > 0 {
                    bytes.push(b',');
                }
                bytes.extend_from_slice(&entry.json);
            }
            *page = Page { bytes: bytes.into(), is_stale: false };
        }
    }

    /// Gives every server its place. Entries of servers that were neither edited nor reported are kept: a fleet that
    /// enrols, server by server, must not be rendered again each time.
    fn arrange(&mut self, engine: &Engine) {
        let mut reported = HashSet::new();
        engine.visit_changed(|record, _| {
            reported.insert(record.id);
        });
        let before = std::mem::take(&mut self.entries).into_iter().enumerate();
        let mut before: HashMap<u64, (usize, Entry)> =
            before.map(|(place, entry)| (entry.record.id, (place, entry))).collect();
        (self.places, self.bytes) = (HashMap::with_capacity(before.len()), 0);
        engine.visit(|record, latest| {
            let place = self.entries.len();
            let is_same = |entry: &Entry| Arc::ptr_eq(&entry.record, record) && !reported.contains(&record.id);
            let (entry, is_in_place) = match before.remove(&record.id) {
                Some((old, entry)) if is_same(&entry) => (entry, old == place),
                _ => (Entry::of(record, latest), false),
            };
            if place / PAGE_ENTRIES == self.pages.len() {
                self.pages.push(Page::default());
            }
            self.pages[place / PAGE_ENTRIES].is_stale |= !is_in_place;
            self.places.insert(record.id, place);
            self.bytes += entry.json.len();
            self.entries.push(entry);
        });
        self.pages.truncate(self.entries.len().div_ceil(PAGE_ENTRIES));
        if let Some(last) = self.pages.last_mut() {
            // It may have lost entries from its end.
            last.is_stale = true;
        }
        self.compressed.clear();
    }

    fn tag(&self, version: u64) -> String {
        format!("W/\"{:x}-{version:x}\"", self.epoch)
    }

    fn pieces(&self) -> Vec<Bytes> {
        let mut pieces = Vec::with_capacity(self.pages.len() + 2);
        pieces.push(Bytes::from_static(render::DETAILS_HEAD.as_bytes()));
        pieces.extend(self.pages.iter().map(|page| page.bytes.clone()));
        pieces.push(Bytes::from_static(render::DETAILS_TAIL.as_bytes()));
        pieces
    }

    fn compressed(&mut self, name: &'static str, compress: Compress<'_>) -> Option<Ready> {
        let now = Instant::now();
        let is_good = |kept: &&Compressed| {
            kept.version == self.version
                // It may lack a report: compressing at each would take most of a processor. An edit is shown at once.
                || kept.registry_version == self.registry_version && now < kept.until
        };
        if let Some(kept) = self.compressed.get(name).filter(is_good) {
            let pieces = vec![kept.bytes.clone()];
            return Some(Ready { tag: self.tag(kept.version), pieces, coding: Some(name) });
        }
        let bytes = Bytes::from(compress(&self.pieces()).ok()?);
        let made = Instant::now();
        let kept = Compressed {
            version: self.version,
            registry_version: self.registry_version,
            until: made + (made - now) * COMPRESSED_AGE_FACTOR,
            bytes: bytes.clone(),
        };
        self.compressed.insert(name, kept);
        Some(Ready { tag: self.tag(self.version), pieces: vec![bytes], coding: Some(name) })
    }
}

impl Entry {
    fn of(record: &Arc<ServerRecord>, latest: &Latest) -> Self {
        let mut json = JsonWriter::with_capacity(1024);
        render::details_entry(&mut json, record, latest);
        Self { record: Arc::clone(record), json: json.into_bytes().into() }
    }
}

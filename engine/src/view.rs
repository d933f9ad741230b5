//! The fleet as it is now, for readers.

use std::sync::Arc;

use crate::engine::Engine;
use crate::latest::Latest;
use crate::server::ServerRecord;
use crate::slot::Slot;

/// One server as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerView {
    /// The server's settings.
    pub record: Arc<ServerRecord>,
    /// The agent's newest report and facts.
    pub latest: Latest,
}

/// Which servers a snapshot holds, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection<'a> {
    /// All, in ascending id.
    All,
    /// Those of exactly this tag, in ascending id.
    Tag(&'a str),
    /// These, in this order, as often as they are named; unknown ids are skipped.
    Ids(&'a [u64]),
}

impl Engine {
    /// A consistent copy of each selected server. Holds no more than one server's lock at a time.
    pub fn snapshot(&self, selection: Selection<'_>) -> Vec<ServerView> {
        let view = |slot: Arc<Slot>| {
            // One lock after the other: a status may be held while a record is read, not the other way round.
            let record = Arc::clone(&slot.record.read());
            let status = slot.status.lock();
            ServerView { record, latest: status.latest().clone() }
        };
        match selection {
            Selection::All => self.registry().slots().into_iter().map(view).collect(),
            Selection::Tag(tag) => {
                let slots = self.registry().slots().into_iter();
                slots.filter(|slot| slot.record.read().tag == tag).map(view).collect()
            }
            Selection::Ids(ids) => ids.iter().filter_map(|id| self.registry().slot(*id)).map(view).collect(),
        }
    }

    /// Shows each server whose status or facts changed since the last call, as it is now, in no particular order. It is
    /// for one reader that keeps the other servers from earlier calls.
    pub fn visit_changed(&self, mut visit: impl FnMut(&Arc<ServerRecord>, &Latest)) {
        for slot in self.shards().take_changed() {
            let record = Arc::clone(&slot.record.read());
            visit(&record, slot.status.lock().show_changed());
        }
    }

    /// Shows each server as it is now, in ascending id. Holds no more than one server's lock at a time.
    pub fn visit(&self, mut visit: impl FnMut(&Arc<ServerRecord>, &Latest)) {
        for slot in self.registry().slots() {
            let record = Arc::clone(&slot.record.read());
            visit(&record, slot.status.lock().latest());
        }
    }
}

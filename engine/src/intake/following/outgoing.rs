//! What this hub has for the stream of one partition: one message on its way, and what gathers for the next.
//!
//! A message keeps its number and its bytes until it is certain that the stream has it. So the same message may be
//! published again when an answer was lost, and a stream that knows its number stores it once.

use std::collections::BTreeMap;
use std::sync::Arc;

use windfire_wire::Temperature;

use super::message::{self, BatchHead, Header};
use crate::intake::Position;
use crate::latest::HostFacts;
use crate::limits::{BATCH_HEAD_BYTES_MAX, BATCH_LOG_BYTES_MAX, OFFERED_BYTES_MAX, STREAM_MESSAGE_BYTES_MAX};
use crate::sample::Sample;
use crate::store::log;

/// A hub's process in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The hub. No other hub of the cluster has this number.
    pub hub_id: u32,
    /// Its process. No other process of the hub ever had this number.
    pub boot_id: u64,
}

/// A message for the stream of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Counts this process's messages for the partition, from 1.
    pub number: u64,
    /// What is to be published. The same bytes each time that the message is given out.
    pub bytes: Arc<[u8]>,
}

/// What became of a message that was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The stream has it.
    Stored,
    /// The answer was lost, or says that it was not stored. The message is given out again.
    Unknown,
}

/// See the module.
pub(super) struct Outgoing {
    partition: usize,
    own: Member,
    /// Batches for the next message.
    batches: Vec<u8>,
    /// What is said of each server in the next message, besides reports.
    news: BTreeMap<u64, News>,
    /// Number of the next message.
    next: u64,
    in_flight: Option<Message>,
}

/// What is said of a server, besides reports. Newer news replaces what was not sent yet, so there are at most as many
/// as servers.
#[derive(Default)]
struct News {
    /// Of the session that was open when they came, which is not newer than the marker's.
    facts: Option<(u64, i64, Arc<HostFacts>)>,
    /// The session, and the position of the registry at which it opened.
    marker: Option<(u64, u64)>,
}

impl Outgoing {
    pub(super) fn new(partition: usize, own: Member) -> Self {
        Self { partition, own, batches: Vec::new(), news: BTreeMap::new(), next: 1, in_flight: None }
    }

    /// The message that takes what is put in now.
    pub(super) fn position(&self) -> Position {
        Position(self.next)
    }

    /// Bytes of reports that wait for the next message.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.batches.len()
    }

    /// Whether reports of one server fit into the next message. The reports of any frame fit into an empty one.
    pub(super) fn has_room(&self, samples: &[Sample], before: Option<&[Temperature]>) -> bool {
        let left = OFFERED_BYTES_MAX.saturating_sub(self.batches.len());
        self.batches.is_empty()
            || left >= BATCH_HEAD_BYTES_MAX + BATCH_LOG_BYTES_MAX
            || left >= BATCH_HEAD_BYTES_MAX + log::reports_bytes_max(samples, before)
    }

    /// Puts reports in. Returns their bytes.
    pub(super) fn put_batch(&mut self, head: &BatchHead, samples: &[Sample], before: Option<&[Temperature]>) -> usize {
        let before_bytes = self.batches.len();
        message::put_batch(&mut self.batches, head, samples, before);
        self.batches.len() - before_bytes
    }

    /// Puts a session's marker in, behind the reports that are there.
    pub(super) fn put_marker(&mut self, server_id: u64, epoch: u64, registry_position: u64) {
        self.news.entry(server_id).or_default().marker = Some((epoch, registry_position));
    }

    pub(super) fn put_facts(&mut self, server_id: u64, epoch: u64, came_ms: i64, facts: Arc<HostFacts>) {
        self.news.entry(server_id).or_default().facts = Some((epoch, came_ms, facts));
    }

    /// The message that is on its way. If there is none: what has gathered, which then is. `is_attended` says of a
    /// server's session whether it is still there.
    pub(super) fn message(&mut self, is_attended: &dyn Fn(u64, u64) -> bool) -> Option<Message> {
        if self.in_flight.is_none() {
            self.drop_old_markers(is_attended);
            if !(self.batches.is_empty() && self.news.is_empty()) {
                self.in_flight = Some(self.take());
            }
        }
        self.in_flight.clone()
    }

    /// Drops markers of sessions that have ended. They may have gathered for a long time, while the brokers were not
    /// reached, and their agents are at other hubs by now: a marker that comes late would end these sessions.
    fn drop_old_markers(&mut self, is_attended: &dyn Fn(u64, u64) -> bool) {
        self.news.retain(|server_id, news| {
            news.marker = news.marker.filter(|(epoch, _)| is_attended(*server_id, *epoch));
            news.marker.is_some() || news.facts.is_some()
        });
    }

    fn take(&mut self) -> Message {
        let Member { hub_id, boot_id } = self.own;
        let number = self.next;
        let mut bytes = Vec::with_capacity(self.batches.len() + 64);
        message::begin(&mut bytes, &Header { partition: self.partition, hub_id, boot_id, number });
        // Reports of a session come before the marker of the next one, as they came in.
        bytes.append(&mut self.batches);
        while let Some(news) = self.news.first_entry() {
            let (server_id, end) = (*news.key(), bytes.len());
            if let Some((epoch, came_ms, facts)) = &news.get().facts {
                message::put_facts(&mut bytes, (server_id, *epoch), *came_ms, facts);
            }
            if let Some((epoch, registry_position)) = news.get().marker {
                message::put_marker(&mut bytes, (server_id, epoch), registry_position);
            }
            if bytes.len() > STREAM_MESSAGE_BYTES_MAX {
                bytes.truncate(end);
                break;
            }
            news.remove();
        }
        message::seal_message(&mut bytes);
        self.next += 1;
        Message { number, bytes: bytes.into() }
    }

    /// The stream has the messages up to that one.
    pub(super) fn settle(&mut self, number: u64) {
        if self.in_flight.as_ref().is_some_and(|message| message.number <= number) {
            self.in_flight = None;
        }
    }
}

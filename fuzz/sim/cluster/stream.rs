//! The stream of one partition, as JetStream keeps it: what it has stored it never loses, whatever becomes of the
//! brokers. It knows a message that comes again by its id, for a while. It takes a message only if the publisher knows which
//! message of its subject came last.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Milliseconds for which ids are remembered: JetStream's default.
const WINDOW_MS: i64 = 120_000;

/// What a publisher calls its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageId {
    pub(crate) hub_id: u32,
    pub(crate) boot_id: u64,
    pub(crate) number: u64,
}

/// What the stream says of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has it, at that position.
    Stored(u64),
    /// Another message of the subject came last than the publisher believes. It was not stored.
    WrongLast,
}

/// One stream. Positions count from 1.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    messages: Vec<Arc<[u8]>>,
    /// Messages of the last two minutes: their positions, and when they came.
    recent: BTreeMap<MessageId, (u64, i64)>,
    /// The last message of each hub's subject.
    last: BTreeMap<u32, (u64, MessageId)>,
    /// Steps until it has a leader.
    pub(crate) leaderless: u64,
}

impl Stream {
    /// Takes a message. `None` when there is no leader: nothing is stored and nothing is said.
    pub(crate) fn publish(
        &mut self,
        id: MessageId,
        expected_last: u64,
        message: &Arc<[u8]>,
        now_ms: i64,
    ) -> Option<Answer> {
        if self.leaderless > 0 {
            return None;
        }
        self.recent.retain(|_, (_, came_ms)| now_ms - *came_ms <= WINDOW_MS);
        if let Some((position, _)) = self.recent.get(&id) {
            return Some(Answer::Stored(*position));
        }
        if self.last.get(&id.hub_id).map_or(0, |(position, _)| *position) != expected_last {
            return Some(Answer::WrongLast);
        }
        self.messages.push(Arc::clone(message));
        let position = self.end();
        self.recent.insert(id, (position, now_ms));
        self.last.insert(id.hub_id, (position, id));
        Some(Answer::Stored(position))
    }

    /// The last message of a hub's subject, if there is any. The outer `None` when there is no leader to ask.
    pub(crate) fn last_of(&self, hub_id: u32) -> Option<Option<(u64, MessageId)>> {
        (self.leaderless == 0).then(|| self.last.get(&hub_id).copied())
    }

    /// The message at a position.
    pub(crate) fn get(&self, position: u64) -> Option<Arc<[u8]>> {
        self.messages.get(usize::try_from(position).ok()?.checked_sub(1)?).cloned()
    }

    /// The position of the last message.
    pub(crate) fn end(&self) -> u64 {
        self.messages.len() as u64
    }
}

//! Notices that are more than a channel takes: one message counts them.

use std::collections::HashSet;

use super::book::{Draft, Writing};
use super::channel::ChannelKind;
use super::front::Alerts;
use super::notice::Notice;

impl Alerts<'_> {
    /// Where more notices are due than a channel takes in this minute, makes one digest of those that are too many.
    /// Returns the channels that take none for now. Without `may_write` there is no digest.
    pub(super) fn keep_to_rates(&self, writing: &mut Writing, now_ms: i64, may_write: bool) -> HashSet<u64> {
        self.forget_gone_channels(writing);
        let mut resting = HashSet::new();
        let due = self.book.board.read().queue.due_by_channel(now_ms);
        for (channel_id, due) in due {
            let Some(channel) = self.parts.registry.channel(channel_id).filter(|channel| channel.enabled) else {
                continue;
            };
            let free = match channel.kind {
                // It is told which alerts fire, not what happened, so one notice has it told all. While it is away, more
                // would only fill the queue of all channels.
                ChannelKind::Alertmanager { .. } => 1,
                _ => writing.rates.free(channel_id, channel.messages_per_minute, now_ms),
            };
            if free == 0 {
                resting.insert(channel_id);
                continue;
            }
            if may_write && due.len() > free {
                let surplus: Vec<Notice> = {
                    let board = self.book.board.read();
                    due[free - 1..].iter().filter_map(|sequence| board.queue.get(*sequence).cloned()).collect()
                };
                let gone = surplus.iter().map(|notice| notice.sequence).collect();
                let notices = vec![Notice::digest_of(channel_id, &surplus, now_ms)];
                let mut draft = Draft { gone, notices, ..Draft::default() };
                // If it cannot be written now, they wait as they are.
                drop(self.write(writing, &mut draft, now_ms));
            }
        }
        resting
    }

    /// Channels that are made and removed again and again must not fill the memory.
    fn forget_gone_channels(&self, writing: &mut Writing) {
        let there: HashSet<u64> = self.parts.registry.channels().iter().map(|channel| channel.id).collect();
        writing.rates.forget_gone(|id| there.contains(&id));
        let is_any_gone = self.book.board.read().channels.keys().any(|id| !there.contains(id));
        if is_any_gone {
            self.book.board.write().channels.retain(|id, _| there.contains(id));
        }
    }
}

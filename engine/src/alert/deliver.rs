//! What is asked of the alerts by whoever sends: which notices are due, and how sending them went.

use std::sync::Arc;

use super::book::{ChannelHealth, Draft, Writing};
use super::channel::Channel;
use super::front::Alerts;
use super::journal::{AlertEvent, EventKind};
use super::notice::{Notice, NoticeKind};
use super::rule::{Rule, Severity};
use crate::error::ChangeError;

/// A notice to be sent now, and how.
#[derive(Debug, Clone)]
pub struct DueNotice {
    /// The notice.
    pub notice: Notice,
    /// The channel that it goes to.
    pub channel: Arc<Channel>,
    /// Its rule, if it is about one.
    pub rule: Option<Arc<Rule>>,
}

/// Why a notice was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendFailure {
    /// Unix milliseconds.
    pub now_ms: i64,
    /// Why, without any secret.
    pub why: String,
    /// Unix milliseconds before which it is not tried again; `None` when it is given up.
    pub retry_ms: Option<i64>,
}

impl Alerts<'_> {
    /// The notices that are to be sent now, the oldest first, one of a channel at most, and no more than the channel
    /// takes in a minute. Each is to be answered with [`Alerts::sent`] or [`Alerts::failed`]: until then it is not given
    /// again, and its channel gets no other.
    ///
    /// In a cluster there are only tests of channels while another process judges ([`Alerts::is_judge`]), or while it
    /// is not known whether a pass is stored: its message may add to a notice.
    pub fn due_notices(&self, now_ms: i64, max: usize) -> Vec<DueNotice> {
        self.due_notices_while(&|| true, now_ms, max)
    }

    /// The same, but only tests of channels unless `may_tell` says that this hub may send the others. It is asked when
    /// nothing has to be waited for any more.
    pub fn due_notices_while(&self, may_tell: &dyn Fn() -> bool, now_ms: i64, max: usize) -> Vec<DueNotice> {
        let mut writing = self.book.writing.lock();
        let only_tests = |writing: &Writing| !may_tell() || !self.is_judge() || self.is_undecided(writing);
        let may_write = !only_tests(&writing);
        self.look_at_newest(&mut writing);
        let resting = self.keep_to_rates(&mut writing, now_ms, may_write);
        // A digest is proposed, and while that is on its way another hub may have taken over.
        let only_tests = !may_write || only_tests(&writing);
        let options = self.book.options();
        let due = self.book.board.write().queue.take_due((now_ms, max), only_tests, &options, &resting);
        let registry = self.parts.registry;
        let mut ready = Vec::with_capacity(due.len());
        for notice in due {
            match registry.channel(notice.channel_id).filter(|channel| channel.enabled) {
                Some(channel) => {
                    writing.rates.note(channel.id, now_ms);
                    ready.push(DueNotice { channel, rule: registry.rule(notice.rule_id), notice });
                }
                None => {
                    let why = "the channel is disabled or removed";
                    let events = vec![self.undelivered(&notice, why, now_ms)];
                    // If it cannot be written now, the next write does it.
                    drop(self.settle(&mut writing, (notice.sequence, events), now_ms));
                }
            }
        }
        ready
    }

    /// The notice of that number was sent. In a cluster, [`Alerts::share_sent`] tells it to the other hubs.
    ///
    /// # Errors
    /// The write failed. The next write does it; a start before that sends the notice again.
    pub fn sent(&self, sequence: u64, now_ms: i64) -> Result<(), ChangeError> {
        let mut writing = self.book.writing.lock();
        if let Some(channel_id) = self.channel_of(sequence) {
            let mut board = self.book.board.write();
            let health = board.channels.entry(channel_id).or_default();
            (health.failing_since_ms, health.failure, health.last_sent_ms) = (None, None, Some(now_ms));
            health.sent += 1;
        }
        self.settle(&mut writing, (sequence, Vec::new()), now_ms)
    }

    /// The notice of that number was not sent. Either it is tried again, or the log says that it was given up. In a
    /// cluster only this process knows when it is tried again: a hub that takes over tries it at once.
    ///
    /// # Errors
    /// The write failed.
    pub fn failed(&self, sequence: u64, failure: SendFailure) -> Result<(), ChangeError> {
        let mut writing = self.book.writing.lock();
        let Some(notice) = self.book.board.read().queue.get(sequence).cloned() else { return Ok(()) };
        let SendFailure { now_ms, why, retry_ms } = failure;
        {
            let mut board = self.book.board.write();
            let health = board.channels.entry(notice.channel_id).or_default();
            health.failing_since_ms.get_or_insert(now_ms);
            health.failed += u64::from(retry_ms.is_none());
            health.failure = Some(why.clone());
        }
        let Some(not_before_ms) = retry_ms else {
            let events = vec![self.undelivered(&notice, &why, now_ms)];
            return self.settle(&mut writing, (sequence, events), now_ms);
        };
        let again = Notice { not_before_ms, attempts: notice.attempts.saturating_add(1), ..notice };
        if self.parts.registry.member().is_some() {
            let mut board = self.book.board.write();
            // Another hub may have sent it in the meantime.
            if board.queue.get(sequence).is_some() {
                board.queue.put_back(again);
            }
            return Ok(());
        }
        let mut draft = Draft { put_back: vec![again.clone()], ..Draft::default() };
        let written = self.write(&mut writing, &mut draft, now_ms);
        if written.is_err() {
            // It waits all the same. A start tries it at once.
            self.book.board.write().queue.put_back(again);
        }
        written
    }

    /// Puts a test notice for a channel. If one waits already, that is tried at once. In a cluster this hub sends it,
    /// unless it stops before.
    ///
    /// # Errors
    /// No such channel, a failed write.
    pub fn test(&self, channel_id: u64, now_ms: i64) -> Result<(), ChangeError> {
        if self.parts.registry.channel(channel_id).is_none() {
            return Err(ChangeError::NoSuch { what: "channel", id: channel_id });
        }
        let mut writing = self.book.writing.lock();
        let waiting = self.book.board.read().queue.waiting_test(channel_id);
        let test = Notice::new(channel_id, 0, NoticeKind::Test, now_ms);
        if let Some(own) = self.parts.registry.member() {
            self.put_own_test(own, &mut writing, test, waiting);
            return Ok(());
        }
        let mut draft = match waiting {
            // Any number of tests would hold up what the channel is to be told.
            Some(sequence) => Draft { put_back: vec![Notice { sequence, ..test }], ..Draft::default() },
            None => Draft { notices: vec![test], ..Draft::default() },
        };
        self.write(&mut writing, &mut draft, now_ms)
    }

    /// Removes a notice that is sent or given up, and notes what the log says of that.
    fn settle(
        &self,
        writing: &mut Writing,
        (sequence, events): (u64, Vec<AlertEvent>),
        now_ms: i64,
    ) -> Result<(), ChangeError> {
        if self.parts.registry.member().is_some() {
            self.settle_later(writing, sequence, events);
            return Ok(());
        }
        Ok(self.book.settle(self.parts.store, writing, (sequence, events), now_ms)?)
    }

    /// Notices that wait, those included that are being sent.
    pub fn notices_waiting(&self) -> usize {
        self.book.board.read().queue.len()
    }

    /// How a channel does, since the start.
    pub fn channel_health(&self, channel_id: u64) -> ChannelHealth {
        self.book.board.read().channels.get(&channel_id).cloned().unwrap_or_default()
    }

    fn channel_of(&self, sequence: u64) -> Option<u64> {
        self.book.board.read().queue.get(sequence).map(|notice| notice.channel_id)
    }

    fn undelivered(&self, notice: &Notice, why: &str, now_ms: i64) -> AlertEvent {
        let rule = self.parts.registry.rule(notice.rule_id);
        let (channel_id, kind, count) = (notice.channel_id, notice.kind.name(), notice.count);
        AlertEvent {
            time_ms: now_ms,
            sequence: 0,
            rule_id: notice.rule_id,
            rule_name: rule.as_ref().map_or_else(String::new, |rule| rule.name.clone()),
            server_id: 0,
            server_name: String::new(),
            severity: rule.map_or(Severity::Info, |rule| rule.severity),
            what: EventKind::Undelivered,
            value: None,
            note: format!("channel {channel_id}: a message ({kind}) about {count} alerts was not sent: {why}"),
        }
    }
}

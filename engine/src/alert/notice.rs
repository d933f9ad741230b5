//! What channels are told: notices that wait to be sent, and the messages that are made of them.

use super::measure::Measure;
use super::rule::{Rule, Severity};
use crate::limits::{NOTICE_SERVERS_MAX, NOTICE_TAGS_MAX};

/// What a notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NoticeKind {
    /// Alerts end. Before [`NoticeKind::Firing`], because those that wait together were told to fire earlier.
    Resolved,
    /// Alerts fire.
    Firing,
    /// What happened to many alerts, counted: there were too many notices.
    Digest,
    /// The hub was cut off from its servers.
    Isolated,
    /// A test of the channel.
    Test,
}

impl NoticeKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Resolved, Self::Firing, Self::Digest, Self::Isolated, Self::Test];

    /// The kind as one word, which is also stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::Firing => "firing",
            Self::Digest => "digest",
            Self::Isolated => "isolated",
            Self::Test => "test",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A server that a notice names.
#[derive(Debug, Clone, PartialEq)]
pub struct NoticeServer {
    /// Its id; 0 for the hub.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// Its tag.
    pub tag: String,
    /// The value of the rule's first condition.
    pub value: Option<f64>,
    /// Unix milliseconds since when it is bad.
    pub since_ms: i64,
    /// Unix milliseconds at which it was ok again. `None` while it fires.
    pub ended_ms: Option<i64>,
}

/// What is to be sent to one channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// Given out once, never again.
    pub sequence: u64,
    /// The channel.
    pub channel_id: u64,
    /// The rule; 0 when it is about none, or about several.
    pub rule_id: u64,
    /// What it says.
    pub kind: NoticeKind,
    /// Unix milliseconds at which it was made.
    pub created_ms: i64,
    /// Unix milliseconds before which it is not sent.
    pub not_before_ms: i64,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Unix milliseconds since when the first of it is bad.
    pub since_ms: i64,
    /// Unix milliseconds at which the last of it ended.
    pub ended_ms: Option<i64>,
    /// Alerts that it tells of. Of [`NoticeKind::Isolated`], servers that did not come back.
    pub count: u64,
    /// Of these, those that have ended.
    pub ended: u64,
    /// The first of them.
    pub servers: Vec<NoticeServer>,
    /// The others, counted by tag.
    pub by_tag: Vec<(String, u64)>,
    /// Those that are in neither list, because there are too many tags.
    pub dropped: u64,
}

impl Notice {
    /// A notice that tells of nothing yet.
    pub(crate) fn new(channel_id: u64, rule_id: u64, kind: NoticeKind, created_ms: i64) -> Self {
        Self {
            sequence: 0,
            channel_id,
            rule_id,
            kind,
            created_ms,
            not_before_ms: created_ms,
            attempts: 0,
            since_ms: created_ms,
            ended_ms: None,
            count: 0,
            ended: 0,
            servers: Vec::new(),
            by_tag: Vec::new(),
            dropped: 0,
        }
    }

    /// Takes one more alert.
    pub(crate) fn add(&mut self, server: &NoticeServer) {
        self.since_ms = if self.count == 0 { server.since_ms } else { self.since_ms.min(server.since_ms) };
        self.count += 1;
        if let Some(ended_ms) = server.ended_ms {
            self.note_end(ended_ms);
        }
        self.name(server);
    }

    /// Names a server, or counts it by its tag when there are too many.
    fn name(&mut self, server: &NoticeServer) {
        if self.servers.len() < NOTICE_SERVERS_MAX {
            self.servers.push(server.clone());
        } else {
            self.count_by_tag(&server.tag, 1);
        }
    }

    fn count_by_tag(&mut self, tag: &str, more: u64) {
        if let Some((_, count)) = self.by_tag.iter_mut().find(|(found, _)| found == tag) {
            *count += more;
        } else if self.by_tag.len() < NOTICE_TAGS_MAX {
            self.by_tag.push((tag.to_owned(), more));
        } else {
            self.dropped += more;
        }
    }

    /// One notice that tells of all that these tell of.
    pub(crate) fn digest_of(channel_id: u64, notices: &[Self], now_ms: i64) -> Self {
        let mut digest = Self::new(channel_id, 0, NoticeKind::Digest, now_ms);
        for notice in notices {
            digest.created_ms = digest.created_ms.min(notice.created_ms);
            digest.since_ms = digest.since_ms.min(notice.since_ms);
            if let Some(ended_ms) = notice.ended_ms {
                digest.ended_ms = Some(digest.ended_ms.map_or(ended_ms, |before| before.max(ended_ms)));
            }
            digest.ended += notice.ended;
            digest.count += notice.count;
            digest.dropped += notice.dropped;
            notice.servers.iter().for_each(|server| digest.name(server));
            notice.by_tag.iter().for_each(|(tag, count)| digest.count_by_tag(tag, *count));
        }
        digest
    }

    /// An alert that it tells of has ended before it was sent.
    pub(crate) fn end(&mut self, server_id: u64, ended_ms: i64) {
        self.note_end(ended_ms);
        let mut named = self.servers.iter_mut().rev();
        if let Some(server) = named.find(|server| server.id == server_id && server.ended_ms.is_none()) {
            server.ended_ms = Some(ended_ms);
        }
    }

    fn note_end(&mut self, ended_ms: i64) {
        self.ended += 1;
        self.ended_ms = Some(self.ended_ms.map_or(ended_ms, |before| before.max(ended_ms)));
    }

    /// A text that stays the same when it is sent again, so that a receiver can drop the repeat.
    pub fn key(&self) -> String {
        format!("w-{}", self.sequence)
    }

    /// The message to be sent, with the notice's rule and a link to the hub's pages.
    pub fn message(&self, rule: Option<&Rule>, link: Option<String>) -> Message {
        let has_ended = self.kind != NoticeKind::Firing || self.ended >= self.count;
        Message {
            key: self.key(),
            kind: self.kind,
            severity: rule.map_or(Severity::Info, |rule| rule.severity),
            rule: rule.map(|rule| (rule.id, rule.name.clone())),
            measure: rule.and_then(|rule| rule.when.first()).map(|condition| condition.measure),
            since_ms: self.since_ms,
            ended_ms: self.ended_ms.filter(|_| has_ended),
            count: self.count,
            ended: self.ended,
            servers: self.servers.clone(),
            by_tag: self.by_tag.clone(),
            truncated: self.count > self.servers.len() as u64,
            link,
        }
    }
}

/// A message, before it is put into the words and the form of its channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The same each time it is sent.
    pub key: String,
    /// What it says.
    pub kind: NoticeKind,
    /// How bad it is.
    pub severity: Severity,
    /// The rule's id and name.
    pub rule: Option<(u64, String)>,
    /// What the servers' values are: the measure of the rule's first condition.
    pub measure: Option<Measure>,
    /// Unix milliseconds since when the first of it is bad.
    pub since_ms: i64,
    /// Unix milliseconds at which all of it had ended.
    pub ended_ms: Option<i64>,
    /// Alerts that it tells of. Of [`NoticeKind::Isolated`], servers that did not come back.
    pub count: u64,
    /// Of these, those that have ended.
    pub ended: u64,
    /// The first of them.
    pub servers: Vec<NoticeServer>,
    /// Others, counted by tag.
    pub by_tag: Vec<(String, u64)>,
    /// Whether it tells of more than it names.
    pub truncated: bool,
    /// The page of the hub about it.
    pub link: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rule::{Condition, NewRule, Operator};

    fn server(id: u64, tag: &str) -> NoticeServer {
        let since_ms = 1_000 - id.cast_signed();
        NoticeServer { id, name: format!("s{id}"), tag: tag.to_owned(), value: Some(1.0), since_ms, ended_ms: None }
    }

    #[test]
    fn ten_servers_are_named_and_the_others_are_counted_by_tag() {
        let mut notice = Notice::new(1, 2, NoticeKind::Firing, 5_000);
        let tags = NOTICE_TAGS_MAX as u64 + 3;
        (0..10).for_each(|id| notice.add(&server(id, "web")));
        (10..20).for_each(|id| notice.add(&server(id, "web")));
        (0..tags).for_each(|id| notice.add(&server(20 + id, &format!("t{id}"))));
        assert_eq!((notice.count, notice.servers.len()), (20 + tags, 10));
        assert_eq!(notice.by_tag.len(), NOTICE_TAGS_MAX);
        assert_eq!(notice.by_tag.first(), Some(&("web".to_owned(), 10)));
        let told = 10 + notice.by_tag.iter().map(|(_, count)| count).sum::<u64>() + notice.dropped;
        assert_eq!((told, notice.dropped), (notice.count, 4));
        assert_eq!(notice.since_ms, 1_000 - (19 + tags.cast_signed()));
    }

    #[test]
    fn a_fault_and_its_end_that_both_waited_are_one_message() {
        let condition = Condition { measure: Measure::Offline, operator: Operator::Above, value: 60.0, clear: None };
        let rule = NewRule::of("offline", Severity::Critical, vec![condition]).into_rule(2, 0);
        let mut notice = Notice { sequence: 7, ..Notice::new(1, 2, NoticeKind::Firing, 5_000) };
        (1..=2).for_each(|id| notice.add(&server(id, "")));
        notice.end(2, 6_000);
        let half = notice.message(Some(&rule), None);
        assert_eq!((half.ended_ms, half.ended, half.count), (None, 1, 2));
        notice.end(1, 5_500);
        let whole = notice.message(Some(&rule), Some("https://hub.example.org".to_owned()));
        assert_eq!((whole.ended_ms, whole.ended, whole.truncated), (Some(6_000), 2, false));
        assert_eq!((whole.key.as_str(), whole.rule), ("w-7", Some((2, "offline".to_owned()))));
        assert_eq!((whole.measure, notice.message(None, None).measure), (Some(Measure::Offline), None));
        assert_eq!(whole.servers.iter().map(|server| server.ended_ms).collect::<Vec<_>>(), [Some(5_500), Some(6_000)]);
    }

    #[test]
    fn a_digest_counts_all_that_its_notices_tell_of() {
        let notice = |sequence: u64, kind, servers: std::ops::Range<u64>, tag: &str| {
            let created_ms = 5_000 - sequence.cast_signed();
            let mut notice = Notice { sequence, ..Notice::new(1, 2, kind, created_ms) };
            servers.for_each(|id| notice.add(&server(id, tag)));
            notice
        };
        let fires = notice(1, NoticeKind::Firing, 0..25, "web");
        let mut ends = notice(2, NoticeKind::Resolved, 0..4, "db");
        (0..4).for_each(|id| ends.end(id, 7_000));
        let digest = Notice::digest_of(1, &[fires, ends], 9_000);
        assert_eq!((digest.kind, digest.rule_id, digest.count, digest.ended), (NoticeKind::Digest, 0, 29, 4));
        assert_eq!((digest.created_ms, digest.not_before_ms, digest.ended_ms), (4_998, 9_000, Some(7_000)));
        let told = digest.servers.len() as u64 + digest.by_tag.iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!((told, digest.since_ms), (29, 976));
    }

    #[test]
    fn names_are_found_and_are_unlike() {
        assert!(NoticeKind::ALL.iter().all(|kind| NoticeKind::named(kind.name()) == Some(*kind)));
    }
}

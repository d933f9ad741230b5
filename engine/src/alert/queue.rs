//! The notices that wait to be sent. What happens within a few seconds, to one rule, is one notice for each channel.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::notice::{Notice, NoticeKind, NoticeServer};
use super::state::AlertOptions;
use crate::limits::NOTICES_MAX;

/// Channel, rule and kind: what is told together.
type Group = (u64, u64, NoticeKind);

/// A notice that is due later than this was written while the clock was ahead: it is due now. Waits are shorter.
const WAIT_MS_MAX: i64 = 2 * 3_600_000;

/// Something that channels are told.
#[derive(Debug, Clone)]
pub(super) struct Telling {
    pub(super) rule_id: u64,
    pub(super) channels: Arc<[u64]>,
    /// [`NoticeKind::Firing`] or [`NoticeKind::Resolved`].
    pub(super) kind: NoticeKind,
    pub(super) server: NoticeServer,
    /// Of an end: notices below this number may have told that it fires.
    pub(super) told: u64,
}

/// The notices that wait.
#[derive(Debug)]
pub(super) struct Queue {
    notices: BTreeMap<u64, Notice>,
    /// Notices that are being sent.
    taken: HashSet<u64>,
    /// Notices that others may still join.
    open: HashMap<Group, u64>,
    /// When the next notice of a group may be sent, Unix milliseconds.
    next_ms: HashMap<Group, i64>,
    /// The number of the next notice.
    pub(super) next: u64,
}

/// A change of the queue, not made yet.
#[derive(Debug, Default)]
pub(super) struct QueueEdit {
    /// Notices that are new, or say more than before.
    pub(super) notices: BTreeMap<u64, Notice>,
    opened: HashMap<Group, u64>,
    pub(super) next: u64,
}

impl Queue {
    /// The queue with the notices that a start finds. None of them is joined by others: it may have been sent already.
    pub(super) fn new(notices: Vec<Notice>, next: u64) -> Self {
        let highest = notices.iter().map(|notice| notice.sequence).max().unwrap_or(0);
        Self {
            notices: notices.into_iter().map(|notice| (notice.sequence, notice)).collect(),
            taken: HashSet::new(),
            open: HashMap::new(),
            next_ms: HashMap::new(),
            next: next.max(highest.saturating_add(1)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.notices.len()
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Notice> {
        self.notices.get(&sequence)
    }

    /// The number of the test of that channel which waits and is not being sent.
    pub(super) fn waiting_test(&self, channel_id: u64) -> Option<u64> {
        let is_of_channel = |notice: &&Notice| notice.channel_id == channel_id && notice.kind == NoticeKind::Test;
        let mut tests = self.notices.values().filter(is_of_channel).map(|notice| notice.sequence);
        tests.find(|sequence| !self.taken.contains(sequence))
    }

    /// An edit that changes nothing yet.
    pub(super) fn edit(&self) -> QueueEdit {
        QueueEdit { next: self.next, ..QueueEdit::default() }
    }

    pub(super) fn apply(&mut self, edit: QueueEdit) {
        self.notices.extend(edit.notices);
        self.open.extend(edit.opened);
        self.next = edit.next;
    }

    /// A notice as the registry's stream brings it. Others may join it only once [`Queue::let_join`] says so.
    pub(super) fn follow(&mut self, notice: Notice) {
        self.notices.insert(notice.sequence, notice);
    }

    /// Numbers from this one on were never given out.
    pub(super) fn raise_next(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Others may join the notices that an edit has opened: the stream has brought them.
    pub(super) fn let_join(&mut self, edit: QueueEdit) {
        let opened = edit.opened.into_iter();
        self.open.extend(opened.filter(|(_, sequence)| self.notices.contains_key(sequence)));
    }

    /// Nothing joins the notices that wait now: another hub may have sent them.
    pub(super) fn close(&mut self) {
        self.open.clear();
    }

    /// The notices that are due and not being sent, in the order in which they are sent.
    fn due(&self, now_ms: i64) -> Vec<&Notice> {
        let is_due = |notice: &&Notice| {
            notice.not_before_ms <= now_ms || notice.not_before_ms.saturating_sub(now_ms) > WAIT_MS_MAX
        };
        let mut due: Vec<&Notice> = self.notices.values().filter(is_due).collect();
        due.retain(|notice| !self.taken.contains(&notice.sequence));
        due.sort_by_key(|notice| (notice.not_before_ms, notice.kind, notice.sequence));
        due
    }

    /// Numbers of the notices that are due, by channel. Those that others cannot be told with are left out.
    pub(super) fn due_by_channel(&self, now_ms: i64) -> HashMap<u64, Vec<u64>> {
        let mut by_channel: HashMap<u64, Vec<u64>> = HashMap::new();
        for notice in self.due(now_ms) {
            let due = by_channel.entry(notice.channel_id).or_default();
            if !matches!(notice.kind, NoticeKind::Isolated | NoticeKind::Test) {
                due.push(notice.sequence);
            }
        }
        by_channel
    }

    /// Takes the oldest notices that are due, one of a channel at most, so that each channel is told in order. None of
    /// channels that rest.
    pub(super) fn take_due(
        &mut self,
        (now_ms, max): (i64, usize),
        only_tests: bool,
        options: &AlertOptions,
        resting: &HashSet<u64>,
    ) -> Vec<Notice> {
        let taken = self.taken.iter().filter_map(|taken| self.notices.get(taken)).map(|notice| notice.channel_id);
        let mut busy: HashSet<u64> = taken.chain(resting.iter().copied()).collect();
        let mut due = self.due(now_ms);
        due.retain(|notice| (!only_tests || notice.kind == NoticeKind::Test) && busy.insert(notice.channel_id));
        let due: Vec<Notice> = due.into_iter().take(max).cloned().collect();
        self.next_ms.retain(|_, next_ms| *next_ms > now_ms);
        for notice in &due {
            self.taken.insert(notice.sequence);
            let group = (notice.channel_id, notice.rule_id, notice.kind);
            if self.open.get(&group) == Some(&notice.sequence) {
                self.open.remove(&group);
            }
            self.next_ms.insert(group, now_ms.saturating_add(options.group_interval_ms));
        }
        due
    }

    /// It is sent, or never will be.
    pub(super) fn remove(&mut self, sequence: u64) -> Option<Notice> {
        self.taken.remove(&sequence);
        let notice = self.notices.remove(&sequence)?;
        self.open.retain(|_, open| *open != sequence);
        Some(notice)
    }

    /// It could not be sent, and is tried again.
    pub(super) fn put_back(&mut self, notice: Notice) {
        self.taken.remove(&notice.sequence);
        self.notices.insert(notice.sequence, notice);
    }
}

impl QueueEdit {
    /// Tells all channels of it.
    pub(super) fn tell(&mut self, queue: &Queue, telling: &Telling, now_ms: i64, options: &AlertOptions) {
        for channel_id in telling.channels.iter().copied() {
            let group = (channel_id, telling.rule_id, telling.kind);
            match telling.kind {
                NoticeKind::Resolved => {
                    let firing = (channel_id, telling.rule_id, NoticeKind::Firing);
                    let waits = self.open_of(queue, firing).filter(|sequence| *sequence < telling.told);
                    // The fault is not told yet: it is told together with its end.
                    match waits.and_then(|sequence| self.notice(queue, sequence)) {
                        Some(notice) => notice.end(telling.server.id, telling.server.ended_ms.unwrap_or(now_ms)),
                        None => self.join(queue, group, telling, now_ms, options),
                    }
                }
                _ => {
                    self.join(queue, group, telling, now_ms, options);
                    self.hasten_ends(queue, group);
                }
            }
        }
    }

    /// Puts a notice that nothing joins. Returns its number.
    pub(super) fn put(&mut self, notice: Notice) -> u64 {
        let sequence = self.next;
        self.next += 1;
        self.notices.insert(sequence, Notice { sequence, ..notice });
        sequence
    }

    /// Adds to the group's notice that waits, or to a new one.
    fn join(&mut self, queue: &Queue, group: Group, telling: &Telling, now_ms: i64, options: &AlertOptions) {
        if let Some(notice) = self.open_of(queue, group).and_then(|open| self.notice(queue, open)) {
            return notice.add(&telling.server);
        }
        let (channel_id, rule_id, kind) = group;
        let count = queue.len() as u64 + (self.next - queue.next);
        if count >= NOTICES_MAX as u64 && kind != NoticeKind::Digest {
            // There is one of these for each channel, so there are never many more.
            return self.join(queue, (channel_id, 0, NoticeKind::Digest), telling, now_ms, options);
        }
        let interval_ms = queue.next_ms.get(&group).map_or(0, |next_ms| next_ms.saturating_sub(now_ms));
        let wait_ms = options.group_wait_ms.max(interval_ms.min(options.group_interval_ms));
        let mut notice = Notice::new(channel_id, rule_id, kind, now_ms);
        notice.not_before_ms = now_ms.saturating_add(wait_ms);
        notice.add(&telling.server);
        let sequence = self.put(notice);
        self.opened.insert(group, sequence);
    }

    /// Ends that wait together with faults of the same rule are of earlier faults: they are told no later.
    fn hasten_ends(&mut self, queue: &Queue, firing: Group) {
        let (channel_id, rule_id, _) = firing;
        let fault =
            self.open_of(queue, firing).and_then(|open| self.notice(queue, open)).map(|notice| notice.not_before_ms);
        let ends = self.open_of(queue, (channel_id, rule_id, NoticeKind::Resolved));
        let Some((not_before_ms, ends)) = fault.zip(ends) else { return };
        if let Some(notice) = self.notice(queue, ends) {
            notice.not_before_ms = notice.not_before_ms.min(not_before_ms);
        }
    }

    fn open_of(&self, queue: &Queue, group: Group) -> Option<u64> {
        self.opened.get(&group).or_else(|| queue.open.get(&group)).copied()
    }

    /// A notice as this edit has it.
    fn notice(&mut self, queue: &Queue, sequence: u64) -> Option<&mut Notice> {
        match self.notices.entry(sequence) {
            Entry::Occupied(known) => Some(known.into_mut()),
            Entry::Vacant(free) => Some(free.insert(queue.notices.get(&sequence)?.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_000_000_000;
    const OPTIONS: AlertOptions =
        AlertOptions { grace_ms: 0, offline_after_ms: 0, group_wait_ms: 10_000, group_interval_ms: 60_000 };

    impl Queue {
        fn take(&mut self, now_ms: i64, max: usize) -> Vec<Notice> {
            self.take_due((now_ms, max), false, &OPTIONS, &HashSet::new())
        }
    }

    fn telling(server_id: u64, kind: NoticeKind, told: u64) -> Telling {
        let ended_ms = (kind == NoticeKind::Resolved).then_some(NOW_MS);
        let name = format!("s{server_id}");
        let server = NoticeServer { id: server_id, name, tag: "t".into(), value: None, since_ms: NOW_MS, ended_ms };
        Telling { rule_id: 5, channels: Arc::new([1, 2]), kind, server, told }
    }

    /// Tells of all of these at one moment. Returns the number below which their notices are.
    fn tell(queue: &mut Queue, now_ms: i64, tellings: &[Telling]) -> u64 {
        let mut edit = queue.edit();
        tellings.iter().for_each(|telling| edit.tell(queue, telling, now_ms, &OPTIONS));
        queue.apply(edit);
        queue.next
    }

    #[test]
    fn what_happens_together_is_one_notice_for_each_channel() {
        let mut queue = Queue::new(Vec::new(), 1);
        tell(&mut queue, NOW_MS, &(1..=5_000).map(|id| telling(id, NoticeKind::Firing, 0)).collect::<Vec<_>>());
        tell(&mut queue, NOW_MS + 5_000, &[telling(6_000, NoticeKind::Firing, 0)]);
        assert!(queue.take(NOW_MS + 9_999, 9).is_empty());
        let due = queue.take(NOW_MS + 10_000, 9);
        assert_eq!(
            due.iter().map(|notice| (notice.channel_id, notice.count)).collect::<Vec<_>>(),
            [(1, 5001), (2, 5001)]
        );
        // The next one waits for its interval.
        tell(&mut queue, NOW_MS + 11_000, &[telling(7_000, NoticeKind::Firing, 0)]);
        due.iter().for_each(|notice| drop(queue.remove(notice.sequence)));
        assert!(queue.take(NOW_MS + 69_999, 9).is_empty());
        assert_eq!(queue.take(NOW_MS + 70_000, 1).len(), 1);
    }

    #[test]
    fn tests_are_taken_alone_and_what_else_waits_is_left() {
        let mut queue = Queue::new(vec![Notice { sequence: 1, ..Notice::new(1, 0, NoticeKind::Test, NOW_MS) }], 2);
        tell(&mut queue, NOW_MS - 10_000, &[telling(1, NoticeKind::Firing, 0)]);
        let tests = queue.take_due((NOW_MS, 9), true, &OPTIONS, &HashSet::new());
        assert_eq!(tests.iter().map(|notice| notice.sequence).collect::<Vec<_>>(), [1]);
        assert!(queue.take_due((NOW_MS, 9), true, &OPTIONS, &HashSet::new()).is_empty());
        drop(queue.remove(1));
        let rest = queue.take(NOW_MS, 9);
        assert_eq!(
            rest.iter().map(|notice| (notice.channel_id, notice.kind)).collect::<Vec<_>>(),
            [(1, NoticeKind::Firing), (2, NoticeKind::Firing)]
        );
    }

    #[test]
    fn an_end_joins_its_fault_only_while_that_waits() {
        let mut queue = Queue::new(Vec::new(), 1);
        let told = tell(&mut queue, NOW_MS, &[telling(1, NoticeKind::Firing, 0), telling(2, NoticeKind::Firing, 0)]);
        tell(&mut queue, NOW_MS + 1_000, &[telling(1, NoticeKind::Resolved, told)]);
        let due = queue.take(NOW_MS + 10_000, 9);
        assert_eq!(due.iter().map(|notice| (notice.count, notice.ended)).collect::<Vec<_>>(), [(2, 1), (2, 1)]);
        tell(&mut queue, NOW_MS + 11_000, &[telling(3, NoticeKind::Firing, 0), telling(2, NoticeKind::Resolved, told)]);
        let waiting: Vec<_> = queue.notices.values().skip(2).map(|notice| (notice.kind, notice.count)).collect();
        let (fires, ends) = ((NoticeKind::Firing, 1), (NoticeKind::Resolved, 1));
        assert_eq!(waiting, [fires, fires, ends, ends], "a notice that is being sent is not changed");
    }

    #[test]
    fn ends_of_earlier_faults_are_told_before_new_faults() {
        let mut queue = Queue::new(Vec::new(), 1);
        queue.next_ms.insert((1, 5, NoticeKind::Resolved), NOW_MS + 50_000);
        tell(&mut queue, NOW_MS, &[telling(1, NoticeKind::Resolved, 1)]);
        tell(&mut queue, NOW_MS + 1_000, &[telling(1, NoticeKind::Firing, 0)]);
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let due = queue.take(NOW_MS + 11_000, 1);
            kinds.extend(due.iter().filter(|notice| notice.channel_id == 1).map(|notice| notice.kind));
            due.iter().for_each(|notice| drop(queue.remove(notice.sequence)));
        }
        let rest = queue.take(NOW_MS + 11_000, 9);
        kinds.extend(rest.iter().filter(|notice| notice.channel_id == 1).map(|notice| notice.kind));
        assert_eq!(kinds, [NoticeKind::Resolved, NoticeKind::Firing]);
    }

    #[test]
    fn too_many_notices_become_one_digest_for_each_channel_that_counts_them() {
        let full =
            (1..=NOTICES_MAX as u64).map(|sequence| Notice { sequence, ..Notice::new(9, 9, NoticeKind::Test, 0) });
        let mut queue = Queue::new(full.collect(), 1);
        tell(&mut queue, NOW_MS, &(1..=300).map(|id| telling(id, NoticeKind::Firing, 0)).collect::<Vec<_>>());
        tell(&mut queue, NOW_MS + 1, &[telling(1, NoticeKind::Resolved, 0)]);
        assert_eq!(queue.len(), NOTICES_MAX + 2);
        let digests = queue.notices.values().filter(|notice| notice.kind == NoticeKind::Digest);
        let counts: Vec<_> = digests.map(|notice| (notice.channel_id, notice.count, notice.ended)).collect();
        assert_eq!(counts, [(1, 301, 1), (2, 301, 1)]);
    }

    #[test]
    fn what_a_start_finds_is_sent_as_it_is_and_no_number_comes_twice() {
        let found = Notice { sequence: 40, ..Notice::new(1, 5, NoticeKind::Firing, NOW_MS) };
        let mut queue = Queue::new(vec![found.clone()], 30);
        tell(&mut queue, NOW_MS, &[telling(1, NoticeKind::Firing, 0)]);
        assert_eq!(queue.get(40), Some(&found));
        assert_eq!(queue.notices.keys().copied().collect::<Vec<_>>(), [40, 41, 42]);
        // A clock that was ahead when it was written.
        let ahead = Notice { sequence: 1, not_before_ms: NOW_MS + 2 * WAIT_MS_MAX, ..found };
        assert_eq!(Queue::new(vec![ahead], 1).take(NOW_MS, 9).len(), 1);
    }
}

//! How a hub of a cluster changes alerts: it proposes what it has found to the registry's stream, which brings it to
//! all hubs. On a hub that is alone this file only passes on what is to be written.

use std::collections::HashSet;

use super::book::{Draft, RESUMED_AFTER_MS_MAX, ToldRows, Writing, has_row};
use super::change::AlertChange;
use super::entry::{Edit, Entry};
use super::front::Alerts;
use super::journal::AlertEvent;
use super::notice::{Notice, NoticeKind};
use super::queue::{QueueEdit, Telling};
use super::roster::Roster;
use super::state::{Alert, AlertTime};
use crate::error::ChangeError;
use crate::intake::Member;
use crate::limits::STREAM_MESSAGE_BYTES_MAX;
use crate::store::StoreError;

/// Alerts that one message changes. If it has too many bytes nevertheless, it is halved.
const EDITS_PER_MESSAGE_MAX: usize = 4096;

/// Notices that are sent, and as many rows about notices that are given up, in one message.
const SENT_PER_MESSAGE_MAX: usize = 500;

/// From this number on notices are this hub's alone: tests of channels, which the hub sends that was asked for them.
/// Those of all hubs stay below it.
const OWN_NOTICES: u64 = 1 << 63;

impl Alerts<'_> {
    /// Whether passes of this process count: always if the hub is alone. In a cluster from [`Alerts::take_over`] on,
    /// until another process takes over.
    pub fn is_judge(&self) -> bool {
        self.parts.registry.member().is_none_or(|own| self.book.board.read().followed.judge == Some(own))
    }

    /// Tells the cluster that passes of this process count from now on, and none of another process. When this returns,
    /// everything that counts of another process's passes is known here. Nothing happens if the hub is alone.
    ///
    /// # Errors
    /// Other hubs were faster, or it is not known yet whether they have been told.
    pub fn take_over(&self) -> Result<(), ChangeError> {
        let Some(own) = self.parts.registry.member() else { return Ok(()) };
        self.parts.registry.change_alerts(|| Ok((vec![AlertChange::Judge(own)], ())))
    }

    /// For a hub of a cluster while another one judges, to be called as often as it would judge. Deletes rows of the
    /// log that are too old, as passes do.
    ///
    /// # Errors
    /// The store cannot be read or written.
    pub fn stand_by(&self, now_ms: i64) -> Result<(), StoreError> {
        let mut writing = self.book.writing.lock();
        writing.alive_ms = now_ms;
        self.book.cut_log(self.parts.store, &mut writing, self.parts.clock.expiry_ms(now_ms))
    }

    /// Tells the other hubs of a cluster which notices this one has sent or given up, many in one message. To be called
    /// about once per second, and before a stop. Until then, a hub that takes over sends them again.
    ///
    /// # Errors
    /// Other hubs were faster, or it is not known yet whether they have been told. The next call tells them.
    pub fn share_sent(&self) -> Result<(), ChangeError> {
        if self.parts.registry.member().is_none() {
            return Ok(());
        }
        let mut writing = self.book.writing.lock();
        self.forget_told(&mut writing)?;
        loop {
            let unstored = &writing.unstored;
            let gone: Vec<u64> = unstored.gone.iter().copied().take(SENT_PER_MESSAGE_MAX).collect();
            let events: Vec<AlertEvent> = unstored.events.iter().take(SENT_PER_MESSAGE_MAX).cloned().collect();
            if gone.is_empty() && events.is_empty() {
                return Ok(());
            }
            let mut told = ToldRows { place: 0, first_row: 0, count: events.len() };
            let shared = self.parts.registry.change_alerts(|| {
                let board = self.book.board.read();
                (told.place, told.first_row) = (self.parts.registry.followed() + 1, board.next_row);
                let mut changes: Vec<AlertChange> = gone.iter().copied().map(AlertChange::NoticeGone).collect();
                add_rows(&mut changes, &events, board.queue.next, board.next_row);
                Ok((changes, ()))
            });
            if matches!(shared, Err(ChangeError::Undecided)) && !events.is_empty() {
                writing.unstored.told = Some(told);
            }
            shared?;
            for sequence in &gone {
                writing.unstored.gone.remove(sequence);
            }
            writing.unstored.events.drain(..events.len());
        }
    }

    /// Forgets rows of a message whose fate was not known, if it is stored: the log would have them twice.
    fn forget_told(&self, writing: &mut Writing) -> Result<(), ChangeError> {
        let Some(ToldRows { place, first_row, count }) = writing.unstored.told else { return Ok(()) };
        self.decide(place)?;
        let events = &mut writing.unstored.events;
        if let Some(event) = events.first() {
            let row = AlertEvent { sequence: first_row, ..event.clone() };
            if has_row(self.parts.store, &row)? {
                events.drain(..count.min(events.len()));
            }
        }
        writing.unstored.told = None;
        Ok(())
    }

    /// What a pass does first, in a cluster.
    ///
    /// # Errors
    /// Another process judges, or it is not known yet whether an earlier proposal is stored.
    pub(super) fn begin_pass(&self, writing: &mut Writing, now: AlertTime) -> Result<(), ChangeError> {
        if self.parts.registry.member().is_none() {
            return Ok(());
        }
        if !self.is_judge() {
            return Err(ChangeError::Overtaken);
        }
        self.decide(writing.undecided)?;
        let term = self.book.board.read().followed.terms;
        if writing.term != term {
            self.begin_term(writing, now);
            writing.term = term;
        }
        self.place_followed(now);
        writing.alive_ms = now.now_ms;
        self.look_at_newest(writing);
        Ok(())
    }

    /// Whether a proposal of this hub may still be stored, which changes notices.
    pub(super) fn is_undecided(&self, writing: &Writing) -> bool {
        self.parts.registry.followed() < writing.undecided
    }

    /// Puts a message that changes nothing in the place of a proposal whose fate is not known. Then that is either
    /// there already, or never will be.
    fn decide(&self, place: u64) -> Result<(), ChangeError> {
        if self.parts.registry.followed() >= place {
            return Ok(());
        }
        self.parts.registry.change_alerts(|| {
            let board = self.book.board.read();
            Ok((vec![AlertChange::NextNumbers { notice: board.queue.next, row: board.next_row }], ()))
        })
    }

    /// What is found from now on is made from the state of this moment, or a later one.
    pub(super) fn look_at_newest(&self, writing: &mut Writing) {
        writing.seen = self.book.board.read().followed.messages;
    }

    /// Begins to judge where another process has ended.
    fn begin_term(&self, writing: &mut Writing, now: AlertTime) {
        // Servers may have been at the hub that judged before: they are given time, as after a start.
        (writing.guard, writing.cut_off, writing.is_settled) = (None, None, false);
        // The other process may have left alerts of rules that have changed, and what happened to servers in its time
        // is its affair.
        (writing.roster, writing.before) = (Roster::default(), None);
        let was_judged = now.now_ms.saturating_sub(writing.alive_ms) < RESUMED_AFTER_MS_MAX;
        let mut board = self.book.board.write();
        for entry in board.entries.all_mut() {
            let goes_on = was_judged || entry.alert.fires();
            let since_ms = if goes_on { entry.alert.since_ms } else { now.now_ms };
            *entry = Entry::resumed(Alert { since_ms, ..entry.alert.clone() }, now);
        }
        board.followed.unplaced.clear();
        board.queue.close();
    }

    /// Finds the place in the state machine of alerts that came by the stream. A proposal whose fate was not known has
    /// brought them.
    fn place_followed(&self, now: AlertTime) {
        let unplaced = std::mem::take(&mut self.book.board.write().followed.unplaced);
        for (rule_id, server_id) in unplaced {
            let mut board = self.book.board.write();
            let alert = board.entries.get(rule_id, server_id).map(|entry| entry.alert.clone());
            if let Some(alert) = alert {
                board.entries.put(Entry::resumed(alert, now));
            }
        }
    }

    /// Writes a draft, and makes it visible. A draft that fails changes nothing. In a cluster, that is so for each of
    /// its messages, and a draft that fails is used up.
    pub(super) fn write(&self, writing: &mut Writing, draft: &mut Draft, now_ms: i64) -> Result<(), ChangeError> {
        let Some(own) = self.parts.registry.member() else {
            return Ok(self.book.write(self.parts.store, writing, draft, now_ms)?);
        };
        // The next message is the last of these.
        let mut parts = vec![std::mem::take(draft)];
        while let Some(mut part) = parts.pop() {
            let proposed = if part.edits.len() > EDITS_PER_MESSAGE_MAX {
                Err(ChangeError::TooLarge { max: STREAM_MESSAGE_BYTES_MAX })
            } else {
                self.propose(own, writing, &mut part, now_ms)
            };
            match proposed {
                Ok(()) => {}
                Err(ChangeError::TooLarge { max }) => {
                    let rest = part.split_off().ok_or(ChangeError::TooLarge { max })?;
                    parts.extend([rest, part]);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Proposes a draft as one message, and makes visible what is not in the message. It is made from the state that
    /// [`Writing::seen`] says, and stored behind no other. So it is not stored behind the message with which another
    /// process has taken over.
    fn propose(&self, own: Member, writing: &mut Writing, draft: &mut Draft, now_ms: i64) -> Result<(), ChangeError> {
        let seen = writing.seen;
        let mut place = 0;
        let proposed = self.parts.registry.change_alerts(|| {
            // The follower waits until this is proposed.
            place = self.parts.registry.followed() + 1;
            let next_row = {
                let board = self.book.board.read();
                if board.followed.judge != Some(own) || board.followed.messages != seen {
                    return Err(ChangeError::Overtaken);
                }
                board.next_row
            };
            let edit = self.book.tell(draft, now_ms);
            let changes = changes_of(draft, &edit, next_row);
            let is_told = !changes.is_empty();
            Ok((changes, (edit, is_told)))
        });
        if matches!(proposed, Err(ChangeError::Undecided)) {
            writing.undecided = place;
        }
        let (edit, is_told) = proposed?;
        writing.seen = seen + u64::from(is_told);
        self.show_proposed(writing.seen, draft, edit);
        Ok(())
    }

    /// Makes visible what only the process knows that judges: where alerts are in the state machine, and which notices
    /// others may join. `seen` is the message that has brought the rest.
    fn show_proposed(&self, seen: u64, draft: &mut Draft, edit: QueueEdit) {
        let mut board = self.book.board.write();
        let board = &mut *board;
        let is_newest = board.followed.messages == seen;
        for Edit { rule_id, server_id, entry, .. } in draft.edits.drain(..) {
            // An alert that has ended was removed by the message.
            let Some(entry) = entry else { continue };
            // Another hub may have acknowledged it just now.
            let is_same = || board.entries.get(rule_id, server_id).is_some_and(|known| known.alert == entry.alert);
            if is_newest || is_same() {
                board.entries.put(entry);
                board.followed.unplaced.remove(&(rule_id, server_id));
            }
        }
        board.queue.let_join(edit);
    }

    /// As [`Alerts::acknowledge`], in a cluster. It waits for no pass: a pass under way is overtaken by it.
    pub(super) fn propose_acknowledgement(&self, ids: (u64, u64), by: &str, now_ms: i64) -> Result<(), ChangeError> {
        self.parts.registry.change_alerts(|| {
            let (entry, event) = self.acknowledged(ids, by, now_ms)?;
            let board = self.book.board.read();
            let mut changes = vec![AlertChange::Alert(entry.alert)];
            add_rows(&mut changes, &[event], board.queue.next, board.next_row);
            Ok((changes, ()))
        })
    }

    /// Notes that a notice is sent or given up. [`Alerts::share_sent`] tells it to the other hubs.
    pub(super) fn settle_later(&self, writing: &mut Writing, sequence: u64, mut events: Vec<AlertEvent>) {
        if self.book.board.write().queue.remove(sequence).is_some() && sequence < OWN_NOTICES {
            writing.unstored.gone.insert(sequence);
        }
        writing.unstored.events.append(&mut events);
    }

    /// Puts a test of a channel that only this hub knows of. `waiting` is the number of one that waits already.
    pub(super) fn put_own_test(&self, own: Member, writing: &mut Writing, test: Notice, waiting: Option<u64>) {
        debug_assert!(test.kind == NoticeKind::Test, "all hubs know of other notices");
        // No other process has these numbers: receivers tell messages apart by them.
        let process = (own.boot_id ^ (u64::from(own.hub_id) << 32)) & ((1 << 47) - 1);
        let sequence = waiting.unwrap_or(OWN_NOTICES | (process << 16) | (writing.own_tests & 0xffff));
        writing.own_tests += u64::from(waiting.is_none());
        self.book.board.write().queue.put_back(Notice { sequence, ..test });
    }
}

/// What a message has of a draft.
fn changes_of(draft: &Draft, edit: &QueueEdit, next_row: u64) -> Vec<AlertChange> {
    let stored = draft.edits.iter().filter(|edit| edit.is_stored);
    let mut changes: Vec<AlertChange> = stored.map(change_of).collect();
    changes.extend(edit.notices.values().cloned().map(AlertChange::Notice));
    changes.extend(draft.gone.iter().copied().map(AlertChange::NoticeGone));
    add_rows(&mut changes, &draft.events, edit.next, next_row);
    changes
}

fn change_of(edit: &Edit) -> AlertChange {
    match &edit.entry {
        Some(entry) => AlertChange::Alert(entry.alert.clone()),
        None => AlertChange::Ended { rule_id: edit.rule_id, server_id: edit.server_id },
    }
}

/// Adds rows of the log, and the numbers that are free behind all of the changes.
fn add_rows(changes: &mut Vec<AlertChange>, events: &[AlertEvent], next_notice: u64, next_row: u64) {
    let numbered = events.iter().zip(next_row..);
    changes.extend(numbered.map(|(event, row)| AlertChange::Row(AlertEvent { sequence: row, ..event.clone() })));
    if !changes.is_empty() {
        changes.push(AlertChange::NextNumbers { notice: next_notice, row: next_row + events.len() as u64 });
    }
}

impl Draft {
    /// Takes about half away, which is proposed behind what stays. An alert stays together with what is told of it.
    /// `None` if nothing can be taken away.
    fn split_off(&mut self) -> Option<Self> {
        let mut rest = Self::default();
        if self.edits.len() > 1 {
            rest.edits = self.edits.split_off(self.edits.len() / 2);
            let ids: HashSet<(u64, u64)> = rest.edits.iter().map(|edit| (edit.rule_id, edit.server_id)).collect();
            let is_of_rest = |event: &mut AlertEvent| ids.contains(&(event.rule_id, event.server_id));
            rest.events = self.events.extract_if(.., is_of_rest).collect();
            let is_of_rest = |telling: &mut Telling| ids.contains(&(telling.rule_id, telling.server.id));
            rest.tellings = self.tellings.extract_if(.., is_of_rest).collect();
            return Some(rest);
        }
        if self.notices.len() > 1 {
            rest.notices = self.notices.split_off(self.notices.len() / 2);
            return Some(rest);
        }
        // One alert of which very many channels are told, with very long names. It is stored with the last of them: if
        // that fails, the first ones are told twice, and none is left out.
        let telling = self.tellings.first_mut().filter(|telling| telling.channels.len() > 1)?;
        let (first, last) = telling.channels.split_at(telling.channels.len() / 2);
        let (first, last) = (Telling { channels: first.into(), ..telling.clone() }, last.into());
        telling.channels = last;
        Some(std::mem::replace(self, Self { tellings: vec![first], ..Self::default() }))
    }
}

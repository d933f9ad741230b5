//! The alerts and notices of a hub, in memory and on disk. What a pass finds becomes one write, and is visible after it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::Range;

use parking_lot::{Mutex, RwLock};

use super::entry::{Edit, Entries, Entry};
use super::guard::Guard;
use super::journal::{AlertEvent, EventKind};
use super::notice::Notice;
use super::queue::{Queue, QueueEdit, Telling};
use super::rate::Rates;
use super::roster::Roster;
use super::state::{Alert, AlertOptions, AlertTime};
use crate::intake::Member;
use crate::limits::{ALERT_LOG_DAYS, ALERT_LOG_ROWS_MAX};
use crate::record::Corrupt;
use crate::store::{Changes, Store, StoreError, alert_log, alerts, key, notices};

/// After a longer absence of the hub, alerts that were pending begin anew.
pub(super) const RESUMED_AFTER_MS_MAX: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// Rows that the log may have too many of.
const ROWS_BETWEEN_CUTS: u64 = 10_000;

/// How a channel does, since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChannelHealth {
    /// Unix milliseconds since when it fails; `None` when the newest message was sent.
    pub failing_since_ms: Option<i64>,
    /// Why it fails.
    pub failure: Option<String>,
    /// Unix milliseconds at which a message was sent last.
    pub last_sent_ms: Option<i64>,
    /// Messages sent.
    pub sent: u64,
    /// Messages given up.
    pub failed: u64,
}

/// What readers see. Nobody holds it during a write.
pub(super) struct Board {
    pub(super) entries: Entries,
    pub(super) queue: Queue,
    pub(super) channels: HashMap<u64, ChannelHealth>,
    /// The number of the next row of the log.
    pub(super) next_row: u64,
    pub(super) followed: FollowedAlerts,
}

/// What the registry's stream has said of alerts besides the alerts themselves. Nothing on a hub that is alone.
#[derive(Default)]
pub(super) struct FollowedAlerts {
    /// Messages about alerts since the start: what is made of one state must not be stored behind another.
    pub(super) messages: u64,
    /// The process whose passes count. `None` until a message says it.
    pub(super) judge: Option<Member>,
    /// How many messages have said it.
    pub(super) terms: u64,
    /// Rule and server of alerts that came while this process judged, and that it had not brought there itself. The
    /// next pass finds their place in the state machine.
    pub(super) unplaced: HashSet<(u64, u64)>,
}

/// What only the one who changes something needs. It is held during writes.
pub(super) struct Writing {
    /// As the start found them, until the first pass knows the time.
    found: Vec<Alert>,
    /// The newest time before the start that is known. In a cluster: the newest time at which a hub judged.
    pub(super) alive_ms: i64,
    pub(super) guard: Option<Guard>,
    pub(super) rates: Rates,
    pub(super) roster: Roster,
    /// The roster before the newest one, until alerts without a rule or a server are closed.
    pub(super) before: Option<Roster>,
    /// When the hub was cut off, until that is told.
    pub(super) cut_off: Option<(i64, i64)>,
    /// Whether those who come back have done so.
    pub(super) is_settled: bool,
    /// In a cluster: [`FollowedAlerts::messages`] of the state from which the present changes are made.
    pub(super) seen: u64,
    /// In a cluster: [`FollowedAlerts::terms`] in which this process has begun to judge.
    pub(super) term: u64,
    /// In a cluster: the place in the registry's stream of the newest proposal whose fate was not known when its answer
    /// should have come.
    pub(super) undecided: u64,
    /// Tests of channels since the start that are this hub's alone.
    pub(super) own_tests: u64,
    /// The day of the last look for rows of the log that are too old, and the number of the next row then.
    cut: Option<(i64, u64)>,
    pub(super) unstored: Unstored,
}

/// What is on disk otherwise than in memory. The next write mends it. In a cluster: what the other hubs do not know
/// yet, which is notices that are sent, and rows of the log about notices given up.
#[derive(Default)]
pub(super) struct Unstored {
    alerts: HashSet<(u64, u64)>,
    notices: HashSet<u64>,
    pub(super) events: Vec<AlertEvent>,
    /// Notices that are sent.
    pub(super) gone: HashSet<u64>,
    /// In a cluster: which of the rows the other hubs may know already.
    pub(super) told: Option<ToldRows>,
}

/// Rows of the log in a message whose fate was not known when its answer should have come. They are the first of
/// [`Unstored::events`].
#[derive(Debug, Clone, Copy)]
pub(super) struct ToldRows {
    /// Where the message is in the registry's stream, if it is stored.
    pub(super) place: u64,
    /// The number of the first row.
    pub(super) first_row: u64,
    pub(super) count: usize,
}

/// What is written together.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) edits: Vec<Edit>,
    pub(super) events: Vec<AlertEvent>,
    pub(super) tellings: Vec<Telling>,
    /// Notices that nothing joins.
    pub(super) notices: Vec<Notice>,
    /// Notices that are to be tried again.
    pub(super) put_back: Vec<Notice>,
    /// Numbers of notices that are done with.
    pub(super) gone: Vec<u64>,
}

/// The alerts and notices of a hub.
pub(crate) struct AlertBook {
    options: Mutex<AlertOptions>,
    pub(super) board: RwLock<Board>,
    /// Locked before the board.
    pub(super) writing: Mutex<Writing>,
}

impl AlertBook {
    /// Reads what is stored. `is_shared` says whether the hub is one of several.
    pub(crate) fn open(store: &Store, options: AlertOptions, is_shared: bool) -> Result<Self, StoreError> {
        let mut found = Vec::new();
        store.scan(key::ALERTS, &[], &mut |key, value| {
            found.push(alerts::read(key, value)?);
            Ok(())
        })?;
        let waiting = store.scan_ids(key::NOTICES, notices::read)?;
        let newest = |alert: &Alert| alert.since_ms.max(alert.fired_ms.unwrap_or(i64::MIN));
        let stopped_ms = store.clock()?.map_or(i64::MIN, |clock| clock.trusted_ms);
        let alive_ms = found.iter().map(newest).fold(stopped_ms, i64::max);
        let queue = Queue::new(waiting, store.number(key::NEXT_NOTICE)?.max(1));
        let mut entries = Entries::default();
        if is_shared {
            // When this hub judges, and whether it does, is not known yet. What the others see is shown at once.
            found.drain(..).for_each(|alert| entries.put(Entry::followed(alert)));
        }
        let writing = Writing {
            found,
            alive_ms,
            guard: None,
            rates: Rates::default(),
            roster: Roster::default(),
            before: None,
            cut_off: None,
            is_settled: false,
            seen: 0,
            term: 0,
            undecided: 0,
            own_tests: 0,
            cut: None,
            unstored: Unstored::default(),
        };
        let next_row = store.number(key::NEXT_ALERT_ROW)?.max(1);
        let board = Board { entries, queue, channels: HashMap::new(), next_row, followed: FollowedAlerts::default() };
        Ok(Self { options: Mutex::new(options), board: RwLock::new(board), writing: Mutex::new(writing) })
    }

    /// How alerts are judged and told.
    pub(super) fn options(&self) -> AlertOptions {
        *self.options.lock()
    }

    /// Judges and tells so from now on. The grace stays: a time of grace may be running.
    pub(crate) fn set_options(&self, options: AlertOptions) {
        let mut present = self.options.lock();
        *present = AlertOptions { grace_ms: present.grace_ms, ..options };
    }

    /// Goes on with the alerts that the start found, once the time is known.
    pub(super) fn resume(&self, writing: &mut Writing, now: AlertTime) {
        if writing.found.is_empty() {
            return;
        }
        let was_short = now.now_ms.saturating_sub(writing.alive_ms) < RESUMED_AFTER_MS_MAX;
        let mut board = self.board.write();
        for alert in std::mem::take(&mut writing.found) {
            if alert.fires() || was_short {
                board.entries.put(Entry::resumed(alert, now));
            } else {
                writing.unstored.alerts.insert((alert.rule_id, alert.server_id));
            }
        }
    }

    /// Writes a draft, and makes it visible. A draft that fails changes nothing.
    pub(super) fn write(
        &self,
        store: &Store,
        writing: &mut Writing,
        draft: &mut Draft,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let edit = self.tell(draft, now_ms);
        let mut changes = Changes::default();
        let mut is_urgent = !edit.notices.is_empty() || !draft.gone.is_empty();
        for edit in draft.edits.iter().filter(|edit| edit.is_stored) {
            put_alert(&mut changes, edit.rule_id, edit.server_id, edit.entry.as_ref());
        }
        for notice in edit.notices.values().chain(&draft.put_back) {
            changes.put(key::NOTICES, &key::id_key(notice.sequence), notices::write(notice));
        }
        draft.gone.iter().for_each(|sequence| changes.delete(key::NOTICES, &key::id_key(*sequence)));
        let mut row = self.board.read().next_row;
        for event in writing.unstored.events.iter().chain(&draft.events) {
            is_urgent |= event.what != EventKind::Pending;
            let key = key::alert_log_key(event.day(), row);
            changes.put(key::ALERT_LOG, &key, alert_log::write(event));
            row += 1;
        }
        self.put_unstored(&mut changes, writing, draft, &edit);
        if changes.is_empty() {
            self.show(draft, edit);
            return Ok(());
        }
        changes.put_number(key::NEXT_NOTICE, edit.next);
        changes.put_number(key::NEXT_ALERT_ROW, row);
        // An alert that is only pending may be forgotten by a power cut.
        let written = if is_urgent { store.write_synced(&changes) } else { store.write(&changes) };
        written?;
        self.board.write().next_row = row;
        writing.unstored = Unstored::default();
        self.show(draft, edit);
        Ok(())
    }

    /// The notices of a draft. Its alerts note that these told of them.
    pub(super) fn tell(&self, draft: &mut Draft, now_ms: i64) -> QueueEdit {
        let options = self.options();
        let board = self.board.read();
        let mut edit = board.queue.edit();
        draft.tellings.iter().for_each(|telling| edit.tell(&board.queue, telling, now_ms, &options));
        for notice in &draft.notices {
            edit.put(notice.clone());
        }
        for told in draft.edits.iter_mut().filter(|edit| edit.is_told).filter_map(|edit| edit.entry.as_mut()) {
            told.alert.told = edit.next;
        }
        edit
    }

    /// What earlier writes did not bring to disk. What the draft itself has is newer.
    fn put_unstored(&self, changes: &mut Changes, writing: &Writing, draft: &Draft, edit: &QueueEdit) {
        let unstored = &writing.unstored;
        if !unstored.alerts.is_empty() {
            let drafted = draft.edits.iter().filter(|edit| edit.is_stored).map(|edit| (edit.rule_id, edit.server_id));
            let drafted: HashSet<(u64, u64)> = drafted.collect();
            let board = self.board.read();
            for (rule_id, server_id) in unstored.alerts.iter().filter(|ids| !drafted.contains(*ids)) {
                put_alert(changes, *rule_id, *server_id, board.entries.get(*rule_id, *server_id));
            }
        }
        let board = self.board.read();
        let is_drafted = |sequence: &u64| edit.notices.contains_key(sequence) || draft.gone.contains(sequence);
        for sequence in unstored.notices.iter().filter(|sequence| !is_drafted(sequence)) {
            if let Some(notice) = board.queue.get(*sequence) {
                changes.put(key::NOTICES, &key::id_key(*sequence), notices::write(notice));
            }
        }
        unstored.gone.iter().for_each(|sequence| changes.delete(key::NOTICES, &key::id_key(*sequence)));
    }

    /// Makes a draft visible.
    fn show(&self, draft: &mut Draft, edit: QueueEdit) {
        let mut board = self.board.write();
        board.entries.apply(std::mem::take(&mut draft.edits));
        board.queue.apply(edit);
        draft.put_back.drain(..).for_each(|notice| board.queue.put_back(notice));
        draft.gone.drain(..).for_each(|sequence| drop(board.queue.remove(sequence)));
    }

    /// After a write that failed: what need not be on disk, and what tells that the disk fails, counts all the same.
    pub(super) fn show_without_disk(
        &self,
        writing: &mut Writing,
        draft: &mut Draft,
        tells_of_disk: &HashSet<u64>,
        now_ms: i64,
    ) {
        draft.edits.retain(|edit| !edit.is_stored || tells_of_disk.contains(&edit.rule_id));
        draft.tellings.retain(|telling| tells_of_disk.contains(&telling.rule_id));
        draft.events.retain(|event| tells_of_disk.contains(&event.rule_id));
        (draft.notices, draft.put_back, draft.gone) = (Vec::new(), Vec::new(), Vec::new());
        let edit = self.tell(draft, now_ms);
        let unstored = &mut writing.unstored;
        let stored = draft.edits.iter().filter(|edit| edit.is_stored);
        unstored.alerts.extend(stored.map(|edit| (edit.rule_id, edit.server_id)));
        unstored.notices.extend(edit.notices.keys());
        unstored.events.append(&mut draft.events);
        self.show(draft, edit);
    }

    /// Removes a notice that is sent or given up, whether or not the disk can be told now.
    pub(super) fn settle(
        &self,
        store: &Store,
        writing: &mut Writing,
        (sequence, events): (u64, Vec<AlertEvent>),
        now_ms: i64,
    ) -> Result<(), StoreError> {
        let mut draft = Draft { gone: vec![sequence], events, ..Draft::default() };
        let written = self.write(store, writing, &mut draft, now_ms);
        if written.is_err() {
            // It is not sent again by this process. A start may send it again.
            drop(self.board.write().queue.remove(sequence));
            writing.unstored.notices.remove(&sequence);
            writing.unstored.gone.insert(sequence);
            writing.unstored.events.append(&mut draft.events);
        }
        written
    }

    /// Deletes rows of the log that are too old, and the oldest ones if there are too many. Looks once a day, and when
    /// there may be too many.
    pub(super) fn cut_log(&self, store: &Store, writing: &mut Writing, expiry_ms: i64) -> Result<(), StoreError> {
        let (today, next_row) = (expiry_ms.div_euclid(DAY_MS), self.board.read().next_row);
        if writing.cut.is_some_and(|(day, row)| day == today && next_row - row < ROWS_BETWEEN_CUTS) {
            return Ok(());
        }
        let mut oldest = None;
        store.scan_while(key::ALERT_LOG, &[], &mut |key, _| {
            oldest = Some(key::alert_log_of(key).ok_or_else(|| Corrupt::at("a key of the log of alerts"))?);
            Ok(false)
        })?;
        let floor = today.saturating_sub(ALERT_LOG_DAYS.into());
        let to = first_kept(oldest, floor, next_row.saturating_sub(ALERT_LOG_ROWS_MAX as u64));
        if let Some(to) = to {
            let mut changes = Changes::default();
            changes.delete_range(key::ALERT_LOG, &[], &to);
            store.write(&changes)?;
        }
        writing.cut = to.is_none().then_some((today, next_row));
        Ok(())
    }
}

/// Whether the log has exactly this row.
///
/// # Errors
/// The store cannot be read.
pub(super) fn has_row(store: &Store, row: &AlertEvent) -> Result<bool, StoreError> {
    let at = |number: u64| key::alert_log_key(row.day(), number);
    let mut is_there = false;
    store.scan_range(key::ALERT_LOG, &at(row.sequence), &at(row.sequence + 1), &mut |key, value| {
        is_there |= alert_log::read(key, value)? == *row;
        Ok(())
    })?;
    Ok(is_there)
}

/// The key before which rows of the log go, if any goes: those of days before `floor`, and those below `first_row` of the
/// oldest day. `oldest` is the day and the number of the oldest row. A later look finds the next day.
fn first_kept(oldest: Option<(i64, u64)>, floor: i64, first_row: u64) -> Option<[u8; 16]> {
    match oldest? {
        (day, _) if day < floor => Some(key::alert_log_key(floor, 0)),
        (day, row) if row < first_row => Some(key::alert_log_key(day, first_row)),
        _ => None,
    }
}

fn put_alert(changes: &mut Changes, rule_id: u64, server_id: u64, entry: Option<&Entry>) {
    let key = key::alert_key(rule_id, server_id);
    match entry {
        Some(entry) => changes.put(key::ALERTS, &key, alerts::write(&entry.alert)),
        None => changes.delete(key::ALERTS, &key),
    }
}

/// The newest rows of the log within a range of Unix milliseconds, the newest first.
pub(super) fn read_log(
    store: &Store,
    range_ms: &Range<i64>,
    is_wanted: &dyn Fn(u64) -> bool,
    max: usize,
) -> Result<Vec<AlertEvent>, StoreError> {
    let Some((first, last)) = store.times(key::ALERT_LOG)? else { return Ok(Vec::new()) };
    let last = last.min(range_ms.end.div_euclid(DAY_MS));
    let first = first.max(range_ms.start.div_euclid(DAY_MS)).max(last.saturating_sub(2 * i64::from(ALERT_LOG_DAYS)));
    let mut rows = Vec::new();
    for day in (first..=last).rev() {
        if rows.len() >= max {
            break;
        }
        // A day may have very many: no more than are wanted are held at once.
        let wanted = max - rows.len();
        let mut of_day = VecDeque::new();
        let (from, to) = (key::alert_log_key(day, 0), key::alert_log_key(day.saturating_add(1), 0));
        store.scan_range(key::ALERT_LOG, &from, &to, &mut |key, value| {
            let event = alert_log::read(key, value)?;
            if range_ms.contains(&event.time_ms) && is_wanted(event.server_id) {
                of_day.push_back(event);
                if of_day.len() > wanted {
                    of_day.pop_front();
                }
            }
            Ok(())
        })?;
        rows.extend(of_day.into_iter().rev());
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_log_keeps_its_newest_rows_and_no_days_that_are_too_old() {
        // A quiet day, a stormy one, and today.
        let days = [(90, 5), (100, 900), (101, 20)];
        let rows = days.iter().flat_map(|(day, count)| std::iter::repeat_n(*day, *count)).zip(1..);
        let rows: BTreeSet<[u8; 16]> = rows.map(|(day, row)| key::alert_log_key(day, row)).collect();
        for (floor, max, kept) in [(0, 2_000, 925), (0, 300, 300), (0, 10, 10), (91, 2_000, 920), (101, 300, 20)] {
            let (mut rows, mut looks) = (rows.clone(), 0);
            let oldest = |rows: &BTreeSet<[u8; 16]>| rows.first().and_then(|key| key::alert_log_of(key));
            while let Some(to) = first_kept(oldest(&rows), floor, 926 - max.min(926)) {
                rows = rows.split_off(&to);
                looks += 1;
            }
            println!("not before day {floor}, {max} rows: {} kept after {looks} looks", rows.len());
            assert_eq!(rows.len(), kept);
            assert!(looks <= days.len());
        }
    }
}

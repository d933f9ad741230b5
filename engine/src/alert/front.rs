//! What may be asked of the alerts.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::book::{AlertBook, Draft, Writing, read_log};
use super::entry::{Edit, Entry};
use super::guard::{Guard, Outside, Turn};
use super::journal::{AlertEvent, EventKind};
use super::measure::MeasureKind;
use super::notice::Notice;
use super::pass::{Found, Known, find_orphans, look_at_all};
use super::preview::{Preview, preview};
use super::roster::{Judged, Looked, Roster};
use super::rule::Rule;
use super::silence::Silence;
use super::state::{Alert, AlertFilter, AlertState, AlertTime};
use crate::clock::Clock;
use crate::error::ChangeError;
use crate::history::HistoryReader;
use crate::registry::Registry;
use crate::server::ServerRecord;
use crate::store::{Store, StoreError};

/// What the alerts need of the engine.
#[derive(Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) store: &'a Store,
    pub(crate) registry: &'a Registry,
    pub(crate) history: HistoryReader<'a>,
    pub(crate) clock: &'a Clock,
    /// Whether commits fail.
    pub(crate) is_poisoned: bool,
}

/// The alerts of a hub. What writes to the disk waits for it, and for a pass under way; lists never wait for the disk.
#[derive(Clone, Copy)]
pub struct Alerts<'a> {
    pub(super) book: &'a AlertBook,
    pub(super) parts: Parts<'a>,
}

/// What one pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Servers looked at.
    pub servers: usize,
    /// Rules that servers, or the hub, are judged by.
    pub rules: usize,
    /// Alerts that are not ok now.
    pub alerts: usize,
    /// Alerts that began to fire.
    pub fired: usize,
    /// Alerts that ended.
    pub resolved: usize,
    /// Alerts that found no room, because there are [`ALERTS_MAX`](crate::limits::ALERTS_MAX).
    pub refused: u64,
}

/// An alert with what it is about.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertView {
    /// The alert.
    pub alert: Alert,
    /// Its rule.
    pub rule: Arc<Rule>,
    /// Its server; `None` for the hub.
    pub server: Option<Arc<ServerRecord>>,
    /// Whether a silence holds that is about it.
    pub is_silenced: bool,
    /// Whether it says nothing new because its server is away.
    pub is_suppressed: bool,
}

impl<'a> Alerts<'a> {
    pub(crate) fn new(book: &'a AlertBook, parts: Parts<'a>) -> Self {
        Self { book, parts }
    }

    /// Goes on with the alerts that the start found, so that they are shown before the first pass. A pass does it too.
    pub fn resume(&self, now: AlertTime) {
        self.book.resume(&mut self.book.writing.lock(), now);
    }

    /// One pass: looks at every server once, takes each alert on, and writes what has changed in one write, with the
    /// notices about it. If that fails, nothing has changed, and the next pass finds the same.
    ///
    /// In a cluster it is not written but proposed, in several messages if it is much. A message that is overtaken
    /// changes nothing, and neither do those behind it.
    ///
    /// # Errors
    /// The write failed. That the disk fails is told all the same. In a cluster: another hub judges
    /// ([`Alerts::is_judge`]) or has changed alerts at the same moment, or it is not known yet whether a message is
    /// stored.
    pub fn evaluate(&self, now: AlertTime, outside: &Outside) -> Result<Passed, ChangeError> {
        let mut writing = self.book.writing.lock();
        let writing = &mut *writing;
        self.book.resume(writing, now);
        self.begin_pass(writing, now)?;
        let is_stalled = outside.is_stalled || self.parts.is_poisoned;
        self.look_outside(writing, &Outside { is_stalled, ..*outside }, now);
        self.renew_roster(writing, now);
        let mut looks = std::mem::take(&mut writing.roster.looks);
        let found = self.find(writing, &mut looks, (outside.disk_free_percent, is_stalled), now);
        writing.roster.looks = looks;
        self.take(writing, found, now)
    }

    /// Lets the guard look.
    fn look_outside(&self, writing: &mut Writing, outside: &Outside, now: AlertTime) {
        let grace_ms = self.book.options().grace_ms;
        let guard = writing.guard.get_or_insert_with(|| Guard::new(grace_ms, now.uptime_ms));
        match guard.look(outside, now.now_ms, now.uptime_ms) {
            Turn::Same => {}
            Turn::CutOff => writing.is_settled = false,
            Turn::Back { lasted_ms } => {
                // If it was cut off again before all were back, that is told as one time.
                let from_ms = writing.cut_off.map_or(now.now_ms.saturating_sub(lasted_ms), |(from_ms, _)| from_ms);
                (writing.cut_off, writing.is_settled) = (Some((from_ms, now.now_ms)), false);
            }
            Turn::Settled => writing.is_settled = writing.cut_off.is_some(),
        }
    }

    /// Makes the roster anew when rules or servers have changed, and closes what has lost its rule or its server.
    fn renew_roster(&self, writing: &mut Writing, now: AlertTime) {
        let version = self.parts.registry.version();
        let rules = self.parts.registry.rules();
        if !writing.roster.is_current(version, &rules) {
            let new = Roster::new(version, self.parts.registry.slots(), rules, &mut writing.roster);
            let old = std::mem::replace(&mut writing.roster, new);
            writing.before.get_or_insert(old);
        }
        if let Some(before) = writing.before.take() {
            let found = find_orphans(&self.book.board.read().entries, &writing.roster, &before, now);
            let mut draft = Draft { edits: found.edits, events: found.events, ..Draft::default() };
            let written = self.write(writing, &mut draft, now.now_ms);
            // That the disk takes nothing is told by the pass. The next one closes them.
            if written.is_err() {
                writing.before = Some(before);
            }
        }
    }

    fn find(
        &self,
        writing: &Writing,
        looks: &mut [Option<Looked>],
        (disk_free_percent, is_stalled): (Option<f64>, bool),
        now: AlertTime,
    ) -> Found {
        let Some(guard) = &writing.guard else { return Found::default() };
        let registry = self.parts.registry;
        let enabled = registry.channels().into_iter().filter(|channel| channel.enabled);
        let enabled: HashSet<u64> = enabled.map(|channel| channel.id).collect();
        let told =
            |rule: &Rule| -> Arc<[u64]> { rule.channels.iter().copied().filter(|id| enabled.contains(id)).collect() };
        let channels: Vec<Arc<[u64]>> = writing.roster.rules.iter().map(|judged| told(&judged.rule)).collect();
        let silences = self.active_silences(now.now_ms);
        let board = self.book.board.read();
        let known = Known {
            now,
            options: self.book.options(),
            guard,
            entries: &board.entries,
            silences: &silences,
            channels: &channels,
            is_failing: is_stalled || self.parts.store.health.is_failing(),
            disk_free_percent,
            cut_off: writing.cut_off,
            is_settled: writing.is_settled,
            is_shared: registry.member().is_some(),
        };
        look_at_all(&known, &writing.roster, looks)
    }

    /// Writes what a pass has found.
    fn take(&self, writing: &mut Writing, mut found: Found, now: AlertTime) -> Result<Passed, ChangeError> {
        let count = |what: EventKind| found.events.iter().filter(|event| event.what == what).count();
        let mut passed = Passed {
            servers: writing.roster.members.len(),
            rules: writing.roster.rules.len(),
            alerts: 0,
            fired: count(EventKind::Fired),
            resolved: count(EventKind::Resolved),
            refused: found.refused,
        };
        let is_cut_off_told = writing.is_settled;
        if is_cut_off_told {
            // The digest is the end of what was told of it.
            let isolation: HashSet<u64> = rules_where(&writing.roster, |judged| judged.is_of_isolation);
            for edit in found.edits.iter_mut().filter(|edit| isolation.contains(&edit.rule_id)) {
                if let Some(entry) = &mut edit.entry {
                    entry.alert.told = 0;
                    edit.is_stored = true;
                    edit.is_told = false;
                }
            }
        }
        let mut draft =
            Draft { edits: found.edits, events: found.events, tellings: found.tellings, ..Draft::default() };
        if let Some((notice, channels)) = found.cut_off {
            draft.notices = channels.iter().map(|id| Notice { channel_id: *id, ..notice.clone() }).collect();
        }
        let written = self.write(writing, &mut draft, now.now_ms);
        if let Err(error) = written {
            if self.parts.registry.member().is_none() {
                let of_disk: HashSet<u64> = rules_where(&writing.roster, |judged| judged.is_of_failing_commits);
                self.book.show_without_disk(writing, &mut draft, &of_disk, now.now_ms);
            }
            return Err(error);
        }
        for (index, looked) in found.looks {
            if let Some(look) = writing.roster.looks.get_mut(index) {
                *look = Some(looked);
            }
        }
        if is_cut_off_told {
            (writing.cut_off, writing.is_settled) = (None, false);
        }
        self.book.cut_log(self.parts.store, writing, self.parts.clock.expiry_ms(now.now_ms))?;
        passed.alerts = self.book.board.read().entries.count();
        Ok(passed)
    }

    fn active_silences(&self, now_ms: i64) -> Vec<Arc<Silence>> {
        let mut silences = self.parts.registry.silences();
        silences.retain(|silence| silence.is_active(now_ms.div_euclid(1000)));
        silences
    }
}

/// For people.
impl Alerts<'_> {
    /// The alerts that are not ok, by rule and server.
    pub fn list(&self, filter: &AlertFilter, now_ms: i64) -> Vec<AlertView> {
        let registry = self.parts.registry;
        let silences = self.active_silences(now_ms);
        let rules = registry.rules();
        let rule_of = |id: u64| rules.binary_search_by_key(&id, |rule| rule.id).ok().map(|index| &rules[index]);
        let is_of_absent = |alert: &Alert| {
            alert.state == AlertState::Firing && rule_of(alert.rule_id).is_some_and(|rule| is_of_absence(rule))
        };
        let (alerts, absent): (Vec<Alert>, HashSet<u64>) = {
            // The pass waits for this lock, and behind it whoever asks for a number only.
            let board = self.book.board.read();
            let all = || board.entries.all().map(|entry| &entry.alert);
            let is_wanted = |alert: &&Alert| filter.state.is_none_or(|state| state == alert.state);
            let absent = all().filter(|alert| is_of_absent(alert)).map(|alert| alert.server_id).collect();
            (all().filter(is_wanted).cloned().collect(), absent)
        };
        let mut views = Vec::new();
        for alert in alerts {
            let Some(rule) = rule_of(alert.rule_id) else { continue };
            let server = registry.server(alert.server_id);
            let tag = server.as_ref().map_or("", |record| record.tag.as_str());
            let is_wanted = filter.severity.is_none_or(|severity| severity == rule.severity)
                && filter.tag.as_ref().is_none_or(|wanted| server.is_some() && wanted == tag);
            if !is_wanted || (server.is_none() && alert.server_id != 0) {
                continue;
            }
            views.push(AlertView {
                is_silenced: silences.iter().any(|silence| silence.is_about(rule.id, alert.server_id, tag)),
                is_suppressed: !is_of_absence(rule) && absent.contains(&alert.server_id),
                alert,
                rule: Arc::clone(rule),
                server,
            });
        }
        views.sort_by_key(|view| (view.alert.rule_id, view.alert.server_id));
        views
    }

    /// How many alerts are in each state, in the order of [`AlertState::ALL`].
    pub fn counts(&self) -> [usize; 3] {
        let mut counts = [0; 3];
        for entry in self.book.board.read().entries.all() {
            counts[entry.alert.state as usize] += 1;
        }
        counts
    }

    /// The servers of which alerts fire, by rule; 0 is the hub.
    pub fn firing(&self) -> HashMap<u64, Vec<u64>> {
        let mut firing: HashMap<u64, Vec<u64>> = HashMap::new();
        let board = self.book.board.read();
        for alert in board.entries.all().map(|entry| &entry.alert).filter(|alert| alert.fires()) {
            firing.entry(alert.rule_id).or_default().push(alert.server_id);
        }
        firing
    }

    /// Notes that somebody knows of an alert: it is not repeated. In a cluster any hub may be asked.
    ///
    /// # Errors
    /// There is no such alert that fires; a failed write. In a cluster: see [`ChangeError`].
    pub fn acknowledge(&self, rule_id: u64, server_id: u64, by: &str, now_ms: i64) -> Result<(), ChangeError> {
        if self.parts.registry.member().is_some() {
            return self.propose_acknowledgement((rule_id, server_id), by, now_ms);
        }
        let mut writing = self.book.writing.lock();
        let (entry, event) = self.acknowledged((rule_id, server_id), by, now_ms)?;
        let edit = Edit { rule_id, server_id, entry: Some(entry), is_stored: true, is_told: false };
        let mut draft = Draft { edits: vec![edit], events: vec![event], ..Draft::default() };
        self.write(&mut writing, &mut draft, now_ms)
    }

    /// An alert as it is once somebody knows of it, and what the log says of that.
    pub(super) fn acknowledged(
        &self,
        (rule_id, server_id): (u64, u64),
        by: &str,
        now_ms: i64,
    ) -> Result<(Entry, AlertEvent), ChangeError> {
        let found = self.book.board.read().entries.get(rule_id, server_id).cloned();
        let rule = self.parts.registry.rule(rule_id).ok_or(ChangeError::NoSuch { what: "rule", id: rule_id })?;
        let Some(mut entry) = found.filter(|entry| entry.alert.fires()) else {
            return Err(ChangeError::NoSuch { what: "server whose alert of that rule fires", id: server_id });
        };
        entry.alert.acknowledged_by = Some(by.to_owned());
        let server = self.parts.registry.server(server_id);
        let event = AlertEvent {
            time_ms: now_ms,
            sequence: 0,
            rule_id,
            rule_name: rule.name.clone(),
            server_id,
            server_name: server.map_or_else(String::new, |record| record.name.clone()),
            severity: rule.severity,
            what: EventKind::Acknowledged,
            value: entry.alert.value,
            note: by.to_owned(),
        };
        Ok((entry, event))
    }

    /// The newest rows of the log within a range of Unix milliseconds that are about servers which are wanted, the newest
    /// first. The hub has the id 0.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn log(
        &self,
        from_ms: i64,
        to_ms: i64,
        is_wanted: &dyn Fn(u64) -> bool,
        max: usize,
    ) -> Result<Vec<AlertEvent>, StoreError> {
        read_log(self.parts.store, &(from_ms..to_ms), is_wanted, max)
    }

    /// What a rule would have done in the last day.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn preview(&self, rule: &Rule, now_ms: i64) -> Result<Preview, StoreError> {
        preview(rule, self.parts.registry, self.parts.history, self.book.options().offline_after_ms, now_ms)
    }
}

fn is_of_absence(rule: &Rule) -> bool {
    rule.when.iter().any(|condition| condition.measure.kind() == MeasureKind::Absence)
}

fn rules_where(roster: &Roster, is_wanted: impl Fn(&Judged) -> bool) -> HashSet<u64> {
    roster.rules.iter().filter(|judged| is_wanted(judged)).map(|judged| judged.rule.id).collect()
}

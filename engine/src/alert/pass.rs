//! One pass over all servers and rules: what has become of each alert, and who is told. Nothing is changed yet: what a
//! pass finds is written first.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::entry::{Edit, Entries, Entry};
use super::guard::Guard;
use super::journal::{AlertEvent, EventKind};
use super::machine::{Change, Seen, Stage, step};
use super::measure::{Look, Measure};
use super::notice::{Notice, NoticeKind, NoticeServer};
use super::queue::Telling;
use super::roster::{Judged, Looked, Member, Roster, judge};
use super::rule::{Rule, Severity};
use super::silence::Silence;
use super::state::{AlertOptions, AlertTime};
use crate::limits::ALERTS_MAX;

/// From this time on an alert that is pending is stored: shorter ones begin anew after a start.
const STORED_FOR_MS: i64 = 60_000;
/// A server that reported in so much time before the hub was cut off was in contact.
const CONTACT_MS: i64 = 60_000;

/// What a pass judges by.
pub(super) struct Known<'a> {
    pub(super) now: AlertTime,
    pub(super) options: AlertOptions,
    pub(super) guard: &'a Guard,
    pub(super) entries: &'a Entries,
    /// Those that hold now.
    pub(super) silences: &'a [Arc<Silence>],
    /// Of each rule of the roster, the channels that take messages.
    pub(super) channels: &'a [Arc<[u64]>],
    /// Whether writes fail.
    pub(super) is_failing: bool,
    pub(super) disk_free_percent: Option<f64>,
    /// When the hub was cut off last, from and to, until that is told.
    pub(super) cut_off: Option<(i64, i64)>,
    /// Whether it is to be told now.
    pub(super) is_settled: bool,
    /// Whether other hubs show the same alerts.
    pub(super) is_shared: bool,
}

/// What a pass has found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) edits: Vec<Edit>,
    pub(super) events: Vec<AlertEvent>,
    pub(super) tellings: Vec<Telling>,
    /// The digest of the time in which the hub was cut off, and the channels that get it.
    pub(super) cut_off: Option<(Notice, Arc<[u64]>)>,
    /// Newer looks at servers to which something has happened: they count once that is written.
    pub(super) looks: Vec<(usize, Looked)>,
    /// Alerts that found no room.
    pub(super) refused: u64,
}

/// The server that an alert is about, or the hub.
struct Place<'a> {
    id: u64,
    name: &'a str,
    tag: &'a str,
}

/// A rule's look at a server.
#[derive(Clone, Copy)]
struct Judgement {
    rule: usize,
    seen: Seen,
    value: Option<f64>,
}

/// Looks at every server once.
pub(super) fn look_at_all(known: &Known<'_>, roster: &Roster, looks: &mut [Option<Looked>]) -> Found {
    let mut pass = Pass { known, roster, found: Found::default(), count: known.entries.count() };
    pass.judge_hub();
    let mut judgements = Vec::new();
    let mut absent = known.cut_off.filter(|_| known.is_settled).map(|span| (span, cut_off_notice(span, known.now)));
    for (index, member) in roster.members.iter().enumerate() {
        judgements.clear();
        let heard_ms = pass.judge(index, member, looks, &mut judgements);
        if !judgements.is_empty() {
            pass.advance_server(member, heard_ms, &judgements);
        }
        if let Some(((from_ms, to_ms), notice)) = &mut absent
            && heard_ms.is_some_and(|heard_ms| (from_ms.saturating_sub(CONTACT_MS)..*to_ms).contains(&heard_ms))
        {
            let record = Arc::clone(&member.slot.record.read());
            notice.add(&NoticeServer {
                id: record.id,
                name: record.name.clone(),
                tag: record.tag.clone(),
                value: None,
                since_ms: heard_ms.unwrap_or(*from_ms),
                ended_ms: None,
            });
        }
    }
    if let Some(((from_ms, _), notice)) = absent {
        // Everybody who was told of the begin is told of the end, once.
        let is_told = |number: &&usize| roster.rules[**number].is_of_isolation && !known.channels[**number].is_empty();
        let isolation: Vec<usize> = roster.of_hub.iter().filter(is_told).copied().collect();
        if let Some(rule_id) = isolation.iter().map(|number| roster.rules[*number].rule.id).min() {
            let channels: BTreeSet<u64> =
                isolation.iter().flat_map(|number| known.channels[*number].iter().copied()).collect();
            let notice = Notice { rule_id, since_ms: from_ms, ..notice };
            pass.found.cut_off = Some((notice, channels.into_iter().collect()));
        }
    }
    pass.found
}

/// The digest of a time in which the hub was cut off, without servers.
fn cut_off_notice((_, to_ms): (i64, i64), now: AlertTime) -> Notice {
    Notice { ended_ms: Some(to_ms), ..Notice::new(0, 0, NoticeKind::Isolated, now.now_ms) }
}

struct Pass<'a> {
    known: &'a Known<'a>,
    roster: &'a Roster,
    found: Found,
    /// Alerts that there would be.
    count: usize,
}

impl Pass<'_> {
    /// Judges a server by the rules about it, under one lock. Notes only what may change something. Returns when its
    /// newest report came.
    fn judge(
        &mut self,
        index: usize,
        member: &Member,
        looks: &mut [Option<Looked>],
        judgements: &mut Vec<Judgement>,
    ) -> Option<i64> {
        let (known, roster) = (self.known, self.roster);
        let entries = known.entries.of(member.slot.id);
        let status = member.slot.status.lock();
        let latest = status.latest();
        let look = Look { latest, now_ms: known.now.now_ms, offline_after_ms: known.options.offline_after_ms };
        let (has_rebooted, has_moved) = match looks.get_mut(index) {
            Some(before) if latest.last_active_ms.is_some() => {
                let happened =
                    before.as_ref().map_or((false, false), |it| (it.has_rebooted(latest), it.has_moved(latest)));
                if happened == (false, false) {
                    *before = Some(Looked::at(latest));
                } else {
                    self.found.looks.push((index, Looked::at(latest)));
                }
                happened
            }
            _ => (false, false),
        };
        // Until the newest packet of anybody: since then the hub may be cut off.
        let counted_s = |silence_s: f64| (silence_s - known.guard.quiet_ms() as f64 / 1000.0).max(0.0);
        for number in roster.rules_of(member) {
            let rule = &roster.rules[*number].rule;
            let (seen, value) = judge(rule, |measure| match measure {
                Measure::Rebooted => Some(f64::from(u8::from(has_rebooted))),
                Measure::AddressChanged => Some(f64::from(u8::from(has_moved))),
                Measure::Offline if rule.never && latest.last_active_ms.is_none() => {
                    let created_ms = member.slot.record.read().created_s.saturating_mul(1000);
                    Some(counted_s(known.now.now_ms.saturating_sub(created_ms) as f64 / 1000.0))
                }
                Measure::Offline => measure.value_of(&look).map(counted_s),
                _ => measure.value_of(&look),
            });
            if seen == Seen::Bad || entries.iter().any(|entry| entry.alert.rule_id == rule.id) {
                judgements.push(Judgement { rule: *number, seen, value });
            }
        }
        latest.last_active_ms
    }

    fn advance_server(&mut self, member: &Member, heard_ms: Option<i64>, judgements: &[Judgement]) {
        let (known, roster) = (self.known, self.roster);
        let heard_uptime_ms =
            heard_ms.map(|heard_ms| known.now.uptime_ms.saturating_sub(known.now.now_ms.saturating_sub(heard_ms)));
        let is_excused = known.guard.excuses(heard_uptime_ms, known.now.uptime_ms);
        let record = Arc::clone(&member.slot.record.read());
        let place = Place { id: record.id, name: &record.name, tag: &record.tag };
        let mut is_away = false;
        for judgement in judgements {
            let judged = &roster.rules[judgement.rule];
            let old = known.entries.get(judged.rule.id, place.id);
            let means_nothing = is_excused
                && (judgement.seen == Seen::Nothing || (judged.is_of_absence && judgement.seen != Seen::Good));
            // What a server said before it fell silent is neither repeated nor taken back.
            if means_nothing || (is_away && !judged.is_of_absence) {
                is_away |= judged.is_of_absence && old.is_some_and(|old| old.progress.stage == Stage::Firing);
                continue;
            }
            let stage = self.advance(&place, judgement, old);
            is_away |= judged.is_of_absence && stage == Some(Stage::Firing);
        }
    }

    fn judge_hub(&mut self) {
        let (known, roster) = (self.known, self.roster);
        let truth = |is_so: bool| Some(f64::from(u8::from(is_so)));
        for number in &roster.of_hub {
            let rule = &roster.rules[*number].rule;
            let (seen, value) = judge(rule, |measure| match measure {
                Measure::HubDiskFree => known.disk_free_percent,
                Measure::HubCommitsFailing => truth(known.is_failing),
                Measure::HubIsolated => truth(known.guard.is_cut_off()),
                _ => None,
            });
            let old = known.entries.get(rule.id, 0);
            if seen == Seen::Bad || old.is_some() {
                self.advance(&Place { id: 0, name: "", tag: "" }, &Judgement { rule: *number, seen, value }, old);
            }
        }
    }

    /// Takes an alert on by one look. Returns where it is then.
    fn advance(&mut self, place: &Place<'_>, judgement: &Judgement, old: Option<&Entry>) -> Option<Stage> {
        let (known, roster) = (self.known, self.roster);
        let judged = &roster.rules[judgement.rule];
        let now = known.now;
        let mut progress = old.map(|old| old.progress);
        let change = step(&mut progress, &judged.terms, judgement.seen, now.uptime_ms);
        let Some(progress) = progress else {
            if let Some(old) = old {
                self.end(place, judgement, old, change);
            }
            return None;
        };
        let mut entry = match old {
            Some(old) => Entry { progress, ..old.clone() },
            None if self.count >= ALERTS_MAX => {
                self.found.refused += 1;
                return None;
            }
            None => {
                self.count += 1;
                let ids = (judged.rule.id, place.id);
                Entry::begun(ids, judged.edition, progress, judgement.value, now)
            }
        };
        entry.show_stage(now.now_ms);
        if let Some(value) = judgement.value {
            let alert = &mut entry.alert;
            alert.value = Some(value);
            let is_worse = |worst: &f64| judged.rule.when[0].operator.holds(value, *worst);
            if alert.worst_value.as_ref().is_none_or(is_worse) {
                alert.worst_value = Some(value);
            }
        }
        let mut is_stored = match change {
            Change::None | Change::Withdrawn | Change::Resolved => false,
            Change::Pending => judged.terms.for_ms >= STORED_FOR_MS,
            Change::Fired | Change::Frozen | Change::Thawed => true,
        };
        let kind = match change {
            Change::Pending if is_stored => Some(EventKind::Pending),
            Change::Fired => Some(EventKind::Fired),
            Change::Frozen => Some(EventKind::Frozen),
            Change::Thawed => Some(EventKind::Thawed),
            _ => None,
        };
        if let Some(kind) = kind {
            self.note(judged, place, kind, judgement.value, "");
        }
        if change == Change::Fired {
            entry.alert.fired_ms = Some(now.now_ms);
        }
        let was_withheld = entry.alert.is_withheld;
        let is_told = self.wants_telling(judged, &entry, change) && self.tell(place, judgement.rule, &mut entry);
        is_stored |= is_told || entry.alert.is_withheld != was_withheld;
        is_stored |= known.is_shared && old.is_none_or(|old| old.alert.state != entry.alert.state);
        let stage = entry.progress.stage;
        let (rule_id, server_id) = (judged.rule.id, place.id);
        self.found.edits.push(Edit { rule_id, server_id, entry: Some(entry), is_stored, is_told });
        Some(stage)
    }

    /// An alert is ok again.
    fn end(&mut self, place: &Place<'_>, judgement: &Judgement, old: &Entry, change: Change) {
        let (known, roster) = (self.known, self.roster);
        let judged = &roster.rules[judgement.rule];
        self.count -= 1;
        let is_stored = known.is_shared || old.alert.fires() || judged.terms.for_ms >= STORED_FOR_MS;
        let (rule_id, server_id) = (judged.rule.id, place.id);
        self.found.edits.push(Edit { rule_id, server_id, entry: None, is_stored, is_told: false });
        if change != Change::Resolved {
            return;
        }
        self.note(judged, place, EventKind::Resolved, judgement.value, "");
        // The end of having been cut off is told by a digest, once it is known who came back.
        let is_told_otherwise = judged.is_of_isolation && known.cut_off.is_some();
        if old.alert.told > 0 && judged.rule.resolved && !is_told_otherwise && self.silenced_by(judged, place).is_none()
        {
            let server = NoticeServer {
                id: place.id,
                name: place.name.to_owned(),
                tag: place.tag.to_owned(),
                value: judgement.value.or(old.alert.value),
                since_ms: old.alert.since_ms,
                ended_ms: Some(known.now.now_ms),
            };
            self.found.tellings.push(Telling {
                rule_id,
                channels: Arc::clone(&known.channels[judgement.rule]),
                kind: NoticeKind::Resolved,
                server,
                told: old.alert.told,
            });
        }
    }

    /// Whether channels are to be told that it fires: because it has begun to, because a silence that kept it back may be
    /// over, or because it has lasted.
    fn wants_telling(&self, judged: &Judged, entry: &Entry, change: Change) -> bool {
        let alert = &entry.alert;
        if change == Change::Fired {
            return true;
        }
        if entry.progress.stage != Stage::Firing || alert.acknowledged_by.is_some() || alert.frozen_since_ms.is_some() {
            return false;
        }
        let lasted_ms = self.known.now.uptime_ms.saturating_sub(entry.notified_uptime_ms);
        let is_due = judged.rule.repeat_s > 0 && lasted_ms >= i64::from(judged.rule.repeat_s) * 1000;
        alert.is_withheld || (alert.told > 0 && is_due)
    }

    /// Tells the channels that an alert fires. Returns whether there was a channel to be told, and no silence.
    fn tell(&mut self, place: &Place<'_>, rule: usize, entry: &mut Entry) -> bool {
        let (known, roster) = (self.known, self.roster);
        let judged = &roster.rules[rule];
        if let Some(silence_id) = self.silenced_by(judged, place) {
            if !entry.alert.is_withheld {
                let note = format!("silence {silence_id}");
                self.note(judged, place, EventKind::Silenced, entry.alert.value, &note);
            }
            entry.alert.is_withheld = true;
            return false;
        }
        entry.alert.is_withheld = false;
        let channels = &known.channels[rule];
        if channels.is_empty() {
            return false;
        }
        entry.alert.notified_ms = Some(known.now.now_ms);
        entry.alert.times_notified = entry.alert.times_notified.saturating_add(1);
        entry.notified_uptime_ms = known.now.uptime_ms;
        let server = NoticeServer {
            id: place.id,
            name: place.name.to_owned(),
            tag: place.tag.to_owned(),
            value: entry.alert.value,
            since_ms: entry.alert.since_ms,
            ended_ms: None,
        };
        self.found.tellings.push(Telling {
            rule_id: judged.rule.id,
            channels: Arc::clone(channels),
            kind: NoticeKind::Firing,
            server,
            told: 0,
        });
        true
    }

    fn silenced_by(&self, judged: &Judged, place: &Place<'_>) -> Option<u64> {
        let mut silences = self.known.silences.iter();
        silences.find(|silence| silence.is_about(judged.rule.id, place.id, place.tag)).map(|silence| silence.id)
    }

    fn note(&mut self, judged: &Judged, place: &Place<'_>, what: EventKind, value: Option<f64>, note: &str) {
        self.found.events.push(AlertEvent {
            time_ms: self.known.now.now_ms,
            // Given when it is written.
            sequence: 0,
            rule_id: judged.rule.id,
            rule_name: judged.rule.name.clone(),
            server_id: place.id,
            server_name: place.name.to_owned(),
            severity: judged.rule.severity,
            what,
            value,
            note: note.to_owned(),
        });
    }
}

/// Alerts whose rule or server is not there any more, or is another one by now. They end without being told.
pub(super) fn find_orphans(entries: &Entries, roster: &Roster, old: &Roster, now: AlertTime) -> Found {
    let mut found = Found::default();
    let judged_by_id: HashMap<u64, &Judged> = roster.rules.iter().map(|judged| (judged.rule.id, judged)).collect();
    let by_id: HashMap<u64, &Arc<Rule>> = roster.all_rules().iter().map(|rule| (rule.id, rule)).collect();
    let old_by_id: HashMap<u64, &Arc<Rule>> = old.all_rules().iter().map(|rule| (rule.id, rule)).collect();
    for entry in entries.all() {
        let (rule_id, server_id) = (entry.alert.rule_id, entry.alert.server_id);
        let judged = judged_by_id.get(&rule_id);
        let member = roster.member(server_id);
        let rule = by_id.get(&rule_id);
        let is_about = |judged: &Judged| match member {
            None => judged.rule.is_of_hub() && server_id == 0,
            Some(member) => roster.rules_of(member).iter().any(|number| roster.rules[*number].rule.id == rule_id),
        };
        let note = match judged {
            None if rule.is_none() => "rule removed",
            None => "rule disabled",
            Some(judged) if judged.edition != entry.alert.edition => "rule changed",
            Some(judged) if is_about(judged) => continue,
            Some(_) if member.is_none() => "server removed",
            Some(_) => "the rule is not about the server any more",
        };
        found.edits.push(Edit { rule_id, server_id, entry: None, is_stored: true, is_told: false });
        let rule = rule.or_else(|| old_by_id.get(&rule_id));
        let server = member.or_else(|| old.member(server_id)).map(|member| Arc::clone(&member.slot.record.read()));
        if entry.alert.fires() {
            found.events.push(AlertEvent {
                time_ms: now.now_ms,
                sequence: 0,
                rule_id,
                rule_name: rule.map_or_else(String::new, |rule| rule.name.clone()),
                server_id,
                server_name: server.map_or_else(String::new, |record| record.name.clone()),
                severity: rule.map_or(Severity::Info, |rule| rule.severity),
                what: EventKind::Closed,
                value: entry.alert.value,
                note: note.to_owned(),
            });
        }
    }
    found
}

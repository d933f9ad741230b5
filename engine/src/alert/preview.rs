//! A rule against the history of the last day: what it would have done. It judges as the hub does, every few seconds, by
//! the reports that there were. It knows no silences, and no pauses of the hub. Addresses do not change in it.

use std::sync::Arc;

use super::machine::{Change, Progress, Stage, step};
use super::measure::{Look, Measure};
use super::roster::{Judged, Looked, judge};
use super::rule::Rule;
use crate::history::HistoryReader;
use crate::latest::Latest;
use crate::registry::Registry;
use crate::sample::Sample;
use crate::slot::Slot;
use crate::store::StoreError;

/// How far back it looks.
const SPAN_MS: i64 = 86_400_000;
/// Time between two looks: the usual one of the hub.
const LOOK_MS: i64 = 5_000;
/// Servers that are looked at.
const SERVERS_MAX: usize = 1_000;
/// Reports after which no further server is looked at.
const REPORTS_MAX: u64 = 20_000_000;

/// What a rule would have done in the last day.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Preview {
    /// Servers looked at, each over one day.
    pub servers_looked: usize,
    /// Whether there are more, which were not looked at.
    pub is_cut: bool,
    /// The servers for which it would have fired, in ascending id.
    pub firings: Vec<PreviewFiring>,
}

/// A server for which a rule would have fired.
#[derive(Debug, Clone, PartialEq)]
pub struct PreviewFiring {
    /// The server.
    pub server_id: u64,
    /// Its name.
    pub name: String,
    /// How often.
    pub times: u64,
    /// Seconds for which it would have fired in all.
    pub total_s: i64,
    /// Unix milliseconds of the first time.
    pub first_ms: i64,
    /// The worst value of the first condition while it fired.
    pub worst: Option<f64>,
}

/// Judges the servers that a rule is about by their history.
pub(super) fn preview(
    rule: &Rule,
    registry: &Registry,
    history: HistoryReader<'_>,
    offline_after_ms: i64,
    now_ms: i64,
) -> Result<Preview, StoreError> {
    let judged = Judged::of(&Arc::new(rule.clone()));
    let (mut preview, mut reports) = (Preview::default(), 0);
    for slot in registry.slots() {
        let record = Arc::clone(&slot.record.read());
        if !rule.is_about(record.id, &record.tag) {
            continue;
        }
        if preview.servers_looked >= SERVERS_MAX || reports >= REPORTS_MAX {
            preview.is_cut = true;
            break;
        }
        let mut day = Day::of(&slot, &judged, offline_after_ms, now_ms - SPAN_MS);
        history.reports(record.id, now_ms - SPAN_MS, now_ms, &mut |_, sample| {
            reports += 1;
            day.take(sample);
        })?;
        day.look_until(now_ms);
        day.end(now_ms);
        preview.servers_looked += 1;
        if day.times > 0 {
            preview.firings.push(PreviewFiring {
                server_id: record.id,
                name: record.name.clone(),
                times: day.times,
                total_s: day.total_ms / 1000,
                first_ms: day.first_ms,
                worst: day.worst,
            });
        }
    }
    Ok(preview)
}

/// A day of one server.
struct Day<'a> {
    judged: &'a Judged,
    offline_after_ms: i64,
    created_ms: i64,
    /// The server as it was.
    latest: Latest,
    next_look_ms: i64,
    has_rebooted: bool,
    progress: Option<Progress>,
    times: u64,
    total_ms: i64,
    first_ms: i64,
    fired_ms: Option<i64>,
    worst: Option<f64>,
}

impl<'a> Day<'a> {
    fn of(slot: &Slot, judged: &'a Judged, offline_after_ms: i64, from_ms: i64) -> Self {
        let created_ms = slot.record.read().created_s.saturating_mul(1000);
        let newest = slot.status.lock().latest().clone();
        // Facts are those of today. A report from before is still the newest one when the day begins.
        let latest = match newest.last_active_ms {
            Some(at_ms) if at_ms < from_ms => newest,
            _ => Latest { facts: newest.facts, ..Latest::default() },
        };
        Self {
            judged,
            offline_after_ms,
            created_ms,
            latest,
            next_look_ms: from_ms,
            has_rebooted: false,
            progress: None,
            times: 0,
            total_ms: 0,
            first_ms: 0,
            fired_ms: None,
            worst: None,
        }
    }

    /// Takes the next report.
    fn take(&mut self, sample: &Sample) {
        self.look_until(sample.time_ms);
        let next = Latest {
            facts: Arc::clone(&self.latest.facts),
            sample: sample.clone(),
            last_active_ms: Some(sample.time_ms),
        };
        self.has_rebooted |= self.latest.last_active_ms.is_some() && Looked::at(&self.latest).has_rebooted(&next);
        self.latest = next;
    }

    /// Looks as often as the hub does, until that time.
    fn look_until(&mut self, until_ms: i64) {
        while self.next_look_ms <= until_ms {
            let at_ms = self.next_look_ms;
            self.next_look_ms += LOOK_MS;
            self.look(at_ms);
        }
    }

    fn look(&mut self, at_ms: i64) {
        let rule = &self.judged.rule;
        let look = Look { latest: &self.latest, now_ms: at_ms, offline_after_ms: self.offline_after_ms };
        let (seen, value) = judge(rule, |measure| match measure {
            Measure::Rebooted => Some(f64::from(u8::from(self.has_rebooted))),
            Measure::AddressChanged => Some(0.0),
            Measure::Offline if rule.never && self.latest.last_active_ms.is_none() => {
                Some(at_ms.saturating_sub(self.created_ms).max(0) as f64 / 1000.0)
            }
            _ => measure.value_of(&look),
        });
        self.has_rebooted = false;
        match step(&mut self.progress, &self.judged.terms, seen, at_ms) {
            Change::Fired => {
                if self.times == 0 {
                    self.first_ms = at_ms;
                }
                self.times += 1;
                self.fired_ms = Some(at_ms);
            }
            Change::Resolved => self.end(at_ms),
            _ => {}
        }
        if self.progress.is_some_and(|progress| progress.stage != Stage::Pending)
            && let Some(value) = value
            && self.worst.is_none_or(|worst| rule.when[0].operator.holds(value, worst))
        {
            self.worst = Some(value);
        }
    }

    /// An alert that fires ends here.
    fn end(&mut self, at_ms: i64) {
        self.total_ms += self.fired_ms.take().map_or(0, |fired_ms| at_ms - fired_ms);
    }
}

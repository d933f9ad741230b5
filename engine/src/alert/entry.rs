//! The alerts in memory, and what is to be changed in them.

use std::collections::HashMap;

use super::machine::{Progress, Stage};
use super::state::{Alert, AlertState, AlertTime};

/// An alert with its place in the state machine.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) alert: Alert,
    pub(super) progress: Progress,
    /// When channels were told last, by the clock that never leaps.
    pub(super) notified_uptime_ms: i64,
}

impl Entry {
    /// An alert that begins.
    pub(super) fn begun(ids: (u64, u64), edition: u32, progress: Progress, value: Option<f64>, now: AlertTime) -> Self {
        let alert = Alert::begun(ids, edition, value, now.now_ms);
        Self { alert, progress, notified_uptime_ms: now.uptime_ms }
    }

    /// An alert as a start finds it.
    pub(super) fn resumed(alert: Alert, now: AlertTime) -> Self {
        let uptime_of = |ms: i64| now.uptime_ms.saturating_sub(now.now_ms.saturating_sub(ms).max(0));
        let stage = if alert.fires() { Stage::Firing } else { Stage::Pending };
        let mut progress = Progress::resumed(stage, uptime_of(alert.since_ms), now.uptime_ms);
        progress.frozen_ms = alert.frozen_since_ms.map(uptime_of);
        let notified_uptime_ms = alert.notified_ms.map_or(now.uptime_ms, uptime_of);
        Self { alert, progress, notified_uptime_ms }
    }

    /// An alert as the registry's stream brings it. Its place in the state machine is found when this hub judges.
    pub(super) fn followed(alert: Alert) -> Self {
        Self::resumed(alert, AlertTime { now_ms: 0, uptime_ms: 0 })
    }

    /// Makes the alert say where the state machine is.
    pub(super) fn show_stage(&mut self, now_ms: i64) {
        self.alert.state = match self.progress.stage {
            Stage::Pending => AlertState::Pending,
            Stage::Firing => AlertState::Firing,
            Stage::Clearing => AlertState::Clearing,
        };
        match self.progress.frozen_ms {
            None => self.alert.frozen_since_ms = None,
            Some(_) => {
                self.alert.frozen_since_ms.get_or_insert(now_ms);
            }
        }
    }
}

/// What becomes of one alert.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) rule_id: u64,
    pub(super) server_id: u64,
    /// `None` when it is ok.
    pub(super) entry: Option<Entry>,
    /// Whether the disk is to know.
    pub(super) is_stored: bool,
    /// Whether a notice tells of it.
    pub(super) is_told: bool,
}

/// Every alert that is not ok, by server.
#[derive(Debug, Default)]
pub(super) struct Entries {
    by_server: HashMap<u64, Vec<Entry>>,
    count: usize,
}

impl Entries {
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Those of one server, or of the hub.
    pub(super) fn of(&self, server_id: u64) -> &[Entry] {
        self.by_server.get(&server_id).map_or(&[], Vec::as_slice)
    }

    pub(super) fn get(&self, rule_id: u64, server_id: u64) -> Option<&Entry> {
        self.of(server_id).iter().find(|entry| entry.alert.rule_id == rule_id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.by_server.values().flatten()
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.by_server.values_mut().flatten()
    }

    /// Puts one in place of what is there.
    pub(super) fn put(&mut self, entry: Entry) {
        let entries = self.by_server.entry(entry.alert.server_id).or_default();
        match entries.iter_mut().find(|old| old.alert.rule_id == entry.alert.rule_id) {
            Some(old) => *old = entry,
            None => {
                // Most servers have one or two.
                entries.reserve_exact(1);
                entries.push(entry);
                self.count += 1;
            }
        }
    }

    pub(super) fn remove(&mut self, rule_id: u64, server_id: u64) {
        let Some(entries) = self.by_server.get_mut(&server_id) else { return };
        let before = entries.len();
        entries.retain(|entry| entry.alert.rule_id != rule_id);
        self.count -= before - entries.len();
        if entries.is_empty() {
            self.by_server.remove(&server_id);
        }
    }

    pub(super) fn apply(&mut self, edits: Vec<Edit>) {
        for edit in edits {
            match edit.entry {
                Some(entry) => self.put(entry),
                None => self.remove(edit.rule_id, edit.server_id),
            }
        }
    }
}

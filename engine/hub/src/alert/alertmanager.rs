//! What an Alertmanager is told: every alert that fires, again and again, because it takes one that it does not hear of
//! for resolved. And for some time those that have ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use windfire_engine::alert::AlertView;
use windfire_engine::alert::rule::{NewRule, Severity};
use windfire_outbound::ShownAlert;

use crate::limits::{ALERTMANAGER_ENDED_MS, ALERTMANAGER_INTERVAL, ALERTMANAGER_LASTS_MS};

/// Rule and server.
type Ids = (u64, u64);

/// What one Alertmanager was told.
pub(super) struct Told {
    firing: HashMap<Ids, ShownAlert>,
    ended: HashMap<Ids, ShownAlert>,
    /// When it is told again.
    next: Instant,
}

impl Told {
    /// One that was told nothing yet.
    pub(super) fn nothing() -> Self {
        Self { firing: HashMap::new(), ended: HashMap::new(), next: Instant::now() }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.next
    }

    /// It was told at that moment, or that was tried.
    pub(super) fn note(&mut self, at: Instant) {
        self.next = at + ALERTMANAGER_INTERVAL;
    }

    /// What it is to be told, from all alerts there are.
    pub(super) fn what(
        &mut self,
        alerts: Vec<AlertView>,
        channel_id: u64,
        link: Option<&String>,
        now_ms: i64,
    ) -> Vec<ShownAlert> {
        let mut firing = HashMap::new();
        for view in alerts {
            let ids = (view.alert.rule_id, view.alert.server_id);
            // A silence keeps new alerts back. It does not end those that were told before.
            let is_held_back = view.is_silenced && !self.firing.contains_key(&ids);
            if view.alert.fires() && view.rule.channels.contains(&channel_id) && !is_held_back {
                firing.insert(ids, shown(view, link.cloned(), now_ms));
            }
        }
        for (ids, alert) in self.firing.drain().filter(|(ids, _)| !firing.contains_key(ids)) {
            self.ended.insert(ids, ShownAlert { ends_ms: now_ms.max(alert.since_ms), ..alert });
        }
        self.ended.retain(|ids, alert| {
            !firing.contains_key(ids) && now_ms.saturating_sub(alert.ends_ms) <= ALERTMANAGER_ENDED_MS
        });
        let all = firing.values().chain(self.ended.values()).cloned().collect();
        self.firing = firing;
        all
    }
}

fn shown(view: AlertView, link: Option<String>, now_ms: i64) -> ShownAlert {
    let (server_name, tag) =
        view.server.map_or_else(Default::default, |record| (record.name.clone(), record.tag.clone()));
    ShownAlert {
        rule: view.rule,
        server_id: view.alert.server_id,
        server_name,
        tag,
        value: view.alert.value,
        since_ms: view.alert.since_ms,
        ends_ms: now_ms.saturating_add(ALERTMANAGER_LASTS_MS),
        link,
    }
}

/// An alert by which somebody sees that the channel works. It ends after one interval.
pub(super) fn test_alert(link: Option<String>, now_ms: i64) -> ShownAlert {
    let rule = NewRule::of("Windfire test", Severity::Info, Vec::new()).into_rule(0, now_ms.div_euclid(1000));
    let lasts_ms = i64::try_from(ALERTMANAGER_INTERVAL.as_millis()).unwrap_or(i64::MAX);
    ShownAlert {
        rule: Arc::new(rule),
        server_id: 0,
        server_name: String::new(),
        tag: String::new(),
        value: None,
        since_ms: now_ms,
        ends_ms: now_ms.saturating_add(lasts_ms),
        link,
    }
}

#[cfg(test)]
mod tests {
    use windfire_engine::alert::state::{Alert, AlertState};

    use super::*;

    const NOW_MS: i64 = 1_790_000_000_000;

    fn view(server_id: u64, state: AlertState, is_silenced: bool) -> AlertView {
        let mut new = NewRule::of("busy", Severity::Warning, Vec::new());
        new.channels = vec![3];
        let mut alert = Alert::begun((7, server_id), 0, None, NOW_MS - 60_000);
        alert.state = state;
        AlertView { alert, rule: Arc::new(new.into_rule(7, 0)), server: None, is_silenced, is_suppressed: false }
    }

    /// The server and when the alert ends, of each that is told.
    fn told(told: &mut Told, alerts: Vec<AlertView>, channel_id: u64, now_ms: i64) -> Vec<(u64, i64)> {
        let what = told.what(alerts, channel_id, None, now_ms).into_iter();
        let mut what: Vec<_> = what.map(|alert| (alert.server_id, alert.ends_ms - now_ms)).collect();
        what.sort_unstable();
        what
    }

    #[test]
    fn what_fires_is_told_again_and_what_ended_for_some_time() {
        use AlertState::{Clearing, Firing, Pending};
        let mut manager = Told::nothing();
        let all = || vec![view(1, Firing, false), view(2, Clearing, false), view(3, Pending, false)];
        assert_eq!(told(&mut manager, all(), 3, NOW_MS), [(1, 240_000), (2, 240_000)]);
        assert_eq!(told(&mut manager, all(), 3, NOW_MS + 60_000), [(1, 240_000), (2, 240_000)]);
        let left = || vec![view(1, Firing, false)];
        assert_eq!(told(&mut manager, left(), 3, NOW_MS + 120_000), [(1, 240_000), (2, 0)]);
        assert_eq!(told(&mut manager, left(), 3, NOW_MS + 420_000), [(1, 240_000), (2, -300_000)]);
        assert_eq!(told(&mut manager, left(), 3, NOW_MS + 420_001), [(1, 240_000)]);
        assert!(told(&mut Told::nothing(), all(), 4, NOW_MS).is_empty(), "another channel");
    }

    #[test]
    fn a_silence_keeps_new_alerts_back_and_ends_none() {
        let mut manager = Told::nothing();
        let fires = |is_silenced| vec![view(1, AlertState::Firing, is_silenced)];
        assert!(told(&mut manager, fires(true), 3, NOW_MS).is_empty());
        assert_eq!(told(&mut manager, fires(false), 3, NOW_MS), [(1, 240_000)]);
        assert_eq!(told(&mut manager, fires(true), 3, NOW_MS), [(1, 240_000)]);
    }
}

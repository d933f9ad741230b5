//! An alert as it is shown and stored.

use super::rule::Severity;

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertTime {
    /// Unix milliseconds, by the trusted time.
    pub now_ms: i64,
    /// Milliseconds of a clock that never leaps.
    pub uptime_ms: i64,
}

/// Where an alert is that is not ok.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// It is bad, not yet for long enough.
    Pending,
    /// It fires.
    Firing,
    /// It fires and is good, not yet for long enough.
    Clearing,
}

impl AlertState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Firing, Self::Clearing];

    /// The state as one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Clearing => "clearing",
        }
    }

    /// The state of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A rule for a server, or for the hub, that is not ok.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// The rule.
    pub rule_id: u64,
    /// The server; 0 for the hub.
    pub server_id: u64,
    /// Where it is.
    pub state: AlertState,
    /// Unix milliseconds at which it was bad for the first time.
    pub since_ms: i64,
    /// Unix milliseconds at which it fired.
    pub fired_ms: Option<i64>,
    /// The value of the rule's first condition at `since_ms`.
    pub first_value: Option<f64>,
    /// The worst one since then.
    pub worst_value: Option<f64>,
    /// The newest one.
    pub value: Option<f64>,
    /// Unix milliseconds since when there is no value.
    pub frozen_since_ms: Option<i64>,
    /// Unix milliseconds at which channels were told last.
    pub notified_ms: Option<i64>,
    /// How often they were.
    pub times_notified: u32,
    /// Who has acknowledged it. It is not repeated then.
    pub acknowledged_by: Option<String>,
    /// What the rule was like when the alert began: another one begins alerts anew.
    pub(crate) edition: u32,
    /// Notices below this number may have told of it; 0 when none did.
    pub(crate) told: u64,
    /// Whether a silence kept it from being told.
    pub(crate) is_withheld: bool,
}

impl Alert {
    /// An alert of these, a rule and a server, that begins. `edition` is that of the rule.
    pub fn begun((rule_id, server_id): (u64, u64), edition: u32, value: Option<f64>, now_ms: i64) -> Self {
        Self {
            rule_id,
            server_id,
            state: AlertState::Pending,
            since_ms: now_ms,
            fired_ms: None,
            first_value: value,
            worst_value: value,
            value,
            frozen_since_ms: None,
            notified_ms: None,
            times_notified: 0,
            acknowledged_by: None,
            edition,
            told: 0,
            is_withheld: false,
        }
    }

    /// Whether it is told to people: it fires, even if it is about to end.
    pub fn fires(&self) -> bool {
        self.state != AlertState::Pending
    }
}

/// Which alerts are asked for. `None` for any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// In this state.
    pub state: Option<AlertState>,
    /// Of servers of exactly this tag.
    pub tag: Option<String>,
    /// Of rules of this severity.
    pub severity: Option<Severity>,
}

/// How alerts are judged and told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlertOptions {
    /// Milliseconds that servers are given to come back, after a start and after the hub was cut off.
    pub grace_ms: i64,
    /// Milliseconds after which a report says nothing about now.
    pub offline_after_ms: i64,
    /// Milliseconds that a notice waits for others to join it.
    pub group_wait_ms: i64,
    /// Milliseconds between two messages to a channel about a rule.
    pub group_interval_ms: i64,
}

impl Default for AlertOptions {
    fn default() -> Self {
        Self { grace_ms: 120_000, offline_after_ms: 30_000, group_wait_ms: 10_000, group_interval_ms: 60_000 }
    }
}

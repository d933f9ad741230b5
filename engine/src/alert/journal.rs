//! A row of the log of alerts: what happened to one.

use super::rule::Severity;

const DAY_MS: i64 = 86_400_000;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// It has become bad.
    Pending,
    /// It fires.
    Fired,
    /// It is ok again.
    Resolved,
    /// There is no value any more.
    Frozen,
    /// There is a value again.
    Thawed,
    /// Somebody has acknowledged it.
    Acknowledged,
    /// A silence kept it from being told.
    Silenced,
    /// It ended without being ok: its rule has changed, or one of both is not there any more.
    Closed,
    /// A message could not be delivered, and is not tried again.
    Undelivered,
}

impl EventKind {
    /// Everything that can happen.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Fired,
        Self::Resolved,
        Self::Frozen,
        Self::Thawed,
        Self::Acknowledged,
        Self::Silenced,
        Self::Closed,
        Self::Undelivered,
    ];

    /// What happened as one word, which is also stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Fired => "fired",
            Self::Resolved => "resolved",
            Self::Frozen => "frozen",
            Self::Thawed => "thawed",
            Self::Acknowledged => "acknowledged",
            Self::Silenced => "silenced",
            Self::Closed => "closed",
            Self::Undelivered => "undelivered",
        }
    }

    /// What is called so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A row of the log of alerts. It has the names as they were then.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertEvent {
    /// Unix milliseconds.
    pub time_ms: i64,
    /// Given out once, never again.
    pub sequence: u64,
    /// The rule.
    pub rule_id: u64,
    /// Its name.
    pub rule_name: String,
    /// The server; 0 for the hub.
    pub server_id: u64,
    /// Its name.
    pub server_name: String,
    /// How bad it is.
    pub severity: Severity,
    /// What happened.
    pub what: EventKind,
    /// The value of the rule's first condition.
    pub value: Option<f64>,
    /// More about it, for people.
    pub note: String,
}

impl AlertEvent {
    /// The day in which it happened, counted from 1970.
    pub(crate) fn day(&self) -> i64 {
        self.time_ms.div_euclid(DAY_MS)
    }
}

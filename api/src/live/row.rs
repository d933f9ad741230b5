//! The numbers of one server that are shown, and their precision.

use std::sync::Arc;

use windfire_engine::latest::{HostFacts, Latest};
use windfire_engine::server::ServerRecord;

/// Numbers of a server that change with its reports, in the order of their bits in a change.
pub(super) const FIELDS: [&str; 10] = [
    "active",
    "cpu",
    "mem",
    "swap",
    "disk",
    "net_in_speed",
    "net_out_speed",
    "net_in_transfer",
    "net_out_transfer",
    "load1",
];

/// In the field `active`: reports come.
pub(super) const ONLINE: i64 = 0;
/// In the field `active`: no report ever came.
pub(super) const NEVER: i64 = -1;

/// How exactly numbers are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    /// As a table of thousands of servers shows them: differences that it cannot show are no change, and cost nothing.
    Coarse,
    /// As reported.
    Exact,
}

impl Precision {
    /// The divisor of a field's integer.
    pub(super) fn scale(self, field: &str) -> i64 {
        match (field, self) {
            ("cpu" | "mem" | "swap" | "disk", Self::Exact) => 100,
            ("load1", Self::Exact) => 100,
            ("load1", Self::Coarse) => 10,
            _ => 1,
        }
    }

    fn speed(self, bytes: u64) -> i64 {
        self.bytes(bytes, 2)
    }

    fn transfer(self, bytes: u64) -> i64 {
        self.bytes(bytes, 3)
    }

    fn bytes(self, bytes: u64, digits: u32) -> i64 {
        let shown = match self {
            Self::Coarse => round_to_digits(bytes, digits),
            Self::Exact => bytes,
        };
        i64::try_from(shown).unwrap_or(i64::MAX)
    }

    #[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
    fn scaled(self, field: &str, value: f64) -> i64 {
        (value * self.scale(field) as f64).round() as i64
    }

    fn share(self, field: &str, used: u64, total: u64) -> i64 {
        if total == 0 { 0 } else { self.scaled(field, used as f64 * 100.0 / total as f64) }
    }
}

/// One server as it was shown last.
pub(super) struct Row {
    pub(super) record: Arc<ServerRecord>,
    pub(super) facts: Arc<HostFacts>,
    pub(super) state: [i64; FIELDS.len()],
}

impl Row {
    pub(super) fn of(
        record: &Arc<ServerRecord>,
        latest: &Latest,
        precision: Precision,
        now_s: i64,
        offline_after_s: i64,
    ) -> Self {
        let (host, sample) = (&latest.facts.host, &latest.sample);
        let active = match latest.last_active_s() {
            None => NEVER,
            Some(_) if latest.reported_within(offline_after_s, now_s) => ONLINE,
            Some(at_s) => at_s,
        };
        let state = [
            active,
            precision.scaled("cpu", sample.cpu),
            precision.share("mem", sample.mem_used, host.mem_total),
            precision.share("swap", sample.swap_used, host.swap_total),
            precision.share("disk", sample.disk_used, host.disk_total),
            precision.speed(sample.net_in_speed),
            precision.speed(sample.net_out_speed),
            precision.transfer(sample.net_in_transfer),
            precision.transfer(sample.net_out_transfer),
            precision.scaled("load1", sample.load1),
        ];
        Self { record: Arc::clone(record), facts: Arc::clone(&latest.facts), state }
    }
}

/// Rounded to so many significant digits.
fn round_to_digits(value: u64, digits: u32) -> u64 {
    let used = value.checked_ilog10().map_or(1, |log| log + 1);
    let unit = 10u64.pow(used.saturating_sub(digits));
    // Rounded down if the rounded-up value would not fit.
    value.checked_add(unit / 2).unwrap_or(value) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_their_digits() {
        assert_eq!([0, 9, 99, 995, 12_345].map(|value| round_to_digits(value, 2)), [0, 9, 99, 1000, 12_000]);
        assert_eq!(round_to_digits(1_234_567, 3), 1_230_000);
        assert_eq!(round_to_digits(u64::MAX, 2), 18_000_000_000_000_000_000);
    }
}

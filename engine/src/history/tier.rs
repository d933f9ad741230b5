//! The resolutions in which history is kept, and for how long.

use std::ops::Range;

use crate::store::key;

/// Milliseconds of an hour: reports are kept together by it.
pub(crate) const HOUR_MS: i64 = 3_600_000;
/// Milliseconds of a day: summaries are kept together by it.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// Milliseconds of a row of the minute tier.
pub(crate) const MINUTE_MS: i64 = 60_000;
/// Milliseconds of a row of the quarter tier.
pub(crate) const QUARTER_MS: i64 = 15 * MINUTE_MS;

/// How long each tier is kept, and how much disk all of them may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Days that every report is kept.
    pub raw_days: u32,
    /// Days that the minute tier is kept.
    pub minute_days: u32,
    /// Days that the quarter tier, and changes of facts, are kept.
    pub quarter_days: u32,
    /// Bytes of all tiers together. Above it, the oldest history is deleted early. 0 means no bound.
    pub disk_bytes_max: u64,
}

impl Retention {
    /// Days that a tier is kept.
    pub(super) const fn days(&self, tier: Tier) -> u32 {
        match tier {
            Tier::Raw => self.raw_days,
            Tier::Minute => self.minute_days,
            Tier::Quarter => self.quarter_days,
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { raw_days: 7, minute_days: 60, quarter_days: 730, disk_bytes_max: 0 }
    }
}

/// One of the three resolutions in which history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Every report.
    Raw,
    /// One row a minute.
    Minute,
    /// One row a quarter of an hour.
    Quarter,
}

impl Tier {
    /// Every tier, finest first.
    pub const ALL: [Self; 3] = [Self::Raw, Self::Minute, Self::Quarter];

    /// Its name in answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Minute => "1m",
            Self::Quarter => "15m",
        }
    }

    /// Milliseconds of one row; 0 for raw, which has no grid.
    pub const fn row_ms(self) -> i64 {
        match self {
            Self::Raw => 0,
            Self::Minute => MINUTE_MS,
            Self::Quarter => QUARTER_MS,
        }
    }

    /// Milliseconds of the unit in which a tier expires.
    pub(crate) const fn span_ms(self) -> i64 {
        match self {
            Self::Raw => HOUR_MS,
            Self::Minute | Self::Quarter => DAY_MS,
        }
    }

    /// The oldest hour (raw) or day that is kept, if the tier is kept for that many days.
    pub(super) fn floor_of(self, days: u32, now_ms: i64) -> i64 {
        now_ms.saturating_sub(i64::from(days) * DAY_MS).div_euclid(self.span_ms())
    }

    pub(crate) const fn family(self) -> &'static str {
        key::TIERS[self as usize]
    }
}

/// The part of a range of times that is within an hour.
pub(super) fn within(range_ms: &Range<i64>, hour: i64) -> Range<i64> {
    let start_ms = hour.saturating_mul(HOUR_MS);
    range_ms.start.max(start_ms)..range_ms.end.min(start_ms.saturating_add(HOUR_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_the_hour_or_day_in_which_the_days_that_are_kept_begin() {
        for (tier, days, now_ms, floor) in [
            (Tier::Raw, 0, 0, 0),
            (Tier::Raw, 0, HOUR_MS - 1, 0),
            (Tier::Raw, 1, DAY_MS, 0),
            (Tier::Raw, 1, DAY_MS - 1, -1),
            (Tier::Raw, 7, 10 * DAY_MS + HOUR_MS, 73),
            (Tier::Minute, 1, 3 * DAY_MS - 1, 1),
            (Tier::Quarter, 2, 3 * DAY_MS, 1),
            (Tier::Quarter, u32::MAX, 0, -i64::from(u32::MAX)),
            (Tier::Raw, u32::MAX, i64::MIN, i64::MIN.div_euclid(HOUR_MS)),
        ] {
            assert_eq!(tier.floor_of(days, now_ms), floor, "{tier:?}, {days} days before {now_ms}");
        }
    }

    #[test]
    fn a_range_within_an_hour_is_what_both_share() {
        let hour = |hour: i64| hour * HOUR_MS..(hour + 1) * HOUR_MS;
        assert_eq!(within(&(i64::MIN..i64::MAX), 5), hour(5));
        assert_eq!(within(&(5 * HOUR_MS + 1..6 * HOUR_MS + 1), 5), 5 * HOUR_MS + 1..6 * HOUR_MS);
        assert_eq!(within(&(5 * HOUR_MS + 1..6 * HOUR_MS + 1), 6), 6 * HOUR_MS..6 * HOUR_MS + 1);
        assert!(within(&hour(5), 4).is_empty());
    }
}

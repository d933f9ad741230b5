//! The share of one server, so that no single credential can fill the log, the disk and the history.
//!
//! There are two purses, one of reports and one of bytes of log. Both fill with time, up to a bound, and may be
//! overdrawn by one batch. A server that has nothing left is stalled until they have filled again. Time is the hub's
//! clock or that of the server's reports, whichever moved further: a server that was disconnected for hours sends its
//! reports as fast as the hub takes them. Times of reports count only within the last days, so that no clock that leaps
//! can fill a purse for ever.

use crate::limits::{BACKLOG_MS_MAX, LOG_BYTES_BURST_MAX, LOG_BYTES_PER_S_MAX, REPORTS_BURST_MAX, REPORTS_PER_S_MAX};

/// The share of every server per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rates {
    reports_per_s: u32,
    log_bytes_per_s: u32,
}

impl Rates {
    /// `reports_per_s` reports per second, 0 for [`REPORTS_PER_S_MAX`]. Bytes in proportion, but at least the default.
    pub(crate) fn of(reports_per_s: u32) -> Self {
        let reports_per_s = if reports_per_s == 0 { REPORTS_PER_S_MAX } else { reports_per_s };
        let bytes_per_report = LOG_BYTES_PER_S_MAX / REPORTS_PER_S_MAX;
        let log_bytes_per_s = LOG_BYTES_PER_S_MAX.max(reports_per_s.saturating_mul(bytes_per_report));
        Self { reports_per_s, log_bytes_per_s }
    }
}

/// The rest of one server's share, in thousandths, because a millisecond adds a thousandth of a second's share.
#[derive(Debug, Clone)]
pub(crate) struct Share {
    reports: i64,
    log_bytes: i64,
    /// When it was last filled: by the hub's clock, and by the highest time of its reports. Nothing before the first.
    filled: Option<(i64, i64)>,
}

const REPORTS_MAX: i64 = REPORTS_BURST_MAX as i64 * 1000;
const LOG_BYTES_MAX: i64 = LOG_BYTES_BURST_MAX as i64 * 1000;

impl Default for Share {
    fn default() -> Self {
        Self { reports: REPORTS_MAX, log_bytes: LOG_BYTES_MAX, filled: None }
    }
}

impl Share {
    /// Fills the purses for the time until now. Returns whether a batch whose highest time is `newest_ms` may be taken.
    /// Both times are Unix milliseconds, `now_ms` by the hub's clock.
    pub(crate) fn has_any(&mut self, rates: Rates, newest_ms: i64, now_ms: i64) -> bool {
        let newest_ms = newest_ms.clamp(now_ms.saturating_sub(BACKLOG_MS_MAX), now_ms);
        let (filled_ms, highest_ms) = self.filled.unwrap_or((now_ms, newest_ms));
        // A clock that was set back fills nothing, and is followed from its new time on.
        let moved_ms =
            now_ms.saturating_sub(filled_ms).max(newest_ms.saturating_sub(highest_ms)).clamp(0, BACKLOG_MS_MAX);
        self.filled = Some((now_ms, highest_ms.max(newest_ms).min(now_ms)));
        self.reports = self.reports.saturating_add(moved_ms * i64::from(rates.reports_per_s)).min(REPORTS_MAX);
        self.log_bytes = self.log_bytes.saturating_add(moved_ms * i64::from(rates.log_bytes_per_s)).min(LOG_BYTES_MAX);
        self.reports > 0 && self.log_bytes > 0
    }

    /// Takes the cost of a batch.
    pub(crate) fn take(&mut self, reports: usize, log_bytes: usize) {
        let thousandths = |number: usize| i64::try_from(number).unwrap_or(i64::MAX).saturating_mul(1000);
        self.reports = self.reports.saturating_sub(thousandths(reports));
        self.log_bytes = self.log_bytes.saturating_sub(thousandths(log_bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_000_000_000;
    const BATCH: usize = 256;

    /// Batches that are taken of `offered`, each with its highest time and the hub's clock.
    fn taken(share: &mut Share, offered: impl IntoIterator<Item = (i64, i64)>, log_bytes: usize) -> usize {
        let mut taken = 0;
        for (newest_ms, now_ms) in offered {
            if share.has_any(Rates::of(0), newest_ms, now_ms) {
                share.take(BATCH, log_bytes);
                taken += 1;
            }
        }
        taken
    }

    #[test]
    fn a_greedy_server_is_held_to_its_rate() {
        let mut share = Share::default();
        // 100 batches per second for a minute, each a millisecond later: 1.5 million reports.
        let offered = (0..6000).map(|number| (NOW_MS + number * 10, NOW_MS + number * 10));
        let reports = taken(&mut share, offered, 25_000) * BATCH;
        let allowed = (REPORTS_BURST_MAX + REPORTS_PER_S_MAX * 60) as usize;
        assert!((allowed - BATCH..=allowed + BATCH).contains(&reports), "{reports} of {allowed}");
    }

    #[test]
    fn many_bytes_are_too_much_as_well() {
        let mut share = Share::default();
        let offered = (0..600).map(|number| (NOW_MS + number * 100, NOW_MS + number * 100));
        let bytes = taken(&mut share, offered, 400_000) * 400_000;
        let allowed = (LOG_BYTES_BURST_MAX + LOG_BYTES_PER_S_MAX * 60) as usize;
        assert!((allowed - 400_000..=allowed + 400_000).contains(&bytes), "{bytes} of {allowed}");
    }

    #[test]
    fn a_backlog_of_hours_or_days_comes_as_fast_as_it_is_offered() {
        for days in [1, 7] {
            // One report per second, all offered at one moment.
            let batches = days * 86_400 / BATCH as i64;
            let newest = |number: i64| NOW_MS - (batches - number) * BATCH as i64 * 1000;
            let offered = (1..=batches).map(|number| (newest(number), NOW_MS));
            assert_eq!(usize::try_from(batches), Ok(taken(&mut Share::default(), offered, 256 * 1200)));
        }
    }

    #[test]
    fn no_clock_that_leaps_fills_a_purse_for_ever() {
        let burst = REPORTS_BURST_MAX as usize / BATCH + 1;
        let leaps: [fn(i64) -> i64; 5] = [
            // Ahead by an hour with each batch, back and forth by a year, from the beginning of time, at its end.
            |number| NOW_MS + number * 3_600_000,
            |number| NOW_MS + (number % 2) * 365 * 86_400_000,
            |number| i64::MIN + number * 86_400_000,
            |number| i64::MAX - number,
            |number| NOW_MS - 400 * 86_400_000 + number * 3_600_000,
        ];
        for leap in leaps {
            let offered = (0..1000).map(|number| (leap(number), NOW_MS));
            let taken = taken(&mut Share::default(), offered, 25_000);
            assert!(taken <= burst + 1, "{taken} batches at {}", leap(1));
        }
        // The hub's own clock back and forth: each time it is ahead again is time that passed.
        let mut share = Share::default();
        assert_eq!(taken(&mut share, (0..1000).map(|_| (NOW_MS, NOW_MS)), 25_000), burst - 1);
        assert!(!share.has_any(Rates::of(0), NOW_MS, NOW_MS - 86_400_000));
        assert!(!share.has_any(Rates::of(0), NOW_MS, NOW_MS - 86_400_000));
        assert!(share.has_any(Rates::of(0), NOW_MS, NOW_MS - 86_400_000 + 60_000));
    }

    #[test]
    fn a_stalled_server_is_taken_again_when_time_has_passed_and_another_rate_takes_more() {
        let mut share = Share::default();
        share.take(REPORTS_BURST_MAX as usize + BATCH, 0);
        assert!(!share.has_any(Rates::of(0), NOW_MS, NOW_MS));
        let wait_ms = BATCH as i64 * 1000 / i64::from(REPORTS_PER_S_MAX);
        assert!(!share.has_any(Rates::of(0), NOW_MS, NOW_MS + wait_ms));
        assert!(share.has_any(Rates::of(0), NOW_MS, NOW_MS + wait_ms + 1));
        share.take(BATCH, 0);
        assert!(share.has_any(Rates::of(1000), NOW_MS, NOW_MS + wait_ms + 300));
    }
}

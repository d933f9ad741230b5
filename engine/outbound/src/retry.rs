//! When a message that was not sent is tried again.

use std::time::Duration;

use crate::error::Retry;
use crate::limits::{BACKOFF_MAX, NOTICE_AGE_MAX};

/// The longest wait after the first try.
const BACKOFF_FIRST_MS: i64 = 1_000;

/// When a notice is tried again, in Unix milliseconds. `None`: it is given up, because it would be refused again or is
/// too old. `attempts` counts the tries before the one that just failed; `random` is within 0 to 1.
///
/// A receiver that asked for a wait gets exactly that. Otherwise the wait is any part of one that doubles with each try,
/// so that notices that failed together do not come back together.
pub fn next_try_ms(retry: Retry, attempts: u32, created_ms: i64, now_ms: i64, random: f64) -> Option<i64> {
    let wait_ms = match retry {
        Retry::Never => return None,
        Retry::After(wait) => whole_ms(wait),
        Retry::Later => part(backoff_ms(attempts), random),
    };
    let at_ms = now_ms.saturating_add(wait_ms);
    (at_ms.saturating_sub(created_ms) < whole_ms(NOTICE_AGE_MAX)).then_some(at_ms)
}

/// The longest wait after so many tries.
fn backoff_ms(attempts: u32) -> i64 {
    let doubled = BACKOFF_FIRST_MS.saturating_mul(1_i64.checked_shl(attempts.min(40)).unwrap_or(i64::MAX));
    doubled.min(whole_ms(BACKOFF_MAX))
}

#[expect(clippy::cast_possible_truncation, reason = "a part of a few minutes, rounded")]
fn part(wait_ms: i64, random: f64) -> i64 {
    (wait_ms as f64 * random.clamp(0.0, 1.0)).round() as i64
}

/// Milliseconds of a wait, rounded up: to come too early is to be refused again.
fn whole_ms(wait: Duration) -> i64 {
    i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_790_000_000_000;
    const DAY_MS: i64 = 24 * 3_600_000;

    #[test]
    fn waits_double_to_five_minutes() {
        let longest = |attempts| next_try_ms(Retry::Later, attempts, NOW_MS, NOW_MS, 1.0).map(|at_ms| at_ms - NOW_MS);
        for (attempts, wait_ms) in
            [(0, 1_000), (1, 2_000), (2, 4_000), (8, 256_000), (9, 300_000), (40, 300_000), (u32::MAX, 300_000)]
        {
            assert_eq!(longest(attempts), Some(wait_ms), "{attempts}");
            let half = next_try_ms(Retry::Later, attempts, NOW_MS, NOW_MS, 0.5);
            assert_eq!(half, Some(NOW_MS + wait_ms / 2), "{attempts}");
            assert_eq!(next_try_ms(Retry::Later, attempts, NOW_MS, NOW_MS, 0.0), Some(NOW_MS), "{attempts}");
        }
    }

    #[test]
    fn a_wait_that_was_asked_for_is_kept_to_the_millisecond() {
        for (wait, wait_ms) in [
            (Duration::from_secs(23), 23_000),
            (Duration::from_millis(650), 650),
            (Duration::from_micros(1), 1),
            (Duration::from_secs(3_600), 3_600_000),
        ] {
            for random in [0.0, 0.3, 1.0] {
                let next = next_try_ms(Retry::After(wait), 7, NOW_MS - 5, NOW_MS, random);
                assert_eq!(next, Some(NOW_MS + wait_ms), "{wait:?}");
            }
        }
    }

    #[test]
    fn a_notice_is_given_up_after_a_day_or_when_it_would_be_refused_again() {
        assert_eq!(next_try_ms(Retry::Never, 0, NOW_MS, NOW_MS, 0.5), None);
        for (age_ms, is_tried) in [(DAY_MS - 2_000, true), (DAY_MS - 1_000, false), (DAY_MS, false), (i64::MAX, false)]
        {
            let next = next_try_ms(Retry::Later, 0, NOW_MS.saturating_sub(age_ms), NOW_MS, 1.0);
            assert_eq!(next.is_some(), is_tried, "{age_ms} ms old");
        }
        let long = next_try_ms(Retry::After(Duration::from_secs(3_600)), 0, NOW_MS - DAY_MS + 3_600_000, NOW_MS, 0.5);
        assert_eq!(long, None, "it would be too old by then");
        // The clock was ahead when the notice was made.
        assert_eq!(next_try_ms(Retry::Later, 0, NOW_MS + DAY_MS, NOW_MS, 0.5), Some(NOW_MS + 500));
    }
}

//! How long to wait after a failure.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::limits::{BACKOFF, WARN_INTERVAL};

/// Waits that double, and when to say that something still fails.
pub(crate) struct Backoff {
    failures: u32,
    warned: Option<Instant>,
}

impl Backoff {
    /// The first wait comes next.
    pub(crate) fn new() -> Self {
        Self { failures: 0, warned: None }
    }

    /// Failures since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// It works: the next wait is a short one.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::new();
    }

    /// Whether this failure is to be written to the log. The first one is not: a leader that changes causes one.
    pub(crate) fn is_to_be_told(&mut self) -> bool {
        let is_due = self.warned.is_none_or(|at| at.elapsed() >= WARN_INTERVAL);
        let is_told = self.failures > 0 && is_due;
        if is_told {
            self.warned = Some(Instant::now());
        }
        is_told
    }

    /// Waits, between half of the wait and all of it, so that hubs that failed together do not come back together.
    pub(crate) async fn wait(&mut self) {
        let longest = longest(self.failures);
        self.failures = self.failures.saturating_add(1);
        sleep(longest.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
    }
}

fn longest(failures: u32) -> Duration {
    let (first, max) = BACKOFF;
    first.saturating_mul(1_u32.checked_shl(failures.min(20)).unwrap_or(u32::MAX)).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let waits: Vec<u128> = (0..8).map(|failures| longest(failures).as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(longest(u32::MAX), BACKOFF.1);
    }

    #[test]
    fn the_first_failure_is_not_told_and_others_not_too_often() {
        let mut backoff = Backoff::new();
        assert!(!backoff.is_to_be_told());
        backoff.failures = 1;
        assert!(backoff.is_to_be_told());
        assert!(!backoff.is_to_be_told());
        backoff.succeeded();
        assert_eq!(backoff.failures(), 0);
    }
}

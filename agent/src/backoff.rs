//! How long to wait before the next attempt: long enough for the hub, random enough for a fleet.

use std::time::Duration;

use windfire_wire::RefuseReason;

/// Bounds of the wait between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffOptions {
    /// Upper end of the first wait.
    pub first: Duration,
    /// Upper end of any wait after a lost connection.
    pub max: Duration,
    /// Upper end of the wait after a refusal that only an operator can resolve.
    pub refused: Duration,
}

impl Default for BackoffOptions {
    fn default() -> Self {
        Self { first: Duration::from_secs(2), max: Duration::from_secs(30), refused: Duration::from_secs(300) }
    }
}

/// Why the last attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The hub could not be reached, or the connection broke.
    Lost,
    /// The hub said why.
    Refused(RefuseReason),
    /// The hub's `Welcome` leaves no numbers for this agent.
    NoNumbers,
}

/// Exponential back-off with jitter: a fleet that lost its hub at one moment reconnects spread over seconds.
#[derive(Debug)]
pub struct Backoff {
    options: BackoffOptions,
    failures: u32,
}

impl Backoff {
    /// A back-off without failures yet.
    pub fn new(options: BackoffOptions) -> Self {
        Self { options, failures: 0 }
    }

    /// Forgets failures: the agent was welcome.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The next wait: between half and all of its upper end.
    pub fn next_wait(&mut self, ended: Ended) -> Duration {
        let doubled = self.options.first.saturating_mul(1u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1).min(16);
        let upper = match ended {
            Ended::Lost | Ended::Refused(RefuseReason::Stopping | RefuseReason::Full) => doubled.min(self.options.max),
            // Nothing changes until an operator acts, so a try now and then is enough.
            Ended::Refused(_) | Ended::NoNumbers => self.options.refused,
        };
        upper.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_their_bound_and_start_again() {
        let mut backoff = Backoff::new(BackoffOptions::default());
        let upper_ends = [2, 4, 8, 16, 30, 30];
        for upper in upper_ends {
            let wait = backoff.next_wait(Ended::Lost);
            assert!(wait <= Duration::from_secs(upper) && wait >= Duration::from_secs(upper) / 2, "{wait:?} {upper}");
        }
        backoff.reset();
        assert!(backoff.next_wait(Ended::Lost) <= Duration::from_secs(2));
    }

    #[test]
    fn a_refused_agent_makes_no_storm() {
        let mut backoff = Backoff::new(BackoffOptions::default());
        for reason in [RefuseReason::BadCredential, RefuseReason::Superseded, RefuseReason::UnsupportedVersion] {
            assert!(backoff.next_wait(Ended::Refused(reason)) >= Duration::from_secs(150));
        }
        assert!(backoff.next_wait(Ended::NoNumbers) >= Duration::from_secs(150));
    }
}

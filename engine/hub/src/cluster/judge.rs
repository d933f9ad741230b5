//! Which hub judges alerts, as far as this one knows.

use std::time::Instant;

/// Which hub judges alerts.
#[derive(Debug, Default)]
pub(super) struct Judge {
    /// This one, until then.
    until: Option<Instant>,
    /// Another one, when that was seen last.
    other: Option<String>,
    /// How often this hub has begun to have the lease.
    terms: u64,
}

impl Judge {
    /// This hub has the lease until then.
    pub(super) fn hold(&mut self, until: Instant, now: Instant) {
        if self.until.is_none() {
            tracing::info!("this hub judges alerts from now on");
        }
        self.terms += u64::from(self.term(now).is_none());
        (self.until, self.other) = (Some(until), None);
    }

    /// Another hub has the lease. `holder` is the hub and its process.
    pub(super) fn see(&mut self, holder: &str) {
        let hub = holder.split_once('.').map_or(holder, |(hub, _)| hub);
        if self.until.is_some() {
            tracing::info!(hub, "another hub judges alerts from now on");
        }
        (self.until, self.other) = (None, Some(hub.to_owned()));
    }

    /// The number of the term in which this hub has the lease, if it does: another one after each end of the lease.
    pub(super) fn term(&self, now: Instant) -> Option<u64> {
        self.until.filter(|until| now < *until).map(|_| self.terms)
    }

    /// The other hub that has the lease.
    pub(super) fn other(&self) -> Option<&str> {
        self.other.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use windfire_cluster::limits::LEASE_TTL;

    use super::*;
    use crate::cluster::State;

    #[test]
    fn one_hub_judges_alerts_until_its_lease_ends() {
        let (now, state) = (Instant::now(), State::sample());
        assert_eq!((state.is_judge(now), state.judge(now)), (false, None));
        state.see_judge("hub-b.00000000000000ff");
        assert_eq!((state.is_judge(now), state.judge(now)), (false, Some("hub-b".to_owned())));
        state.judge_until(now + LEASE_TTL, now);
        assert_eq!((state.is_judge(now), state.judge(now)), (true, Some("a".to_owned())));
        assert_eq!((state.is_judge(now + LEASE_TTL), state.judge(now + LEASE_TTL)), (false, None));
    }

    #[test]
    fn a_lease_that_has_ended_is_another_term_when_it_is_held_again() {
        let (begun, mut judge) = (Instant::now(), Judge::default());
        let hold_at = |parts: u32| {
            let now = begun + LEASE_TTL / 4 * parts;
            judge.hold(now + LEASE_TTL, now);
            judge.term(now)
        };
        assert_eq!([0, 1, 4, 8, 20].map(hold_at), [Some(1), Some(1), Some(1), Some(2), Some(3)]);
        judge.see("hub-b.00000000000000ff");
        assert_eq!(judge.term(begun + LEASE_TTL * 5), None);
    }
}

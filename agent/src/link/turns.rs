//! Which hub is tried next, and when.
//!
//! Each hub has its own back-off. So an agent with several hubs leaves one that is lost or stops at once, and one that
//! does not answer holds it up no longer than it must.

use std::time::Duration;

use tokio::time::Instant;
use windfire_wire::RefuseReason;

use crate::backoff::{Backoff, BackoffOptions, Ended};
use crate::dial::Hub;

/// The wait before another hub is tried, as a part of the first wait: a fleet that loses a hub comes to the others
/// spread over this time.
const MOVE_PARTS: u32 = 4;
/// How long after an agent has left a hub its session there may still end the one at another hub. That is when the first
/// hub tells the others late that the agent had come to it.
const ECHO_MAX: Duration = Duration::from_secs(30);

/// The hubs of an agent.
pub(super) struct Turns {
    hubs: Vec<Turn>,
    at: usize,
    options: BackoffOptions,
    /// When the agent went from one hub to another.
    moved: Option<Instant>,
}

struct Turn {
    hub: Hub,
    backoff: Backoff,
    /// Not to be tried before.
    due: Instant,
}

impl Turns {
    /// Hubs in a random order, so that a fleet is spread over them.
    pub(super) fn new(mut hubs: Vec<Hub>, options: BackoffOptions) -> Self {
        fastrand::shuffle(&mut hubs);
        let due = Instant::now();
        let turn = |hub| Turn { hub, backoff: Backoff::new(options), due };
        Self { hubs: hubs.into_iter().map(turn).collect(), at: 0, options, moved: None }
    }

    /// The hub whose turn it is. `None` if there are no hubs.
    pub(super) fn present(&mut self) -> Option<&mut Hub> {
        self.hubs.get_mut(self.at).map(|turn| &mut turn.hub)
    }

    /// The agent was welcome at the present hub: its failures are forgotten.
    pub(super) fn succeeded(&mut self) {
        if let Some(turn) = self.hubs.get_mut(self.at) {
            turn.backoff.reset();
        }
    }

    /// An attempt at the present hub has ended. Moves on, and returns how long to wait before the next attempt.
    pub(super) fn pass(&mut self, ended: Ended, now: Instant) -> Duration {
        let is_superseded = ended == Ended::Refused(RefuseReason::Superseded);
        let is_echo = is_superseded && self.moved.is_some_and(|moved| now < moved + ECHO_MAX);
        let ended = if is_echo { Ended::Lost } else { ended };
        // Another hub would say the same.
        let is_about_agent = matches!(ended, Ended::Refused(RefuseReason::Superseded) | Ended::NoNumbers);
        let Some(present) = self.hubs.get_mut(self.at) else { return self.options.max };
        let wait = present.backoff.next_wait(ended);
        present.due = now + wait;
        if is_about_agent {
            self.hubs.iter_mut().for_each(|turn| turn.due = turn.due.max(now + wait));
        }
        // The others come first, in their order.
        let count = self.hubs.len();
        let others = (1..=count).map(|step| (self.at + step) % count);
        let next = others.min_by_key(|number| self.hubs[*number].due.max(now)).unwrap_or(self.at);
        if is_echo {
            // There is one echo of a move, also if the agent stays. The next one is about another agent.
            self.moved = None;
        } else if next != self.at {
            self.moved = Some(now);
        }
        self.at = next;
        match self.hubs[next].due.saturating_duration_since(now) {
            Duration::ZERO => (self.options.first / MOVE_PARTS).mul_f64(fastrand::f64()),
            wait => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(hubs: usize) -> Turns {
        let hub = |number: usize| Hub::new(format!("192.0.2.{number}:5555").parse().expect("an address"));
        Turns::new((1..=hubs).map(hub).collect(), BackoffOptions::default())
    }

    fn present(turns: &mut Turns) -> String {
        turns.present().expect("a hub").address.to_string()
    }

    #[test]
    fn a_hub_that_is_lost_or_stops_is_left_at_once_and_tried_again_after_its_own_wait() {
        let (mut turns, now) = (turns(3), Instant::now());
        let mut tried = Vec::new();
        for ended in [Ended::Refused(RefuseReason::Stopping), Ended::Lost] {
            tried.push(present(&mut turns));
            assert!(turns.pass(ended, now) < Duration::from_millis(500));
        }
        tried.push(present(&mut turns));
        let wait = turns.pass(Ended::Lost, now);
        assert!(wait >= Duration::from_secs(1) && wait <= Duration::from_secs(2), "all were tried: {wait:?}");
        tried.sort_unstable();
        tried.dedup();
        assert_eq!(tried.len(), 3);
    }

    #[test]
    fn a_hub_that_does_not_know_the_agent_is_left_for_long_and_the_other_is_not() {
        let (mut turns, now) = (turns(2), Instant::now());
        let stranger = present(&mut turns);
        turns.pass(Ended::Refused(RefuseReason::BadCredential), now);
        for round in 0..3 {
            assert_ne!(present(&mut turns), stranger, "round {round}");
            turns.succeeded();
            assert!(turns.pass(Ended::Lost, now) <= Duration::from_secs(2));
        }
    }

    #[test]
    fn an_agent_that_is_superseded_comes_back_to_no_hub_soon() {
        let (mut turns, now) = (turns(3), Instant::now());
        assert!(turns.pass(Ended::Refused(RefuseReason::Superseded), now) >= Duration::from_secs(150));
        let later = now + Duration::from_secs(300);
        assert!(turns.pass(Ended::NoNumbers, later) >= Duration::from_secs(150));
    }

    #[test]
    fn the_own_session_at_the_hub_before_is_no_other_agent() {
        let (mut turns, now) = (turns(2), Instant::now());
        turns.pass(Ended::Lost, now);
        let echo = Ended::Refused(RefuseReason::Superseded);
        assert!(turns.pass(echo, now + Duration::from_secs(5)) <= Duration::from_secs(2));
        // That was the only one.
        assert!(turns.pass(echo, now + Duration::from_secs(10)) >= Duration::from_secs(150));
    }

    #[test]
    fn an_echo_is_the_only_one_also_if_the_agent_stays_at_its_hub() {
        let (mut turns, now) = (turns(2), Instant::now());
        turns.pass(Ended::Refused(RefuseReason::BadCredential), now);
        let stays_at = present(&mut turns);
        let echo = Ended::Refused(RefuseReason::Superseded);
        assert!(turns.pass(echo, now + Duration::from_secs(5)) <= Duration::from_secs(2));
        assert_eq!(present(&mut turns), stays_at, "the other one is not due for minutes");
        assert!(turns.pass(echo, now + Duration::from_secs(10)) >= Duration::from_secs(150));
    }

    #[test]
    fn a_single_hub_is_waited_for_as_ever() {
        let (mut turns, now) = (turns(1), Instant::now());
        for upper_s in [2, 4, 8] {
            let wait = turns.pass(Ended::Lost, now);
            assert!(wait >= Duration::from_secs(upper_s) / 2 && wait <= Duration::from_secs(upper_s), "{wait:?}");
        }
        assert!(turns.pass(Ended::Refused(RefuseReason::Superseded), now) >= Duration::from_secs(150));
    }
}

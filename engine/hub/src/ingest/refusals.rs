//! Lines in the log for refused agents: a bounded number per second. The others are counted in one line.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::limits::REFUSALS_LOGGED_PER_S_MAX;

const WHILE: Duration = Duration::from_secs(1);

/// Lines about refused agents in the present second, of all listeners together.
pub(crate) struct Refusals(Mutex<Second>);

struct Second {
    began: Instant,
    said: u32,
    unsent: u64,
}

impl Refusals {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Second { began: now, said: 0, unsent: 0 }))
    }

    /// Counts one refused agent, and calls `say` if there is a line for it.
    pub(super) fn note(&self, now: Instant, say: impl FnOnce()) {
        let (left_out, has_line) = {
            let mut second = self.0.lock();
            let left_out = second.end_at(now);
            (left_out, second.take_line())
        };
        say_left_out(left_out);
        if has_line {
            say();
        }
    }

    /// Logs how many agents had no line, once their second is over.
    pub(super) fn look(&self, now: Instant) {
        let left_out = self.0.lock().end_at(now);
        say_left_out(left_out);
    }
}

impl Second {
    /// Begins a new second if this one is over. Returns how many agents had no line in it.
    fn end_at(&mut self, now: Instant) -> u64 {
        if now.saturating_duration_since(self.began) < WHILE {
            return 0;
        }
        (self.began, self.said) = (now, 0);
        std::mem::take(&mut self.unsent)
    }

    fn take_line(&mut self) -> bool {
        let has_line = self.said < REFUSALS_LOGGED_PER_S_MAX;
        if has_line {
            self.said += 1;
        } else {
            self.unsent += 1;
        }
        has_line
    }
}

fn say_left_out(agents: u64) {
    if agents > 0 {
        tracing::info!("… and {agents} more refused agents in the last second");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_storm_has_few_lines_each_second_and_none_of_it_is_forgotten() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut second = Second { began: start, said: 0, unsent: 0 };
        let mut lines = |now: Instant, agents: usize| {
            let left_out = second.end_at(now);
            (left_out, (0..agents).filter(|_| second.take_line()).count())
        };
        assert_eq!(lines(at(0), 3), (0, 3));
        assert_eq!(lines(at(500), 90), (0, 7));
        assert_eq!(lines(at(999), 1), (0, 0));
        assert_eq!(lines(at(1000), 4), (84, 4));
        assert_eq!(lines(at(5000), 0), (0, 0), "no agent was left out");
        assert_eq!(lines(at(5100), 11), (0, 10));
        assert_eq!(lines(at(6000), 0), (1, 0), "logged although no other agent came");
    }
}

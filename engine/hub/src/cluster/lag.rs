//! How far a hub is behind a stream, by its own clock that never leaps.
//!
//! Messages behind an end of the stream came after that end was heard. So each look notes the end that the brokers
//! told, and since when there may be more than the end before it. What time the clocks of brokers and hubs show decides
//! nothing: a hub whose clock is behind that of the brokers would take old messages for new ones, and hide that it
//! lags.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use windfire_cluster::Progress;

use crate::limits::LAG_READY_MAX;

/// Ends that are kept. With more of them, two become one that counts from the older one's time.
const ENDS_MAX: usize = 64;

/// How far this hub is behind a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// Messages that were not applied yet, as far as it is known.
    pub(crate) messages: u64,
    /// Since when the oldest of them waits, about. At least [`LAG_READY_MAX`] while it came before the hub started.
    pub(crate) time: Duration,
    /// How long ago a broker said how far the stream is. `None`: not yet.
    pub(crate) silence: Option<Duration>,
}

/// Where a stream ended at the last looks.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The newest end, and when it was heard last.
    newest: Option<(u64, Instant)>,
    /// Those that this hub has not reached, the oldest first.
    ahead: VecDeque<End>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    last: u64,
    /// The first message that it has more than the end before it came after that. None: before the hub heard of the
    /// stream.
    since: Option<Instant>,
}

impl Ends {
    /// Looks how far the hub is. `age` is how old the newest message is that was applied, if the clocks are right; it
    /// only makes a hub that starts look older.
    pub(super) fn look(&mut self, progress: &Progress, now: Instant, age: Option<Duration>) -> Lag {
        let messages = progress.lag();
        let Some(heard) = progress.heard.map(tokio::time::Instant::into_std) else {
            return Lag { messages, ..Lag::default() };
        };
        if self.newest.is_none_or(|(last, _)| progress.last > last) {
            self.ahead.push_back(End { last: progress.last, since: self.newest.map(|(_, at)| at) });
        }
        self.newest = Some((progress.last, heard));
        while self.ahead.front().is_some_and(|end| end.last <= progress.applied) {
            self.ahead.pop_front();
        }
        if self.ahead.len() > ENDS_MAX {
            self.thin_out();
        }
        let time = match self.ahead.front() {
            None => Duration::ZERO,
            Some(End { since: Some(since), .. }) => now.saturating_duration_since(*since),
            Some(End { since: None, .. }) => age.unwrap_or_default().max(LAG_READY_MAX),
        };
        Lag { messages, time, silence: Some(now.saturating_duration_since(heard)) }
    }

    /// Makes one end of each two. A message then counts as older than it is.
    fn thin_out(&mut self) {
        let mut ends = std::mem::take(&mut self.ahead).into_iter();
        while let Some(first) = ends.next() {
            let last = ends.next().map_or(first.last, |second| second.last);
            self.ahead.push_back(End { last, since: first.since });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    /// A look just after an end was heard.
    fn look(ends: &mut Ends, applied: u64, last: u64, now: Instant) -> Duration {
        let progress = Progress { applied, last, heard: Some(now.into()) };
        let lag = ends.look(&progress, now, None);
        assert_eq!((lag.messages, lag.silence), (last - applied, Some(Duration::ZERO)));
        lag.time
    }

    #[test]
    fn a_message_waits_since_the_end_before_it_was_heard() {
        let (begun, mut ends) = (Instant::now(), Ends::default());
        let at = |second| begun + seconds(second);
        assert_eq!(look(&mut ends, 5, 5, at(0)), Duration::ZERO);
        assert_eq!(look(&mut ends, 5, 6, at(1)), seconds(1));
        assert_eq!(look(&mut ends, 5, 7, at(2)), seconds(2), "the sixth still waits");
        assert_eq!(look(&mut ends, 6, 8, at(3)), seconds(2), "the seventh came after the first second");
        assert_eq!(look(&mut ends, 8, 8, at(4)), Duration::ZERO);
        // The brokers were away. What is there now may be as old as their silence.
        assert_eq!(look(&mut ends, 8, 20, at(60)), seconds(56));
        assert_eq!(look(&mut ends, 20, 21, at(61)), seconds(1));
    }

    #[test]
    fn a_hub_that_starts_is_behind_until_it_is_where_the_stream_ended() {
        let (now, mut ends) = (Instant::now(), Ends::default());
        let unheard = Progress { applied: 5, last: 5, heard: None };
        assert_eq!(ends.look(&unheard, now, None), Lag::default());
        let hour = Some(seconds(3600));
        let behind = |applied, last| Progress { applied, last, heard: Some(now.into()) };
        assert_eq!(ends.look(&behind(5, 900), now, None).time, LAG_READY_MAX);
        assert_eq!(ends.look(&behind(6, 900), now, Some(seconds(1))).time, LAG_READY_MAX, "a clock that is wrong");
        assert_eq!(ends.look(&behind(899, 901), now, hour).time, seconds(3600));
        assert_eq!(ends.look(&behind(900, 901), now, hour).time, Duration::ZERO, "it came just now");
    }

    #[test]
    fn a_hub_that_stands_still_for_long_keeps_a_bounded_number_of_ends() {
        let (begun, mut ends) = (Instant::now(), Ends::default());
        for second in 0..=1000 {
            let time = look(&mut ends, 0, second, begun + seconds(second));
            assert!(time == seconds(second) && ends.ahead.len() <= ENDS_MAX, "{second}: {time:?}");
        }
        let time = look(&mut ends, 500, 1001, begun + seconds(1001));
        assert!((seconds(501)..=seconds(1001)).contains(&time), "{time:?}");
    }
}

//! The agent's clocks, and when it must report them to the hub.
//!
//! The wall clock dates the reports and may be wrong or step. The machine's uptime does neither. The
//! agent reports both, so that the hub knows how far the reports' times are from its own.

use windfire_wire::HelloClock;

use crate::limits::{CLOCK_INTERVAL_MS, CLOCK_STEP_MS_MIN};

/// Milliseconds between the readings of two clocks that are of one moment.
const ONE_MOMENT_MS: u64 = 50;
/// How often the clocks are read before the last readings are taken as they are.
const TRIES: usize = 10;

/// The machine's two clocks.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    unix_ms: fn() -> i64,
}

impl Clock {
    /// A clock whose wall time, Unix milliseconds, is `unix_ms`: the one that dates the reports.
    pub fn new(unix_ms: fn() -> i64) -> Self {
        Self { unix_ms }
    }

    /// The present time of both, as of one moment.
    pub fn read(&self) -> HelloClock {
        at_one_moment(self.unix_ms, uptime_ms)
    }
}

/// Reads both clocks. The machine may stop the agent between the two for seconds. One of them would seem to have
/// stepped, so they are read again then.
fn at_one_moment(unix_ms: impl Fn() -> i64, uptime_ms: impl Fn() -> u64) -> HelloClock {
    let mut before_ms = uptime_ms();
    let mut tries = 0;
    loop {
        let clock = HelloClock { now_ms: unix_ms(), uptime_ms: uptime_ms() };
        tries += 1;
        if clock.uptime_ms.saturating_sub(before_ms) <= ONE_MOMENT_MS || tries == TRIES {
            return clock;
        }
        before_ms = clock.uptime_ms;
    }
}

/// Milliseconds since the machine's start, time asleep included where the system counts it. Never steps.
#[cfg(unix)]
fn uptime_ms() -> u64 {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const NEVER_STEPS: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const NEVER_STEPS: ClockId = ClockId::Monotonic;
    let since = clock_gettime(NEVER_STEPS);
    u64::try_from(since.tv_sec * 1000 + since.tv_nsec / 1_000_000).unwrap_or(0)
}

/// Milliseconds since the first call: only differences are of use to the hub.
#[cfg(not(unix))]
fn uptime_ms() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;
    static FIRST: OnceLock<Instant> = OnceLock::new();
    u64::try_from(FIRST.get_or_init(Instant::now).elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The clocks as last reported on this connection.
#[doc(hidden)]
#[derive(Debug)]
pub struct Told {
    last: HelloClock,
}

impl Told {
    /// `Hello` said `first`.
    pub fn new(first: HelloClock) -> Self {
        Self { last: first }
    }

    /// `now` if the hub must get it before the next report: the wall clock stepped, or the interval has passed.
    pub(crate) fn news(&mut self, now: HelloClock) -> Option<HelloClock> {
        let stepped_ms = offset_ms(now) - offset_ms(self.last);
        let is_due = now.uptime_ms.saturating_sub(self.last.uptime_ms) >= CLOCK_INTERVAL_MS;
        let is_news = is_due || stepped_ms.unsigned_abs() > u128::from(CLOCK_STEP_MS_MIN.unsigned_abs());
        is_news.then(|| {
            self.last = now;
            now
        })
    }
}

/// When the machine started, by its wall clock: the same until that steps.
fn offset_ms(clock: HelloClock) -> i128 {
    i128::from(clock.now_ms) - i128::from(clock.uptime_ms)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    const START_MS: i64 = 1_790_000_000_000;

    /// The moments, in milliseconds of uptime, at which the hub gets the clocks. Each moment has the wall clock's
    /// error.
    fn told_at(moments: &[(u64, i64)]) -> Vec<u64> {
        let mut told = Told::new(HelloClock { now_ms: START_MS, uptime_ms: 0 });
        let clock = |&(uptime_ms, error_ms): &(u64, i64)| HelloClock {
            now_ms: START_MS + uptime_ms as i64 + error_ms,
            uptime_ms,
        };
        moments.iter().map(clock).filter_map(|clock| told.news(clock)).map(|clock| clock.uptime_ms).collect()
    }

    #[test]
    fn a_clock_that_goes_on_is_news_every_ten_minutes() {
        let each_second: Vec<(u64, i64)> = (1..=1300).map(|second| (second * 1000, 0)).collect();
        assert_eq!(told_at(&each_second), [600_000, 1_200_000]);
    }

    #[test]
    fn a_step_is_news_at_once_and_once_each_way() {
        assert_eq!(told_at(&[(1000, 0), (2000, -900), (3000, -900), (4000, 0), (5000, 0)]), [2000, 4000]);
        let (hour, years) = (3_600_000, -START_MS);
        assert_eq!(told_at(&[(1, hour), (2, hour), (3, years), (4, years), (5, i64::MAX - 2 * START_MS)]), [1, 3, 5]);
    }

    #[test]
    fn drift_is_news_when_it_adds_up_to_a_step() {
        // 1 ms per second, the worst drift of an undisciplined clock: more than 500 ms after 501 s.
        let drifting: Vec<(u64, i64)> = (1..=590).map(|second| (second * 1000, second as i64)).collect();
        assert_eq!(told_at(&drifting), [501_000]);
    }

    #[test]
    fn a_standstill_between_the_clocks_is_no_step() {
        let now_ms = Cell::new(5_000);
        let stops_ms = RefCell::new(vec![700, 60, 3_000]);
        let unix_ms = || {
            let seen_ms = now_ms.get();
            now_ms.set(seen_ms + stops_ms.borrow_mut().pop().unwrap_or(0));
            START_MS + seen_ms as i64
        };
        let clock = at_one_moment(unix_ms, || now_ms.get());
        assert_eq!(clock, HelloClock { now_ms: START_MS + 8_760, uptime_ms: 8_760 });
        stops_ms.replace(vec![1_000; 100]);
        let always_stopped = at_one_moment(unix_ms, || now_ms.get());
        assert_eq!(always_stopped, HelloClock { now_ms: START_MS + 17_760, uptime_ms: 18_760 });
    }

    #[test]
    fn the_uptime_goes_on() {
        let clock = Clock::new(|| 7);
        let (before, after) = (clock.read(), clock.read());
        assert_eq!((before.now_ms, after.now_ms), (7, 7));
        assert!(after.uptime_ms >= before.uptime_ms && before.uptime_ms > 0);
    }
}

//! The hub's clock.

use std::sync::Arc;

use windfire_engine::Engine;
use windfire_engine::clock::Reading;

/// The trusted time, Unix milliseconds, which the engine computes from the machine's clocks.
pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The clock of an engine, from readings of the machine's clocks.
pub(crate) fn clock_of(engine: &Arc<Engine>, reading: fn() -> Reading) -> Clock {
    let engine = Arc::clone(engine);
    Arc::new(move || engine.clock().read(reading()))
}

/// Milliseconds between the readings of two clocks that are of one moment.
const ONE_MOMENT_MS: i64 = 50;
/// How often two clocks are read before the last readings are taken as they are.
const TRIES: usize = 10;

/// A wall clock and one that never leaps, both in milliseconds, as of one moment. The machine may stop a thread between
/// the two for seconds. One of them would seem to have leapt, so they are read again then.
pub(crate) fn at_one_moment(wall_ms: impl Fn() -> i64, uptime_ms: impl Fn() -> i64) -> (i64, i64) {
    let mut before_ms = uptime_ms();
    let mut tries = 0;
    loop {
        let (now_ms, after_ms) = (wall_ms(), uptime_ms());
        tries += 1;
        if after_ms - before_ms <= ONE_MOMENT_MS || tries == TRIES {
            return (now_ms, after_ms);
        }
        before_ms = after_ms;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Both clocks of a machine that stands still for the times in `stops_ms`, one after each reading of the wall clock.
    fn read(stops_ms: &[i64]) -> (i64, i64) {
        let (now_ms, stops) = (Cell::new(0), Cell::new(stops_ms.iter()));
        let wall_ms = || {
            let seen_ms = now_ms.get();
            let mut left = stops.take();
            now_ms.set(seen_ms + left.next().unwrap_or(&0));
            stops.set(left);
            seen_ms
        };
        at_one_moment(wall_ms, || now_ms.get())
    }

    #[test]
    fn a_standstill_between_two_clocks_is_no_leap() {
        assert_eq!(read(&[]), (0, 0));
        assert_eq!(read(&[40]), (0, 40));
        assert_eq!(read(&[3000]), (3000, 3000));
        assert_eq!(read(&[3000, 70, 51]), (3121, 3121));
    }

    #[test]
    fn a_machine_that_always_stands_still_is_read_as_it_is() {
        assert_eq!(read(&[1000; 100]), (9000, 10_000));
    }
}

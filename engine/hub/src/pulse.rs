//! Whether the hub's threads go round: each says when its next round will have begun, and a thread that is late is stuck.
//!
//! The service manager is told that the hub is alive only while none is late. So a hub that hangs is started again, and not
//! only one that is gone.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::limits::{DISK_ROUND_MAX, LOOP_BEAT_INTERVAL, ROUND_MAX};

/// The pulses of all threads.
pub(crate) struct Pulses {
    born: Instant,
    all: Mutex<Vec<(&'static str, Pulse)>>,
}

/// The pulse of one thread.
#[derive(Clone)]
pub(crate) struct Pulse {
    born: Instant,
    /// Milliseconds after `born` by which the next beat is due.
    due_ms: Arc<AtomicU64>,
}

impl Pulses {
    pub(crate) fn new() -> Self {
        Self { born: Instant::now(), all: Mutex::default() }
    }

    /// The pulse of one more thread, which counts from now on.
    pub(crate) fn add(&self, thread: &'static str) -> Pulse {
        let pulse = Pulse { born: self.born, due_ms: Arc::default() };
        pulse.beat();
        self.all.lock().push((thread, pulse.clone()));
        pulse
    }

    /// A thread that is late.
    pub(crate) fn stuck(&self, now: Instant) -> Option<&'static str> {
        let now_ms = whole_ms(now.saturating_duration_since(self.born));
        let all = self.all.lock();
        all.iter().find(|(_, pulse)| pulse.due_ms.load(Ordering::Relaxed) < now_ms).map(|(thread, _)| *thread)
    }
}

impl Pulse {
    /// The thread goes round, and does not wait for the disk before the next beat.
    pub(crate) fn beat(&self) {
        self.beat_within(ROUND_MAX);
    }

    /// The thread goes round, and may wait for the disk before the next beat. A disk that is slow or hangs is no reason to
    /// start the hub again: that mends no disk, and costs the reading of the log.
    pub(crate) fn beat_before_disk(&self) {
        self.beat_within(DISK_ROUND_MAX);
    }

    fn beat_within(&self, time: Duration) {
        let due_ms = whole_ms(self.born.elapsed().saturating_add(time));
        self.due_ms.store(due_ms, Ordering::Relaxed);
    }

    /// Beats for a thread that serves many tasks, for as long as it is polled there.
    pub(crate) async fn beat_with_the_others(self) -> Infallible {
        let mut ticks = tokio::time::interval(LOOP_BEAT_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.beat();
        }
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_thread_that_is_late_is_named_until_it_goes_round_again() {
        let now = Instant::now();
        let pulses = Pulses::new();
        let (http, history) = (pulses.add("http"), pulses.add("history"));
        assert_eq!(pulses.stuck(now), None);
        assert_eq!(pulses.stuck(now + ROUND_MAX - Duration::from_secs(1)), None);
        history.beat_before_disk();
        let later = Instant::now() + ROUND_MAX + Duration::from_secs(1);
        assert_eq!(pulses.stuck(later), Some("http"));
        // As if it beat at that time.
        http.beat_within(ROUND_MAX * 2);
        assert_eq!(pulses.stuck(later), None);
        assert_eq!(pulses.stuck(Instant::now() + DISK_ROUND_MAX + Duration::from_secs(1)), Some("http"));
        http.beat_within(DISK_ROUND_MAX * 2);
        assert_eq!(pulses.stuck(Instant::now() + DISK_ROUND_MAX + Duration::from_secs(1)), Some("history"));
    }
}

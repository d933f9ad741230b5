//! A moment that some threads note and others look at, by a clock that never leaps.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

const NEVER: i64 = i64::MIN;

/// The newest moment that was noted.
#[derive(Debug)]
pub(crate) struct Moment {
    begun: Instant,
    /// Milliseconds after `begun`.
    ms: AtomicI64,
}

impl Default for Moment {
    fn default() -> Self {
        Self { begun: Instant::now(), ms: AtomicI64::new(NEVER) }
    }
}

impl Moment {
    /// Notes a moment. An earlier one than is known changes nothing.
    pub(crate) fn note(&self, at: Instant) {
        self.ms.fetch_max(self.ms_of(at), Ordering::Relaxed);
    }

    /// From now on none is known.
    pub(crate) fn forget(&self) {
        self.ms.store(NEVER, Ordering::Relaxed);
    }

    /// How long ago it was. `None` when none is known.
    pub(crate) fn ago(&self, now: Instant) -> Option<Duration> {
        let noted_ms = Some(self.ms.load(Ordering::Relaxed)).filter(|ms| *ms != NEVER)?;
        let ago_ms = self.ms_of(now).saturating_sub(noted_ms);
        Some(Duration::from_millis(ago_ms.max(0).unsigned_abs()))
    }

    fn ms_of(&self, at: Instant) -> i64 {
        i64::try_from(at.saturating_duration_since(self.begun).as_millis()).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_moment_counts_until_it_is_forgotten() {
        let moment = Moment::default();
        let at = |ms| moment.begun + Duration::from_millis(ms);
        assert_eq!(moment.ago(at(5)), None);
        moment.note(at(100));
        moment.note(at(40));
        assert_eq!(moment.ago(at(250)), Some(Duration::from_millis(150)));
        assert_eq!(moment.ago(at(90)), Some(Duration::ZERO), "a look that began before it was noted");
        moment.forget();
        assert_eq!(moment.ago(at(250)), None);
        moment.note(at(40));
        assert_eq!(moment.ago(at(50)), Some(Duration::from_millis(10)));
    }
}

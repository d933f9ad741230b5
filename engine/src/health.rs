//! Whether writes to the disk succeed, as of the newest write.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Whether writes of one kind fail at present, and why. Readers never wait for a write.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Read on every frame. The text is only for people.
    is_failing: AtomicBool,
    reason: Mutex<Option<String>>,
}

impl Health {
    /// Notes how a write ended.
    pub(crate) fn note<T, E: std::fmt::Display>(&self, written: &Result<T, E>) {
        match written {
            Ok(_) if self.is_failing() => self.set(None),
            Ok(_) => {}
            Err(error) => self.set(Some(error.to_string())),
        }
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Acquire)
    }

    /// The newest failure's words, until a write succeeds.
    pub(crate) fn reason(&self) -> Option<String> {
        self.reason.lock().clone()
    }

    fn set(&self, failure: Option<String>) {
        let mut reason = self.reason.lock();
        self.is_failing.store(failure.is_some(), Ordering::Release);
        *reason = failure;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_lasts_until_a_write_succeeds() {
        let health = Health::default();
        health.note(&Ok::<(), &str>(()));
        assert_eq!((health.is_failing(), health.reason()), (false, None));
        health.note(&Err::<(), _>("disk full"));
        health.note(&Err::<(), _>("disk gone"));
        assert_eq!((health.is_failing(), health.reason()), (true, Some("disk gone".to_owned())));
        health.note(&Ok::<(), &str>(()));
        assert_eq!((health.is_failing(), health.reason()), (false, None));
    }
}

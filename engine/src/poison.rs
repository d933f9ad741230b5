//! The mark of a failed commit: no more acks until a later commit succeeds.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// Whether commits fail, and why.
#[derive(Debug, Default)]
pub(crate) struct Poison {
    /// Read on every frame; the text is only for people.
    set: AtomicBool,
    reason: Mutex<Option<String>>,
}

impl Poison {
    pub(crate) fn set(&self, reason: String) {
        *self.reason.lock() = Some(reason);
        self.set.store(true, Ordering::Release);
    }

    pub(crate) fn clear(&self) {
        self.set.store(false, Ordering::Release);
        *self.reason.lock() = None;
    }

    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.reason.lock().clone()
    }
}

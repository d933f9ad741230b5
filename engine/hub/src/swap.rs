//! A value that is replaced while others use it.

use std::sync::Arc;

use parking_lot::RwLock;

/// A value that is replaced as a whole: a user keeps the one that it began with.
#[derive(Debug)]
pub(crate) struct Swap<T>(RwLock<Arc<T>>);

impl<T> Swap<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    pub(crate) fn current(&self) -> Arc<T> {
        Arc::clone(&self.0.read())
    }

    pub(crate) fn replace(&self, value: T) {
        let value = Arc::new(value);
        // The old one may be large: it is dropped without the lock.
        let _old = std::mem::replace(&mut *self.0.write(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_began_with_a_value_keeps_it() {
        let swap = Swap::new(1);
        let before = swap.current();
        swap.replace(2);
        assert_eq!((*before, *swap.current()), (1, 2));
    }
}

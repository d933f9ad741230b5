//! Which threads may wait for the disk. A loop serves thousands of connections on one thread: if it waited for one of
//! them, all would wait. `.ci/loops` looks for such calls in the source. This file finds those that it cannot see.

use std::cell::Cell;

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(true) };
}

/// Marks the present thread as a loop: from now on the store refuses to work for it.
pub fn never_here() {
    MAY_WAIT.set(false);
}

/// Whether the present thread may wait for the disk.
pub(crate) fn are_allowed() -> bool {
    MAY_WAIT.get()
}

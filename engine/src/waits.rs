//! Which threads may wait for the disk. A loop serves thousands of connections on one thread: were it to wait for one of
//! them, all would. `.ci/loops` looks for such calls in the source, and this finds those that it cannot see.

use std::cell::Cell;

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(true) };
}

/// Says that the present thread is a loop: from now on the store refuses to work for it.
pub fn never_here() {
    MAY_WAIT.set(false);
}

/// Whether the present thread may wait for the disk.
pub(crate) fn are_allowed() -> bool {
    MAY_WAIT.get()
}

//! The deadlines of conversations: when each must be serviced even if no packet comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// How far ahead deadlines are kept in order. Most are idle timeouts, moved by every packet and reached by few. They
/// wait in a plain table that is searched once in this time.
const HORIZON: Duration = Duration::from_secs(1);

/// The next deadline of each conversation, by its handle.
pub(super) struct Deadlines {
    table: Vec<Option<Instant>>,
    /// Deadlines before `horizon`, soonest first. An entry counts if the table still says so.
    near: BinaryHeap<Reverse<(Instant, usize)>>,
    horizon: Instant,
}

impl Deadlines {
    pub(super) fn new(now: Instant) -> Self {
        Self { table: Vec::new(), near: BinaryHeap::new(), horizon: now + HORIZON }
    }

    /// Replaces the deadline of `handle`.
    pub(super) fn set(&mut self, handle: usize, at: Option<Instant>) {
        if handle >= self.table.len() {
            self.table.resize(handle + 1, None);
        }
        if self.table[handle] != at {
            self.table[handle] = at;
            if let Some(at) = at.filter(|at| *at < self.horizon) {
                self.near.push(Reverse((at, handle)));
            }
        }
    }

    /// When [`Deadlines::pop`] may have something.
    pub(super) fn next(&self) -> Instant {
        self.near.peek().map_or(self.horizon, |Reverse((at, _))| *at)
    }

    /// A handle whose deadline has passed. It has none until the next [`Deadlines::set`].
    pub(super) fn pop(&mut self, now: Instant) -> Option<usize> {
        if now >= self.horizon {
            self.horizon = now + HORIZON;
            let horizon = self.horizon;
            let due =
                |(handle, at): (usize, &Option<Instant>)| at.filter(|at| *at < horizon).map(|at| Reverse((at, handle)));
            self.near = self.table.iter().enumerate().filter_map(due).collect();
        }
        while let Some(Reverse((at, handle))) = self.near.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.near.pop();
            if self.table[handle] == Some(at) {
                self.table[handle] = None;
                return Some(handle);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(deadlines: &mut Deadlines, now: Instant) -> Vec<usize> {
        std::iter::from_fn(|| deadlines.pop(now)).collect()
    }

    #[test]
    fn each_comes_once_when_it_is_due_and_only_as_last_set() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut deadlines = Deadlines::new(start);
        deadlines.set(3, Some(at(20)));
        deadlines.set(1, Some(at(10)));
        deadlines.set(2, Some(at(30_000)));
        deadlines.set(0, Some(at(5)));
        // Moved away, moved nearer, taken back.
        deadlines.set(3, Some(at(400)));
        deadlines.set(1, Some(at(8)));
        deadlines.set(0, None);
        assert!(due(&mut deadlines, at(7)).is_empty());
        assert_eq!(due(&mut deadlines, at(30)), [1]);
        assert_eq!(due(&mut deadlines, at(900)), [3]);
        assert!(due(&mut deadlines, at(29_500)).is_empty());
        assert!(deadlines.next() > at(29_500));
        assert_eq!(due(&mut deadlines, at(30_600)), [2]);
    }
}

//! The newest durable commit. A frame that waits for it (an ack, a `Welcome`) holds a ticket and compares.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::limits::SHARDS;

/// A place in a shard's log: the number of the commit that takes the next reports. It only rises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position(pub(crate) u64);

/// Something that will be durable: compare with [`Watermark::covers`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) shard: usize,
    pub(crate) position: Position,
}

/// The newest durable position of each shard.
#[derive(Debug)]
pub(crate) struct Watermark([AtomicU64; SHARDS]);

impl Watermark {
    /// With every shard at that position.
    pub(crate) fn new(position: Position) -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(position.0)))
    }

    /// Everything of every shard up to there is durable.
    pub(crate) fn raise_all(&self, position: Position) {
        self.0.iter().for_each(|shard| {
            shard.fetch_max(position.0, Ordering::Release);
        });
    }

    pub(crate) fn covers(&self, ticket: Ticket) -> bool {
        self.0[ticket.shard].load(Ordering::Acquire) >= ticket.position.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_covered_from_its_position_on() {
        let watermark = Watermark::new(Position(3));
        let covered = |position| watermark.covers(Ticket { shard: SHARDS - 1, position: Position(position) });
        assert_eq!([2, 3, 4].map(covered), [true, true, false]);
        watermark.raise_all(Position(5));
        watermark.raise_all(Position(4));
        assert_eq!([5, 6].map(covered), [true, false]);
    }
}

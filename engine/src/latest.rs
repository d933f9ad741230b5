//! The latest of a server: its facts, its newest sample, and the progress of its reports.

use std::sync::Arc;

use windfire_wire::Host;

use crate::limits::OUTBOXES_PER_SERVER_MAX;
use crate::sample::Sample;

/// A host as reported, with what the hub added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// As the agent sent it.
    pub host: Host,
    /// Public addresses: the agent's own text, or the connection's address when the agent sent none.
    pub address: String,
    /// Country looked up from the address, lower case; empty when unknown.
    pub country: String,
}

/// Newest status of a server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Latest {
    /// Shared with readers; replaced whole.
    pub facts: Arc<HostFacts>,
    /// All zero before the first report.
    pub sample: Sample,
    /// Unix milliseconds by the hub's clock when the newest report came; `None` before the first. After a start, whole
    /// seconds until the next one comes.
    pub last_active_ms: Option<i64>,
}

/// Seconds that the newest report may be after now, because two threads read the clock at different moments.
const AFTER_NOW_S: i64 = 5;

impl Latest {
    /// Unix seconds by the hub's clock when the newest report came; `None` before the first.
    pub fn last_active_s(&self) -> Option<i64> {
        self.last_active_ms.map(|ms| ms.div_euclid(1000))
    }

    /// Whether the newest report came within so many seconds before `now_s`. A report after `now_s` does not count: the
    /// hub's clock was ahead when it came.
    pub fn reported_within(&self, seconds: i64, now_s: i64) -> bool {
        self.last_active_s().is_some_and(|at_s| (-AFTER_NOW_S..=seconds).contains(&now_s.saturating_sub(at_s)))
    }
}

/// The progress of a server's reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    /// Highest sequence number taken.
    pub last_sequence: u64,
    /// Highest sequence taken of each remembered outbox, the current one last.
    pub outboxes: Vec<(u128, u64)>,
}

impl Progress {
    /// Highest sequence taken from `outbox_id`; 0 when it is not remembered.
    pub fn of_outbox(&self, outbox_id: u128) -> u64 {
        self.outboxes.iter().find(|(id, _)| *id == outbox_id).map_or(0, |(_, last)| *last)
    }

    /// Whether the newest report came from `outbox_id`.
    pub fn is_current(&self, outbox_id: u128) -> bool {
        self.outboxes.last().is_some_and(|(id, _)| *id == outbox_id)
    }

    /// Makes `outbox_id` the current one. Forgets the one unused for longest if there are too many.
    pub fn switch_to(&mut self, outbox_id: u128) {
        let last = self.of_outbox(outbox_id);
        self.outboxes.retain(|(id, _)| *id != outbox_id);
        self.outboxes.push((outbox_id, last));
        if self.outboxes.len() > OUTBOXES_PER_SERVER_MAX {
            self.outboxes.remove(0);
        }
    }

    /// Notes that `sequence` was taken from the current outbox.
    pub fn advance(&mut self, sequence: u64) {
        self.last_sequence = sequence;
        if let Some((_, last)) = self.outboxes.last_mut() {
            *last = sequence;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_lies_after_now_is_not_fresh() {
        let at_ms = |at_s: i64| at_s.saturating_mul(1000);
        let is_fresh = |at_s: Option<i64>| {
            Latest { last_active_ms: at_s.map(at_ms), ..Latest::default() }.reported_within(30, 1000)
        };
        let fresh = [None, Some(969), Some(970), Some(1000), Some(1005), Some(1006), Some(i64::MAX), Some(i64::MIN)];
        assert_eq!(fresh.map(is_fresh), [false, false, true, true, true, false, false, false]);
    }

    #[test]
    fn an_outbox_that_comes_back_is_still_known() {
        let mut progress = Progress::default();
        progress.switch_to(7);
        progress.advance(10);
        progress.switch_to(8);
        progress.advance(11);
        assert_eq!((progress.of_outbox(7), progress.of_outbox(8), progress.last_sequence), (10, 11, 11));
        assert!(progress.is_current(8) && !progress.is_current(7));
        progress.switch_to(7);
        assert_eq!(progress.outboxes, [(8, 11), (7, 10)]);
    }

    #[test]
    fn only_so_many_outboxes_are_remembered() {
        let mut progress = Progress::default();
        (1..=OUTBOXES_PER_SERVER_MAX as u64 + 1).for_each(|id| {
            progress.switch_to(id.into());
            progress.advance(id);
        });
        assert_eq!(progress.outboxes.len(), OUTBOXES_PER_SERVER_MAX);
        assert_eq!((progress.of_outbox(1), progress.of_outbox(2)), (0, 2));
    }
}

//! How long acks took.

use std::time::Duration;

use hdrhistogram::Histogram;

/// How long acks took, microseconds. Times count from when a report was due, not from when the generator made it, so
/// that a slow generator makes them longer and not fewer.
#[derive(Debug, Clone)]
pub struct Latencies {
    /// From the newest report that an ack covers to that ack: the time of hub and disk.
    pub ack: Histogram<u64>,
    /// From each report to its ack: how long the agent keeps it. Acks are cumulative, so this is seconds by design.
    pub kept: Histogram<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = || Histogram::new(3).expect("3 digits");
        Self { ack: histogram(), kept: histogram() }
    }
}

impl Latencies {
    pub(crate) fn record(histogram: &mut Histogram<u64>, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        histogram.record(took.max(1)).expect("a histogram that grows");
    }

    /// Adds the figures of another.
    ///
    /// # Panics
    /// Never: both histograms grow.
    pub fn add(&mut self, other: &Self) {
        self.ack.add(&other.ack).expect("a histogram that grows");
        self.kept.add(&other.kept).expect("a histogram that grows");
    }
}

//! The reports of one process in a spool.

use std::collections::VecDeque;
use std::fs::File;
use std::path::Path;

use super::segment::Segment;
use super::state::Earlier;
use crate::outbox::error::SpoolError;

/// The reports of one process.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) outbox_id: u128,
    /// Sequence numbers minus raw numbers, modulo [`crate::outbox::numbers::STRIDE`].
    pub(super) shift: u64,
    /// Oldest first; never empty.
    pub(super) segments: VecDeque<Segment>,
    /// Oldest pending raw number.
    pub(super) first: u64,
    /// Raw number after its last report.
    pub(super) end: u64,
}

impl Run {
    /// The run of a process that starts: its first segment, empty.
    pub(super) fn new(folder: &Path, outbox_id: u128, first: u64) -> Result<(Self, File), SpoolError> {
        let (segment, tail) = Segment::new(folder, outbox_id, first)?;
        Ok((Self { outbox_id, shift: 0, segments: VecDeque::from([segment]), first, end: first }, tail))
    }

    /// A run that an earlier process left.
    ///
    /// # Errors
    /// The newest of its segments cannot be read.
    pub(super) fn found(
        outbox_id: Option<u128>,
        mut segments: Vec<Segment>,
        earlier: Earlier,
    ) -> Result<Self, SpoolError> {
        segments.sort_by_key(|segment| segment.first);
        let (shift, floor) = if outbox_id.is_none() { (earlier.shift, earlier.floor) } else { (0, 1) };
        let first = segments.first().map_or(floor, |segment| segment.first.max(floor));
        let mut end = first;
        for segment in segments.iter().rev() {
            if let Some(last) = segment.last_raw()? {
                end = end.max(last + 1);
                break;
            }
        }
        let outbox_id = outbox_id.unwrap_or(earlier.outbox_id);
        Ok(Self { outbox_id, shift, segments: segments.into(), first, end })
    }

    pub(super) fn len(&self) -> u64 {
        self.end - self.first
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub(super) fn newest(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    pub(super) fn newest_mut(&mut self) -> &mut Segment {
        let newest = self.segments.len() - 1;
        &mut self.segments[newest]
    }

    /// Takes out the segments with nothing pending, except the newest: its name keeps the count.
    pub(super) fn take_done(&mut self) -> Vec<Segment> {
        let done = self.segments.iter().skip(1).take_while(|following| following.first <= self.first).count();
        self.segments.drain(..done).collect()
    }
}

//! Pending reports in memory.

use std::collections::VecDeque;

use windfire_wire::Report;

use super::error::PushError;

/// Raw number of the first report.
pub(super) const FIRST_RAW: u64 = 1;

#[derive(Debug)]
pub(super) struct Memory {
    reports: VecDeque<Report>,
    first: u64,
    max: u64,
}

impl Memory {
    pub(super) fn new(max: u64) -> Self {
        Self::beginning_at(FIRST_RAW, max)
    }

    /// One whose first report has that raw number.
    pub(super) fn beginning_at(first: u64, max: u64) -> Self {
        Self { reports: VecDeque::new(), first, max }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn end(&self) -> u64 {
        self.first + self.reports.len() as u64
    }

    /// All of them.
    pub(super) fn reports(&self) -> VecDeque<Report> {
        self.reports.clone()
    }

    pub(super) fn is_half_full(&self) -> bool {
        self.reports.len() as u64 >= self.max / 2
    }

    pub(super) fn push(&mut self, report: Report) -> Result<(), PushError> {
        if self.reports.len() as u64 >= self.max {
            return Err(PushError::Full);
        }
        self.reports.push_back(report);
        Ok(())
    }

    pub(super) fn read(&self, from: u64, max: usize) -> (u64, Vec<Report>) {
        let skipped = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        (from.max(self.first), self.reports.iter().skip(skipped).take(max).cloned().collect())
    }

    pub(super) fn drop_below(&mut self, raw: u64) {
        while self.first < raw && self.reports.pop_front().is_some() {
            self.first += 1;
        }
    }
}

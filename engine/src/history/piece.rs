//! The pieces of history that a walk gathers and hands out.

use std::ops::Range;

use super::tier::HOUR_MS;
use crate::limits::WALK_ROWS_MAX;
use crate::summary::Summary;

/// A piece of history, as a walk hands it out. Pieces come in the order of time.
pub(super) enum Piece {
    /// Reports: their times and, for each metric asked for, their values.
    Reports { times_ms: Vec<i64>, columns: Vec<Vec<u64>> },
    /// Rows of a tier.
    Rows { times_ms: Vec<i64>, counts: Vec<u64>, columns: Vec<Vec<Summary>> },
}

impl Piece {
    /// Leaves out rows that begin outside of a range of times.
    pub(super) fn clip(&mut self, range_ms: &Range<i64>) {
        let Self::Rows { times_ms, counts, columns } = self else { return };
        if times_ms.iter().all(|time| range_ms.contains(time)) {
            return;
        }
        let keep: Vec<bool> = times_ms.iter().map(|time| range_ms.contains(time)).collect();
        retain_rows(times_ms, &|row| keep[row]);
        retain_rows(counts, &|row| keep[row]);
        columns.iter_mut().for_each(|column| retain_rows(column, &|row| keep[row]));
    }

    /// Reports that it is made of.
    pub(super) fn reports(&self) -> u64 {
        match self {
            Self::Reports { times_ms, .. } => times_ms.len() as u64,
            Self::Rows { counts, .. } => counts.iter().sum(),
        }
    }

    /// Rows by hour of the day.
    pub(super) fn split_by_hour(self) -> Vec<(usize, Self)> {
        let Self::Rows { times_ms, counts, columns } = self else { return Vec::new() };
        let hour = |time_ms: &i64| usize::try_from(time_ms.div_euclid(HOUR_MS).rem_euclid(24)).unwrap_or(0);
        let mut pieces = Vec::new();
        let mut start = 0;
        while start < times_ms.len() {
            let of = hour(&times_ms[start]);
            let end = (start..times_ms.len()).find(|row| hour(&times_ms[*row]) != of).unwrap_or(times_ms.len());
            pieces.push((
                of,
                Self::Rows {
                    times_ms: times_ms[start..end].to_vec(),
                    counts: counts[start..end].to_vec(),
                    columns: columns.iter().map(|column| column[start..end].to_vec()).collect(),
                },
            ));
            start = end;
        }
        pieces
    }
}

/// Reports of one hour, of a range of times in it, as long as there are not too many.
pub(super) struct Gathered {
    pub(super) hour: i64,
    pub(super) range_ms: Range<i64>,
    pub(super) pieces: Vec<ReportRows>,
    pub(super) rows: usize,
}

impl Gathered {
    pub(super) fn new(hour: i64, range_ms: Range<i64>) -> Self {
        Self { hour, range_ms, pieces: Vec::new(), rows: 0 }
    }

    pub(super) fn add(&mut self, reports: ReportRows) {
        self.rows += reports.times_ms.len();
        self.pieces.push(reports);
        if self.is_large() {
            // From here on they are only counted.
            self.pieces = Vec::new();
        }
    }

    /// Whether there are more than may be held at once.
    pub(super) fn is_large(&self) -> bool {
        self.rows > WALK_ROWS_MAX
    }
}

/// Reports of one block or head, with the columns that are wanted.
pub(super) struct ReportRows {
    pub(super) times_ms: Vec<i64>,
    pub(super) columns: Vec<Vec<u64>>,
}

impl ReportRows {
    pub(super) fn keep(&mut self, keep: impl Fn(usize) -> bool) {
        retain_rows(&mut self.times_ms, &keep);
        self.columns.iter_mut().for_each(|column| retain_rows(column, &keep));
    }

    /// Leaves out rows outside of a range of times.
    pub(super) fn clip(&mut self, range_ms: &Range<i64>) {
        if self.times_ms.is_sorted() {
            let from = self.times_ms.partition_point(|time| *time < range_ms.start);
            let to = self.times_ms.partition_point(|time| *time < range_ms.end);
            cut(&mut self.times_ms, from..to);
            self.columns.iter_mut().for_each(|column| cut(column, from..to));
        } else {
            let keep: Vec<bool> = self.times_ms.iter().map(|time| range_ms.contains(time)).collect();
            self.keep(|row| keep[row]);
        }
    }

    pub(super) fn visit(self, visit: &mut dyn FnMut(Piece)) {
        if !self.times_ms.is_empty() {
            visit(Piece::Reports { times_ms: self.times_ms, columns: self.columns });
        }
    }

    pub(super) fn append(&mut self, other: &mut Self) {
        self.times_ms.append(&mut other.times_ms);
        self.columns.iter_mut().zip(&mut other.columns).for_each(|(mine, theirs)| mine.append(theirs));
    }

    /// Puts rows into the order of time; those of one moment stay in the order in which they were taken.
    pub(super) fn sort(&mut self) {
        if self.times_ms.is_sorted() {
            return;
        }
        let mut order: Vec<usize> = (0..self.times_ms.len()).collect();
        order.sort_by_key(|row| self.times_ms[*row]);
        self.times_ms = order.iter().map(|row| self.times_ms[*row]).collect();
        for column in &mut self.columns {
            *column = order.iter().map(|row| column[*row]).collect();
        }
    }
}

fn cut<T>(column: &mut Vec<T>, rows: Range<usize>) {
    column.truncate(rows.end);
    column.drain(..rows.start);
}

fn retain_rows<T>(column: &mut Vec<T>, keep: &impl Fn(usize) -> bool) {
    let mut row = 0;
    column.retain(|_| {
        row += 1;
        keep(row - 1)
    });
}

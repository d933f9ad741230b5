//! Rows of coarser tiers: minutes made of reports, put together from parts, and made into quarters of an hour.

use super::tier::{HOUR_MS, MINUTE_MS};
use crate::block::{ABSENT, Run, SummaryRun};
use crate::metric::Metric;
use crate::summary::Summary;

/// The minutes of a run of reports, in the order of their times.
pub(super) fn minutes_of(run: &Run) -> SummaryRun {
    let mut order: Vec<usize> = (0..run.len()).collect();
    // Stable: reports of one moment stay in the order of their numbers.
    order.sort_by_key(|row| run.times_ms[*row]);
    let starts: Vec<i64> = order.iter().map(|row| run.times_ms[*row].div_euclid(MINUTE_MS) * MINUTE_MS).collect();
    let mut minutes = SummaryRun::default();
    for start in &starts {
        minutes.count(*start, 1);
    }
    for (metric, summaries) in Metric::ALL.into_iter().zip(&mut minutes.metrics) {
        let column = run.column(metric);
        let mut rows = order.iter().zip(&starts).peekable();
        for start in &minutes.times_ms {
            let mut summary = Summary::default();
            while let Some((row, _)) = rows.next_if(|(_, of)| *of == start) {
                if metric != Metric::Temperature || column[*row] != ABSENT {
                    summary.add(metric.kind(), column[*row]);
                }
            }
            summaries.push(summary);
        }
    }
    minutes
}

impl SummaryRun {
    /// Adds `reports` to the row that starts at `start_ms`, which is the last one or a new one.
    fn count(&mut self, start_ms: i64, reports: u64) {
        match (self.times_ms.last(), self.counts.last_mut()) {
            (Some(last), Some(count)) if *last == start_ms => *count += reports,
            _ => {
                self.times_ms.push(start_ms);
                self.counts.push(reports);
            }
        }
    }

    /// Adds the rows of `later`, whose reports have higher numbers. A row that both have becomes one: count, lowest, highest,
    /// mean and growth are those of all its reports, first and last by number. That is the same as making it of all of them
    /// at once, unless a clock was set back in between; then growth is counted in the order of numbers.
    pub(super) fn merge(&mut self, later: Self) {
        if self.is_empty() {
            *self = later;
            return;
        }
        for (row, start_ms) in later.times_ms.iter().enumerate() {
            match self.times_ms.binary_search(start_ms) {
                Ok(at) => {
                    self.counts[at] += later.counts[row];
                    for (metric, (mine, theirs)) in
                        Metric::ALL.into_iter().zip(self.metrics.iter_mut().zip(&later.metrics))
                    {
                        mine[at].merge(metric.kind(), &theirs[row]);
                    }
                }
                Err(at) => self.insert(at, &later, row),
            }
        }
    }

    /// Takes each row of `known` that is made of more reports than the same row here, or has none here.
    pub(super) fn keep_fuller(&mut self, known: &Self) {
        for (row, start_ms) in known.times_ms.iter().enumerate() {
            match self.times_ms.binary_search(start_ms) {
                Ok(at) if known.counts[row] > self.counts[at] => {
                    self.counts[at] = known.counts[row];
                    self.metrics.iter_mut().zip(&known.metrics).for_each(|(mine, theirs)| mine[at] = theirs[row]);
                }
                Ok(_) => {}
                Err(at) => self.insert(at, known, row),
            }
        }
    }

    fn insert(&mut self, at: usize, other: &Self, row: usize) {
        self.times_ms.insert(at, other.times_ms[row]);
        self.counts.insert(at, other.counts[row]);
        self.metrics.iter_mut().zip(&other.metrics).for_each(|(mine, theirs)| mine.insert(at, theirs[row]));
    }

    /// Adds the rows of `other`, which come later.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.times_ms.append(&mut other.times_ms);
        self.counts.append(&mut other.counts);
        self.metrics.iter_mut().zip(&mut other.metrics).for_each(|(mine, theirs)| mine.append(theirs));
    }

    /// The rows of each hour.
    pub(super) fn split_by_hour(self) -> Vec<(i64, Self)> {
        let mut hours: Vec<(i64, Self)> = Vec::new();
        for row in 0..self.times_ms.len() {
            let hour = self.times_ms[row].div_euclid(HOUR_MS);
            if hours.last().is_none_or(|(last, _)| *last != hour) {
                hours.push((hour, Self::default()));
            }
            if let Some((_, run)) = hours.last_mut() {
                run.times_ms.push(self.times_ms[row]);
                run.counts.push(self.counts[row]);
                run.metrics.iter_mut().zip(&self.metrics).for_each(|(to, from)| to.push(from[row]));
            }
        }
        hours
    }

    /// The same in rows of `row_ms`.
    pub(super) fn coarser(&self, row_ms: i64) -> Self {
        let start = |row: usize| self.times_ms[row].div_euclid(row_ms) * row_ms;
        let mut coarser = Self::default();
        for (row, count) in self.counts.iter().enumerate() {
            coarser.count(start(row), *count);
        }
        for (metric, (fine, coarse)) in Metric::ALL.into_iter().zip(self.metrics.iter().zip(&mut coarser.metrics)) {
            let mut rows = fine.iter().enumerate().peekable();
            for of in &coarser.times_ms {
                let mut summary = Summary::default();
                while let Some((_, later)) = rows.next_if(|(row, _)| start(*row) == *of) {
                    summary.merge(metric.kind(), later);
                }
                coarse.push(summary);
            }
        }
        coarser
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::run_of;
    use super::*;
    use crate::block::arbitrary_samples;
    use crate::metric::Kind;

    proptest! {
        #[test]
        fn minutes_of_parts_are_minutes_of_the_whole(
            samples in arbitrary_samples(2..80),
            cuts in (0usize..80, 0usize..80),
            steps in proptest::collection::vec(0i64..40_000, 80),
            is_in_order in any::<bool>(),
        ) {
            let mut samples = samples;
            let mut time_ms = 1_790_000_000_000;
            for (number, (sample, step)) in samples.iter_mut().zip(steps).enumerate() {
                time_ms += step;
                // A clock that is set back and forth, in the other half of the cases.
                sample.time_ms = if is_in_order || number % 3 > 0 { time_ms } else { time_ms - 90_000 };
                // Whole hundredths, as agents send: their sums are exact.
                sample.cpu = f64::from(u8::try_from(number).expect("few")) / 100.0;
            }
            let at = |cut: usize| cut.min(samples.len());
            let (a, b) = (at(cuts.0.min(cuts.1)), at(cuts.0.max(cuts.1)));
            let mut merged = SummaryRun::default();
            for part in [&samples[..a], &samples[a..b], &samples[b..]] {
                merged.merge(minutes_of(&run_of(part)));
            }
            let whole = minutes_of(&run_of(&samples));
            prop_assert_eq!(&merged.times_ms, &whole.times_ms);
            prop_assert_eq!(&merged.counts, &whole.counts);
            for (metric, (merged, whole)) in Metric::ALL.into_iter().zip(merged.metrics.iter().zip(&whole.metrics)) {
                for (merged, whole) in merged.iter().zip(whole).filter(|(_, whole)| whole.count > 0) {
                    prop_assert_eq!((merged.count, merged.sum), (whole.count, whole.sum));
                    if metric == Metric::Cpu {
                        prop_assert_eq!(merged.hundredths, whole.hundredths);
                    }
                    if metric.kind() != Kind::Counter {
                        let is_same = |a: u64, b: u64| a == b || f64::from_bits(a) == f64::from_bits(b);
                        prop_assert!(is_same(merged.min, whole.min) && is_same(merged.max, whole.max));
                    }
                    if is_in_order {
                        prop_assert_eq!((merged.last, merged.first), (whole.last, whole.first));
                        prop_assert_eq!(merged.increase, whole.increase);
                    }
                }
            }
        }
    }
}

//! Series of one server: every report as a point, or one point for each step.

use super::piece::Piece;
use super::plan::Plan;
use super::tier::{DAY_MS, Tier};
use super::upkeep::History;
use crate::block::ABSENT;
use crate::metric::{Metric, Number};
use crate::slot::Slot;
use crate::store::{Store, StoreError};
use crate::summary::{Aggregate, Summary};

/// A pause of this many usual intervals is shown as a gap, if every report is a point.
const GAP_INTERVALS: i64 = 3;

/// Number of intervals from which the usual one is estimated.
const INTERVALS_LOOKED_AT: usize = 256;

/// One metric of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The metric.
    pub metric: Metric,
    /// The number computed from it.
    pub aggregate: Aggregate,
    /// The tier it was read from.
    pub tier: Tier,
    /// Milliseconds between points; 0 when every report is a point.
    pub step_ms: i64,
    /// Unix milliseconds, and the value; `None` where there are no reports.
    pub points: Vec<(i64, Option<Number>)>,
}

impl History {
    /// The series of one server.
    pub(super) fn series(&self, store: &Store, slot: &Slot, plan: &Plan) -> Result<Vec<Series>, StoreError> {
        match plan.step_ms {
            0 => self.every_report(store, slot, plan),
            _ => self.in_steps(store, slot, plan, &plan.metrics),
        }
    }

    /// Every report of the plan's range as a point. If these are too many, the smallest usual steps with few enough points.
    fn every_report(&self, store: &Store, slot: &Slot, plan: &Plan) -> Result<Vec<Series>, StoreError> {
        let metrics = &plan.metrics;
        let mut times: Vec<i64> = Vec::new();
        let mut values: Vec<Vec<u64>> = vec![Vec::new(); metrics.len()];
        let mut from_ms = plan.from_ms;
        // A day at a time, so that reading stops soon after there are too many points.
        while from_ms < plan.to_ms && times.len() <= plan.points_max {
            let day_ms = from_ms..plan.to_ms.min(from_ms.saturating_add(DAY_MS));
            from_ms = day_ms.end;
            self.walk(store, slot, plan.tier, &day_ms, metrics, &mut |piece| {
                if let Piece::Reports { times_ms, mut columns } = piece
                    && times.len() <= plan.points_max
                {
                    times.extend(times_ms);
                    values.iter_mut().zip(&mut columns).for_each(|(all, column)| all.append(column));
                }
            })?;
        }
        if times.len() > plan.points_max {
            drop((times, values));
            let plan = self.floors().of_points(&(plan.from_ms..plan.to_ms), plan.points_max);
            return self.in_steps(store, slot, &plan, metrics);
        }
        // A few hundred intervals from all over the range have the same median.
        let every = times.len() / INTERVALS_LOOKED_AT + 1;
        let mut intervals: Vec<i64> = times.windows(2).step_by(every).map(|pair| pair[1] - pair[0]).collect();
        let middle = intervals.len() / 2;
        let usual_ms = if intervals.is_empty() { 0 } else { *intervals.select_nth_unstable(middle).1 };
        let gap_ms = usual_ms.max(1).saturating_mul(GAP_INTERVALS);
        let series = metrics.iter().zip(values).map(|((metric, aggregate), values)| {
            let mut points: Vec<(i64, Option<Number>)> = Vec::with_capacity(times.len());
            for (time, bits) in times.iter().zip(values) {
                if let Some((before, _)) = points.last().filter(|(before, _)| time - before > gap_ms) {
                    points.push((before + usual_ms.max(1), None));
                }
                let is_absent = *metric == Metric::Temperature && bits == ABSENT;
                points.push((*time, (!is_absent).then(|| Number::of_bits(*metric, bits))));
            }
            Series { metric: *metric, aggregate: *aggregate, tier: Tier::Raw, step_ms: 0, points }
        });
        Ok(series.collect())
    }

    /// One point for each step of a plan.
    fn in_steps(
        &self,
        store: &Store,
        slot: &Slot,
        plan: &Plan,
        metrics: &[(Metric, Aggregate)],
    ) -> Result<Vec<Series>, StoreError> {
        let of = |(metric, aggregate): &(Metric, Aggregate)| Buckets::new(*metric, *aggregate, plan);
        let mut series: Vec<Buckets> = metrics.iter().map(of).collect();
        self.walk(store, slot, plan.tier, &(plan.from_ms..plan.to_ms), metrics, &mut |piece| match piece {
            Piece::Reports { times_ms, columns } => {
                series.iter_mut().zip(&columns).for_each(|(series, column)| series.add_reports(&times_ms, column));
            }
            Piece::Rows { times_ms, columns, .. } => {
                series.iter_mut().zip(&columns).for_each(|(series, column)| series.add_rows(&times_ms, column));
            }
        })?;
        Ok(series.into_iter().map(Buckets::finish).collect())
    }
}

/// A series under construction: the points of the intervals that are over, and the summary of the current one. Values are
/// added in the order of time.
struct Buckets {
    metric: Metric,
    aggregate: Aggregate,
    tier: Tier,
    step_ms: i64,
    /// The current interval, as a number of steps since 1970, and the end of the range.
    at: i64,
    end: i64,
    summary: Summary,
    /// Last value of the last interval that had one, and whether that interval is the one before the current.
    last: Option<u64>,
    is_next: bool,
    points: Vec<(i64, Option<Number>)>,
}

impl Buckets {
    fn new(metric: Metric, aggregate: Aggregate, plan: &Plan) -> Self {
        let buckets = plan.buckets();
        Self {
            metric,
            aggregate,
            tier: plan.tier,
            step_ms: plan.step_ms,
            at: buckets.start,
            end: buckets.end,
            summary: Summary::default(),
            last: None,
            is_next: false,
            points: Vec::with_capacity(usize::try_from(buckets.end - buckets.start).unwrap_or(0)),
        }
    }

    /// The summary of the interval that contains this time; `None` if it is out of range.
    fn at(&mut self, time_ms: i64) -> Option<&mut Summary> {
        let bucket = time_ms.div_euclid(self.step_ms);
        if !(self.at..self.end).contains(&bucket) {
            return None;
        }
        while self.at < bucket {
            self.close();
        }
        Some(&mut self.summary)
    }

    /// Turns the current interval into a point, and begins the next.
    fn close(&mut self) {
        let summary = std::mem::take(&mut self.summary);
        // Growth over a gap counts for the increase, but not for the rate of the first interval after the gap.
        let before = self.last.filter(|_| self.is_next || self.aggregate == Aggregate::Increase);
        let seconds = self.step_ms as f64 / 1000.0;
        self.points.push((self.at * self.step_ms, summary.number(self.metric, self.aggregate, before, seconds)));
        self.is_next = summary.count > 0;
        if self.is_next {
            self.last = Some(summary.last);
        }
        self.at += 1;
    }

    fn add_reports(&mut self, times_ms: &[i64], column: &[u64]) {
        let (kind, step_ms) = (self.metric.kind(), self.step_ms);
        let may_be_absent = self.metric == Metric::Temperature;
        let mut rows = times_ms.iter().zip(column).peekable();
        while let Some((time_ms, _)) = rows.peek() {
            let end_ms = (time_ms.div_euclid(step_ms) + 1) * step_ms;
            let Some(summary) = self.at(**time_ms) else {
                rows.next();
                continue;
            };
            while let Some((_, bits)) = rows.next_if(|(time_ms, _)| **time_ms < end_ms) {
                if !may_be_absent || *bits != ABSENT {
                    summary.add(kind, *bits);
                }
            }
        }
    }

    fn add_rows(&mut self, times_ms: &[i64], column: &[Summary]) {
        let kind = self.metric.kind();
        for (time_ms, row) in times_ms.iter().zip(column) {
            if let Some(summary) = self.at(*time_ms) {
                summary.merge(kind, row);
            }
        }
    }

    fn finish(mut self) -> Series {
        while self.at < self.end {
            self.close();
        }
        let Self { metric, aggregate, tier, step_ms, points, .. } = self;
        Series { metric, aggregate, tier, step_ms, points }
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{HistoryQuery, Step};
    use super::super::testing::{Made, RANGE_MS, SERVER, START_MS, in_order, orders, samples};
    use super::super::tier::{MINUTE_MS, Retention};
    use super::*;
    use crate::limits::{HEAD_ROWS_MAX, POINTS_MAX};

    #[test]
    fn every_report_is_shown_up_to_as_many_as_are_held() {
        let made = Made::new(Retention::default(), None);
        made.put(SERVER, &samples(POINTS_MAX, |number| number * 100), HEAD_ROWS_MAX);
        made.put(SERVER + 1, &samples(POINTS_MAX + 1, |number| number * 100), HEAD_ROWS_MAX);
        let query = HistoryQuery {
            metrics: vec![(Metric::MemUsed, Aggregate::Mean)],
            from_ms: START_MS - 40 * DAY_MS,
            to_ms: START_MS + DAY_MS,
            step: Step::Raw,
            points_max: 10,
        };
        let plan = made.history.floors().plan(&query);
        let series = |id| made.history.series(&made.store, &Slot::of_test(id), &plan).expect("readable").remove(0);
        let whole = series(SERVER);
        assert_eq!((whole.step_ms, whole.tier, whole.points.len()), (0, Tier::Raw, POINTS_MAX));
        let too_many = series(SERVER + 1);
        assert_eq!((too_many.step_ms, too_many.tier), (5 * MINUTE_MS, Tier::Minute));
        assert!(too_many.points.len() <= POINTS_MAX);
        assert_eq!(too_many.points.iter().filter(|(_, value)| value.is_some()).count(), 7, "2,000 s of reports");
    }

    #[test]
    fn points_are_those_of_all_reports_at_once() {
        for samples in orders() {
            let made = Made::new(Retention::default(), None);
            made.put(SERVER, &samples, HEAD_ROWS_MAX);
            let metrics = [
                (Metric::Cpu, Aggregate::Mean),
                (Metric::MemUsed, Aggregate::Max),
                (Metric::NetInTransfer, Aggregate::Increase),
                (Metric::NetInTransfer, Aggregate::Rate),
            ];
            let step_ms = 31_000;
            let plan = Plan {
                metrics: metrics.to_vec(),
                tier: Tier::Raw,
                step_ms,
                from_ms: RANGE_MS.start,
                to_ms: RANGE_MS.end,
                otherwise: None,
                points_max: POINTS_MAX,
            };
            let found = made.history.series(&made.store, &Slot::of_test(SERVER), &plan).expect("readable");
            let expected = in_order(&samples);
            for (series, (metric, aggregate)) in found.iter().zip(metrics) {
                let (mut before, mut is_next) = (None, false);
                for (at_ms, value) in &series.points {
                    let mut summary = Summary::default();
                    let inside =
                        expected.iter().filter(|(_, sample)| sample.time_ms.div_euclid(step_ms) * step_ms == *at_ms);
                    inside
                        .for_each(|(_, sample)| summary.add(metric.kind(), metric.bits_of(sample).unwrap_or_default()));
                    let last = before.filter(|_| is_next || aggregate == Aggregate::Increase);
                    assert_eq!(
                        *value,
                        summary.number(metric, aggregate, last, 31.0),
                        "{metric:?} {aggregate:?} at {at_ms}"
                    );
                    is_next = summary.count > 0;
                    before = if is_next { Some(summary.last) } else { before };
                }
                assert_eq!(series.points.len(), plan.buckets().count());
            }
        }
    }
}

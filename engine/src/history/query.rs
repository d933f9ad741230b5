//! Reading history: which tier, which blocks, what of the heads, in the order of time.
//!
//! A coarser tier lacks what came since it was last made: hours that stand in `todo`, and whatever is still in a head.
//! Those hours are read from the reports themselves, so an answer is complete whatever upkeep is doing. The heads are
//! copied first; a block that was sealed from one of them in the meantime is passed over by sequence numbers.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::History;
use super::tier::{DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, Tier};
use crate::block::{ABSENT, Block, Run};
use crate::head::Head;
use crate::latest::HostFacts;
use crate::limits::{
    EXPORT_BYTES_MAX, FACTS_PAGE_BYTES_MAX, MINUTE_RANGE_DAYS_MAX, POINTS_MAX, RANGE_DAYS_MAX, RAW_RANGE_DAYS_MAX,
    WALK_ROWS_MAX,
};
use crate::metric::Metric;
use crate::record::Corrupt;
use crate::sample::Sample;
use crate::slot::Slot;
use crate::store::{Store, StoreError, hosts, key};
use crate::summary::{Aggregate, Number, Summary};

/// Steps that are chosen by themselves, milliseconds.
const STEPS_MS: [i64; 20] = {
    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;
    [
        SECOND,
        2 * SECOND,
        5 * SECOND,
        10 * SECOND,
        15 * SECOND,
        30 * SECOND,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR_MS,
        2 * HOUR_MS,
        3 * HOUR_MS,
        6 * HOUR_MS,
        12 * HOUR_MS,
        DAY_MS,
        7 * DAY_MS,
        30 * DAY_MS,
    ]
};

/// Times that the last of these is doubled where a series is to have a point or two.
const LONGER_STEPS: usize = 10;

/// A pause of this many usual intervals is a gap, where every report is shown for itself.
const GAP_INTERVALS: i64 = 3;

/// Intervals that the usual one is taken from.
const INTERVALS_LOOKED_AT: usize = 256;

/// How far apart points are to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Every report where they are few enough, else the smallest usual step that keeps within the points.
    Auto,
    /// Every report; [`POINTS_MAX`] of a series at most where they are held at once.
    Raw,
    /// So many milliseconds.
    Ms(i64),
}

/// What is asked of history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryQuery {
    /// Series of each server.
    pub metrics: Vec<(Metric, Aggregate)>,
    /// Unix milliseconds; reports from then on.
    pub from_ms: i64,
    /// Unix milliseconds; reports before then.
    pub to_ms: i64,
    /// Distance of points.
    pub step: Step,
    /// Points of a series where the step is chosen, at most [`POINTS_MAX`].
    pub points_max: usize,
}

/// How a query is going to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Where it is read from.
    pub tier: Tier,
    /// Milliseconds between points; 0 when every report is a point.
    pub step_ms: i64,
    /// Unix milliseconds; reports from then on.
    pub from_ms: i64,
    /// Unix milliseconds; reports before then.
    pub to_ms: i64,
    /// Why the step is another one than asked; `None` when it is as asked, or was to be chosen.
    pub otherwise: Option<Otherwise>,
    /// Points of a series at most, where every report is one.
    pub points_max: usize,
}

/// Why a step is another one than asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The range has more than [`POINTS_MAX`] such steps.
    Points,
    /// The tiers that such a step can be made of are not kept back to the range's begin, but from then on, Unix milliseconds.
    NotKept {
        /// Unix milliseconds.
        from_ms: i64,
    },
    /// The range is longer than such a step can be made for.
    Range {
        /// The most, days.
        days_max: i64,
    },
    /// Growth needs a while to grow in.
    Growth,
}

/// Some of the facts that a server had.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FactsPage {
    /// What they were from each minute on, Unix milliseconds.
    pub changes: Vec<(i64, HostFacts)>,
    /// Where those begin that are not here; `None` when there are no more.
    pub next_from_ms: Option<i64>,
}

/// One metric of one server.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// The metric.
    pub metric: Metric,
    /// What of it.
    pub aggregate: Aggregate,
    /// Where it was read from.
    pub tier: Tier,
    /// Milliseconds between points; 0 when every report is a point.
    pub step_ms: i64,
    /// Unix milliseconds, and the value; `None` where nobody reported.
    pub points: Vec<(i64, Option<Number>)>,
}

/// What a walk over history finds, one piece after the other in the order of time.
pub(super) enum Piece {
    /// Reports: their times and, for each metric asked for, their values.
    Reports { times_ms: Vec<i64>, columns: Vec<Vec<u64>> },
    /// Rows of a tier.
    Rows { times_ms: Vec<i64>, counts: Vec<u64>, columns: Vec<Vec<Summary>> },
}

impl Plan {
    /// A walk over one tier's rows.
    pub(super) fn of_tier(tier: Tier, from_ms: i64, to_ms: i64) -> Self {
        Self { tier, step_ms: tier.row_ms(), from_ms, to_ms, otherwise: None, points_max: POINTS_MAX }
    }

    /// The same in the whole rows of its tier that it touches.
    fn in_whole_rows(self) -> Self {
        match self.tier.row_ms() {
            0 => self,
            row_ms => Self {
                from_ms: self.from_ms.div_euclid(row_ms).saturating_mul(row_ms),
                to_ms: ((self.to_ms - 1).div_euclid(row_ms) + 1).saturating_mul(row_ms),
                ..self
            },
        }
    }

    /// Starts of the points.
    fn buckets(&self) -> Range<i64> {
        let step = self.step_ms.max(1);
        self.from_ms.div_euclid(step)..(self.to_ms - 1).div_euclid(step) + 1
    }
}

impl History {
    /// Chooses tier and step. The range is cut to what any tier has before anything else is chosen. A coarser tier is read in
    /// whole rows, so the range becomes as wide as they are.
    pub(crate) fn plan(&self, query: &HistoryQuery) -> Plan {
        let to_ms = query.to_ms.max(query.from_ms.saturating_add(1));
        let oldest_ms = Tier::ALL.into_iter().map(|tier| self.floor_ms(tier)).min().unwrap_or(i64::MIN);
        let oldest_ms = oldest_ms.max(to_ms.saturating_sub(RANGE_DAYS_MAX * DAY_MS));
        let range_ms = query.from_ms.max(oldest_ms).min(to_ms - 1)..to_ms;
        let points_max = query.points_max.clamp(1, POINTS_MAX);
        let grows = |(_, aggregate): &(Metric, Aggregate)| matches!(aggregate, Aggregate::Rate | Aggregate::Increase);
        let grows = query.metrics.iter().any(grows);
        // A report a second is the most that agents make unless told otherwise.
        let is_short = range_ms.end.saturating_sub(range_ms.start) / 1000 <= points_max as i64;
        match query.step {
            Step::Ms(step_ms) => self.of_step(&range_ms, step_ms.max(1)),
            Step::Raw if grows => Plan { otherwise: Some(Otherwise::Growth), ..self.of_points(&range_ms, points_max) },
            Step::Raw => self.of_reports(range_ms, POINTS_MAX),
            Step::Auto if is_short && !grows && self.has(Tier::Raw, range_ms.start) => {
                self.of_reports(range_ms, points_max)
            }
            Step::Auto => self.of_points(&range_ms, points_max),
        }
    }

    /// Every report that is kept.
    fn of_reports(&self, range_ms: Range<i64>, points_max: usize) -> Plan {
        let from_ms = range_ms.start.max(self.floor_ms(Tier::Raw)).min(range_ms.end - 1);
        Plan { tier: Tier::Raw, step_ms: 0, from_ms, to_ms: range_ms.end, otherwise: None, points_max }
    }

    /// The smallest usual step with so many points at the most.
    fn of_points(&self, range_ms: &Range<i64>, points_max: usize) -> Plan {
        // The last usual step, and twice as long a one again and again, for the longest of ranges in the fewest of points.
        let longer = std::iter::successors(STEPS_MS.last().copied(), |step_ms| step_ms.checked_mul(2));
        let mut steps = STEPS_MS.into_iter().chain(longer.skip(1).take(LONGER_STEPS));
        let found = steps.find_map(|step_ms| {
            let plan = self.exactly(range_ms, step_ms)?;
            let points = plan.buckets();
            (points.end - points.start <= points_max as i64).then_some(plan)
        });
        found.unwrap_or_else(|| self.coarsest(range_ms))
    }

    /// Steps of exactly that length where they can be made, else the next longer ones that can.
    fn of_step(&self, range_ms: &Range<i64>, asked_ms: i64) -> Plan {
        let fits = |step_ms: i64| range_ms.end.saturating_sub(range_ms.start) / step_ms <= POINTS_MAX as i64;
        if let Some(plan) = self.exactly(range_ms, asked_ms).filter(|_| fits(asked_ms)) {
            return plan;
        }
        let in_rows = |row_ms: i64| ((asked_ms - 1) / row_ms + 1).saturating_mul(row_ms);
        let mut steps: Vec<i64> = STEPS_MS.into_iter().filter(|step_ms| *step_ms > asked_ms).collect();
        steps.extend([in_rows(MINUTE_MS), in_rows(QUARTER_MS)]);
        steps.sort_unstable();
        let plan = steps.into_iter().find_map(|step_ms| self.exactly(range_ms, step_ms).filter(|_| fits(step_ms)));
        let otherwise = if fits(asked_ms) { self.why_not(range_ms, asked_ms) } else { Otherwise::Points };
        Plan { otherwise: Some(otherwise), ..plan.unwrap_or_else(|| self.coarsest(range_ms)) }
    }

    /// Steps of exactly that length, from the coarsest tier of which they can be made; `None` when there is none that reaches
    /// back far enough.
    fn exactly(&self, range_ms: &Range<i64>, step_ms: i64) -> Option<Plan> {
        let span_ms = range_ms.end.saturating_sub(range_ms.start);
        let is_fit = |tier: &Tier| span_ms <= days_max(*tier) * DAY_MS && self.has(*tier, range_ms.start);
        let tier = tiers_of(step_ms).find(is_fit)?;
        let (from_ms, to_ms) = (range_ms.start, range_ms.end);
        Some(Plan { tier, step_ms, from_ms, to_ms, otherwise: None, points_max: POINTS_MAX }.in_whole_rows())
    }

    /// Why there is no series of exactly that step.
    fn why_not(&self, range_ms: &Range<i64>, step_ms: i64) -> Otherwise {
        match tiers_of(step_ms).find(|tier| self.has(*tier, range_ms.start)) {
            Some(tier) => Otherwise::Range { days_max: days_max(tier) },
            None => {
                let from_ms = tiers_of(step_ms).map(|tier| self.floor_ms(tier)).min().unwrap_or(i64::MAX);
                Otherwise::NotKept { from_ms }
            }
        }
    }

    /// What there is at any rate: the coarsest tier in the longest usual steps, from where it is kept on.
    fn coarsest(&self, range_ms: &Range<i64>) -> Plan {
        let (tier, step_ms) = (Tier::Quarter, STEPS_MS[STEPS_MS.len() - 1]);
        let from_ms = range_ms.start.max(self.floor_ms(tier)).min(range_ms.end - 1);
        Plan { tier, step_ms, from_ms, to_ms: range_ms.end, otherwise: None, points_max: POINTS_MAX }.in_whole_rows()
    }

    /// Whether a tier is kept back to that moment.
    fn has(&self, tier: Tier, from_ms: i64) -> bool {
        from_ms.div_euclid(tier.span_ms()) >= self.floor(tier)
    }

    /// From when on a tier is kept, Unix milliseconds.
    fn floor_ms(&self, tier: Tier) -> i64 {
        self.floor(tier).saturating_mul(tier.span_ms())
    }

    /// The series of one server.
    pub(crate) fn series(
        &self,
        store: &Store,
        slot: &Slot,
        plan: &Plan,
        metrics: &[(Metric, Aggregate)],
    ) -> Result<Vec<Series>, StoreError> {
        if plan.step_ms == 0 {
            return self.every_report(store, slot, plan, metrics);
        }
        self.bucketed(store, slot, plan, metrics)
    }

    /// Every report of the plan's range as a point; where they are too many, the smallest usual steps that are not.
    fn every_report(
        &self,
        store: &Store,
        slot: &Slot,
        plan: &Plan,
        metrics: &[(Metric, Aggregate)],
    ) -> Result<Vec<Series>, StoreError> {
        let mut times: Vec<i64> = Vec::new();
        let mut values: Vec<Vec<u64>> = vec![Vec::new(); metrics.len()];
        let mut from_ms = plan.from_ms;
        // A day at a time: what is more than the points is not read to its end.
        while from_ms < plan.to_ms && times.len() <= plan.points_max {
            let part = Plan { from_ms, to_ms: plan.to_ms.min(from_ms.saturating_add(DAY_MS)), ..*plan };
            from_ms = part.to_ms;
            self.walk(store, slot, &part, metrics, &mut |piece| {
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
            let plan = self.of_points(&(plan.from_ms..plan.to_ms), plan.points_max);
            return self.bucketed(store, slot, &plan, metrics);
        }
        // Of a few hundred all over the range: the middle one is the same.
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

    fn bucketed(
        &self,
        store: &Store,
        slot: &Slot,
        plan: &Plan,
        metrics: &[(Metric, Aggregate)],
    ) -> Result<Vec<Series>, StoreError> {
        let of = |(metric, aggregate): &(Metric, Aggregate)| Buckets::new(*metric, *aggregate, plan);
        let mut series: Vec<Buckets> = metrics.iter().map(of).collect();
        self.walk(store, slot, plan, metrics, &mut |piece| match piece {
            Piece::Reports { times_ms, columns } => {
                series.iter_mut().zip(&columns).for_each(|(series, column)| series.add_reports(&times_ms, column));
            }
            Piece::Rows { times_ms, columns, .. } => {
                series.iter_mut().zip(&columns).for_each(|(series, column)| series.add_rows(&times_ms, column));
            }
        })?;
        Ok(series.into_iter().map(Buckets::finish).collect())
    }

    /// Facts of a server as they were from each minute on, the earliest first: so many as are held at once.
    pub(crate) fn facts_changes(
        &self,
        store: &Store,
        server_id: u64,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<FactsPage, StoreError> {
        let from_ms = from_ms.max(to_ms.saturating_sub(RANGE_DAYS_MAX * DAY_MS));
        let mut page = FactsPage::default();
        let mut bytes = 0;
        for day in from_ms.div_euclid(DAY_MS)..to_ms.div_euclid(DAY_MS) + 1 {
            let last = key::facts_key(day, server_id, i64::MAX);
            let first_minute = from_ms.div_euclid(MINUTE_MS).max(day * DAY_MS / MINUTE_MS);
            store.scan_while(key::FACTS, &key::facts_key(day, server_id, first_minute), &mut |key, value| {
                let Some((_, minute)) = key::facts_of(key).filter(|_| *key <= last[..]) else { return Ok(false) };
                let minute_ms = minute.saturating_mul(MINUTE_MS);
                if !(from_ms..to_ms).contains(&minute_ms) {
                    return Ok(true);
                }
                bytes += value.len();
                if bytes > FACTS_PAGE_BYTES_MAX && !page.changes.is_empty() {
                    page.next_from_ms = Some(minute_ms);
                    return Ok(false);
                }
                page.changes.push((minute_ms, hosts::read(value)?));
                Ok(true)
            })?;
            if page.next_from_ms.is_some() {
                break;
            }
        }
        Ok(page)
    }

    /// Every report of a server within a range, in the order of time within each hour.
    pub(crate) fn reports(
        &self,
        store: &Store,
        slot: &Slot,
        from_ms: i64,
        to_ms: i64,
        visit: &mut dyn FnMut(u64, &Sample),
    ) -> Result<(), StoreError> {
        let plan = Plan::of_tier(Tier::Raw, from_ms, to_ms);
        let heads = Heads::of(slot, &plan)?;
        // Only hours that there are: a range may be much longer than what is kept.
        let in_heads = heads.hours.first().copied().zip(heads.hours.last().copied());
        let extents = [store.times(key::RAW)?, in_heads].into_iter().flatten();
        let Some((first, last)) = extents.reduce(|(a, b), (c, d)| (a.min(c), b.max(d))) else { return Ok(()) };
        let first = first.max(plan.from_ms.div_euclid(HOUR_MS)).max(self.floor(Tier::Raw));
        let export = Export { store, server_id: slot.id, heads };
        for hour in first..last.min((plan.to_ms - 1).div_euclid(HOUR_MS)) + 1 {
            export.hour(hour, &within(&(plan.from_ms..plan.to_ms), hour), visit)?;
        }
        Ok(())
    }

    /// Everything of one server within the plan's range, in the order of time.
    pub(super) fn walk(
        &self,
        store: &Store,
        slot: &Slot,
        plan: &Plan,
        metrics: &[(Metric, Aggregate)],
        visit: &mut dyn FnMut(Piece),
    ) -> Result<(), StoreError> {
        let (wanted, aggregates): (Vec<Metric>, Vec<Aggregate>) = metrics.iter().copied().unzip();
        let (wanted, aggregates) = (wanted.as_slice(), aggregates.as_slice());
        let heads = Heads::of(slot, plan)?;
        let walk = Walk { store, server_id: slot.id, heads, plan: *plan, wanted, aggregates };
        let hours = plan.from_ms.div_euclid(HOUR_MS)..(plan.to_ms - 1).div_euclid(HOUR_MS) + 1;
        match plan.tier {
            Tier::Raw => walk.reports(hours, plan.from_ms..plan.to_ms, visit),
            Tier::Minute | Tier::Quarter => walk.tiers(hours, visit),
        }
    }
}

/// A series that is being made: points of the whiles that are over, and the summary of the present one. What is added comes
/// in the order of time.
struct Buckets {
    metric: Metric,
    aggregate: Aggregate,
    tier: Tier,
    step_ms: i64,
    /// The present while, as a number of steps since 1970, and what comes after the last.
    at: i64,
    end: i64,
    summary: Summary,
    /// Last value of the last while that had one, and whether that is the one before the present.
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

    /// The summary of the while in which that time lies, unless it is out of range.
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

    /// Makes the present while a point, and begins the next.
    fn close(&mut self) {
        let summary = std::mem::take(&mut self.summary);
        // Growth over a gap belongs to what was grown, but is no rate of the first while after it.
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

/// Reports that were in a server's heads when a query began.
struct Heads {
    /// Numbers from here on are here; blocks that have them too were sealed since.
    from_sequence: u64,
    runs: Vec<Run>,
    hours: BTreeSet<i64>,
}

impl Heads {
    fn of(slot: &Slot, plan: &Plan) -> Result<Self, Corrupt> {
        let heads = slot.status.lock().heads();
        let from_sequence = heads.first().map_or(u64::MAX, |head| head.first_sequence);
        let in_range = |head: &&Arc<Head>| head.time_last_ms >= plan.from_ms && head.time_first_ms < plan.to_ms;
        let runs: Vec<Run> = heads.iter().filter(in_range).map(|head| head.run()).collect::<Result<_, _>>()?;
        let hours = runs.iter().flat_map(|run| &run.times_ms).map(|time| time.div_euclid(HOUR_MS)).collect();
        Ok(Self { from_sequence, runs, hours })
    }
}

/// Reads whole reports. Nothing of the store is held while they are handed out: who takes them may be slow.
struct Export<'a> {
    store: &'a Store,
    server_id: u64,
    heads: Heads,
}

impl Export<'_> {
    /// Hands out the reports of an hour, within a range of times: of all of it at once, or of one part after the other when
    /// that is too much.
    fn hour(&self, hour: i64, range_ms: &Range<i64>, visit: &mut dyn FnMut(u64, &Sample)) -> Result<(), StoreError> {
        let mut held = Held::default();
        let (from, to) = key::raw_range(hour, self.server_id);
        self.store.scan_range(key::RAW, &from, &to, &mut |_, value| {
            if let Ok(block) = Block::read(value) {
                held.add_block(&block, range_ms, self.heads.from_sequence);
            }
            Ok(())
        })?;
        let in_range = |run: &&Run| run.times_ms.iter().any(|time_ms| range_ms.contains(time_ms));
        let of_heads = self.heads.runs.iter().filter(in_range).flat_map(Run::reports);
        of_heads.filter(|(_, sample)| range_ms.contains(&sample.time_ms)).for_each(|report| held.add(report));
        let Range { start, end } = *range_ms;
        if held.bytes <= EXPORT_BYTES_MAX || end - start <= 1 {
            held.reports.sort_by_key(|(_, sample)| sample.time_ms);
            held.reports.iter().for_each(|(sequence, sample)| visit(*sequence, sample));
            return Ok(());
        }
        drop(held.reports);
        let parts = i64::try_from(held.bytes.div_ceil(EXPORT_BYTES_MAX)).unwrap_or(i64::MAX).max(2);
        let width = ((end - start) / parts).max(1);
        let mut at = start;
        while at < end {
            let part = at..end.min(at + width);
            self.hour(hour, &part, visit)?;
            at = part.end;
        }
        Ok(())
    }
}

/// Reports that are held, as long as they are not too much, unless all are of one moment.
#[derive(Default)]
struct Held {
    reports: Vec<(u64, Sample)>,
    bytes: usize,
}

impl Held {
    fn add_block(&mut self, block: &Block<'_>, range_ms: &Range<i64>, before_sequence: u64) {
        if block.header.time_last_ms < range_ms.start || block.header.time_first_ms >= range_ms.end {
            return;
        }
        let is_moment = range_ms.end - range_ms.start <= 1;
        if self.bytes > EXPORT_BYTES_MAX && !is_moment {
            self.bytes += block.header.rows * size_of::<Sample>();
            return;
        }
        let Ok(run) = block.run() else { return };
        let is_wanted =
            |(sequence, sample): &(u64, Sample)| *sequence < before_sequence && range_ms.contains(&sample.time_ms);
        for report in run.reports().filter(is_wanted) {
            self.add(report);
            if self.bytes > EXPORT_BYTES_MAX && !is_moment {
                // From here on they are only counted.
                self.reports = Vec::new();
                return;
            }
        }
    }

    fn add(&mut self, (sequence, sample): (u64, Sample)) {
        let sensors = sample.temperatures.as_deref().unwrap_or_default().iter();
        let sensors: usize = sensors.map(|sensor| size_of_val(sensor) + sensor.name.len()).sum();
        self.bytes += size_of::<(u64, Sample)>() + sensors;
        self.reports.push((sequence, sample));
    }
}

struct Walk<'a> {
    store: &'a Store,
    server_id: u64,
    heads: Heads,
    plan: Plan,
    wanted: &'a [Metric],
    /// What of each of them.
    aggregates: &'a [Aggregate],
}

impl Walk<'_> {
    /// Reports of these hours, within a range of times: an hour at a time, and a large hour in parts. What is held is one
    /// piece, however long the range.
    fn reports(&self, hours: Range<i64>, range_ms: Range<i64>, visit: &mut dyn FnMut(Piece)) -> Result<(), StoreError> {
        let mut next = hours.start;
        while next < hours.end {
            let (mut gathered, is_large): (Option<Gathered>, Cell<bool>) = (None, Cell::new(false));
            // One look into the store for many hours, until one is too large to be gathered whole.
            let ranges = (next..hours.end).take_while(|_| !is_large.get());
            let ranges = ranges.map(|hour| key::raw_range(hour, self.server_id));
            self.store.scan_ranges(key::RAW, ranges, &mut |key, value| {
                let hour = key::raw_of(key).map_or(next, |(hour, ..)| hour);
                if let Some(done) = gathered.take_if(|gathered| gathered.hour != hour) {
                    self.hand_out(done, &mut next, &range_ms, visit);
                }
                let gathered = gathered.get_or_insert_with(|| Gathered::new(hour, within(&range_ms, hour)));
                self.gather(gathered, value);
                is_large.set(gathered.is_large());
                Ok(())
            })?;
            match gathered {
                Some(large) if large.is_large() => {
                    self.hand_out_heads(next..large.hour, &range_ms, visit);
                    self.in_parts(&large, visit)?;
                    next = large.hour + 1;
                }
                last => {
                    last.into_iter().for_each(|last| self.hand_out(last, &mut next, &range_ms, visit));
                    self.hand_out_heads(next..hours.end, &range_ms, visit);
                    next = hours.end;
                }
            }
        }
        Ok(())
    }

    /// Hands out an hour, after hours before it that are in heads only.
    fn hand_out(&self, done: Gathered, next: &mut i64, range_ms: &Range<i64>, visit: &mut dyn FnMut(Piece)) {
        self.hand_out_heads(*next..done.hour, range_ms, visit);
        *next = done.hour + 1;
        self.visit_in_order(done.pieces, &done.range_ms, visit);
    }

    fn hand_out_heads(&self, hours: Range<i64>, range_ms: &Range<i64>, visit: &mut dyn FnMut(Piece)) {
        let in_heads = self.heads.hours.iter().filter(|hour| hours.contains(hour));
        in_heads.for_each(|hour| self.visit_in_order(Vec::new(), &within(range_ms, *hour), visit));
    }

    /// Walks what is more than may be held at once: a part of its time after the other, each in smaller parts if need be.
    fn in_parts(&self, large: &Gathered, visit: &mut dyn FnMut(Piece)) -> Result<(), StoreError> {
        let (from, to) = key::raw_range(large.hour, self.server_id);
        let Range { start, end } = large.range_ms;
        if end - start <= 1 {
            // All at one moment: they are in the order of time as they come, and those of the heads come last.
            self.store.scan_range(key::RAW, &from, &to, &mut |_, value| {
                let mut block = Gathered::new(large.hour, large.range_ms.clone());
                self.gather(&mut block, value);
                block.pieces.into_iter().for_each(|reports| reports.visit(visit));
                Ok(())
            })?;
            self.visit_in_order(Vec::new(), &large.range_ms, visit);
            return Ok(());
        }
        let parts = i64::try_from(large.rows.div_ceil(WALK_ROWS_MAX)).unwrap_or(i64::MAX).max(2);
        let width = ((end - start) / parts).max(1);
        let mut at = start;
        while at < end {
            let range_ms = at..end.min(at + width);
            at = range_ms.end;
            let mut part = Gathered::new(large.hour, range_ms);
            self.store.scan_range(key::RAW, &from, &to, &mut |_, value| {
                self.gather(&mut part, value);
                Ok(())
            })?;
            if part.is_large() {
                self.in_parts(&part, visit)?;
            } else {
                self.visit_in_order(part.pieces, &part.range_ms, visit);
            }
        }
        Ok(())
    }

    fn gather(&self, gathered: &mut Gathered, value: &[u8]) {
        // A corrupt block is passed over; upkeep and verification name it.
        let Ok(block) = Block::read(value) else { return };
        if block.header.time_last_ms < gathered.range_ms.start || block.header.time_first_ms >= gathered.range_ms.end {
            // A short block of an hour that is read in part.
            return;
        }
        if gathered.is_large() {
            gathered.rows += block.header.rows;
        } else if let Ok(mut reports) = self.block_reports(&block) {
            reports.clip(&gathered.range_ms);
            gathered.add(reports);
        }
    }

    fn block_reports(&self, block: &Block<'_>) -> Result<Reports, Corrupt> {
        let times_ms = block.times_ms()?;
        let columns = self.wanted.iter().map(|metric| block.values(*metric, &times_ms));
        let mut reports = Reports { columns: columns.collect::<Result<_, _>>()?, times_ms };
        if block.header.sequence_last >= self.heads.from_sequence {
            let sequences = block.sequences()?;
            reports.keep(|row| sequences[row] < self.heads.from_sequence);
        }
        Ok(reports)
    }

    /// Hands out reports of a range, in the order of time, with those of the heads.
    fn visit_in_order(&self, pieces: Vec<Reports>, range_ms: &Range<i64>, visit: &mut dyn FnMut(Piece)) {
        let mut all = Reports { times_ms: Vec::new(), columns: vec![Vec::new(); self.wanted.len()] };
        let in_range = |run: &&Run| run.times_ms.iter().any(|time_ms| range_ms.contains(time_ms));
        let of_heads = self.heads.runs.iter().filter(in_range).map(|run| {
            let columns = self.wanted.iter().map(|metric| run.column(*metric)).collect();
            let mut reports = Reports { times_ms: run.times_ms.clone(), columns };
            reports.clip(range_ms);
            reports
        });
        for mut piece in pieces.into_iter().chain(of_heads) {
            if all.times_ms.is_empty() {
                all = piece;
            } else {
                all.append(&mut piece);
            }
        }
        all.sort();
        all.visit(visit);
    }

    /// Rows of the plan's tier where it has them, of a finer one where it does not.
    fn tiers(&self, hours: Range<i64>, visit: &mut dyn FnMut(Piece)) -> Result<(), StoreError> {
        let mut open_hours = self.todo(key::TODO_HOUR, &hours)?;
        open_hours.extend(self.heads.hours.iter().copied());
        let days = hours.start.div_euclid(24)..(hours.end - 1).div_euclid(24) + 1;
        let mut open_days = self.todo(key::TODO_DAY, &days)?;
        open_days.extend(open_hours.iter().map(|hour| hour.div_euclid(24)));
        if self.plan.tier == Tier::Minute {
            return self.minutes(days, &hours, &open_hours, visit);
        }
        let mut day = days.start;
        while day < days.end {
            // As many days as possible of one sort at a time.
            let is_open = open_days.contains(&day);
            let end = (day..days.end).find(|day| open_days.contains(day) != is_open).unwrap_or(days.end);
            if is_open {
                self.minutes(day..end, &hours, &open_hours, visit)?;
            } else {
                let range = |day| {
                    let first = key::quarter_key(day, self.server_id).to_vec();
                    let past = key::minute_key(day, self.server_id, 0).to_vec();
                    (first, past)
                };
                self.store.scan_ranges(key::QUARTER, (day..end).map(range), &mut |_, value| {
                    if let Ok(rows) = self.block_rows(value) {
                        visit(rows);
                    }
                    Ok(())
                })?;
            }
            day = end;
        }
        Ok(())
    }

    fn minutes(
        &self,
        days: Range<i64>,
        hours: &Range<i64>,
        open_hours: &BTreeSet<i64>,
        visit: &mut dyn FnMut(Piece),
    ) -> Result<(), StoreError> {
        for day in days {
            let mut by_hour: Vec<Vec<(u8, Piece)>> = (0..24).map(|_| Vec::new()).collect();
            let range = (
                key::minute_key(day, self.server_id, 0).to_vec(),
                key::minute_key(day, self.server_id, u8::MAX).to_vec(),
            );
            self.store.scan_ranges(key::MINUTE, std::iter::once(range), &mut |key, value| {
                let (Some(part), Ok(rows)) = (key::part_of(key), self.block_rows(value)) else { return Ok(()) };
                for (hour, piece) in rows.split_by_hour() {
                    by_hour[hour].push((part, piece));
                }
                Ok(())
            })?;
            for (hour, pieces) in (day * 24..).zip(by_hour) {
                if !hours.contains(&hour) {
                    continue;
                }
                if open_hours.contains(&hour) {
                    // Rows of a tier that is not made yet.
                    let range_ms = self.plan.from_ms.max(hour * HOUR_MS)..self.plan.to_ms.min((hour + 1) * HOUR_MS);
                    self.reports(hour..hour + 1, range_ms, visit)?;
                } else if let Some((_, piece)) = pieces.into_iter().min_by_key(|(part, _)| *part) {
                    // An hour of its own is newer than the same hour in the block of the whole day, which comes last.
                    visit(piece);
                }
            }
        }
        Ok(())
    }

    fn block_rows(&self, value: &[u8]) -> Result<Piece, Corrupt> {
        let block = Block::read(value)?;
        let (times_ms, counts) = (block.times_ms()?, block.counts()?);
        let columns = self.wanted.iter().zip(self.aggregates);
        let columns = columns.map(|(metric, aggregate)| block.summaries(*metric, Some(*aggregate), &counts));
        let columns = columns.collect::<Result<_, _>>()?;
        let mut piece = Piece::Rows { times_ms, counts, columns };
        piece.clip(&self.plan);
        Ok(piece)
    }

    fn todo(&self, kind: u8, times: &Range<i64>) -> Result<BTreeSet<i64>, StoreError> {
        let (from, to) =
            (key::todo_key(kind, self.server_id, times.start), key::todo_key(kind, self.server_id, times.end));
        let mut open = BTreeSet::new();
        self.store.scan_ranges(key::TODO, std::iter::once((from.to_vec(), to.to_vec())), &mut |key, _| {
            open.extend(key::todo_of(key).map(|(_, _, time)| time));
            Ok(())
        })?;
        Ok(open)
    }
}

/// Tiers that steps of that length can be made of, the coarsest first.
fn tiers_of(step_ms: i64) -> impl Iterator<Item = Tier> {
    Tier::ALL.into_iter().rev().filter(move |tier| tier.row_ms() == 0 || step_ms % tier.row_ms() == 0)
}

/// Days of a tier that one series is made of at the most.
const fn days_max(tier: Tier) -> i64 {
    match tier {
        Tier::Raw => RAW_RANGE_DAYS_MAX,
        Tier::Minute => MINUTE_RANGE_DAYS_MAX,
        Tier::Quarter => RANGE_DAYS_MAX,
    }
}

/// The times of a range that lie in an hour.
fn within(range_ms: &Range<i64>, hour: i64) -> Range<i64> {
    let start_ms = hour.saturating_mul(HOUR_MS);
    range_ms.start.max(start_ms)..range_ms.end.min(start_ms.saturating_add(HOUR_MS))
}

/// Reports of one hour, of a range of times in it, as long as there are not too many.
struct Gathered {
    hour: i64,
    range_ms: Range<i64>,
    pieces: Vec<Reports>,
    rows: usize,
}

impl Gathered {
    fn new(hour: i64, range_ms: Range<i64>) -> Self {
        Self { hour, range_ms, pieces: Vec::new(), rows: 0 }
    }

    fn add(&mut self, reports: Reports) {
        self.rows += reports.times_ms.len();
        self.pieces.push(reports);
        if self.is_large() {
            // From here on they are only counted.
            self.pieces = Vec::new();
        }
    }

    /// Whether there are more than may be held at once.
    fn is_large(&self) -> bool {
        self.rows > WALK_ROWS_MAX
    }
}

/// Reports of one block or head.
struct Reports {
    times_ms: Vec<i64>,
    columns: Vec<Vec<u64>>,
}

impl Reports {
    fn keep(&mut self, keep: impl Fn(usize) -> bool) {
        retain_rows(&mut self.times_ms, &keep);
        self.columns.iter_mut().for_each(|column| retain_rows(column, &keep));
    }

    /// Leaves out rows outside of a range of times.
    fn clip(&mut self, range_ms: &Range<i64>) {
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

    fn visit(self, visit: &mut dyn FnMut(Piece)) {
        if !self.times_ms.is_empty() {
            visit(Piece::Reports { times_ms: self.times_ms, columns: self.columns });
        }
    }

    fn append(&mut self, other: &mut Self) {
        self.times_ms.append(&mut other.times_ms);
        self.columns.iter_mut().zip(&mut other.columns).for_each(|(mine, theirs)| mine.append(theirs));
    }

    /// Puts rows into the order of time; those of one moment stay in the order in which they were taken.
    fn sort(&mut self) {
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

impl Piece {
    /// Leaves out rows that begin outside of the plan's range.
    fn clip(&mut self, plan: &Plan) {
        let Self::Rows { times_ms, counts, columns } = self else { return };
        let range = plan.from_ms..plan.to_ms;
        if times_ms.iter().all(|time| range.contains(time)) {
            return;
        }
        let keep: Vec<bool> = times_ms.iter().map(|time| range.contains(time)).collect();
        retain_rows(times_ms, &|row| keep[row]);
        retain_rows(counts, &|row| keep[row]);
        columns.iter_mut().for_each(|column| retain_rows(column, &|row| keep[row]));
    }

    /// Rows by hour of the day.
    fn split_by_hour(self) -> Vec<(usize, Self)> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Retention;
    use super::super::testing::{HOUR, Made, START_MS, slot};
    use super::*;
    use crate::limits::HEAD_ROWS_MAX;
    use crate::store::Changes;

    const SERVER: u64 = 3;

    /// Reports of one hour, `time_ms` after its start.
    fn samples(count: usize, time_ms: impl Fn(i64) -> i64) -> Vec<Sample> {
        let sample = |number: i64| Sample {
            time_ms: START_MS + time_ms(number),
            cpu: (number % 9973) as f64 / 100.0,
            mem_used: number.unsigned_abs(),
            net_in_transfer: number.unsigned_abs() * 10,
            ..Sample::default()
        };
        (0..count as i64).map(sample).collect()
    }

    /// In one hour: in order, all over it, backwards, nearly all within a second, at two moments.
    fn orders() -> [Vec<Sample>; 5] {
        let count = WALK_ROWS_MAX * 2 + 1000;
        [
            samples(count, |number| number * 50),
            samples(count, |number| number * 7919 % HOUR_MS),
            samples(count, |number| HOUR_MS - 1 - number * 50),
            samples(count, |number| if number % 100 == 0 { number * 50 } else { 1_800_000 + number % 1000 }),
            samples(count, |number| (number % 2) * 1_000_000),
        ]
    }

    fn in_order(samples: &[Sample]) -> Vec<(u64, Sample)> {
        let mut numbered: Vec<(u64, Sample)> = (1..).zip(samples.iter().cloned()).collect();
        numbered.sort_by_key(|(_, sample)| sample.time_ms);
        numbered
    }

    fn plan(step_ms: i64) -> Plan {
        let (from_ms, to_ms) = (START_MS - HOUR_MS, START_MS + 2 * HOUR_MS);
        Plan { step_ms, ..Plan::of_tier(Tier::Raw, from_ms, to_ms) }
    }

    /// What is planned for a range of so many seconds that ends at [`END_MS`].
    fn planned(made: &Made, span_s: i64, step: Step, points_max: usize) -> Plan {
        let metrics = vec![(Metric::Cpu, Aggregate::Mean)];
        made.history.plan(&HistoryQuery { metrics, from_ms: END_MS - span_s * 1000, to_ms: END_MS, step, points_max })
    }

    /// Not on any row.
    const END_MS: i64 = START_MS + 1_234_567;
    const HOUR_S: i64 = 3600;
    const DAY_S: i64 = 24 * HOUR_S;

    #[test]
    fn a_step_is_what_was_asked_wherever_it_can_be_made() {
        let made = Made::new(Retention::default(), None);
        for (span_s, step_s, tier) in [
            (6 * HOUR_S, 90, Tier::Raw),
            (6 * HOUR_S, 61, Tier::Raw),
            (6 * HOUR_S, 119, Tier::Raw),
            (7 * DAY_S, 150, Tier::Raw),
            (13 * DAY_S, 1000, Tier::Raw),
            (DAY_S, 120, Tier::Minute),
            (DAY_S, 23 * 60, Tier::Minute),
            (60 * DAY_S, 65 * 60, Tier::Minute),
            (60 * DAY_S, 75 * 60, Tier::Quarter),
            (DAY_S, 45 * 60, Tier::Quarter),
            (3660 * DAY_S, 7 * HOUR_S, Tier::Quarter),
            (HOUR_S, 100 * DAY_S, Tier::Quarter),
            (HOUR_S, 100 * DAY_S + 1, Tier::Raw),
            (HOUR_S, i64::MAX / 1_000_000, Tier::Raw),
            // As many as there may be, whether or not the range begins with a step.
            (20_000, 1, Tier::Raw),
        ] {
            let plan = planned(&made, span_s, Step::Ms(step_s * 1000), 1);
            assert_eq!(
                (plan.step_ms, plan.tier, plan.otherwise),
                (step_s * 1000, tier, None),
                "{step_s} over {span_s}"
            );
            assert!(plan.from_ms <= END_MS - span_s * 1000 && plan.to_ms >= END_MS, "{step_s} over {span_s}");
        }
    }

    #[test]
    fn another_step_than_asked_has_its_true_reason() {
        let made = Made::new(Retention::default(), None);
        let otherwise = |span_s: i64, step_s: i64| {
            let plan = planned(&made, span_s, Step::Ms(step_s * 1000), POINTS_MAX);
            (plan.step_ms / 1000, plan.otherwise)
        };
        assert_eq!(otherwise(30 * DAY_S, 60), (300, Some(Otherwise::Points)));
        assert_eq!(otherwise(30 * DAY_S, 61), (300, Some(Otherwise::Points)));
        assert_eq!(otherwise(15 * DAY_S, 90), (120, Some(Otherwise::Range { days_max: RAW_RANGE_DAYS_MAX })));
        let minutes = Otherwise::Range { days_max: MINUTE_RANGE_DAYS_MAX };
        assert_eq!(otherwise(851 * DAY_S, 65 * 60), (75 * 60, Some(minutes)));
        // Two days of reports, ten of minutes.
        made.history.set_floor(Tier::Raw, END_MS / HOUR_MS - 48);
        made.history.set_floor(Tier::Minute, END_MS / DAY_MS - 10);
        made.history.set_floor(Tier::Quarter, END_MS / DAY_MS - 730);
        let kept = |tier: Tier| Otherwise::NotKept { from_ms: made.history.floor_ms(tier) };
        assert_eq!(otherwise(DAY_S, 90), (90, None));
        assert_eq!(otherwise(3 * DAY_S, 90), (120, Some(kept(Tier::Raw))));
        assert_eq!(otherwise(5 * DAY_S, 7), (60, Some(Otherwise::Points)));
    }

    #[test]
    fn a_range_is_cut_to_what_is_kept_before_its_step_is_chosen() {
        let made = Made::new(Retention::default(), None);
        made.history.set_floor(Tier::Raw, END_MS / HOUR_MS - 7 * 24);
        made.history.set_floor(Tier::Minute, END_MS / DAY_MS - 60);
        made.history.set_floor(Tier::Quarter, END_MS / DAY_MS - 730);
        let since_1970 = |step| planned(&made, END_MS / 1000, step, 2000);
        let plan = since_1970(Step::Ms(HOUR_MS));
        assert_eq!((plan.step_ms, plan.tier, plan.otherwise), (HOUR_MS, Tier::Quarter, None));
        assert_eq!(plan.from_ms, made.history.floor_ms(Tier::Quarter));
        assert_eq!(since_1970(Step::Auto).step_ms, 12 * HOUR_MS, "730 days in 2,000 points");
        // Every report is every report that is kept.
        let plan = since_1970(Step::Raw);
        assert_eq!((plan.step_ms, plan.tier, plan.from_ms), (0, Tier::Raw, made.history.floor_ms(Tier::Raw)));
        // Nothing is kept of it: an empty range, and no wrong one.
        let query = HistoryQuery { metrics: Vec::new(), from_ms: 0, to_ms: 1000, step: Step::Raw, points_max: 1 };
        for step in [Step::Raw, Step::Auto, Step::Ms(90_000), Step::Ms(HOUR_MS)] {
            let plan = made.history.plan(&HistoryQuery { step, ..query.clone() });
            assert!(plan.from_ms < plan.to_ms && plan.to_ms <= QUARTER_MS, "{plan:?}");
        }
    }

    #[test]
    fn a_chosen_step_keeps_within_the_points_wherever_the_range_begins() {
        let made = Made::new(Retention::default(), None);
        let ranges = (1usize..3000, 0u32..38, 0i64..1000, 0..HOUR_MS, any::<bool>());
        let keeps_within = |(points_max, span, more_ms, to_ms, grows): (usize, u32, i64, i64, bool)| {
            let metric = if grows { (Metric::NetInTransfer, Aggregate::Rate) } else { (Metric::Cpu, Aggregate::Mean) };
            let (from_ms, to_ms) = (START_MS + to_ms - (1 << span) - more_ms, START_MS + to_ms);
            let (metrics, step) = (vec![metric], Step::Auto);
            let plan = made.history.plan(&HistoryQuery { metrics, from_ms, to_ms, step, points_max });
            let points = plan.buckets();
            prop_assert!(plan.step_ms == 0 || points.end - points.start <= points_max as i64, "{:?}", plan);
            prop_assert!(plan.otherwise.is_none() && !(grows && plan.step_ms == 0), "{:?}", plan);
            prop_assert!(plan.from_ms <= from_ms && plan.to_ms >= to_ms, "{:?}", plan);
            Ok(())
        };
        proptest::test_runner::TestRunner::default().run(&ranges, keeps_within).expect("for every range");
    }

    #[test]
    fn growth_has_steps_even_where_every_report_is_asked_for() {
        let made = Made::new(Retention::default(), None);
        let metrics = vec![(Metric::NetInTransfer, Aggregate::Increase)];
        let query = HistoryQuery { metrics, from_ms: START_MS, to_ms: END_MS, step: Step::Raw, points_max: 2000 };
        let plan = made.history.plan(&query);
        assert_eq!((plan.step_ms, plan.otherwise), (1000, Some(Otherwise::Growth)));
        assert_eq!(made.history.plan(&HistoryQuery { step: Step::Auto, ..query }).otherwise, None);
    }

    #[test]
    fn every_report_is_shown_up_to_as_many_as_are_held() {
        let made = Made::new(Retention::default(), None);
        made.put(SERVER, &samples(POINTS_MAX, |number| number * 100), HEAD_ROWS_MAX);
        made.put(SERVER + 1, &samples(POINTS_MAX + 1, |number| number * 100), HEAD_ROWS_MAX);
        let metrics = [(Metric::MemUsed, Aggregate::Mean)];
        let query = HistoryQuery {
            metrics: metrics.to_vec(),
            from_ms: START_MS - 40 * DAY_MS,
            to_ms: START_MS + DAY_MS,
            step: Step::Raw,
            points_max: 10,
        };
        let plan = made.history.plan(&query);
        let series = |id| made.history.series(&made.store, &slot(id), &plan, &metrics).expect("readable").remove(0);
        let whole = series(SERVER);
        assert_eq!((whole.step_ms, whole.tier, whole.points.len()), (0, Tier::Raw, POINTS_MAX));
        let too_many = series(SERVER + 1);
        assert_eq!((too_many.step_ms, too_many.tier), (5 * MINUTE_MS, Tier::Minute));
        assert!(too_many.points.len() <= POINTS_MAX);
        assert_eq!(too_many.points.iter().filter(|(_, value)| value.is_some()).count(), 7, "2,000 s of reports");
    }

    #[test]
    fn a_large_hour_is_walked_in_parts_and_in_the_order_of_time() {
        for (number, samples) in orders().iter().enumerate() {
            // Short blocks, and a head on top.
            let (early, late) = samples.split_at(samples.len() - 400);
            let (made, slot) = (Made::new(Retention::default(), None), slot(SERVER));
            made.put(SERVER, early, HEAD_ROWS_MAX);
            for (sequence, sample) in (early.len() as u64 + 1..).zip(late) {
                slot.status.lock().push(sequence, sample, crate::intake::Position(1), 0);
            }
            let expected = in_order(samples);
            let metrics = [(Metric::MemUsed, Aggregate::Last)];
            let (mut read, mut largest) = (Vec::new(), 0);
            made.history
                .walk(&made.store, &slot, &plan(1), &metrics, &mut |piece| {
                    let Piece::Reports { times_ms, columns } = piece else { panic!("reports are asked for") };
                    largest = largest.max(times_ms.len());
                    read.extend(times_ms.into_iter().zip(columns.into_iter().flatten()));
                })
                .expect("readable");
            let wanted = expected.iter().map(|(_, sample)| (sample.time_ms, sample.mem_used));
            assert!(read.into_iter().eq(wanted), "order {number}");
            assert!(largest <= WALK_ROWS_MAX + 400, "{largest} rows at once, order {number}");
        }
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
            let found = made.history.series(&made.store, &slot(SERVER), &plan(step_ms), &metrics).expect("readable");
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
                assert_eq!(series.points.len(), plan(step_ms).buckets().count());
            }
        }
    }

    #[test]
    fn facts_that_changed_often_are_read_in_pages() {
        let made = Made::new(Retention::default(), None);
        let facts = |version: i64| {
            let cpu = vec!["x".repeat(200); 48];
            let host = windfire_wire::Host { version: version.to_string(), cpu, ..Default::default() };
            HostFacts { host, ..HostFacts::default() }
        };
        let at_ms = |number: i64| START_MS + number * 47 * MINUTE_MS;
        let mut changes = Changes::default();
        let mut expected = Vec::new();
        for number in 0..120 {
            // Over four days, before and after midnight, beside others.
            let (day, minute) = (at_ms(number).div_euclid(DAY_MS), at_ms(number).div_euclid(MINUTE_MS));
            let had = facts(number);
            for server_id in [SERVER - 1, SERVER, SERVER + 1] {
                changes.put(key::FACTS, &key::facts_key(day, server_id, minute), hosts::write(&had));
            }
            expected.push((at_ms(number), had));
        }
        made.store.write_synced(&changes).expect("on disk");
        for (from, to) in [(0, 120), (10, 11), (17, 17), (0, 1), (30, 119)] {
            let (mut read, mut pages, mut next) = (Vec::new(), 0, Some(at_ms(from)));
            while let Some(from_ms) = next {
                let page = made.history.facts_changes(&made.store, SERVER, from_ms, at_ms(to)).expect("readable");
                assert!(page.changes.len() <= FACTS_PAGE_BYTES_MAX / 9_600, "{}", page.changes.len());
                read.extend(page.changes);
                (next, pages) = (page.next_from_ms, pages + 1);
            }
            let inside = expected.iter().filter(|(time_ms, _)| (at_ms(from)..at_ms(to)).contains(time_ms));
            assert!(read.iter().eq(inside), "{from} to {to}");
            assert_eq!(pages, (read.len() * 9_700).div_ceil(FACTS_PAGE_BYTES_MAX).max(1), "{from}");
        }
    }

    #[test]
    fn an_export_hands_out_every_report_once_and_holds_nothing_of_the_store() {
        for samples in orders() {
            let made = Made::new(Retention::default(), None);
            made.put(SERVER, &samples, HEAD_ROWS_MAX);
            let mut read = Vec::new();
            let mut visit = |sequence: u64, sample: &Sample| {
                if sequence % 20_000 == 1 {
                    // A store that is closed and opened waits for everybody who reads it.
                    made.store.reopen().expect("nobody reads");
                }
                read.push((sequence, sample.clone()));
            };
            let range = (START_MS, START_MS + HOUR_MS);
            made.history.reports(&made.store, &slot(SERVER), range.0, range.1, &mut visit).expect("readable");
            assert!(read == in_order(&samples));
        }
    }

    #[test]
    fn hours_that_are_in_heads_only_come_in_their_order() {
        let (made, slot) = (Made::new(Retention::default(), None), slot(SERVER));
        made.put(SERVER, &samples(10, |number| number * 1000), HEAD_ROWS_MAX);
        for (sequence, hours) in [(11, -1), (12, 0), (13, 1)] {
            let sample = Sample { time_ms: START_MS + hours * HOUR_MS + 500, mem_used: sequence, ..Sample::default() };
            slot.status.lock().push(sequence, &sample, crate::intake::Position(1), 0);
        }
        let mut times = Vec::new();
        let walk = made.history.walk(&made.store, &slot, &plan(1), &[], &mut |piece| {
            if let Piece::Reports { times_ms, .. } = piece {
                times.extend(times_ms);
            }
        });
        walk.expect("readable");
        assert_eq!(times.len(), 13);
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(times[0].div_euclid(HOUR_MS), HOUR - 1);
    }
}

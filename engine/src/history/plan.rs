//! How a query is answered: from which tier, in which steps, over which range.

use std::ops::Range;

use super::tier::{DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS, Tier};
use crate::limits::{MINUTE_RANGE_DAYS_MAX, POINTS_MAX, RANGE_DAYS_MAX, RAW_RANGE_DAYS_MAX};
use crate::metric::Metric;
use crate::summary::Aggregate;

/// Steps that a plan chooses from, milliseconds.
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

/// How often the last of these is doubled at most, for series of a few points over a long range.
const LONGER_STEPS: usize = 10;

/// The distance between points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Every report if they are few enough, otherwise the smallest usual step that keeps within the points.
    Auto,
    /// Every report; [`POINTS_MAX`] of a series at most where they are held at once.
    Raw,
    /// So many milliseconds.
    Ms(i64),
}

/// A query of history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryQuery {
    /// Series of each server.
    pub metrics: Vec<(Metric, Aggregate)>,
    /// Unix milliseconds; reports from then on.
    pub from_ms: i64,
    /// Unix milliseconds; reports before then.
    pub to_ms: i64,
    /// Distance between points.
    pub step: Step,
    /// Points of a series where the step is chosen, at most [`POINTS_MAX`].
    pub points_max: usize,
}

/// How a query is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Series of each server.
    pub metrics: Vec<(Metric, Aggregate)>,
    /// The tier that is read.
    pub tier: Tier,
    /// Milliseconds between points; 0 when every report is a point.
    pub step_ms: i64,
    /// Unix milliseconds; reports from then on.
    pub from_ms: i64,
    /// Unix milliseconds; reports before then.
    pub to_ms: i64,
    /// Why the step is not the one asked for; `None` if it is, or if it was to be chosen.
    pub otherwise: Option<Otherwise>,
    /// The most points of a series, if every report is one.
    pub points_max: usize,
}

/// Why a step is not the one asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// The range has more than [`POINTS_MAX`] such steps.
    Points,
    /// The tiers from which such a step can be computed are not kept back to the start of the range, but from this time on.
    NotKept {
        /// Unix milliseconds.
        from_ms: i64,
    },
    /// The range is too long for such a step.
    Range {
        /// The longest range, days.
        days_max: i64,
    },
    /// Growth can only be computed over an interval.
    Growth,
}

impl Plan {
    /// A plan without metrics yet.
    fn new(tier: Tier, step_ms: i64, range_ms: Range<i64>, points_max: usize) -> Self {
        let Range { start: from_ms, end: to_ms } = range_ms;
        Self { metrics: Vec::new(), tier, step_ms, from_ms, to_ms, otherwise: None, points_max }
    }

    /// The plan with its range widened to whole rows of its tier.
    fn in_whole_rows(self) -> Self {
        match self.tier.row_ms() {
            0 => self,
            row_ms => {
                let from_ms = self.from_ms.div_euclid(row_ms).saturating_mul(row_ms);
                let to_ms = ((self.to_ms - 1).div_euclid(row_ms) + 1).saturating_mul(row_ms);
                Self { from_ms, to_ms, ..self }
            }
        }
    }

    /// Starts of the points.
    pub(super) fn buckets(&self) -> Range<i64> {
        let step = self.step_ms.max(1);
        self.from_ms.div_euclid(step)..(self.to_ms - 1).div_euclid(step) + 1
    }
}

/// The oldest hour (raw) or day (minute, quarter) of each tier that is kept. A plan depends on these and the query only.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floors(pub(super) [i64; 3]);

impl Floors {
    /// Chooses tier and step. First the range is cut to what any tier has. A coarser tier is read in whole rows, so the range
    /// is widened to them.
    pub(super) fn plan(&self, query: &HistoryQuery) -> Plan {
        Plan { metrics: query.metrics.clone(), ..self.choose(query) }
    }

    fn choose(&self, query: &HistoryQuery) -> Plan {
        let to_ms = query.to_ms.max(query.from_ms.saturating_add(1));
        let oldest_ms = Tier::ALL.into_iter().map(|tier| self.floor_ms(tier)).min().unwrap_or(i64::MIN);
        let oldest_ms = oldest_ms.max(to_ms.saturating_sub(RANGE_DAYS_MAX * DAY_MS));
        let range_ms = query.from_ms.max(oldest_ms).min(to_ms - 1)..to_ms;
        let points_max = query.points_max.clamp(1, POINTS_MAX);
        let grows = |(_, aggregate): &(Metric, Aggregate)| matches!(aggregate, Aggregate::Rate | Aggregate::Increase);
        let grows = query.metrics.iter().any(grows);
        // By default, agents report at most once a second.
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
        Plan::new(Tier::Raw, 0, from_ms..range_ms.end, points_max)
    }

    /// The smallest usual step with at most so many points.
    pub(super) fn of_points(&self, range_ms: &Range<i64>, points_max: usize) -> Plan {
        // The last usual step is doubled again and again, for very long ranges with very few points.
        let longer = std::iter::successors(STEPS_MS.last().copied(), |step_ms| step_ms.checked_mul(2));
        let mut steps = STEPS_MS.into_iter().chain(longer.skip(1).take(LONGER_STEPS));
        let found = steps.find_map(|step_ms| {
            let plan = self.exactly(range_ms, step_ms)?;
            let points = plan.buckets();
            (points.end - points.start <= points_max as i64).then_some(plan)
        });
        found.unwrap_or_else(|| self.coarsest(range_ms))
    }

    /// Steps of exactly that length if possible, otherwise the next longer ones that are.
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

    /// Steps of exactly that length, from the coarsest tier they can be computed from; `None` if no such tier reaches back far
    /// enough.
    fn exactly(&self, range_ms: &Range<i64>, step_ms: i64) -> Option<Plan> {
        let span_ms = range_ms.end.saturating_sub(range_ms.start);
        let is_fit = |tier: &Tier| span_ms <= days_max(*tier) * DAY_MS && self.has(*tier, range_ms.start);
        let tier = tiers_of(step_ms).find(is_fit)?;
        Some(Plan::new(tier, step_ms, range_ms.clone(), POINTS_MAX).in_whole_rows())
    }

    /// Why no series with exactly that step is possible.
    fn why_not(&self, range_ms: &Range<i64>, step_ms: i64) -> Otherwise {
        match tiers_of(step_ms).find(|tier| self.has(*tier, range_ms.start)) {
            Some(tier) => Otherwise::Range { days_max: days_max(tier) },
            None => {
                let from_ms = tiers_of(step_ms).map(|tier| self.floor_ms(tier)).min().unwrap_or(i64::MAX);
                Otherwise::NotKept { from_ms }
            }
        }
    }

    /// The plan that is always possible: the coarsest tier in the longest usual steps, from where it is kept.
    fn coarsest(&self, range_ms: &Range<i64>) -> Plan {
        let (tier, step_ms) = (Tier::Quarter, STEPS_MS[STEPS_MS.len() - 1]);
        let from_ms = range_ms.start.max(self.floor_ms(tier)).min(range_ms.end - 1);
        Plan::new(tier, step_ms, from_ms..range_ms.end, POINTS_MAX).in_whole_rows()
    }

    /// Whether a tier is kept back to that time.
    fn has(&self, tier: Tier, from_ms: i64) -> bool {
        from_ms.div_euclid(tier.span_ms()) >= self.0[tier as usize]
    }

    /// The time from which a tier is kept, Unix milliseconds.
    fn floor_ms(&self, tier: Tier) -> i64 {
        self.0[tier as usize].saturating_mul(tier.span_ms())
    }
}

/// Tiers from which steps of that length can be computed, the coarsest first.
fn tiers_of(step_ms: i64) -> impl Iterator<Item = Tier> {
    Tier::ALL.into_iter().rev().filter(move |tier| tier.row_ms() == 0 || step_ms % tier.row_ms() == 0)
}

/// The most days of a tier that one series is computed from.
const fn days_max(tier: Tier) -> i64 {
    match tier {
        Tier::Raw => RAW_RANGE_DAYS_MAX,
        Tier::Minute => MINUTE_RANGE_DAYS_MAX,
        Tier::Quarter => RANGE_DAYS_MAX,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::START_MS;
    use super::*;

    /// Not on any row.
    const END_MS: i64 = START_MS + 1_234_567;
    const HOUR_S: i64 = 3600;
    const DAY_S: i64 = 24 * HOUR_S;
    /// Nothing has expired yet.
    const ALL_KEPT: Floors = Floors([i64::MIN; 3]);

    /// So many days of each tier.
    fn kept_for(raw: i64, minute: i64, quarter: i64) -> Floors {
        Floors([END_MS / HOUR_MS - raw * 24, END_MS / DAY_MS - minute, END_MS / DAY_MS - quarter])
    }

    /// What is planned for a range of so many seconds that ends at [`END_MS`].
    fn planned(floors: Floors, span_s: i64, step: Step, points_max: usize) -> Plan {
        let metrics = vec![(Metric::Cpu, Aggregate::Mean)];
        floors.plan(&HistoryQuery { metrics, from_ms: END_MS - span_s * 1000, to_ms: END_MS, step, points_max })
    }

    #[test]
    fn tier_step_and_range_of_a_query() {
        let kept = kept_for(7, 60, 730);
        let day_ago = |days: i64| END_MS - days * DAY_MS;
        let row = |at_ms: i64, row_ms: i64| at_ms.div_euclid(row_ms) * row_ms;
        let rows = |from_ms: i64, row_ms: i64| (row(from_ms, row_ms), row(END_MS, row_ms) + row_ms);
        for (floors, from_ms, step, points_max, tier, step_ms, range) in [
            // Every report where they are few enough and kept; the smallest usual step where they are not.
            (kept, END_MS - 2_000_000, Step::Auto, 2000, Tier::Raw, 0, (END_MS - 2_000_000, END_MS)),
            (kept, END_MS - 2_001_000, Step::Auto, 2000, Tier::Raw, 2000, (END_MS - 2_001_000, END_MS)),
            (kept, day_ago(7), Step::Auto, 2000, Tier::Minute, 10 * MINUTE_MS, rows(day_ago(7), MINUTE_MS)),
            (kept, day_ago(60), Step::Auto, 2000, Tier::Quarter, HOUR_MS, rows(day_ago(60), QUARTER_MS)),
            // No points at all are one, more than there may be are as many as there may be.
            (kept, day_ago(1), Step::Auto, 0, Tier::Quarter, 7 * DAY_MS, rows(day_ago(1), QUARTER_MS)),
            (kept, END_MS - 20_000_000, Step::Auto, usize::MAX, Tier::Raw, 0, (END_MS - 20_000_000, END_MS)),
            // A coarser tier in the whole rows that the range touches; reports in exactly the range.
            (kept, END_MS - 1, Step::Ms(MINUTE_MS), 1, Tier::Minute, MINUTE_MS, rows(END_MS - 1, MINUTE_MS)),
            (kept, END_MS - 1, Step::Ms(QUARTER_MS), 1, Tier::Quarter, QUARTER_MS, rows(END_MS - 1, QUARTER_MS)),
            (kept, END_MS - 1, Step::Ms(1), 1, Tier::Raw, 1, (END_MS - 1, END_MS)),
            (kept, END_MS - 5, Step::Ms(-3), 1, Tier::Raw, 1, (END_MS - 5, END_MS)),
            // A range that ends before it begins has one millisecond.
            (kept, END_MS, Step::Raw, 1, Tier::Raw, 0, (END_MS, END_MS + 1)),
            // No longer than a query may span, and from where the tier is kept on.
            (ALL_KEPT, i64::MIN, Step::Raw, 1, Tier::Raw, 0, (END_MS - RANGE_DAYS_MAX * DAY_MS, END_MS)),
            (kept, i64::MIN, Step::Raw, 1, Tier::Raw, 0, (kept.floor_ms(Tier::Raw), END_MS)),
        ] {
            let metrics = vec![(Metric::Cpu, Aggregate::Mean)];
            let plan =
                floors.plan(&HistoryQuery { metrics: metrics.clone(), from_ms, to_ms: END_MS, step, points_max });
            let (from_ms, to_ms) = range;
            let points_max = plan.points_max;
            let expected = Plan { metrics, tier, step_ms, from_ms, to_ms, otherwise: None, points_max };
            assert_eq!(plan, expected, "{step:?} from {} s before the end", (END_MS - from_ms) / 1000);
        }
    }

    #[test]
    fn a_step_is_what_was_asked_wherever_it_can_be_made() {
        let floors = ALL_KEPT;
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
            let plan = planned(floors, span_s, Step::Ms(step_s * 1000), 1);
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
        let otherwise = |floors: Floors, span_s: i64, step_s: i64| {
            let plan = planned(floors, span_s, Step::Ms(step_s * 1000), POINTS_MAX);
            (plan.step_ms / 1000, plan.otherwise)
        };
        assert_eq!(otherwise(ALL_KEPT, 30 * DAY_S, 60), (300, Some(Otherwise::Points)));
        assert_eq!(otherwise(ALL_KEPT, 30 * DAY_S, 61), (300, Some(Otherwise::Points)));
        assert_eq!(otherwise(ALL_KEPT, 15 * DAY_S, 90), (120, Some(Otherwise::Range { days_max: RAW_RANGE_DAYS_MAX })));
        let minutes = Otherwise::Range { days_max: MINUTE_RANGE_DAYS_MAX };
        assert_eq!(otherwise(ALL_KEPT, 851 * DAY_S, 65 * 60), (75 * 60, Some(minutes)));
        // Two days of reports, ten of minutes.
        let floors = kept_for(2, 10, 730);
        let kept = |tier: Tier| Otherwise::NotKept { from_ms: floors.floor_ms(tier) };
        assert_eq!(otherwise(floors, DAY_S, 90), (90, None));
        assert_eq!(otherwise(floors, 3 * DAY_S, 90), (120, Some(kept(Tier::Raw))));
        assert_eq!(otherwise(floors, 5 * DAY_S, 7), (60, Some(Otherwise::Points)));
    }

    #[test]
    fn a_range_is_cut_to_what_is_kept_before_its_step_is_chosen() {
        let floors = kept_for(7, 60, 730);
        let since_1970 = |step| planned(floors, END_MS / 1000, step, 2000);
        let plan = since_1970(Step::Ms(HOUR_MS));
        assert_eq!((plan.step_ms, plan.tier, plan.otherwise), (HOUR_MS, Tier::Quarter, None));
        assert_eq!(plan.from_ms, floors.floor_ms(Tier::Quarter));
        assert_eq!(since_1970(Step::Auto).step_ms, 12 * HOUR_MS, "730 days in 2,000 points");
        // Every report is every report that is kept.
        let plan = since_1970(Step::Raw);
        assert_eq!((plan.step_ms, plan.tier, plan.from_ms), (0, Tier::Raw, floors.floor_ms(Tier::Raw)));
        // Nothing is kept of it: an empty range, and no wrong one.
        let query = HistoryQuery { metrics: Vec::new(), from_ms: 0, to_ms: 1000, step: Step::Raw, points_max: 1 };
        for step in [Step::Raw, Step::Auto, Step::Ms(90_000), Step::Ms(HOUR_MS)] {
            let plan = floors.plan(&HistoryQuery { step, ..query.clone() });
            assert!(plan.from_ms < plan.to_ms && plan.to_ms <= QUARTER_MS, "{plan:?}");
        }
    }

    #[test]
    fn a_chosen_step_keeps_within_the_points_wherever_the_range_begins() {
        let floors = ALL_KEPT;
        let ranges = (1usize..3000, 0u32..38, 0i64..1000, 0..HOUR_MS, any::<bool>());
        let keeps_within = |(points_max, span, more_ms, to_ms, grows): (usize, u32, i64, i64, bool)| {
            let metric = if grows { (Metric::NetInTransfer, Aggregate::Rate) } else { (Metric::Cpu, Aggregate::Mean) };
            let (from_ms, to_ms) = (START_MS + to_ms - (1 << span) - more_ms, START_MS + to_ms);
            let (metrics, step) = (vec![metric], Step::Auto);
            let plan = floors.plan(&HistoryQuery { metrics, from_ms, to_ms, step, points_max });
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
        let floors = ALL_KEPT;
        let metrics = vec![(Metric::NetInTransfer, Aggregate::Increase)];
        let query = HistoryQuery { metrics, from_ms: START_MS, to_ms: END_MS, step: Step::Raw, points_max: 2000 };
        let plan = floors.plan(&query);
        assert_eq!((plan.step_ms, plan.otherwise), (1000, Some(Otherwise::Growth)));
        assert_eq!(floors.plan(&HistoryQuery { step: Step::Auto, ..query }).otherwise, None);
    }
}

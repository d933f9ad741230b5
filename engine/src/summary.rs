//! One metric over an interval, in a few numbers: count, first, last, lowest, highest, sum, and how much a counter
//! grew.

use crate::decimal::scaled;
use crate::metric::{Kind, Metric, Number};

/// The values of one metric over an interval. Integer arithmetic is exact; sums of floats that are whole hundredths are
/// too.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Reports that had the metric. When it is 0, the other fields mean nothing.
    pub count: u64,
    /// First value: a float's bits, or the integer. Kept for counters only.
    pub(crate) first: u64,
    /// Last value.
    pub(crate) last: u64,
    /// Lowest value. Not kept for counters.
    pub(crate) min: u64,
    /// Highest value. Not kept for counters.
    pub(crate) max: u64,
    /// Sum of integers.
    pub(crate) sum: u128,
    /// Sum of floats, as long as `hundredths` is not exact.
    pub(crate) float_sum: f64,
    /// Sum of floats in hundredths while every one of them is whole hundredths.
    pub(crate) hundredths: Option<i64>,
    /// How much a counter grew. After a reset it counts from zero. Saturates.
    pub(crate) increase: u64,
}

/// How one number is computed from a [`Summary`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregate {
    /// Arithmetic mean.
    Mean,
    /// Lowest.
    Min,
    /// Highest.
    Max,
    /// The last reported.
    Last,
    /// Growth of a counter per second.
    Rate,
    /// Growth of a counter.
    Increase,
}

impl Aggregate {
    /// Every aggregate.
    pub const ALL: [Self; 6] = [Self::Mean, Self::Min, Self::Max, Self::Last, Self::Rate, Self::Increase];

    /// Its name in queries and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Last => "last",
            Self::Rate => "rate",
            Self::Increase => "increase",
        }
    }

    /// The aggregate of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|aggregate| aggregate.name() == name)
    }

    /// Whether the metric has it: only counters have growth, and of the other aggregates they only have the last value.
    pub fn fits(self, metric: Metric) -> bool {
        match metric.kind() {
            Kind::Counter => matches!(self, Self::Last | Self::Rate | Self::Increase),
            Kind::Float | Kind::Integer => !matches!(self, Self::Rate | Self::Increase),
        }
    }

    /// The default for a metric.
    pub const fn usual(metric: Metric) -> Self {
        match metric.kind() {
            Kind::Counter => Self::Last,
            Kind::Float | Kind::Integer => Self::Mean,
        }
    }
}

/// How much a counter grew from `before` to `after`. After a reset it started from zero.
pub(crate) const fn growth(before: u64, after: u64) -> u64 {
    if after >= before { after - before } else { after }
}

impl Summary {
    /// Adds a value that comes after all values so far. Gives the same as merging an interval of that one value.
    pub(crate) fn add(&mut self, kind: Kind, bits: u64) {
        let is_first = self.count == 0;
        match kind {
            Kind::Counter if is_first => (self.first, self.increase) = (bits, 0),
            Kind::Counter => self.increase = self.increase.saturating_add(growth(self.last, bits)),
            Kind::Integer if is_first => (self.min, self.max, self.sum) = (bits, bits, bits.into()),
            Kind::Integer => {
                self.sum += u128::from(bits);
                self.min = self.min.min(bits);
                self.max = self.max.max(bits);
            }
            Kind::Float => {
                let value = f64::from_bits(bits);
                if is_first {
                    (self.min, self.max) = (bits, bits);
                    (self.float_sum, self.hundredths) = (value, scaled(value, 2));
                } else {
                    self.float_sum += value;
                    self.hundredths = self.hundredths.and_then(|sum| sum.checked_add(scaled(value, 2)?));
                    self.min = f64::from_bits(self.min).min(value).to_bits();
                    self.max = f64::from_bits(self.max).max(value).to_bits();
                }
            }
        }
        self.count += 1;
        self.last = bits;
    }

    /// Adds an interval that comes after this one.
    pub(crate) fn merge(&mut self, kind: Kind, later: &Self) {
        if later.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *later;
            return;
        }
        match kind {
            Kind::Counter => {
                let between = growth(self.last, later.first);
                self.increase = self.increase.saturating_add(between).saturating_add(later.increase);
            }
            Kind::Integer => {
                self.sum += later.sum;
                self.min = self.min.min(later.min);
                self.max = self.max.max(later.max);
            }
            Kind::Float => {
                let float = f64::from_bits;
                self.hundredths =
                    self.hundredths.zip(later.hundredths).and_then(|(mine, other)| mine.checked_add(other));
                self.float_sum += later.float_sum;
                self.min = float(self.min).min(float(later.min)).to_bits();
                self.max = float(self.max).max(float(later.max)).to_bits();
            }
        }
        self.count += later.count;
        self.last = later.last;
    }

    /// Sum of the floats.
    pub(crate) fn sum_of_floats(&self) -> f64 {
        self.hundredths.map_or(self.float_sum, |hundredths| hundredths as f64 / 100.0)
    }

    /// One number of it; `None` without reports. `before` is the counter's last value before this interval, if it is
    /// recent: the growth in between belongs to this interval too. `seconds` is the length of the interval.
    pub(crate) fn number(
        &self,
        metric: Metric,
        aggregate: Aggregate,
        before: Option<u64>,
        seconds: f64,
    ) -> Option<Number> {
        if self.count == 0 {
            return None;
        }
        let increase = || self.increase.saturating_add(before.map_or(0, |before| growth(before, self.first)));
        Some(match aggregate {
            Aggregate::Mean if metric.kind() == Kind::Float => Number::Float(self.sum_of_floats() / self.count as f64),
            Aggregate::Mean => Number::Float(self.sum as f64 / self.count as f64),
            Aggregate::Min => Number::of_bits(metric, self.min),
            Aggregate::Max => Number::of_bits(metric, self.max),
            Aggregate::Last => Number::of_bits(metric, self.last),
            Aggregate::Increase => Number::Integer(increase()),
            Aggregate::Rate => Number::Float(increase() as f64 / seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn summary(kind: Kind, values: &[u64]) -> Summary {
        let mut summary = Summary::default();
        values.iter().for_each(|value| summary.add(kind, *value));
        summary
    }

    #[test]
    fn a_counter_grows_across_resets() {
        let grown = summary(Kind::Counter, &[100, 150, 20, 30]);
        assert_eq!((grown.first, grown.last, grown.increase), (100, 30, 50 + 20 + 10));
        let number = |aggregate, before| grown.number(Metric::NetInTransfer, aggregate, before, 10.0);
        assert_eq!(number(Aggregate::Increase, Some(90)), Some(Number::Integer(90)));
        assert_eq!(number(Aggregate::Rate, None), Some(Number::Float(8.0)));
    }

    #[test]
    fn means_are_exact_where_they_can_be() {
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let tenth = summary(Kind::Float, &bits(&[0.1, 0.2, 0.3, 0.1]));
        assert_eq!(tenth.sum_of_floats(), 0.7, "0.1 + 0.2 + 0.3 + 0.1 is 0.7000000000000001 in floats");
        let large = summary(Kind::Integer, &[u64::MAX, u64::MAX]);
        assert_eq!(large.sum, u128::from(u64::MAX) * 2);
        assert_eq!(Summary::default().number(Metric::Cpu, Aggregate::Mean, None, 1.0), None);
    }

    proptest! {
        #[test]
        fn an_interval_may_be_cut_anywhere(values in proptest::collection::vec(any::<u32>(), 1..50), cut in 0usize..50) {
            let (early, late) = values.split_at(cut.min(values.len()));
            for kind in [Kind::Float, Kind::Integer, Kind::Counter] {
                let bits = |values: &[u32]| -> Vec<u64> {
                    values.iter().map(|value| match kind {
                        Kind::Float => (f64::from(*value) / 100.0).to_bits(),
                        _ => u64::from(*value),
                    }).collect()
                };
                let mut merged = summary(kind, &bits(early));
                merged.merge(kind, &summary(kind, &bits(late)));
                let whole = summary(kind, &bits(&values));
                prop_assert_eq!(merged.sum_of_floats().to_bits(), whole.sum_of_floats().to_bits());
                prop_assert_eq!(Summary { float_sum: 0.0, ..merged }, Summary { float_sum: 0.0, ..whole });
            }
        }
    }
}

//! Rows of a tier as columns, and their block.
//!
//! Column ids: 0 times (the start of each interval), 3 counts of reports, 16 + 5 × the metric's number + part:
//!
//! | kind | part 0 | 1 | 2 | 3 | 4 |
//! | --- | --- | --- | --- | --- | --- |
//! | integer | mean, rounded down | remainder of the sum | mean − min | max − mean | last − mean, zigzag |
//! | float | sum | min | max | last | its own count, for the temperature |
//! | counter | last | first − the last before, zigzag | last − first − increase, zigzag | | |

use super::column::{Effort, decode_floats, decode_integers, encode_floats, encode_integers};
use super::container::{Block, BlockKind, BlockWriter, Header};
use super::run::TIMES;
use crate::decimal::scaled;
use crate::metric::{Kind, Metric};
use crate::record::{Corrupt, plus_difference, signed_difference};
use crate::summary::{Aggregate, Summary};

const COUNTS: u8 = 3;
const METRICS: u8 = 16;
const PARTS: usize = 5;

/// Summaries of one server, one row for each interval with reports, in the order of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SummaryRun {
    pub(crate) times_ms: Vec<i64>,
    /// Reports in each interval.
    pub(crate) counts: Vec<u64>,
    /// For each metric, its summary of each interval.
    pub(crate) metrics: Vec<Vec<Summary>>,
}

impl Default for SummaryRun {
    fn default() -> Self {
        Self { times_ms: Vec::new(), counts: Vec::new(), metrics: vec![Vec::new(); Metric::ALL.len()] }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most 16 + 17 × 5")]
const fn column_id(metric: Metric, part: usize) -> u8 {
    METRICS + (metric.index() * PARTS + part) as u8
}

/// The mean of integers rounded down, and what is left of their sum.
#[expect(clippy::cast_possible_truncation, reason = "a mean of u64 and a remainder below a u64 count")]
fn mean_and_rest(summary: &Summary) -> (u64, u64) {
    let count = u128::from(summary.count.max(1));
    ((summary.sum / count) as u64, (summary.sum % count) as u64)
}

impl SummaryRun {
    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.times_ms.is_empty()
    }

    /// The block of these rows, of which there must be some, at most [`crate::limits::BLOCK_ROWS_MAX`].
    pub(crate) fn encode(&self, server_id: u64) -> Vec<u8> {
        let effort = Effort::Dense;
        let mut writer = BlockWriter::new();
        let times: Vec<u64> = self.times_ms.iter().map(|time| time.cast_unsigned()).collect();
        writer.column(TIMES, |out| encode_integers(&times, effort, out));
        writer.column(COUNTS, |out| encode_integers(&self.counts, effort, out));
        for (metric, rows) in Metric::ALL.into_iter().zip(&self.metrics) {
            if rows.iter().all(|row| row.count == 0) {
                continue;
            }
            let mut put = |part: usize, is_float: bool, value: &dyn Fn(&Summary) -> u64| {
                let values: Vec<u64> = rows.iter().map(value).collect();
                writer.column(column_id(metric, part), |out| {
                    if is_float {
                        encode_floats(&values, effort, out);
                    } else {
                        encode_integers(&values, effort, out);
                    }
                });
            };
            match metric.kind() {
                Kind::Integer => {
                    put(0, false, &|row| mean_and_rest(row).0);
                    put(1, false, &|row| mean_and_rest(row).1);
                    put(2, false, &|row| mean_and_rest(row).0.wrapping_sub(row.min));
                    put(3, false, &|row| row.max.wrapping_sub(mean_and_rest(row).0));
                    put(4, false, &|row| signed_difference(row.last, mean_and_rest(row).0));
                }
                Kind::Float => {
                    put(0, true, &|row| row.sum_of_floats().to_bits());
                    put(1, true, &|row| row.min);
                    put(2, true, &|row| row.max);
                    put(3, true, &|row| row.last);
                    if metric == Metric::Temperature {
                        put(4, false, &|row| row.count);
                    }
                }
                Kind::Counter => {
                    let before = std::iter::once(0).chain(rows.iter().map(|row| row.last));
                    let firsts = rows.iter().zip(before).map(|(row, before)| signed_difference(row.first, before));
                    let firsts: Vec<u64> = firsts.collect();
                    put(0, false, &|row| row.last);
                    put(2, false, &|row| signed_difference(row.last.wrapping_sub(row.first), row.increase));
                    writer.column(column_id(metric, 1), |out| encode_integers(&firsts, effort, out));
                }
            }
        }
        writer.finish(&Header {
            kind: BlockKind::Summaries,
            server_id,
            rows: self.times_ms.len(),
            time_first_ms: self.times_ms.first().copied().unwrap_or_default(),
            time_last_ms: self.times_ms.last().copied().unwrap_or_default(),
            sequence_first: 0,
            sequence_last: 0,
        })
    }
}

impl Block<'_> {
    /// Reports in each interval of a block of summaries.
    pub(crate) fn counts(&self) -> Result<Vec<u64>, Corrupt> {
        decode_integers(&mut self.needed(COUNTS)?, self.header.rows)
    }

    /// One metric of a block of summaries; with an aggregate, only the parts that it needs. The rest is left zero.
    pub(crate) fn summaries(
        &self,
        metric: Metric,
        aggregate: Option<Aggregate>,
        counts: &[u64],
    ) -> Result<Vec<Summary>, Corrupt> {
        let rows = self.header.rows;
        let is_needed = |of: Aggregate| aggregate.is_none_or(|aggregate| aggregate == of);
        if self.column(column_id(metric, 0)).is_none() {
            return Ok(vec![Summary::default(); rows]);
        }
        let integers = |part| decode_integers(&mut self.needed(column_id(metric, part))?, rows);
        let integers_for = |of, part| if is_needed(of) { integers(part) } else { Ok(vec![0; rows]) };
        let floats_for = |of, part| {
            if is_needed(of) {
                decode_floats(&mut self.needed(column_id(metric, part))?, rows)
            } else {
                Ok(vec![0; rows])
            }
        };
        let [mean, min, max, last] = [Aggregate::Mean, Aggregate::Min, Aggregate::Max, Aggregate::Last];
        Ok(match metric.kind() {
            Kind::Integer => {
                let parts = [
                    integers(0)?,
                    integers_for(mean, 1)?,
                    integers_for(min, 2)?,
                    integers_for(max, 3)?,
                    integers_for(last, 4)?,
                ];
                let row = |row: usize| {
                    let [mean, rest, below, above, last] = [0, 1, 2, 3, 4].map(|part: usize| parts[part][row]);
                    let count = counts[row];
                    Summary {
                        count,
                        last: plus_difference(mean, last),
                        min: mean.wrapping_sub(below),
                        max: mean.wrapping_add(above),
                        sum: u128::from(mean) * u128::from(count) + u128::from(rest),
                        ..Summary::default()
                    }
                };
                (0..rows).map(row).collect()
            }
            Kind::Float => {
                let parts = [floats_for(mean, 0)?, floats_for(min, 1)?, floats_for(max, 2)?, floats_for(last, 3)?];
                let own = if metric == Metric::Temperature { Some(integers(4)?) } else { None };
                let counts = own.as_deref().unwrap_or(counts);
                let row = |row: usize| {
                    let [sum, min, max, last] = [0, 1, 2, 3].map(|part: usize| parts[part][row]);
                    let float_sum = f64::from_bits(sum);
                    Summary {
                        count: counts[row],
                        last,
                        min,
                        max,
                        float_sum,
                        hundredths: scaled(float_sum, 2),
                        ..Summary::default()
                    }
                };
                (0..rows).map(row).collect()
            }
            Kind::Counter => {
                let parts = [integers(0)?, integers(1)?, integers(2)?];
                let mut before = 0;
                let row = |row: usize| {
                    let [last, first, increase] = [0, 1, 2].map(|part: usize| parts[part][row]);
                    let first = plus_difference(before, first);
                    before = last;
                    let increase = last.wrapping_sub(first).wrapping_sub(plus_difference(0, increase));
                    Summary { count: counts[row], first, last, increase, ..Summary::default() }
                };
                (0..rows).map(row).collect()
            }
        })
    }

    /// Every row of a block of summaries.
    pub(crate) fn summary_run(&self) -> Result<SummaryRun, Corrupt> {
        if self.header.kind != BlockKind::Summaries {
            return Err(Corrupt::at("the kind of a history block: reports where summaries belong"));
        }
        let counts = self.counts()?;
        let metrics = Metric::ALL.map(|metric| self.summaries(metric, None, &counts));
        let metrics = metrics.into_iter().collect::<Result<_, _>>()?;
        Ok(SummaryRun { times_ms: self.times_ms()?, counts, metrics })
    }
}

/// Reads a block as summaries, for the fuzzer. Whether that is what it holds.
pub fn read_summaries(block: &Block<'_>) -> bool {
    block.summary_run().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_block_of_summaries_gives_every_row_back(
            rows in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 1..5), 1..80),
        ) {
            let mut run = SummaryRun::default();
            for (minute, values) in (0i64..).zip(&rows) {
                run.times_ms.push(minute * 60_000);
                run.counts.push(values.len() as u64);
                for (metric, column) in Metric::ALL.into_iter().zip(&mut run.metrics) {
                    let mut summary = Summary::default();
                    for value in values {
                        let hundredths = f64::from(u16::try_from(value % 60_000).expect("small")) / 100.0;
                        let bits = if metric.kind() == Kind::Float { hundredths.to_bits() } else { *value };
                        // Some reports have no sensor.
                        if metric != Metric::Temperature || value % 3 > 0 {
                            summary.add(metric.kind(), bits);
                        }
                    }
                    column.push(summary);
                }
            }
            let bytes = run.encode(9);
            let mut back = Block::read(&bytes).expect("encoded").summary_run().expect("encoded");
            // Rows without reports, and the inexact running sum, are not stored.
            for column in back.metrics.iter_mut().chain(&mut run.metrics) {
                column.iter_mut().filter(|row| row.count == 0).for_each(|row| *row = Summary::default());
                column.iter_mut().for_each(|row| row.float_sum = row.sum_of_floats());
            }
            prop_assert_eq!(back, run);
        }
    }
}

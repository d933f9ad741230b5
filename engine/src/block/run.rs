//! A run of reports of one server as columns, and its block.
//!
//! Column ids: 0 times, 1 sequence numbers, 2 sensors, 16 + the metric's number for each scalar. A speed's column holds
//! its first value and then what the counter and the times do not already say.

use std::sync::Arc;

use windfire_wire::Temperature;
use windfire_wire::limits::TEMPERATURES_MAX;
use windfire_wire::report::bytes_per_second;

use super::column::{Effort, decode_floats, decode_integers, encode_floats, encode_integers};
use super::container::{Block, BlockKind, BlockWriter, Header};
use crate::metric::{Kind, Metric};
use crate::record::{RecordReader, RecordWriter, plus_difference, signed_difference};
use crate::sample::Sample;
use crate::store::StoreError;

pub(super) const TIMES: u8 = 0;
const SEQUENCES: u8 = 1;
const SENSORS: u8 = 2;
const METRICS: u8 = 16;

/// Stands for "no value" in a column of floats: agents' reports with it are refused, so no report holds it.
pub(crate) const ABSENT: u64 = f64::NAN.to_bits();

/// Reports of one server in the order of their sequence numbers, column by column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    pub(crate) sequences: Vec<u64>,
    pub(crate) times_ms: Vec<i64>,
    values: [Vec<u64>; Metric::SCALARS],
    sensors: Vec<Option<Arc<[Temperature]>>>,
}

impl Run {
    /// Rows.
    pub fn len(&self) -> usize {
        self.sequences.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.sequences.is_empty()
    }

    /// Adds a report.
    pub fn push(&mut self, sequence: u64, sample: &Sample) {
        self.sequences.push(sequence);
        self.times_ms.push(sample.time_ms);
        for (metric, column) in Metric::ALL.iter().zip(&mut self.values) {
            column.push(metric.bits_of(sample).unwrap_or_default());
        }
        self.sensors.push(sample.temperatures.clone());
    }

    pub(crate) fn with_capacity(rows: usize) -> Self {
        Self {
            sequences: Vec::with_capacity(rows),
            times_ms: Vec::with_capacity(rows),
            values: std::array::from_fn(|_| Vec::with_capacity(rows)),
            sensors: Vec::with_capacity(rows),
        }
    }

    /// Adds a row: scalars by number, floats as their bits.
    pub(crate) fn push_row(
        &mut self,
        sequence: u64,
        time_ms: i64,
        values: &[u64; Metric::SCALARS],
        sensors: Option<Arc<[Temperature]>>,
    ) {
        self.sequences.push(sequence);
        self.times_ms.push(time_ms);
        self.values.iter_mut().zip(values).for_each(|(column, value)| column.push(*value));
        self.sensors.push(sensors);
    }

    /// The report of that row.
    pub fn sample(&self, row: usize) -> Sample {
        let mut sample =
            Sample { time_ms: self.times_ms[row], temperatures: self.sensors[row].clone(), ..Sample::default() };
        for (metric, column) in Metric::ALL.iter().zip(&self.values) {
            metric.set_bits(&mut sample, column[row]);
        }
        sample
    }

    /// Whether `other` has the same rows to the bit: `==` takes -0.0 for 0.0, and no NaN for itself.
    pub fn is_same_bits(&self, other: &Self) -> bool {
        let sensors = |run: &Self| -> Vec<Option<Vec<(String, u64)>>> {
            let of_row = |row: &[Temperature]| {
                row.iter().map(|sensor| (sensor.name.clone(), sensor.celsius.to_bits())).collect()
            };
            run.sensors.iter().map(|row| row.as_deref().map(of_row)).collect()
        };
        self.sequences == other.sequences
            && self.times_ms == other.times_ms
            && self.values == other.values
            && sensors(self) == sensors(other)
    }

    /// Every report with its sequence number.
    pub fn reports(&self) -> impl Iterator<Item = (u64, Sample)> {
        self.sequences.iter().enumerate().map(|(row, sequence)| (*sequence, self.sample(row)))
    }

    /// One metric's column: floats as their bits, [`ABSENT`] where a report has none.
    pub(crate) fn column(&self, metric: Metric) -> Vec<u64> {
        match self.values.get(metric.index()) {
            Some(column) => column.clone(),
            None => self.sensors.iter().map(|sensors| hottest(sensors.as_deref())).collect(),
        }
    }

    /// Adds the rows of `other`.
    pub(crate) fn append(&mut self, other: &mut Self) {
        self.sequences.append(&mut other.sequences);
        self.times_ms.append(&mut other.times_ms);
        for (mine, theirs) in self.values.iter_mut().zip(&mut other.values) {
            mine.append(theirs);
        }
        self.sensors.append(&mut other.sensors);
    }

    /// The block of these rows, of which there must be some, at most [`crate::limits::BLOCK_ROWS_MAX`].
    pub fn encode(&self, server_id: u64, effort: Effort) -> Vec<u8> {
        let mut writer = BlockWriter::new();
        let times: Vec<u64> = self.times_ms.iter().map(|time| time.cast_unsigned()).collect();
        writer.column(TIMES, |out| encode_integers(&times, effort, out));
        writer.column(SEQUENCES, |out| encode_integers(&self.sequences, effort, out));
        if self.sensors.iter().any(Option::is_some) {
            writer.column(SENSORS, |out| encode_sensors(&self.sensors, effort, out));
        }
        for (metric, values) in Metric::ALL.iter().zip(&self.values) {
            writer.column(column_id(*metric), |out| match (metric.speed_of(), metric.kind()) {
                (Some(counter), _) => {
                    let differences = self.unexpected_speeds(values, &self.values[counter.index()]);
                    RecordWriter(out).u64(values.first().copied().unwrap_or_default());
                    encode_integers(&differences, effort, out);
                }
                (None, Kind::Float) => encode_floats(values, effort, out),
                (None, Kind::Integer | Kind::Counter) => encode_integers(values, effort, out),
            });
        }
        writer.finish(&Header {
            kind: BlockKind::Reports,
            server_id,
            rows: self.len(),
            time_first_ms: self.times_ms.iter().copied().min().unwrap_or_default(),
            time_last_ms: self.times_ms.iter().copied().max().unwrap_or_default(),
            sequence_first: self.sequences.first().copied().unwrap_or_default(),
            sequence_last: self.sequences.last().copied().unwrap_or_default(),
        })
    }

    /// For each row but the first, how a speed differs from what its counter and the times say.
    fn unexpected_speeds(&self, speeds: &[u64], counters: &[u64]) -> Vec<u64> {
        let rows = expected_speeds(&self.times_ms, counters).zip(speeds.get(1..).unwrap_or_default());
        rows.map(|(expected, speed)| signed_difference(*speed, expected)).collect()
    }
}

/// For each row but the first, the speed that an agent computes from the counter.
fn expected_speeds<'a>(times_ms: &'a [i64], counters: &'a [u64]) -> impl Iterator<Item = u64> + 'a {
    times_ms
        .windows(2)
        .zip(counters.windows(2))
        .map(|(times, counters)| bytes_per_second(counters[0], counters[1], times[1].wrapping_sub(times[0])))
}

fn hottest(sensors: Option<&[Temperature]>) -> u64 {
    let celsius = sensors.unwrap_or_default().iter().map(|sensor| sensor.celsius);
    celsius.reduce(f64::max).map_or(ABSENT, f64::to_bits)
}

#[expect(clippy::cast_possible_truncation, reason = "fewer than 200 metrics")]
const fn column_id(metric: Metric) -> u8 {
    METRICS + metric.index() as u8
}

/// What a column of that id is called, for tables of sizes.
pub fn column_name(id: u8) -> &'static str {
    match id {
        TIMES => "time",
        SEQUENCES => "sequence",
        SENSORS => "sensors",
        id => Metric::ALL.get(usize::from(id.saturating_sub(METRICS))).map_or("unknown", |metric| metric.name()),
    }
}

impl Block<'_> {
    /// When each row was reported, Unix milliseconds.
    pub fn times_ms(&self) -> Result<Vec<i64>, StoreError> {
        let times = decode_integers(&mut self.needed(TIMES)?, self.header.rows)?;
        Ok(times.into_iter().map(u64::cast_signed).collect())
    }

    /// The sequence number of each row.
    pub(crate) fn sequences(&self) -> Result<Vec<u64>, StoreError> {
        decode_integers(&mut self.needed(SEQUENCES)?, self.header.rows)
    }

    /// One metric of a block of reports: floats as their bits, [`ABSENT`] where a report has none.
    pub fn values(&self, metric: Metric, times_ms: &[i64]) -> Result<Vec<u64>, StoreError> {
        let rows = self.header.rows;
        if metric == Metric::Temperature {
            return Ok(self.sensors()?.iter().map(|sensors| hottest(sensors.as_deref())).collect());
        }
        let mut record = self.needed(column_id(metric))?;
        match (metric.speed_of(), metric.kind()) {
            (Some(counter), _) => {
                let counters = self.values(counter, times_ms)?;
                let first = record.u64()?;
                let differences = decode_integers(&mut record, rows.saturating_sub(1))?;
                let rest = expected_speeds(times_ms, &counters).zip(differences);
                let rest = rest.map(|(expected, difference)| plus_difference(expected, difference));
                Ok(std::iter::once(first).chain(rest).collect())
            }
            (None, Kind::Float) => decode_floats(&mut record, rows),
            (None, Kind::Integer | Kind::Counter) => decode_integers(&mut record, rows),
        }
    }

    fn sensors(&self) -> Result<Vec<Option<Arc<[Temperature]>>>, StoreError> {
        match self.column(SENSORS) {
            None => Ok(vec![None; self.header.rows]),
            Some(mut record) => decode_sensors(&mut record, self.header.rows),
        }
    }

    /// Every report of the block.
    pub fn run(&self) -> Result<Run, StoreError> {
        if self.header.kind != BlockKind::Reports {
            return Err(StoreError::Corrupt { what: "a history block: summaries where reports belong".to_owned() });
        }
        let times_ms = self.times_ms()?;
        let mut values: [Vec<u64>; Metric::SCALARS] = Default::default();
        for (metric, column) in Metric::ALL.iter().zip(&mut values) {
            *column = self.values(*metric, &times_ms)?;
        }
        Ok(Run { sequences: self.sequences()?, times_ms, values, sensors: self.sensors()? })
    }
}

/// Sensors: a list of their names for each set of them, which set each row has (0 for none), then the values sensor by
/// sensor.
///
/// ```text
/// column = sets { names { text }* }* integers(set of each row) { floats(values) }*
/// ```
fn encode_sensors(sensors: &[Option<Arc<[Temperature]>>], effort: Effort, out: &mut Vec<u8>) {
    let mut sets: Vec<Vec<&str>> = Vec::new();
    let mut set_of_row = Vec::with_capacity(sensors.len());
    for row in sensors {
        set_of_row.push(row.as_deref().map_or(0, |row| {
            let is_same = |names: &Vec<&str>| {
                names.len() == row.len() && names.iter().zip(row).all(|(name, sensor)| *name == sensor.name)
            };
            let set = sets.iter().position(is_same).unwrap_or_else(|| {
                sets.push(row.iter().map(|sensor| sensor.name.as_str()).collect());
                sets.len() - 1
            });
            set as u64 + 1
        }));
    }
    let mut record = RecordWriter(out);
    record.u64(sets.len() as u64);
    for names in &sets {
        record.u64(names.len() as u64);
        names.iter().for_each(|name| record.text(name));
    }
    encode_integers(&set_of_row, effort, out);
    for (set, names) in (1u64..).zip(&sets) {
        for sensor in 0..names.len() {
            let rows = sensors.iter().zip(&set_of_row).filter(|(_, of_row)| **of_row == set);
            let values = rows.filter_map(|(row, _)| Some(row.as_deref()?.get(sensor)?.celsius.to_bits()));
            encode_floats(&values.collect::<Vec<_>>(), effort, out);
        }
    }
}

fn decode_sensors(record: &mut RecordReader<'_>, rows: usize) -> Result<Vec<Option<Arc<[Temperature]>>>, StoreError> {
    let sets: Vec<Vec<String>> = (0..record.length()?).map(|_| record.texts()).collect::<Result<_, _>>()?;
    if sets.iter().any(|names| names.len() > TEMPERATURES_MAX) {
        return Err(record.corrupt());
    }
    let set_of_row = decode_integers(record, rows)?;
    let mut sensors: Vec<Option<Arc<[Temperature]>>> = vec![None; rows];
    for (set, names) in (1u64..).zip(&sets) {
        let of_set: Vec<usize> = (0..rows).filter(|row| set_of_row[*row] == set).collect();
        let columns: Vec<Vec<u64>> =
            names.iter().map(|_| decode_floats(record, of_set.len())).collect::<Result<_, _>>()?;
        for (index, row) in of_set.into_iter().enumerate() {
            let sensor = |(name, column): (&String, &Vec<u64>)| Temperature {
                name: name.clone(),
                celsius: f64::from_bits(column[index]),
            };
            sensors[row] = Some(names.iter().zip(&columns).map(sensor).collect());
        }
    }
    if set_of_row.iter().any(|set| *set > sets.len() as u64) {
        return Err(record.corrupt());
    }
    Ok(sensors)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reports of every temper, as many as `count` allows.
    pub(crate) fn samples_of_every_temper(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Sample>> {
        proptest::collection::vec(sample(), count)
    }

    /// A report of every temper: extremes, resets, clock steps, sensors that come and go.
    fn sample() -> impl Strategy<Value = Sample> {
        let float = prop_oneof![
            Just(0.0),
            Just(-0.0),
            Just(f64::MIN_POSITIVE / 4.0),
            Just(f64::MAX),
            (0u32..10_000).prop_map(|hundredths| f64::from(hundredths) / 100.0),
            any::<f64>().prop_filter("the wire refuses it", |number| number.is_finite()),
        ];
        let integer = prop_oneof![Just(0), Just(u64::MAX), 0u64..100_000, any::<u64>()];
        let sensors = proptest::collection::vec(("[ab]", float.clone()), 0..3);
        let time = prop_oneof![1_790_000_000_000i64..1_790_000_100_000, any::<i64>()];
        let floats = proptest::collection::vec(float, Metric::SCALARS);
        (time, proptest::collection::vec(integer, Metric::SCALARS), floats, sensors).prop_map(
            |(time_ms, integers, floats, sensors)| {
                let sensor = |(name, celsius)| Temperature { name, celsius };
                let temperatures: Arc<[Temperature]> = sensors.into_iter().map(sensor).collect();
                let mut sample = Sample {
                    time_ms,
                    temperatures: (!temperatures.is_empty()).then_some(temperatures),
                    ..Sample::default()
                };
                for ((metric, integer), float) in Metric::ALL.iter().zip(integers).zip(floats) {
                    let bits = if metric.kind() == Kind::Float { float.to_bits() } else { integer };
                    metric.set_bits(&mut sample, bits);
                }
                sample
            },
        )
    }

    proptest! {
        #[test]
        fn a_block_gives_every_report_back_to_the_bit(
            samples in samples_of_every_temper(1..90),
            first in 1u64..1 << 62,
            gap in 0u64..3,
        ) {
            let mut run = Run::default();
            for (row, sample) in (0u64..).zip(&samples) {
                run.push(first + row * (gap + 1), sample);
            }
            for effort in [Effort::Quick, Effort::Dense] {
                let bytes = run.encode(7, effort);
                let block = Block::read(&bytes).expect("encoded");
                prop_assert_eq!(block.header.server_id, 7);
                prop_assert_eq!(block.header.sequence_first, first);
                let back = block.run().expect("encoded");
                prop_assert!(back.is_same_bits(&run));
                for metric in Metric::ALL {
                    prop_assert_eq!(block.values(metric, &back.times_ms).expect("encoded"), run.column(metric));
                }
            }
        }

        #[test]
        fn a_flipped_bit_is_found(at in 0usize..400, bit in 0u8..8) {
            let mut run = Run::default();
            (1..50).for_each(|sequence| run.push(sequence, &Sample { mem_used: sequence * sequence, ..Sample::default() }));
            let mut bytes = run.encode(1, Effort::Dense);
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert!(Block::read(&bytes).is_err());
        }
    }
}

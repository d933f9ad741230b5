//! A run of reports of one server as columns, and its block.
//!
//! Column ids: 0 times, 1 sequence numbers, 2 sensors, 16 + the metric's number for each scalar. A speed's column holds
//! its first value and then what the counter and the times do not already say.

use std::ops::Range;
use std::sync::Arc;

use windfire_wire::Temperature;
use windfire_wire::limits::TEMPERATURES_MAX;
use windfire_wire::report::bytes_per_second;

use super::column::{Effort, decode_floats, decode_integers, encode_floats, encode_integers};
use super::container::{Block, BlockKind, BlockWriter, Header};
use crate::limits::{BLOCK_ROWS_MAX, BLOCK_SENSOR_VALUES_MAX};
use crate::metric::{Kind, Metric};
use crate::record::{Corrupt, RecordReader, RecordWriter, plus_difference, signed_difference};
use crate::sample::Sample;

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

    /// Values of sensors, of all rows together.
    pub(crate) fn sensor_values(&self) -> usize {
        self.sensors.iter().flatten().map(|sensors| sensors.len()).sum()
    }

    /// Rows in runs that are no larger than a block may be, one after the other.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Self> {
        let mut sensor_values = 0;
        let mut starts = vec![0];
        for (row, sensors) in self.sensors.iter().enumerate() {
            let sensors = sensors.as_deref().map_or(0, <[Temperature]>::len);
            sensor_values += sensors;
            let start = starts.last().copied().unwrap_or_default();
            if row > start && (row - start >= BLOCK_ROWS_MAX || sensor_values > BLOCK_SENSOR_VALUES_MAX) {
                starts.push(row);
                sensor_values = sensors;
            }
        }
        let ends: Vec<usize> = starts.iter().skip(1).copied().chain([self.len()]).collect();
        starts.into_iter().zip(ends).map(|(start, end)| self.slice(start..end))
    }

    fn slice(&self, rows: Range<usize>) -> Self {
        Self {
            sequences: self.sequences[rows.clone()].to_vec(),
            times_ms: self.times_ms[rows.clone()].to_vec(),
            values: std::array::from_fn(|metric| self.values[metric][rows.clone()].to_vec()),
            sensors: self.sensors[rows].to_vec(),
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

/// The name of a column, for tables of sizes.
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
    pub fn times_ms(&self) -> Result<Vec<i64>, Corrupt> {
        let times = decode_integers(&mut self.needed(TIMES)?, self.header.rows)?;
        Ok(times.into_iter().map(u64::cast_signed).collect())
    }

    /// The sequence number of each row.
    pub(crate) fn sequences(&self) -> Result<Vec<u64>, Corrupt> {
        decode_integers(&mut self.needed(SEQUENCES)?, self.header.rows)
    }

    /// One metric of a block of reports: floats as their bits, [`ABSENT`] where a report has none.
    pub fn values(&self, metric: Metric, times_ms: &[i64]) -> Result<Vec<u64>, Corrupt> {
        let rows = self.header.rows;
        if metric == Metric::Temperature {
            return match self.column(SENSORS) {
                None => Ok(vec![ABSENT; rows]),
                Some(mut record) => decode_hottest(&mut record, rows),
            };
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

    fn sensors(&self) -> Result<Vec<Option<Arc<[Temperature]>>>, Corrupt> {
        match self.column(SENSORS) {
            None => Ok(vec![None; self.header.rows]),
            Some(mut record) => decode_sensors(&mut record, self.header.rows),
        }
    }

    /// Every report of the block.
    pub fn run(&self) -> Result<Run, Corrupt> {
        if self.header.kind != BlockKind::Reports {
            return Err(Corrupt::at("the kind of a history block: summaries where reports belong"));
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

/// A column of sensors before its values: the sets of names, and the rows of each set.
struct SensorRows {
    sets: Vec<Vec<String>>,
    rows_of_set: Vec<Vec<usize>>,
}

impl SensorRows {
    fn decode(record: &mut RecordReader<'_>, rows: usize) -> Result<Self, Corrupt> {
        let sets: Vec<Vec<String>> = (0..record.length()?).map(|_| record.texts()).collect::<Result<_, _>>()?;
        if sets.iter().any(|names| names.len() > TEMPERATURES_MAX) {
            return Err(record.corrupt());
        }
        let mut rows_of_set = vec![Vec::new(); sets.len()];
        for (row, set) in decode_integers(record, rows)?.into_iter().enumerate().filter(|(_, set)| *set > 0) {
            let of_set = usize::try_from(set - 1).ok().and_then(|set| rows_of_set.get_mut(set));
            of_set.ok_or_else(|| record.corrupt())?.push(row);
        }
        Ok(Self { sets, rows_of_set })
    }
}

fn decode_sensors(record: &mut RecordReader<'_>, rows: usize) -> Result<Vec<Option<Arc<[Temperature]>>>, Corrupt> {
    let found = SensorRows::decode(record, rows)?;
    let mut sensors: Vec<Option<Arc<[Temperature]>>> = vec![None; rows];
    for (names, of_set) in found.sets.iter().zip(found.rows_of_set) {
        let columns: Vec<Vec<u64>> =
            names.iter().map(|_| decode_floats(record, of_set.len())).collect::<Result<_, _>>()?;
        for (index, row) in of_set.iter().enumerate() {
            // Rows that have the same values share them: names are most of what a list of sensors takes.
            let is_same = index > 0 && columns.iter().all(|column| column[index - 1] == column[index]);
            let sensor = |(name, column): (&String, &Vec<u64>)| Temperature {
                name: name.clone(),
                celsius: f64::from_bits(column[index]),
            };
            sensors[*row] = match is_same {
                true => sensors[of_set[index - 1]].clone(),
                false => Some(names.iter().zip(&columns).map(sensor).collect()),
            };
        }
    }
    Ok(sensors)
}

/// The hottest sensor of each row, without making lists of sensors.
fn decode_hottest(record: &mut RecordReader<'_>, rows: usize) -> Result<Vec<u64>, Corrupt> {
    let found = SensorRows::decode(record, rows)?;
    let mut hottest = vec![ABSENT; rows];
    for (names, of_set) in found.sets.iter().zip(found.rows_of_set) {
        for sensor in 0..names.len() {
            for (row, bits) in of_set.iter().zip(decode_floats(record, of_set.len())?) {
                let celsius = f64::from_bits(bits);
                // In the order of sensors, as for a report that has them itself.
                let so_far = f64::from_bits(hottest[*row]);
                hottest[*row] = if sensor == 0 { bits } else { f64::max(so_far, celsius).to_bits() };
            }
        }
    }
    Ok(hottest)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reports of any kind that may be stored, as many as `count` allows.
    pub(crate) fn arbitrary_samples(count: Range<usize>) -> impl Strategy<Value = Vec<Sample>> {
        proptest::collection::vec(sample(), count)
    }

    /// A report of any kind: extremes, resets, clock steps, sensors that come and go.
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
            samples in arbitrary_samples(1..90),
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
        fn chunks_are_the_rows_in_their_order(samples in arbitrary_samples(1..90)) {
            let mut run = Run::default();
            (1..).zip(&samples).for_each(|(sequence, sample)| run.push(sequence, sample));
            let mut whole = Run::default();
            run.chunks().for_each(|mut chunk| whole.append(&mut chunk));
            prop_assert!(whole.is_same_bits(&run));
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

    #[test]
    fn a_chunk_is_no_larger_than_a_block_may_be() {
        let sensor = |number: usize| Temperature { name: format!("sensor {number}"), celsius: 40.0 };
        let many: Arc<[Temperature]> = (0..TEMPERATURES_MAX).map(sensor).collect();
        for (rows, sensors, chunks) in [(BLOCK_ROWS_MAX, None, 1), (BLOCK_ROWS_MAX + 1, None, 2), (3000, Some(many), 3)]
        {
            let mut run = Run::default();
            let sample = Sample { temperatures: sensors, ..Sample::default() };
            (1..=rows as u64).for_each(|sequence| run.push(sequence, &sample));
            let found: Vec<Run> = run.chunks().collect();
            assert_eq!((found.len(), found.iter().map(Run::len).sum::<usize>()), (chunks, rows));
            let is_small =
                |chunk: &Run| chunk.len() <= BLOCK_ROWS_MAX && chunk.sensor_values() <= BLOCK_SENSOR_VALUES_MAX;
            assert!(found.iter().all(is_small));
            // Rows that share their sensors do so again when they are read.
            let back = Block::read(&found[0].encode(1, Effort::Dense)).expect("encoded").run().expect("encoded");
            let shared =
                back.sensors.windows(2).filter_map(|pair| Some(Arc::ptr_eq(pair[0].as_ref()?, pair[1].as_ref()?)));
            assert!(shared.into_iter().all(|is_shared| is_shared));
        }
    }
}

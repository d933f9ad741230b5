//! A server's newest reports, in memory until they become a block.
//!
//! Rows are kept as their differences from the row before, some twenty bytes each: a fleet's heads are as large as its
//! connections, and a plain sample is seven times that. Every report in a head is in the log too, so a head may be
//! lost.

use std::sync::Arc;

use windfire_wire::Temperature;
use windfire_wire::report::bytes_per_second;

use crate::block::Run;
use crate::decimal::scaled;
use crate::intake::Position;
use crate::limits::{HEAD_BYTES_MAX, HEAD_ROWS_MAX};
use crate::metric::{Kind, Metric};
use crate::record::{Corrupt, RecordReader, RecordWriter, plus_difference, signed_difference};
use crate::sample::{Sample, changed_bytes, changed_sensors, has_same_names, is_changed};

/// Bits of a row's mask; below them one for each scalar.
const SEQUENCE: u64 = 1 << 16;
const STEP: u64 = 1 << 17;
const UPTIME_STEP: u64 = 1 << 18;
const SENSOR_VALUES: u64 = 1 << 19;
const SENSORS: u64 = 1 << 20;

/// Reports of one server, in the order of their sequence numbers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    rows: Vec<u8>,
    count: usize,
    chain: Chain,
    /// Number of the first report; 0 when there is none.
    pub(crate) first_sequence: u64,
    /// The commit of the first report: the log is needed from there on.
    pub(crate) first_position: Position,
    /// The commit of the last report.
    pub(crate) last_position: Position,
    /// Lowest and highest time of the reports.
    pub(crate) time_first_ms: i64,
    pub(crate) time_last_ms: i64,
    /// When the first report came, Unix milliseconds by the hub's clock.
    pub(crate) opened_ms: i64,
}

/// The row before, of which the next is the difference.
#[derive(Debug, Clone, Default)]
struct Chain {
    sequence: u64,
    time_ms: i64,
    step_ms: i64,
    uptime_step: u64,
    /// Scalars by number; floats as their bits.
    values: [u64; Metric::SCALARS],
    sensors: Option<Arc<[Temperature]>>,
}

const UPTIME: usize = Metric::Uptime.index();

impl Head {
    /// Whether there are no reports.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether it should become a block before it takes more.
    pub(crate) fn is_full(&self) -> bool {
        self.count >= HEAD_ROWS_MAX || self.rows.len() >= HEAD_BYTES_MAX
    }

    /// Number of the last report.
    pub(crate) fn last_sequence(&self) -> u64 {
        self.chain.sequence
    }

    /// Adds a report, whose number must be above all earlier ones.
    pub(crate) fn push(&mut self, sequence: u64, sample: &Sample, position: Position, now_ms: i64) {
        if self.count == 0 {
            (self.first_sequence, self.first_position, self.opened_ms) = (sequence, position, now_ms);
            (self.time_first_ms, self.time_last_ms) = (sample.time_ms, sample.time_ms);
        }
        self.time_first_ms = self.time_first_ms.min(sample.time_ms);
        self.time_last_ms = self.time_last_ms.max(sample.time_ms);
        self.last_position = position;
        self.count += 1;
        self.chain.shrink(sequence, sample, &mut self.rows);
    }

    /// Every report.
    ///
    /// # Errors
    /// Only a fault of this program: these bytes were never outside of memory.
    pub(crate) fn run(&self) -> Result<Run, Corrupt> {
        let mut record = RecordReader::new("a head", &self.rows);
        let (mut run, mut chain) = (Run::with_capacity(self.count), Chain::default());
        for _ in 0..self.count {
            chain.grow(&mut record)?;
            run.push_row(chain.sequence, chain.time_ms, &chain.values, chain.sensors.clone());
        }
        record.finish()?;
        Ok(run)
    }
}

impl Chain {
    fn shrink(&mut self, sequence: u64, sample: &Sample, rows: &mut Vec<u8>) {
        /// Longest row without sensors: mask, sequence, step and every scalar.
        const ROW_BYTES_MAX: usize = 4 + 2 * 10 + (Metric::SCALARS + 1) * 10;
        let mut fields = [0u8; ROW_BYTES_MAX];
        let mut fields = Fields { bytes: &mut fields, length: 0 };
        let mut mask = 0;
        let values = values_of(sample);
        let step_ms = sample.time_ms.wrapping_sub(self.time_ms);
        let uptime_step = values[UPTIME].wrapping_sub(self.values[UPTIME]);
        if sequence != self.sequence.wrapping_add(1) {
            mask |= SEQUENCE;
            fields.u64(sequence.wrapping_sub(self.sequence));
        }
        if step_ms != self.step_ms {
            mask |= STEP;
            fields.u64(signed_difference(step_ms.cast_unsigned(), self.step_ms.cast_unsigned()));
        }
        if uptime_step != self.uptime_step {
            mask |= UPTIME_STEP;
            fields.u64(signed_difference(uptime_step, self.uptime_step));
        }
        for (index, metric) in Metric::ALL[..Metric::SCALARS].iter().enumerate() {
            let (old, new) = (self.values[index], values[index]);
            let expected = match metric.speed_of() {
                Some(counter) => bytes_per_second(self.values[counter.index()], values[counter.index()], step_ms),
                None => old,
            };
            if index == UPTIME || new == expected {
                continue;
            }
            mask |= 1 << index;
            match metric.kind() {
                Kind::Float => fields.float(old, new),
                Kind::Integer | Kind::Counter => fields.u64(signed_difference(new, expected)),
            }
        }
        let (old, new) =
            (self.sensors.as_deref().unwrap_or_default(), sample.temperatures.as_deref().unwrap_or_default());
        let changed = changed_sensors(old, new);
        if !has_same_names(old, new) {
            mask |= SENSORS;
        } else if changed.iter().any(|byte| *byte != 0) {
            mask |= SENSOR_VALUES;
        }
        let mut record = RecordWriter(rows);
        record.u64(mask);
        rows.extend_from_slice(&fields.bytes[..fields.length]);
        if mask & SENSORS != 0 {
            RecordWriter(rows).sensors(new);
        } else if mask & SENSOR_VALUES != 0 {
            rows.extend_from_slice(&changed[..changed_bytes(new.len())]);
            for (_, (old, new)) in old.iter().zip(new).enumerate().filter(|(index, _)| is_changed(&changed, *index)) {
                put_float(rows, old.celsius.to_bits(), new.celsius.to_bits());
            }
        }
        let sensors = sample.temperatures.clone();
        *self = Self { sequence, time_ms: sample.time_ms, step_ms, uptime_step, values, sensors };
    }

    fn grow(&mut self, record: &mut RecordReader<'_>) -> Result<(), Corrupt> {
        let mask = record.u64()?;
        let is = |bit: u64| mask & bit != 0;
        self.sequence = self.sequence.wrapping_add(if is(SEQUENCE) { record.u64()? } else { 1 });
        if is(STEP) {
            self.step_ms = plus_difference(self.step_ms.cast_unsigned(), record.u64()?).cast_signed();
        }
        if is(UPTIME_STEP) {
            self.uptime_step = plus_difference(self.uptime_step, record.u64()?);
        }
        self.time_ms = self.time_ms.wrapping_add(self.step_ms);
        let before = self.values;
        self.values[UPTIME] = before[UPTIME].wrapping_add(self.uptime_step);
        for (index, metric) in Metric::ALL[..Metric::SCALARS].iter().enumerate() {
            if index == UPTIME {
                continue;
            }
            let old = before[index];
            let expected = match metric.speed_of() {
                // A speed's counter comes before it, so the row already has the new one.
                Some(counter) => bytes_per_second(before[counter.index()], self.values[counter.index()], self.step_ms),
                None => old,
            };
            self.values[index] = match (is(1 << index), metric.kind()) {
                (false, _) => expected,
                (true, Kind::Float) => take_float(record, old)?,
                (true, Kind::Integer | Kind::Counter) => plus_difference(expected, record.u64()?),
            };
        }
        if is(SENSORS) {
            self.sensors = record.sensors()?;
        } else if is(SENSOR_VALUES) {
            let before = self.sensors.take();
            let before = before.as_deref().unwrap_or_default();
            let changed = record.take(changed_bytes(before.len()))?;
            let sensors = before.iter().enumerate().map(|(index, sensor)| {
                if !is_changed(changed, index) {
                    return Ok(sensor.clone());
                }
                let celsius = f64::from_bits(take_float(record, sensor.celsius.to_bits())?);
                Ok(Temperature { name: sensor.name.clone(), celsius })
            });
            self.sensors = Some(sensors.collect::<Result<_, Corrupt>>()?);
        }
        Ok(())
    }
}

fn values_of(sample: &Sample) -> [u64; Metric::SCALARS] {
    std::array::from_fn(|index| Metric::ALL[index].bits_of(sample).unwrap_or_default())
}

/// Fields of one row, gathered on the stack until its mask is known.
struct Fields<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl Fields<'_> {
    fn u64(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value & 0x7f | 0x80);
            value >>= 7;
        }
        self.push(value);
    }

    fn float(&mut self, old: u64, new: u64) {
        match hundredths_apart(old, new) {
            Some(apart) => self.u64(apart),
            None => {
                self.u64(RAW_FLOAT);
                new.to_le_bytes().into_iter().for_each(|byte| self.push(byte.into()));
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "callers pass a byte")]
    fn push(&mut self, byte: u64) {
        self.bytes[self.length] = byte as u8;
        self.length += 1;
    }
}

/// Comes before a float's eight bytes; a difference of hundredths is never 0.
const RAW_FLOAT: u64 = 0;

/// Difference of two floats that are whole hundredths; `None` for others.
fn hundredths_apart(old: u64, new: u64) -> Option<u64> {
    let whole = |bits: u64| scaled(f64::from_bits(bits), 2).map(i64::cast_unsigned);
    let apart = signed_difference(whole(new)?, whole(old)?);
    (apart != RAW_FLOAT).then_some(apart)
}

fn put_float(rows: &mut Vec<u8>, old: u64, new: u64) {
    let mut record = RecordWriter(rows);
    match hundredths_apart(old, new) {
        Some(apart) => record.u64(apart),
        None => {
            record.u64(RAW_FLOAT);
            record.array(&new.to_le_bytes());
        }
    }
}

fn take_float(record: &mut RecordReader<'_>, old: u64) -> Result<u64, Corrupt> {
    match record.u64()? {
        RAW_FLOAT => Ok(u64::from_le_bytes(record.array()?)),
        apart => {
            let old = scaled(f64::from_bits(old), 2).ok_or_else(|| record.corrupt())?;
            let whole = plus_difference(old.cast_unsigned(), apart).cast_signed();
            Ok((whole as f64 / 100.0).to_bits())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::arbitrary_samples;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_head_gives_every_report_back_to_the_bit(
            samples in arbitrary_samples(1..60),
            numbers in proptest::collection::vec(1u64..3, 60),
        ) {
            let (mut head, mut run, mut sequence) = (Head::default(), Run::default(), 0);
            for (sample, step) in samples.iter().zip(numbers) {
                sequence += step;
                head.push(sequence, sample, Position(1), 0);
                run.push(sequence, sample);
            }
            let back = head.run().expect("in memory");
            prop_assert!(back.is_same_bits(&run));
            prop_assert_eq!((head.count, head.last_sequence()), (samples.len(), sequence));
        }
    }
}

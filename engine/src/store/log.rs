//! The log: every report, in the order of commits. One value holds what one shard had pending.
//!
//! ```text
//! value   = entry*
//! entry   = 0 server outbox_id[16]                            the server's next reports come from this outbox
//!         | 1 server sequence received_ms scalars sensors     one report
//!         | 2 server sequence received_ms scalars changes     one whose sensors have the names of the report before
//!         | 3 server sequence received_ms scalars             one whose sensors are those of the report before
//!         | 4 server hub_id boot_id[8] epoch                  in a cluster: the server's next reports are this session's
//! scalars = time_ms cpu mem swap disk in out in_speed out_speed uptime load1 load5 load15 tcp udp processes gpu
//! sensors = count { name celsius }*
//! changes = changed[(count + 7) / 8] { celsius }*             a bit for each sensor, and the values of those that changed
//! ```
//! Integers are varints (times zigzag), floats eight bytes. The report before is the same server's in the same value, so a
//! value is read without any other; names are written once a value, however many reports have them.

use std::collections::HashMap;
use std::sync::Arc;

use windfire_wire::Temperature;
use windfire_wire::limits::TEMPERATURES_MAX;

use crate::metric::{Kind, Metric};
use crate::record::{Corrupt, RecordReader, RecordWriter};
use crate::sample::{Sample, changed_bytes, changed_sensors, has_same_names, is_changed};
use crate::session_id::SessionId;

/// Bytes of an entry without sensors at the most: a byte, and whole varints.
const OUTBOX_BYTES_MAX: usize = 1 + 10 + 16;
const REPORT_BYTES_MAX: usize = 1 + 15 * 10 + 5 * 8 + 2;

const OUTBOX: u8 = 0;
const REPORT: u8 = 1;
const REPORT_OF_SAME_NAMES: u8 = 2;
const REPORT_OF_SAME_SENSORS: u8 = 3;
const SESSION: u8 = 4;

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LogEntry {
    /// The server's next reports come from this outbox.
    Outbox {
        /// The server.
        server_id: u64,
        /// The outbox.
        outbox_id: u128,
    },
    /// One report.
    Report {
        /// The server.
        server_id: u64,
        /// Its sequence number, unique for the server.
        sequence: u64,
        /// Unix milliseconds by the hub's clock.
        received_ms: i64,
        /// The readings.
        sample: Sample,
    },
    /// Only this session's reports count from here on. Only a hub of a cluster writes it.
    Session {
        /// The server.
        server_id: u64,
        /// The session.
        session: SessionId,
    },
}

/// Bits of the sensors that changed.
type Changed = [u8; TEMPERATURES_MAX / 8];

pub(crate) fn put_outbox(log: &mut Vec<u8>, server_id: u64, outbox_id: u128) {
    let mut record = RecordWriter(log);
    record.u8(OUTBOX);
    record.u64(server_id);
    record.array(&outbox_id.to_le_bytes());
}

pub(crate) fn put_session(log: &mut Vec<u8>, server_id: u64, session: &SessionId) {
    let mut record = RecordWriter(log);
    record.u8(SESSION);
    record.u64(server_id);
    session.write(&mut record);
}

/// Adds a report. `before` is what the same server's report before it in `log` had for sensors, when there is one.
pub(crate) fn put_report(
    log: &mut Vec<u8>,
    server_id: u64,
    sequence: u64,
    received_ms: i64,
    sample: &Sample,
    before: Option<&[Temperature]>,
) {
    let (kind, changed) = kind_of(sample, before);
    let mut record = RecordWriter(log);
    record.u8(kind);
    record.u64(server_id);
    record.u64(sequence);
    record.i64(received_ms);
    put_readings(&mut record, sample, kind, changed);
}

/// Adds a report's kind and readings alone, for a list of one server's reports. `before` as in [`put_report`].
pub(crate) fn put_listed(record: &mut RecordWriter<'_>, sample: &Sample, before: Option<&[Temperature]>) {
    let (kind, changed) = kind_of(sample, before);
    record.u8(kind);
    put_readings(record, sample, kind, changed);
}

/// How a report is written after one with the sensors `before`, and which of its sensors changed.
fn kind_of(sample: &Sample, before: Option<&[Temperature]>) -> (u8, Option<Changed>) {
    let sensors = sample.temperatures.as_deref().unwrap_or_default();
    // A report without sensors says so in one byte.
    let before = before.filter(|before| !sensors.is_empty() && has_same_names(before, sensors));
    let changed = before.map(|before| changed_sensors(before, sensors));
    let kind = match changed {
        None => REPORT,
        Some(changed) if changed.iter().all(|byte| *byte == 0) => REPORT_OF_SAME_SENSORS,
        Some(_) => REPORT_OF_SAME_NAMES,
    };
    (kind, changed)
}

fn put_readings(record: &mut RecordWriter<'_>, sample: &Sample, kind: u8, changed: Option<Changed>) {
    let sensors = sample.temperatures.as_deref().unwrap_or_default();
    put_scalars(record, sample);
    match changed {
        None => record.sensors(sensors),
        Some(_) if kind == REPORT_OF_SAME_SENSORS => {}
        Some(changed) => {
            changed[..changed_bytes(sensors.len())].iter().for_each(|byte| record.u8(*byte));
            let new = sensors.iter().enumerate().filter(|(index, _)| is_changed(&changed, *index));
            new.for_each(|(_, sensor)| record.f64(sensor.celsius));
        }
    }
}

/// An upper bound of the bytes that [`put_outbox`] and [`put_report`] add for these reports of one server.
pub(crate) fn reports_bytes_max(samples: &[Sample], before: Option<&[Temperature]>) -> usize {
    let befores = std::iter::once(before).chain(samples.iter().map(|sample| sample.temperatures.as_deref()));
    let report = |(sample, before): (&Sample, Option<&[Temperature]>)| {
        let sensors = sample.temperatures.as_deref().unwrap_or_default();
        let before = before.filter(|before| has_same_names(before, sensors));
        let sensors_bytes = match before.map(|before| changed_sensors(before, sensors)) {
            None => sensors.iter().map(|sensor| 2 + sensor.name.len() + 8).sum(),
            Some(changed) => {
                changed_bytes(sensors.len()) + 8 * changed.iter().map(|byte| byte.count_ones() as usize).sum::<usize>()
            }
        };
        REPORT_BYTES_MAX + sensors_bytes
    };
    OUTBOX_BYTES_MAX + samples.iter().zip(befores).map(report).sum::<usize>()
}

/// Every entry of one log value, in order.
pub(crate) fn read(value: &[u8], visit: &mut dyn FnMut(LogEntry)) -> Result<(), Corrupt> {
    let mut record = RecordReader::new("a log value", value);
    // Servers whose report before had sensors.
    let mut sensors: HashMap<u64, Arc<[Temperature]>> = HashMap::new();
    while !record.is_empty() {
        let kind = record.u8()?;
        let server_id = record.u64()?;
        visit(match kind {
            OUTBOX => LogEntry::Outbox { server_id, outbox_id: u128::from_le_bytes(record.array()?) },
            SESSION => LogEntry::Session { server_id, session: SessionId::read(&mut record)? },
            REPORT | REPORT_OF_SAME_NAMES | REPORT_OF_SAME_SENSORS => {
                let (sequence, received_ms) = (record.u64()?, record.i64()?);
                let sample = take_readings(&mut record, kind, sensors.get(&server_id))?;
                match &sample.temperatures {
                    Some(now) => drop(sensors.insert(server_id, Arc::clone(now))),
                    None => drop(sensors.remove(&server_id)),
                }
                LogEntry::Report { server_id, sequence, received_ms, sample }
            }
            _ => return Err(record.corrupt()),
        });
    }
    Ok(())
}

/// A report that [`put_listed`] added. `before` is what the same server's report before it had for sensors.
pub(crate) fn take_listed(
    record: &mut RecordReader<'_>,
    before: Option<&Arc<[Temperature]>>,
) -> Result<Sample, Corrupt> {
    let kind = record.u8()?;
    take_readings(record, kind, before)
}

fn take_readings(
    record: &mut RecordReader<'_>,
    kind: u8,
    before: Option<&Arc<[Temperature]>>,
) -> Result<Sample, Corrupt> {
    let mut sample = take_scalars(record)?;
    sample.temperatures = match (kind, before) {
        (REPORT, _) => record.sensors()?,
        (REPORT_OF_SAME_SENSORS, Some(before)) => Some(Arc::clone(before)),
        (REPORT_OF_SAME_NAMES, Some(before)) => Some(take_changes(record, before)?),
        _ => return Err(record.corrupt()),
    };
    Ok(sample)
}

fn take_changes(record: &mut RecordReader<'_>, before: &[Temperature]) -> Result<Arc<[Temperature]>, Corrupt> {
    let changed = record.take(changed_bytes(before.len()))?;
    let sensor = |(index, sensor): (usize, &Temperature)| {
        let celsius = if is_changed(changed, index) { record.f64()? } else { sensor.celsius };
        Ok(Temperature { name: sensor.name.clone(), celsius })
    };
    before.iter().enumerate().map(sensor).collect()
}

pub(super) fn put_sample(record: &mut RecordWriter<'_>, sample: &Sample) {
    put_scalars(record, sample);
    record.sensors(sample.temperatures.as_deref().unwrap_or_default());
}

pub(super) fn take_sample(record: &mut RecordReader<'_>) -> Result<Sample, Corrupt> {
    let scalars = take_scalars(record)?;
    Ok(Sample { temperatures: record.sensors()?, ..scalars })
}

fn put_scalars(record: &mut RecordWriter<'_>, sample: &Sample) {
    record.i64(sample.time_ms);
    for (metric, bits) in SCALARS.iter().zip(sample.scalars()) {
        match metric.kind() {
            Kind::Float => record.f64(f64::from_bits(bits)),
            Kind::Integer | Kind::Counter => record.u64(bits),
        }
    }
}

fn take_scalars(record: &mut RecordReader<'_>) -> Result<Sample, Corrupt> {
    let time_ms = record.i64()?;
    let mut scalars = [0; Metric::SCALARS];
    for (metric, bits) in SCALARS.iter().zip(&mut scalars) {
        *bits = match metric.kind() {
            Kind::Float => record.f64()?.to_bits(),
            Kind::Integer | Kind::Counter => record.u64()?,
        };
    }
    Ok(Sample::of_scalars(time_ms, scalars))
}

/// In the order of an entry's scalars.
const SCALARS: &[Metric] = Metric::ALL.split_at(Metric::SCALARS).0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::arbitrary_samples;
    use crate::limits::{BATCH_LOG_BYTES_MAX, REPORT_LOG_BYTES_MAX};
    use proptest::prelude::*;
    use windfire_wire::limits::TEMPERATURE_NAME_BYTES_MAX;

    /// What a shard writes: each report with the sensors that its server's report before had.
    fn value_of(entries: &[LogEntry]) -> Vec<u8> {
        let mut value = Vec::new();
        let mut before: HashMap<u64, Option<Arc<[Temperature]>>> = HashMap::new();
        for entry in entries {
            match entry {
                LogEntry::Outbox { server_id, outbox_id } => put_outbox(&mut value, *server_id, *outbox_id),
                LogEntry::Session { server_id, session } => put_session(&mut value, *server_id, session),
                LogEntry::Report { server_id, sequence, received_ms, sample } => {
                    let last = before.entry(*server_id).or_default();
                    put_report(&mut value, *server_id, *sequence, *received_ms, sample, last.as_deref());
                    last.clone_from(&sample.temperatures);
                }
            }
        }
        value
    }

    fn read_all(value: &[u8]) -> Vec<LogEntry> {
        let mut entries = Vec::new();
        read(value, &mut |entry| entries.push(entry)).expect("written");
        entries
    }

    fn sensors(count: usize, name_bytes: usize, celsius: impl Fn(usize) -> f64) -> Option<Arc<[Temperature]>> {
        let sensor = |index| Temperature { name: format!("{index:0name_bytes$}"), celsius: celsius(index) };
        Some((0..count).map(sensor).collect())
    }

    proptest! {
        #[test]
        fn reports_of_several_servers_round_trip_in_any_order(
            samples in arbitrary_samples(1..40),
            of in proptest::collection::vec((0u64..3, any::<u64>(), any::<i64>(), 0u8..6), 40),
        ) {
            let mut entries = Vec::new();
            let mut last: HashMap<u64, Option<Arc<[Temperature]>>> = HashMap::new();
            for (sample, (server_id, sequence, received_ms, same)) in samples.into_iter().zip(of) {
                if same == 0 {
                    entries.push(LogEntry::Outbox { server_id, outbox_id: sequence.into() });
                }
                // Chance alone would hardly ever make sensors stay as they were, or just their names.
                let mut sample = sample;
                let last = last.entry(server_id).or_default();
                match same {
                    1 | 2 => sample.temperatures.clone_from(last),
                    3 | 4 => sample.temperatures = last.as_deref().map(|last| {
                        let warmer = |(at, sensor): (usize, &Temperature)| {
                            Temperature { celsius: if at % 2 == 0 { sample.cpu } else { sensor.celsius }, ..sensor.clone() }
                        };
                        last.iter().enumerate().map(warmer).collect()
                    }),
                    _ => {}
                }
                last.clone_from(&sample.temperatures);
                entries.push(LogEntry::Report { server_id, sequence, received_ms, sample });
            }
            let value = value_of(&entries);
            let bounds = entries.iter().map(|entry| match entry {
                LogEntry::Report { sample, .. } => reports_bytes_max(std::slice::from_ref(sample), None),
                LogEntry::Outbox { .. } | LogEntry::Session { .. } => 0,
            });
            prop_assert!(value.len() <= bounds.sum());
            prop_assert_eq!(read_all(&value), entries);
        }

        #[test]
        fn hostile_values_never_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _visited = read(&value, &mut |_| {});
        }

        #[test]
        fn a_damaged_value_never_panics(samples in arbitrary_samples(2..6), at in any::<u16>(), to in any::<u8>()) {
            let entries: Vec<LogEntry> = samples.into_iter().map(|sample| {
                LogEntry::Report { server_id: 7, sequence: 1, received_ms: 0, sample }
            }).collect();
            let mut value = value_of(&entries);
            let at = usize::from(at) % value.len();
            value[at] = to;
            let _visited = read(&value, &mut |_| {});
            let _visited = read(&value[..at], &mut |_| {});
        }
    }

    #[test]
    fn values_of_older_hubs_are_read_for_ever() {
        // Kinds 0 and 1 as every hub before wrote them.
        let mut value = vec![0, 5];
        value.extend_from_slice(&[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        value.extend_from_slice(&[1, 5, 0x81, 0x01, 200, 1, 0xa0, 0x1f]);
        value.extend_from_slice(&12.5f64.to_le_bytes());
        value.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        [0.25f64, 0.5, 0.75].iter().for_each(|load| value.extend_from_slice(&load.to_le_bytes()));
        value.extend_from_slice(&[9, 10, 11]);
        value.extend_from_slice(&50f64.to_le_bytes());
        value.extend_from_slice(&[1, 3, b'c', b'p', b'u']);
        value.extend_from_slice(&41.5f64.to_le_bytes());
        let sample = Sample {
            time_ms: 2000,
            cpu: 12.5,
            mem_used: 1,
            swap_used: 2,
            disk_used: 3,
            net_in_transfer: 4,
            net_out_transfer: 5,
            net_in_speed: 6,
            net_out_speed: 7,
            uptime_s: 8,
            load1: 0.25,
            load5: 0.5,
            load15: 0.75,
            tcp_conn_count: 9,
            udp_conn_count: 10,
            process_count: 11,
            gpu: 50.0,
            temperatures: Some([Temperature { name: "cpu".to_owned(), celsius: 41.5 }].into()),
        };
        let expected = [
            LogEntry::Outbox { server_id: 5, outbox_id: 9 },
            LogEntry::Report { server_id: 5, sequence: 129, received_ms: 100, sample },
        ];
        assert_eq!(read_all(&value), expected);
        assert_eq!(value_of(&expected), value, "and the first report of a server in a value is still written so");
    }

    #[test]
    fn a_session_keeps_its_bytes() {
        let session = SessionId { hub_id: 2, boot_id: 0x0102, epoch: 200 };
        let entry = LogEntry::Session { server_id: 5, session };
        let value = value_of(std::slice::from_ref(&entry));
        assert_eq!(value, [4, 5, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0xc8, 0x01]);
        assert_eq!(read_all(&value), [entry]);
        assert!((1..value.len()).all(|length| read(&value[..length], &mut |_| {}).is_err()));
    }

    #[test]
    fn a_report_that_looks_back_at_nothing_is_corrupt() {
        let sample = Sample { temperatures: sensors(2, 4, |_| 1.0), ..Sample::default() };
        let report = |sequence| LogEntry::Report { server_id: 1, sequence, received_ms: 0, sample: sample.clone() };
        let first = value_of(&[report(1)]).len();
        let value = value_of(&[report(1), report(2)]);
        assert_eq!(value[first], REPORT_OF_SAME_SENSORS);
        assert!(read(&value[first..], &mut |_| {}).is_err());
        let another = LogEntry::Report { server_id: 2, sequence: 1, received_ms: 0, sample: Sample::default() };
        let mut value = value_of(&[another]);
        value.extend_from_slice(&value_of(&[report(1), report(2)])[first..]);
        assert!(read(&value, &mut |_| {}).is_err(), "another server's report is no report before");
    }

    #[test]
    fn sensors_that_do_not_change_are_written_once_a_value() {
        let sample = Sample {
            temperatures: sensors(TEMPERATURES_MAX, TEMPERATURE_NAME_BYTES_MAX, |index| index as f64),
            ..Sample::default()
        };
        let report = |sequence| LogEntry::Report { server_id: 1, sequence, received_ms: 0, sample: sample.clone() };
        let entries: Vec<LogEntry> = (1..=10_000).map(report).collect();
        let value = value_of(&entries);
        // Every name with every report would be 94 MB.
        assert!(value.len() < 1_000_000, "{} bytes", value.len());
        let mut read_back = 0;
        read(&value, &mut |entry| read_back += usize::from(entry == entries[read_back])).expect("written");
        assert_eq!(read_back, entries.len());
    }

    #[test]
    fn no_report_and_no_batch_is_longer_than_the_bounds_say() {
        let widest = |sensors: Option<Arc<[Temperature]>>| Sample {
            time_ms: i64::MIN,
            mem_used: u64::MAX,
            swap_used: u64::MAX,
            disk_used: u64::MAX,
            net_in_transfer: u64::MAX,
            net_out_transfer: u64::MAX,
            net_in_speed: u64::MAX,
            net_out_speed: u64::MAX,
            uptime_s: u64::MAX,
            tcp_conn_count: u64::MAX,
            udp_conn_count: u64::MAX,
            process_count: u64::MAX,
            temperatures: sensors,
            ..Sample::default()
        };
        let full = widest(sensors(TEMPERATURES_MAX, TEMPERATURE_NAME_BYTES_MAX, |_| 1.0));
        let mut log = Vec::new();
        put_report(&mut log, u64::MAX, u64::MAX, i64::MIN, &full, None);
        assert!(log.len() <= REPORT_LOG_BYTES_MAX, "{}", log.len());
        // All values with every report, and a list of short names that is another with every report: what 64 KiB of frame
        // make most of.
        let of = |number: usize| widest(sensors(TEMPERATURES_MAX - number % 2, 1, |_| number as f64));
        let samples: Vec<Sample> = (0..windfire_wire::limits::REPORTS_PER_FRAME_MAX).map(of).collect();
        let mut log = Vec::new();
        let mut before = full.temperatures.as_deref();
        for sample in &samples {
            put_report(&mut log, u64::MAX, u64::MAX, i64::MIN, sample, before);
            before = sample.temperatures.as_deref();
        }
        assert!(log.len() <= BATCH_LOG_BYTES_MAX, "{}", log.len());
        assert!(log.len() <= reports_bytes_max(&samples, full.temperatures.as_deref()), "{}", log.len());
    }
}

//! The log: every report, in the order of commits. One value holds what one shard had pending.
//!
//! ```text
//! value   = entry*
//! entry   = 0 server outbox_id[16]                      the server's next reports come from this outbox
//!         | 1 server sequence received_ms sample        one report
//! sample  = time_ms cpu mem swap disk in out in_speed out_speed uptime load1 load5 load15 tcp udp processes gpu
//!           sensors { name celsius }*
//! ```
//! Integers are varints (times zigzag), floats eight bytes.

use super::StoreError;
use crate::record::{RecordReader, RecordWriter};
use crate::sample::Sample;

const OUTBOX: u8 = 0;
const REPORT: u8 = 1;

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
}

pub(crate) fn put_outbox(log: &mut Vec<u8>, server_id: u64, outbox_id: u128) {
    let mut record = RecordWriter(log);
    record.u8(OUTBOX);
    record.u64(server_id);
    record.array(&outbox_id.to_le_bytes());
}

pub(crate) fn put_report(log: &mut Vec<u8>, server_id: u64, sequence: u64, received_ms: i64, sample: &Sample) {
    let mut record = RecordWriter(log);
    record.u8(REPORT);
    record.u64(server_id);
    record.u64(sequence);
    record.i64(received_ms);
    put_sample(&mut record, sample);
}

/// Every entry of one log value, in order.
pub(crate) fn read(value: &[u8], visit: &mut dyn FnMut(LogEntry)) -> Result<(), StoreError> {
    let mut record = RecordReader::new("a log value", value);
    while !record.is_empty() {
        visit(match record.u8()? {
            OUTBOX => LogEntry::Outbox { server_id: record.u64()?, outbox_id: u128::from_le_bytes(record.array()?) },
            REPORT => LogEntry::Report {
                server_id: record.u64()?,
                sequence: record.u64()?,
                received_ms: record.i64()?,
                sample: take_sample(&mut record)?,
            },
            _ => return Err(record.corrupt()),
        });
    }
    Ok(())
}

pub(super) fn put_sample(record: &mut RecordWriter<'_>, sample: &Sample) {
    record.i64(sample.time_ms);
    record.f64(sample.cpu);
    for integer in [
        sample.mem_used,
        sample.swap_used,
        sample.disk_used,
        sample.net_in_transfer,
        sample.net_out_transfer,
        sample.net_in_speed,
        sample.net_out_speed,
        sample.uptime_s,
    ] {
        record.u64(integer);
    }
    for float in [sample.load1, sample.load5, sample.load15] {
        record.f64(float);
    }
    record.u64(sample.tcp_conn_count);
    record.u64(sample.udp_conn_count);
    record.u64(sample.process_count);
    record.f64(sample.gpu);
    record.sensors(sample.temperatures.as_deref().unwrap_or_default());
}

pub(super) fn take_sample(record: &mut RecordReader<'_>) -> Result<Sample, StoreError> {
    Ok(Sample {
        time_ms: record.i64()?,
        cpu: record.f64()?,
        mem_used: record.u64()?,
        swap_used: record.u64()?,
        disk_used: record.u64()?,
        net_in_transfer: record.u64()?,
        net_out_transfer: record.u64()?,
        net_in_speed: record.u64()?,
        net_out_speed: record.u64()?,
        uptime_s: record.u64()?,
        load1: record.f64()?,
        load5: record.f64()?,
        load15: record.f64()?,
        tcp_conn_count: record.u64()?,
        udp_conn_count: record.u64()?,
        process_count: record.u64()?,
        gpu: record.f64()?,
        temperatures: record.sensors()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_round_trip(
            server_id in any::<u64>(), sequence in any::<u64>(), received_ms in any::<i64>(), outbox_id in any::<u128>(),
            integers in proptest::collection::vec(any::<u64>(), 11), float in -1e300f64..1e300, sensors in 0usize..3,
        ) {
            let sensor = windfire_wire::Temperature { name: "core 0".into(), celsius: float };
            let sample = Sample {
                time_ms: received_ms, cpu: float, mem_used: integers[0], swap_used: integers[1],
                disk_used: integers[2], net_in_transfer: integers[3], net_out_transfer: integers[4],
                net_in_speed: integers[5], net_out_speed: integers[6], uptime_s: integers[7], load1: float,
                load5: -0.0, load15: f64::MIN_POSITIVE, tcp_conn_count: integers[8], udp_conn_count: integers[9],
                process_count: integers[10], gpu: float,
                temperatures: (sensors > 0).then(|| vec![sensor; sensors].into()),
            };
            let mut value = Vec::new();
            put_outbox(&mut value, server_id, outbox_id);
            put_report(&mut value, server_id, sequence, received_ms, &sample);
            let mut entries = Vec::new();
            read(&value, &mut |entry| entries.push(entry)).expect("written");
            let expected =
                [LogEntry::Outbox { server_id, outbox_id }, LogEntry::Report { server_id, sequence, received_ms, sample }];
            prop_assert_eq!(entries.as_slice(), expected.as_slice());
        }

        #[test]
        fn hostile_values_never_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _visited = read(&value, &mut |_| {});
        }
    }
}

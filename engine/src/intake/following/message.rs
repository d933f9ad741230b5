//! The bytes of a message: what one hub has for one partition.
//!
//! ```text
//! message = version check[4] partition hub_id boot_id[8] number entry*       check: CRC-32 of what follows it
//! entry   = 0 server epoch registry_position                                 a marker: the session begins here
//!         | 1 server epoch outbox_id[16] received_ms first_sequence count report*
//!         | 2 server epoch came_ms length facts                              facts: as in the store
//! report  = kind scalars sensors                                             as in an entry of the log
//! ```
//! Version and kinds are one byte, check, boot_id and outbox_id little-endian, all else varints, times zigzag. The
//! session of an entry is the message's hub and boot with the entry's epoch. A marker says how far its hub had followed
//! the registry when the session opened. Times of reports are those in history: the hub that took them has placed them.
//! The report before, whose sensors a report may refer to, is the same server's in the same message. A message comes
//! from another machine, so everything is checked before anything of it is used.

use std::collections::HashMap;
use std::sync::Arc;

use windfire_wire::Temperature;
use windfire_wire::limits::{REPORTS_PER_FRAME_MAX, SEQUENCE_MAX, TEMPERATURE_NAME_BYTES_MAX, TEMPERATURES_MAX};

use super::error::FollowError;
use crate::latest::HostFacts;
use crate::limits::{FACTS_BYTES_MAX, SHARDS, STREAM_MESSAGE_BYTES_MAX};
use crate::metric::{Kind, Metric};
use crate::record::{Corrupt, RecordReader, RecordWriter};
use crate::sample::Sample;
use crate::slot::shard_of;
use crate::store::{hosts, log};

/// The version that this hub writes, and the newest that it reads.
const VERSION: u8 = 1;
/// Bytes of the version and the check.
const CHECKED_FROM: usize = 5;
/// What an error says is corrupt, of a message.
const WHAT: &str = "its header or one of its entries";

const MARKER: u8 = 0;
const BATCH: u8 = 1;
const FACTS: u8 = 2;

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Its partition.
    pub(crate) partition: usize,
    /// The hub that made it.
    pub(crate) hub_id: u32,
    /// That hub's process.
    pub(crate) boot_id: u64,
    /// Counts the messages of that process for the partition, from 1.
    pub(crate) number: u64,
}

/// Consecutive reports of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchHead {
    pub(crate) server_id: u64,
    pub(crate) epoch: u64,
    pub(crate) outbox_id: u128,
    /// Unix milliseconds by the clock of the hub that they came to.
    pub(crate) received_ms: i64,
    pub(crate) first_sequence: u64,
}

/// A part of a message.
#[derive(Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    /// From here on only this session's reports of the server count.
    Marker { server_id: u64, epoch: u64, registry_position: u64 },
    /// Reports, at least one.
    Batch(BatchHead, &'a mut [Sample]),
    /// What the agent says of its machine.
    Facts { server_id: u64, epoch: u64, came_ms: i64, facts: Box<HostFacts> },
}

/// Begins a message. [`seal_message`] ends it.
pub(super) fn begin(message: &mut Vec<u8>, header: &Header) {
    message.extend([VERSION, 0, 0, 0, 0]);
    let mut record = RecordWriter(message);
    record.u64(header.partition as u64);
    record.u64(header.hub_id.into());
    record.array(&header.boot_id.to_le_bytes());
    record.u64(header.number);
}

/// Adds the check, once everything is there.
pub(crate) fn seal_message(message: &mut [u8]) {
    if let Some((head, checked)) = message.split_at_mut_checked(CHECKED_FROM) {
        head[1..].copy_from_slice(&crc32fast::hash(checked).to_le_bytes());
    }
}

/// What follows the check of a message, if it has this version and is whole. `what` is corrupt if it is not.
pub(crate) fn unseal_message<'a>(message: &'a [u8], version: u8, what: &'static str) -> Result<&'a [u8], FollowError> {
    let corrupt = || Corrupt::at(what);
    if message.len() > STREAM_MESSAGE_BYTES_MAX {
        return Err(corrupt().into());
    }
    let ([found, check @ ..], checked) = message.split_first_chunk::<CHECKED_FROM>().ok_or_else(corrupt)?;
    // A newer version may have its check elsewhere.
    if *found > version {
        return Err(FollowError::NewerFormat { found: *found, supported: version });
    }
    if *found != version || crc32fast::hash(checked) != u32::from_le_bytes(*check) {
        return Err(corrupt().into());
    }
    Ok(checked)
}

pub(super) fn put_marker(entries: &mut Vec<u8>, (server_id, epoch): (u64, u64), registry_position: u64) {
    let mut record = RecordWriter(entries);
    record.u8(MARKER);
    record.u64(server_id);
    record.u64(epoch);
    record.u64(registry_position);
}

/// Adds reports. `before` is what the same server's report before them in the message had for sensors, if there is one.
pub(super) fn put_batch(entries: &mut Vec<u8>, head: &BatchHead, samples: &[Sample], before: Option<&[Temperature]>) {
    let mut record = RecordWriter(entries);
    record.u8(BATCH);
    record.u64(head.server_id);
    record.u64(head.epoch);
    record.array(&head.outbox_id.to_le_bytes());
    record.i64(head.received_ms);
    record.u64(head.first_sequence);
    record.u64(samples.len() as u64);
    let mut before = before;
    for sample in samples {
        log::put_listed(&mut record, sample, before);
        before = sample.temperatures.as_deref();
    }
}

pub(super) fn put_facts(entries: &mut Vec<u8>, (server_id, epoch): (u64, u64), came_ms: i64, facts: &HostFacts) {
    let facts = hosts::write(facts);
    let mut record = RecordWriter(entries);
    record.u8(FACTS);
    record.u64(server_id);
    record.u64(epoch);
    record.i64(came_ms);
    record.u64(facts.len() as u64);
    entries.extend(facts);
}

/// Where a message comes from, and its entries, for [`read_entries`].
pub(crate) fn read_header(message: &[u8]) -> Result<(Header, &[u8]), FollowError> {
    let mut record = RecordReader::new(WHAT, unseal_message(message, VERSION, WHAT)?);
    let partition = usize::try_from(record.u64()?).ok().filter(|partition| *partition < SHARDS);
    let partition = partition.ok_or_else(|| record.corrupt())?;
    let hub_id = record.u32()?;
    let boot_id = u64::from_le_bytes(record.array()?);
    let number = record.u64()?;
    let entries = record.rest();
    Ok((Header { partition, hub_id, boot_id, number }, entries))
}

/// Every entry of a message for that partition, in order. `visit` has seen the sound ones before an error.
pub(crate) fn read_entries(entries: &[u8], partition: usize, visit: &mut dyn FnMut(Entry<'_>)) -> Result<(), Corrupt> {
    let mut record = RecordReader::new(WHAT, entries);
    let mut samples = Vec::new();
    // Servers whose report before had sensors.
    let mut sensors: HashMap<u64, Arc<[Temperature]>> = HashMap::new();
    while !record.is_empty() {
        let kind = record.u8()?;
        let server_id = record.u64()?;
        let epoch = record.u64()?;
        if shard_of(server_id) != partition {
            return Err(record.corrupt());
        }
        match kind {
            MARKER => visit(Entry::Marker { server_id, epoch, registry_position: record.u64()? }),
            BATCH => {
                let outbox_id = u128::from_le_bytes(record.array()?);
                let (received_ms, first_sequence, count) = (record.i64()?, record.u64()?, record.u64()?);
                let is_sound = (1..=REPORTS_PER_FRAME_MAX as u64).contains(&count)
                    && (1..=SEQUENCE_MAX - count).contains(&first_sequence);
                if !is_sound {
                    return Err(record.corrupt());
                }
                samples.clear();
                let mut before = sensors.remove(&server_id);
                for _ in 0..count {
                    let sample = log::take_listed(&mut record, before.as_ref())?;
                    if !is_sample(&sample, before.as_ref()) {
                        return Err(record.corrupt());
                    }
                    before.clone_from(&sample.temperatures);
                    samples.push(sample);
                }
                before.into_iter().for_each(|before| drop(sensors.insert(server_id, before)));
                let head = BatchHead { server_id, epoch, outbox_id, received_ms, first_sequence };
                visit(Entry::Batch(head, &mut samples));
            }
            FACTS => {
                let came_ms = record.i64()?;
                let length = record.length()?;
                if length > FACTS_BYTES_MAX {
                    return Err(record.corrupt());
                }
                let facts = Box::new(hosts::read(record.take(length)?)?);
                visit(Entry::Facts { server_id, epoch, came_ms, facts });
            }
            _ => return Err(record.corrupt()),
        }
    }
    Ok(())
}

/// Whether an agent may send such a sample. `before` is sound already.
fn is_sample(sample: &Sample, before: Option<&Arc<[Temperature]>>) -> bool {
    let is_finite = |metric: &Metric| match (metric.kind(), metric.bits_of(sample)) {
        (Kind::Float, Some(bits)) => f64::from_bits(bits).is_finite(),
        (Kind::Float | Kind::Integer | Kind::Counter, _) => true,
    };
    let is_sensor =
        |sensor: &Temperature| sensor.celsius.is_finite() && sensor.name.len() <= TEMPERATURE_NAME_BYTES_MAX;
    let are_sensors = sample.temperatures.as_ref().is_none_or(|sensors| {
        before.is_some_and(|before| Arc::ptr_eq(before, sensors))
            || sensors.len() <= TEMPERATURES_MAX && sensors.iter().all(is_sensor)
    });
    are_sensors && Metric::ALL[..Metric::SCALARS].iter().all(is_finite)
}

/// A message with a right check over whatever follows it, for the fuzzer.
#[doc(hidden)]
pub fn checked_message(checked: &[u8]) -> Vec<u8> {
    let mut message = vec![VERSION, 0, 0, 0, 0];
    message.extend_from_slice(checked);
    seal_message(&mut message);
    message
}

/// Reads bytes as a message, for the fuzzer. Whether they are one. What was read must mean the same when it is written
/// again.
#[doc(hidden)]
pub fn read_message(message: &[u8]) -> bool {
    let Ok((header, entries)) = read_header(message) else { return false };
    let mut again = Vec::with_capacity(message.len());
    begin(&mut again, &header);
    let mut before: HashMap<u64, Option<Arc<[Temperature]>>> = HashMap::new();
    let mut copy = |entry: Entry<'_>| match entry {
        Entry::Marker { server_id, epoch, registry_position } => {
            put_marker(&mut again, (server_id, epoch), registry_position);
        }
        Entry::Batch(head, samples) => {
            let last = before.entry(head.server_id).or_default();
            put_batch(&mut again, &head, samples, last.as_deref());
            *last = samples.last().and_then(|sample| sample.temperatures.clone());
        }
        Entry::Facts { server_id, epoch, came_ms, facts } => {
            put_facts(&mut again, (server_id, epoch), came_ms, &facts);
        }
    };
    if read_entries(entries, header.partition, &mut copy).is_err() {
        return false;
    }
    seal_message(&mut again);
    // There is more than one way to write numbers and sensors, so what is read again is compared, not bytes.
    let is_same = read_header(&again).is_ok_and(|(other, entries_again)| {
        other == header && listed(entries_again, header.partition) == listed(entries, header.partition)
    });
    assert!(is_same, "a message that was read is written as another one");
    true
}

/// Every entry in words.
fn listed(entries: &[u8], partition: usize) -> Option<Vec<String>> {
    let mut listed = Vec::new();
    let read = read_entries(entries, partition, &mut |entry| listed.push(format!("{entry:?}")));
    read.ok().map(|()| listed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::arbitrary_samples;

    const PARTITION: usize = 3;

    fn header() -> Header {
        Header { partition: PARTITION, hub_id: 2, boot_id: 0x0102_0304, number: 300 }
    }

    fn head(server_id: u64, first_sequence: u64) -> BatchHead {
        BatchHead { server_id, epoch: 9, outbox_id: 5, received_ms: 100, first_sequence }
    }

    fn message_of(entries: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        begin(&mut message, &header());
        message.extend_from_slice(entries);
        seal_message(&mut message);
        message
    }

    fn is_taken(entries: &[u8]) -> bool {
        read_message(&message_of(entries))
    }

    fn sensors(count: usize, name: &str, celsius: f64) -> Option<Arc<[Temperature]>> {
        Some((0..count).map(|_| Temperature { name: name.to_owned(), celsius }).collect())
    }

    /// What a hub writes of these batches, each of one server.
    fn entries_of(batches: &[(BatchHead, Vec<Sample>)]) -> Vec<u8> {
        let (mut entries, mut before) = (Vec::new(), HashMap::<u64, Option<Arc<[Temperature]>>>::new());
        for (head, samples) in batches {
            let last = before.entry(head.server_id).or_default();
            put_batch(&mut entries, head, samples, last.as_deref());
            *last = samples.last().and_then(|sample| sample.temperatures.clone());
        }
        entries
    }

    #[test]
    fn a_message_keeps_its_bytes() {
        let temperatures = sensors(1, "cpu", 41.5);
        let sample = Sample { time_ms: 1000, mem_used: 300, temperatures, ..Sample::default() };
        let mut entries = entries_of(&[(head(3, 7), vec![sample.clone()])]);
        put_marker(&mut entries, (3, 10), 5);
        let message = message_of(&entries);
        let mut golden = vec![1];
        golden.extend_from_slice(&crc32fast::hash(&message[CHECKED_FROM..]).to_le_bytes());
        golden.extend_from_slice(&[3, 2, 4, 3, 2, 1, 0, 0, 0, 0, 0xac, 0x02]);
        golden.extend_from_slice(&[1, 3, 9]);
        golden.extend_from_slice(&[5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        golden.extend_from_slice(&[0xc8, 0x01, 7, 1]);
        golden.extend_from_slice(&[1, 0xd0, 0x0f]);
        golden.extend_from_slice(&[0; 8]);
        golden.extend_from_slice(&[0xac, 0x02, 0, 0, 0, 0, 0, 0, 0]);
        golden.extend_from_slice(&[0; 3 * 8]);
        golden.extend_from_slice(&[0, 0, 0]);
        golden.extend_from_slice(&[0; 8]);
        golden.extend_from_slice(&[1, 3, b'c', b'p', b'u']);
        golden.extend_from_slice(&41.5f64.to_le_bytes());
        golden.extend_from_slice(&[0, 3, 10, 5]);
        assert_eq!(message, golden);
        // The polynomial is the one of Ethernet, as in the store.
        assert_eq!(crc32fast::hash(b"123456789"), 0xcbf4_3926);
        let (read, entries) = read_header(&message).expect("written");
        assert_eq!(read, header());
        let mut found = 0;
        read_entries(entries, PARTITION, &mut |entry| {
            found += 1;
            match entry {
                Entry::Batch(of, samples) => assert_eq!((of, &*samples), (head(3, 7), std::slice::from_ref(&sample))),
                other => assert_eq!(other, Entry::Marker { server_id: 3, epoch: 10, registry_position: 5 }),
            }
        })
        .expect("written");
        assert_eq!(found, 2);
    }

    #[test]
    fn numbers_and_sensors_beyond_their_bounds_are_refused() {
        let batch = |head: BatchHead, samples: Vec<Sample>| is_taken(&entries_of(&[(head, samples)]));
        let with = |temperatures| vec![Sample { temperatures, ..Sample::default() }];
        assert!(batch(head(3, 1), with(None)) && batch(head(19, SEQUENCE_MAX - 1), with(None)));
        assert!(!batch(head(4, 1), with(None)), "a server of another partition");
        assert!(!batch(head(3, 0), with(None)) && !batch(head(3, SEQUENCE_MAX), with(None)));
        assert!(!batch(head(3, 1), Vec::new()));
        assert!(batch(head(3, 1), vec![Sample::default(); REPORTS_PER_FRAME_MAX]));
        assert!(!batch(head(3, 1), vec![Sample::default(); REPORTS_PER_FRAME_MAX + 1]));
        let longest = "n".repeat(TEMPERATURE_NAME_BYTES_MAX);
        assert!(batch(head(3, 1), with(sensors(TEMPERATURES_MAX, &longest, 1.0))));
        assert!(!batch(head(3, 1), with(sensors(TEMPERATURES_MAX + 1, "n", 1.0))));
        assert!(!batch(head(3, 1), with(sensors(1, &(longest + "n"), 1.0))));
        assert!(!batch(head(3, 1), with(sensors(1, "n", f64::NAN))));
        assert!(!batch(head(3, 1), vec![Sample { load5: f64::INFINITY, ..Sample::default() }]));
        // A changed value of a sensor, too, is looked at.
        let hot = Sample { temperatures: sensors(1, "n", f64::INFINITY), ..Sample::default() };
        assert!(!batch(head(3, 1), [with(sensors(1, "n", 1.0)), vec![hot]].concat()));
        let mut facts = Vec::new();
        put_facts(&mut facts, (3, 9), 5, &HostFacts::default());
        assert!(is_taken(&facts));
        let long = HostFacts { country: "x".repeat(FACTS_BYTES_MAX), ..HostFacts::default() };
        put_facts(&mut facts, (3, 9), 5, &long);
        assert!(!is_taken(&facts));
        assert!(!is_taken(&[3, 3, 9]), "an unknown kind");
        assert!(read_header(&vec![1; STREAM_MESSAGE_BYTES_MAX + 1]).is_err());
    }

    proptest! {
        #[test]
        fn batches_of_several_servers_round_trip(
            batches in proptest::collection::vec(
                (0u64..3, 1u64..1 << 40, any::<u128>(), any::<i64>(), arbitrary_samples(1..6)), 1..8),
        ) {
            let batch = |(server, first_sequence, outbox_id, received_ms, samples): (u64, u64, u128, i64, Vec<Sample>)| {
                let server_id = PARTITION as u64 + server * SHARDS as u64;
                (BatchHead { server_id, epoch: 1 + server, outbox_id, received_ms, first_sequence }, samples)
            };
            let batches: Vec<(BatchHead, Vec<Sample>)> = batches.into_iter().map(batch).collect();
            let mut read = Vec::new();
            let mut visit = |entry: Entry<'_>| match entry {
                Entry::Batch(head, samples) => read.push((head, samples.to_vec())),
                other => panic!("unexpected: {other:?}"),
            };
            read_entries(&entries_of(&batches), PARTITION, &mut visit).expect("written");
            prop_assert!(read == batches);
            prop_assert!(is_taken(&entries_of(&batches)));
        }

        #[test]
        fn hostile_entries_never_panic(entries in proptest::collection::vec(any::<u8>(), 0..200)) {
            is_taken(&entries);
            read_message(&entries);
        }

        #[test]
        fn a_damaged_entry_with_a_right_check_never_panics(
            samples in arbitrary_samples(2..6),
            at in any::<proptest::sample::Index>(),
            to in any::<u8>(),
        ) {
            let mut entries = entries_of(&[(head(3, 1), samples)]);
            put_facts(&mut entries, (3, 9), 5, &HostFacts::default());
            let at = at.index(entries.len());
            entries[at] = to;
            is_taken(&entries);
            is_taken(&entries[..at]);
        }
    }
}

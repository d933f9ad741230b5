//! The records of a spool file: how a report is stored, and how it is found again among damaged bytes.
//!
//! ```text
//! record   = length u32 LE, CRC-32 of the body u32 LE, body: a Reports frame with one report, its sequence the raw number
//! ```
//! Only the checksum identifies a record. After bytes that are no record, the next one is searched byte by byte: damage
//! costs the records that it touches, never those after it.

use std::io::{self, Read};

use windfire_wire::limits::{LENGTH_PREFIX_BYTES, REPORT_BYTES_MAX};
use windfire_wire::{Report, ReportChain, Reports, Up, WireError, decode_up, encode_up};

use crate::outbox::error::PushError;

const RECORD_HEAD_BYTES: usize = 8;
/// Kind, number, flag, count and mask of a report that equals an all-zero one.
const BODY_BYTES_MIN: usize = 5;
const BODY_BYTES_MAX: usize = REPORT_BYTES_MAX + 32;
/// The first byte of every body: the kind of a Reports frame. With it, a search for records computes fewer checksums.
const BODY_START: u8 = 2;
/// Bytes read from a file at once.
const CHUNK_BYTES: u64 = 16 * 1024;

/// The bytes of a report with the raw number `raw`.
pub(super) fn encode_record(raw: u64, report: &Report) -> Result<Vec<u8>, PushError> {
    let delta = ReportChain::new().shrink(report)?;
    let mut record = vec![0; RECORD_HEAD_BYTES - LENGTH_PREFIX_BYTES];
    encode_up(&Up::Reports(Reports { first_sequence: raw, ack_now: false, reports: vec![delta] }), &mut record)?;
    // The frame begins with its length. The length moves to the front, and the checksum takes its place.
    let body = &record[RECORD_HEAD_BYTES..];
    let length = u32::try_from(body.len()).map_err(|_| WireError::FrameTooLarge { found: body.len() as u64 })?;
    let sum = crc32fast::hash(body);
    record[..4].copy_from_slice(&length.to_le_bytes());
    record[4..RECORD_HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
    Ok(record)
}

/// A record that checks out.
#[derive(Debug, PartialEq)]
pub(super) struct Record {
    pub(super) raw: u64,
    pub(super) report: Report,
    /// Bytes before it that belong to no record.
    pub(super) skipped_bytes: u64,
}

enum Found {
    Record {
        raw: u64,
        report: Report,
        bytes: usize,
    },
    /// There is certainly no record here.
    Nothing,
    /// There may be a record here, but the bytes end first.
    Cut,
}

/// The good records of a file, in their order in the file. Holds at most one chunk and one record at a time.
#[derive(Debug)]
pub(super) struct Records<R> {
    file: R,
    buffer: Vec<u8>,
    /// The place of the next search, in `buffer`.
    at: usize,
    skipped_bytes: u64,
}

impl<R: Read> Records<R> {
    pub(super) fn new(file: R) -> Self {
        Self { file, buffer: Vec::new(), at: 0, skipped_bytes: 0 }
    }

    /// The next record. `None` at the present end of the file: there may be more when it has grown.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            if let Some(record) = self.scan(false) {
                return Ok(Some(record));
            }
            if !self.fill()? {
                return Ok(self.scan(true));
            }
        }
    }

    /// Bytes after the last record that belong to no record.
    pub(super) fn rest_bytes(&self) -> u64 {
        self.skipped_bytes + (self.buffer.len() - self.at) as u64
    }

    /// The next record in the buffer. An incomplete record waits for more bytes. At the file's end it is skipped.
    fn scan(&mut self, is_at_end: bool) -> Option<Record> {
        let (mut probe, mut undecided) = (self.at, None);
        while probe < self.buffer.len() {
            match record_at(&self.buffer[probe..]) {
                Found::Record { raw, report, bytes } => {
                    let skipped_bytes = std::mem::take(&mut self.skipped_bytes) + (probe - self.at) as u64;
                    self.at = probe + bytes;
                    return Some(Record { raw, report, skipped_bytes });
                }
                Found::Nothing => {}
                Found::Cut => {
                    undecided.get_or_insert(probe);
                    if !is_at_end {
                        break;
                    }
                }
            }
            probe += 1;
        }
        let decided = undecided.unwrap_or(probe);
        self.skipped_bytes += (decided - self.at) as u64;
        self.at = decided;
        None
    }

    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.at);
        self.at = 0;
        Ok(self.file.by_ref().take(CHUNK_BYTES).read_to_end(&mut self.buffer)? > 0)
    }
}

fn record_at(bytes: &[u8]) -> Found {
    let Some((head, rest)) = bytes.split_first_chunk::<RECORD_HEAD_BYTES>() else { return Found::Cut };
    let [a, b, c, d, sum @ ..] = *head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    let is_plausible = (BODY_BYTES_MIN..=BODY_BYTES_MAX).contains(&length);
    if !is_plausible || rest.first().is_some_and(|start| *start != BODY_START) {
        return Found::Nothing;
    }
    let Some(body) = rest.get(..length) else { return Found::Cut };
    if crc32fast::hash(body) != u32::from_le_bytes(sum) {
        return Found::Nothing;
    }
    match decode_body(body) {
        Some((raw, report)) => Found::Record { raw, report, bytes: RECORD_HEAD_BYTES + length },
        None => Found::Nothing,
    }
}

fn decode_body(body: &[u8]) -> Option<(u64, Report)> {
    match decode_up(body) {
        Ok(Up::Reports(batch)) if batch.reports.len() == 1 => {
            ReportChain::new().grow(&batch.reports[0]).ok().map(|report| (batch.first_sequence, report))
        }
        _ => None,
    }
}

/// Reads a segment's bytes as the agent would at a start, for the fuzzer: how many records check out.
#[doc(hidden)]
pub fn count_records(segment: &[u8]) -> usize {
    let mut records = Records::new(segment);
    std::iter::from_fn(|| records.next().ok().flatten()).count()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use windfire_wire::Temperature;
    use windfire_wire::limits::{TEMPERATURE_NAME_BYTES_MAX, TEMPERATURES_MAX};

    use super::*;

    fn report(number: u64, sensors: usize) -> Report {
        let sensor = |place: usize| Temperature { name: format!("sensor {place}"), celsius: place as f64 / 3.0 };
        let temperatures = (0..sensors).map(sensor).collect();
        Report {
            time_ms: number as i64,
            mem_used: number << 20,
            cpu: number as f64 / 7.0,
            temperatures,
            ..Report::default()
        }
    }

    /// A file of reports, the first under `first`, and where each record ends.
    fn file_of(first: u64, reports: &[Report]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (raw, report) in (first..).zip(reports) {
            bytes.extend(encode_record(raw, report).expect("finite"));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    fn raws(bytes: &[u8]) -> Vec<u64> {
        let mut records = Records::new(bytes);
        let mut raws = Vec::new();
        while let Some(record) = records.next().expect("a slice") {
            raws.push(record.raw);
        }
        raws
    }

    #[test]
    fn the_largest_report_is_found_again() {
        let name = "s".repeat(TEMPERATURE_NAME_BYTES_MAX);
        let temperatures = vec![Temperature { name, celsius: 1.0 / 3.0 }; TEMPERATURES_MAX];
        let largest = Report { time_ms: 1, load1: 1e-7, temperatures, ..Report::default() };
        assert_eq!(
            raws(&file_of(u64::from(u32::MAX), &[largest, Report::default()]).0),
            [u64::from(u32::MAX), 1 << 32]
        );
    }

    #[test]
    fn a_file_that_grows_goes_on_and_half_a_record_waits() {
        let (bytes, ends) = file_of(1, &[report(1, 0), report(2, 0)]);
        // A reader sees the file as it is written.
        let (start, rest) = bytes.split_at(ends[0] + 5);
        let mut records = Records::new(io::Cursor::new(start.to_vec()));
        assert_eq!(records.next().expect("a slice").map(|record| record.raw), Some(1));
        assert_eq!(records.next().expect("a slice"), None);
        assert_eq!(records.rest_bytes(), 5);
        records.file.get_mut().extend_from_slice(rest);
        let second = records.next().expect("a slice").expect("whole now");
        assert_eq!((second.raw, second.skipped_bytes, records.rest_bytes()), (2, 0, 0));
    }

    #[test]
    fn a_hole_of_zeros_hides_nothing_behind_it() {
        let (mut bytes, ends) = file_of(1, &[report(1, 0), report(2, 0), report(3, 0), report(4, 0)]);
        bytes[ends[0] + 3..ends[2] - 1].fill(0);
        assert_eq!(raws(&bytes), [1, 4]);
        bytes.splice(ends[0]..ends[0], vec![0; 100_000]);
        assert_eq!(raws(&bytes), [1, 4]);
    }

    proptest! {
        #[test]
        fn a_changed_byte_costs_the_record_that_it_is_in(
            sensors in vec(0usize..40, 1..12), first in 1u64..1 << 40, place in any::<prop::sample::Index>(), change in 1u8..,
        ) {
            let reports: Vec<Report> = (1u64..).zip(&sensors).map(|(number, sensors)| report(number, *sensors)).collect();
            let (mut bytes, ends) = file_of(first, &reports);
            let place = place.index(bytes.len());
            bytes[place] ^= change;
            let touched = ends.partition_point(|end| *end <= place) as u64;
            let expected: Vec<u64> = (0..reports.len() as u64).filter(|place| *place != touched).map(|place| first + place).collect();
            prop_assert_eq!(raws(&bytes), expected);
        }

        #[test]
        fn bytes_put_in_or_taken_out_cost_the_records_that_they_touch(
            count in 1usize..12, from in any::<prop::sample::Index>(), taken in 0usize..200, put in vec(any::<u8>(), 0..200),
        ) {
            let reports: Vec<Report> = (1..=count as u64).map(|number| report(number, 1)).collect();
            let (mut bytes, ends) = file_of(1, &reports);
            let from = from.index(bytes.len());
            let to = (from + taken).min(bytes.len());
            bytes.splice(from..to, put);
            let found = raws(&bytes);
            let starts = std::iter::once(&0).chain(&ends);
            for (number, (start, end)) in (1u64..).zip(starts.zip(&ends)) {
                if *end <= from || *start >= to {
                    prop_assert!(found.contains(&number), "{} of {:?}", number, found);
                }
            }
        }

        #[test]
        fn any_bytes_are_read_to_their_end(bytes in vec(any::<u8>(), 0..5000)) {
            raws(&bytes);
        }
    }
}

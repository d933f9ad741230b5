//! Pending reports in a folder, for agents that must not lose what they read while the hub is away.
//!
//! ```text
//! folder   = lock state segment+
//! state    = text: "windfire spool 1", outbox id, shift, floor; replaced whole
//! segment  = record*, in a file named after its first raw number (20 digits, ".seg")
//! record   = length u32 LE, CRC-32 of the body u32 LE, body: a Reports frame with one report, its sequence the raw number
//! ```
//! Segments are written at the end of the newest and deleted from the oldest. Records are not synced one by one: `kill -9`
//! loses nothing, a power cut what the system had not written back; none of that was acknowledged or is counted as sent. A
//! torn tail is cut off at the start, a record that does not check out is skipped and told.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use windfire_wire::limits::{FRAME_BODY_BYTES_MAX, LENGTH_PREFIX_BYTES};
use windfire_wire::{Report, ReportChain, Reports, Up, WireError, decode_up, encode_up};

use super::{Numbering, PushError};
use crate::limits::{SPOOL_BYTES_MIN, SPOOL_SEGMENT_BYTES};

const STATE_TITLE: &str = "windfire spool 1";
const RECORD_HEAD_BYTES: usize = 8;

/// Where a spool lies and how large it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolOptions {
    /// The folder; made when missing.
    pub folder: PathBuf,
    /// Bytes of all its segments, at least [`SPOOL_BYTES_MIN`].
    pub bytes_max: u64,
}

/// Why a spool cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another agent has it open.
    #[error("spool {folder} is in use by another agent: stop it, or give each its own folder")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The system refused.
    #[error("spool {path}: {error}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The state does not say what it must.
    #[error("spool {path} is not readable: move the folder away to start an empty one, or use the agent that wrote it")]
    State {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Debug)]
pub(super) struct Spool {
    options: SpoolOptions,
    /// Oldest first; never empty.
    segments: Vec<Segment>,
    /// The newest segment, open for appending.
    tail: File,
    /// Oldest pending raw number.
    first: u64,
    /// Raw number of the next report.
    end: u64,
    /// Where the link reads.
    reader: Option<SegmentReader>,
    _lock: File,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// Raw number of its first record.
    first: u64,
    bytes: u64,
}

#[derive(Debug)]
struct SegmentReader {
    segment_first: u64,
    file: BufReader<File>,
    /// Raw number of the next good record at the earliest.
    next: u64,
}

impl Spool {
    pub(super) fn open(options: &SpoolOptions, new_id: u128) -> Result<(Self, u128, Numbering), SpoolError> {
        let folder = &options.folder;
        fs::create_dir_all(folder).map_err(at(folder))?;
        let lock = lock(folder)?;
        let (outbox_id, numbering) = match read_state(folder)? {
            Some(state) => state,
            None => {
                let numbering = Numbering { shift: 0, floor: 1 };
                write_state(folder, new_id, numbering)?;
                (new_id, numbering)
            }
        };
        let mut segments = list_segments(folder)?;
        if segments.is_empty() {
            segments.push(Segment { path: segment_path(folder, numbering.floor), first: numbering.floor, bytes: 0 });
        }
        let newest = segments.len() - 1;
        let (good_bytes, end) = check_tail(&segments[newest])?;
        segments[newest].bytes = good_bytes;
        let path = segments[newest].path.clone();
        let tail = OpenOptions::new().create(true).append(true).open(&path).map_err(at(&path))?;
        tail.set_len(good_bytes).map_err(at(&path))?;
        let first = segments[0].first.max(numbering.floor);
        let options = SpoolOptions { bytes_max: options.bytes_max.max(SPOOL_BYTES_MIN), ..options.clone() };
        let spool = Self { options, segments, tail, first, end: end.max(first), reader: None, _lock: lock };
        Ok((spool, outbox_id, numbering))
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn is_half_full(&self) -> bool {
        self.bytes() >= self.options.bytes_max / 2
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub(super) fn push(&mut self, report: &Report) -> Result<(), PushError> {
        let record = encode_record(self.end, report)?;
        if self.bytes() + record.len() as u64 > self.options.bytes_max {
            return Err(PushError::Full);
        }
        if self.newest().bytes >= SPOOL_SEGMENT_BYTES {
            self.rotate()?;
        }
        let path = self.newest().path.clone();
        if let Err(error) = self.tail.write_all(&record) {
            // Half a record would hide every later one.
            let _best_effort = self.tail.set_len(self.newest().bytes);
            return Err(match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PushError::Full,
                _ => SpoolError::Io { path, error }.into(),
            });
        }
        let newest = self.segments.len() - 1;
        self.segments[newest].bytes += record.len() as u64;
        self.end += 1;
        Ok(())
    }

    fn newest(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    fn rotate(&mut self) -> Result<(), SpoolError> {
        let path = segment_path(&self.options.folder, self.end);
        self.tail = OpenOptions::new().create_new(true).append(true).open(&path).map_err(at(&path))?;
        self.segments.push(Segment { path, first: self.end, bytes: 0 });
        self.delete_done()
    }

    /// Consecutive reports from the first readable one at or after `from`.
    pub(super) fn read(&mut self, from: u64, max: usize) -> Result<(u64, Vec<Report>), SpoolError> {
        let (mut first, mut reports) = (from, Vec::new());
        let mut next = from;
        while reports.len() < max {
            let Some((raw, report)) = self.read_one(next)? else { break };
            if reports.is_empty() {
                first = raw;
            } else if raw != next {
                // A record is missing in between: the run ends here, and the next read starts after the hole.
                self.reader = None;
                break;
            }
            reports.push(report);
            next = raw + 1;
        }
        Ok((first, reports))
    }

    fn read_one(&mut self, from: u64) -> Result<Option<(u64, Report)>, SpoolError> {
        let mut from_segment = self.segments.partition_point(|segment| segment.first <= from).saturating_sub(1);
        loop {
            let Some(segment) = self.segments.get(from_segment) else { return Ok(None) };
            let usable = self
                .reader
                .as_ref()
                .is_some_and(|reader| reader.segment_first == segment.first && reader.next <= from.max(segment.first));
            if !usable {
                let file = match File::open(&segment.path) {
                    Ok(file) => file,
                    Err(error) => return Err(SpoolError::Io { path: segment.path.clone(), error }),
                };
                let file = BufReader::with_capacity(16 * 1024, file);
                self.reader = Some(SegmentReader { segment_first: segment.first, file, next: segment.first });
            }
            if let Some(reader) = &mut self.reader {
                while let Some(record) = read_record(&mut reader.file).map_err(at(&segment.path))? {
                    if let Some((raw, report)) = record {
                        reader.next = raw + 1;
                        if raw >= from {
                            return Ok(Some((raw, report)));
                        }
                    }
                }
            }
            if from_segment + 1 == self.segments.len() {
                return Ok(None);
            }
            from_segment += 1;
        }
    }

    pub(super) fn drop_below(&mut self, raw: u64) -> Result<(), SpoolError> {
        self.first = self.first.max(raw.min(self.end));
        self.delete_done()
    }

    /// Deletes segments with nothing pending, except the newest: its name keeps the count.
    fn delete_done(&mut self) -> Result<(), SpoolError> {
        while self.segments.get(1).is_some_and(|second| second.first <= self.first) {
            let done = self.segments.remove(0);
            fs::remove_file(&done.path).map_err(at(&done.path))?;
        }
        Ok(())
    }

    pub(super) fn store_numbering(&mut self, outbox_id: u128, numbering: Numbering) -> Result<(), SpoolError> {
        write_state(&self.options.folder, outbox_id, numbering)
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SpoolError + '_ {
    move |error| SpoolError::Io { path: path.to_owned(), error }
}

fn lock(folder: &Path) -> Result<File, SpoolError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(SpoolError::Locked { folder: folder.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(SpoolError::Io { path, error }),
    }
}

fn segment_path(folder: &Path, first: u64) -> PathBuf {
    folder.join(format!("{first:020}.seg"))
}

fn list_segments(folder: &Path) -> Result<Vec<Segment>, SpoolError> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let is_segment = path.extension().is_some_and(|extension| extension == "seg");
        let first = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
        if let (true, Some(first)) = (is_segment, first) {
            let bytes = fs::metadata(&path).map_err(at(&path))?.len();
            segments.push(Segment { path, first, bytes });
        }
    }
    segments.sort_by_key(|segment| segment.first);
    Ok(segments)
}

/// Bytes of whole records in the newest segment, and the raw number after the last of them.
fn check_tail(segment: &Segment) -> Result<(u64, u64), SpoolError> {
    let file = match File::open(&segment.path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, segment.first)),
        Err(error) => return Err(SpoolError::Io { path: segment.path.clone(), error }),
    };
    let mut file = BufReader::new(file);
    let (mut good_bytes, mut end) = (0, segment.first);
    while let Some(record) = read_record(&mut file).map_err(at(&segment.path))? {
        // An unreadable record still used up its number.
        end = record.map_or(end + 1, |(raw, _)| raw + 1);
        good_bytes = file.stream_position().map_err(at(&segment.path))?;
    }
    if good_bytes < segment.bytes {
        tracing::warn!(
            segment = %segment.path.display(),
            bytes = segment.bytes - good_bytes,
            "cut a torn record off the spool's end"
        );
    }
    Ok((good_bytes, end))
}

fn encode_record(raw: u64, report: &Report) -> Result<Vec<u8>, PushError> {
    let delta = ReportChain::new().shrink(report)?;
    let mut record = vec![0; RECORD_HEAD_BYTES - LENGTH_PREFIX_BYTES];
    encode_up(&Up::Reports(Reports { first_sequence: raw, ack_now: false, reports: vec![delta] }), &mut record)?;
    // The frame brings its length; it moves to the front, and the checksum takes its place.
    let body = &record[RECORD_HEAD_BYTES..];
    let length = u32::try_from(body.len()).map_err(|_| WireError::FrameTooLarge { found: body.len() as u64 })?;
    let sum = crc32fast::hash(body);
    record[..4].copy_from_slice(&length.to_le_bytes());
    record[4..RECORD_HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
    Ok(record)
}

/// The next record: `None` at the end or before a torn one, `Some(None)` for one that does not check out.
fn read_record(file: &mut (impl Read + Seek)) -> io::Result<Option<Option<(u64, Report)>>> {
    let mut head = [0; RECORD_HEAD_BYTES];
    let Some(()) = read_whole(file, &mut head)? else { return Ok(None) };
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let sum = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    if length > FRAME_BODY_BYTES_MAX {
        // The length itself is damaged: there is no telling where the next record starts.
        file.seek(SeekFrom::End(0))?;
        return Ok(None);
    }
    let mut body = vec![0; length];
    let Some(()) = read_whole(file, &mut body)? else { return Ok(None) };
    if crc32fast::hash(&body) != sum {
        tracing::error!("skipped a damaged record of the spool");
        return Ok(Some(None));
    }
    Ok(Some(decode_body(&body)))
}

fn decode_body(body: &[u8]) -> Option<(u64, Report)> {
    match decode_up(body) {
        Ok(Up::Reports(batch)) if batch.reports.len() == 1 => {
            ReportChain::new().grow(&batch.reports[0]).ok().map(|report| (batch.first_sequence, report))
        }
        _ => None,
    }
}

/// Fills `buffer`, or gives `None` and stays where it was when there is not enough.
fn read_whole(file: &mut (impl Read + Seek), buffer: &mut [u8]) -> io::Result<Option<()>> {
    let start = file.stream_position()?;
    match file.read_exact(buffer) {
        Ok(()) => Ok(Some(())),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            file.seek(SeekFrom::Start(start))?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn read_state(folder: &Path) -> Result<Option<(u128, Numbering)>, SpoolError> {
    let path = folder.join("state");
    match fs::read_to_string(&path) {
        Ok(text) => parse_state(&text).map(Some).ok_or(SpoolError::State { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(SpoolError::Io { path, error }),
    }
}

fn parse_state(text: &str) -> Option<(u128, Numbering)> {
    let mut lines = text.lines();
    if lines.next()? != STATE_TITLE {
        return None;
    }
    let outbox_id = u128::from_str_radix(lines.next()?, 16).ok()?;
    let numbering = Numbering { shift: lines.next()?.parse().ok()?, floor: lines.next()?.parse().ok()? };
    Some((outbox_id, numbering))
}

fn write_state(folder: &Path, outbox_id: u128, numbering: Numbering) -> Result<(), SpoolError> {
    let (path, draft) = (folder.join("state"), folder.join("state.new"));
    let write = || {
        let mut file = File::create(&draft)?;
        writeln!(file, "{STATE_TITLE}\n{outbox_id:032x}\n{}\n{}", numbering.shift, numbering.floor)?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    };
    write().map_err(at(&path))
}

/// Reads a segment's bytes as the agent would at a start, for the fuzzer: how many records check out.
#[doc(hidden)]
pub fn count_records(segment: &[u8]) -> usize {
    let mut file = io::Cursor::new(segment);
    let mut records = 0;
    while let Ok(Some(record)) = read_record(&mut file) {
        records += usize::from(record.is_some());
    }
    records
}

/// Reads a state file's text, for the fuzzer.
#[doc(hidden)]
pub fn is_state(text: &str) -> bool {
    parse_state(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::super::Outbox;
    use super::*;
    use windfire_wire::Welcome;

    fn options(folder: &Path) -> SpoolOptions {
        SpoolOptions { folder: folder.join("spool"), bytes_max: SPOOL_BYTES_MIN }
    }

    fn report(time_ms: i64) -> Report {
        Report { time_ms, mem_used: u64::MAX, cpu: 1.0 / 3.0, ..Report::default() }
    }

    fn times(outbox: &mut Outbox) -> Vec<(u64, i64)> {
        let mut all = Vec::new();
        while let Some(pending) = outbox.next(100).expect("readable") {
            outbox.sent(&pending, pending.reports.len());
            all.extend((pending.first_sequence..).zip(pending.reports.iter().map(|report| report.time_ms)));
        }
        all
    }

    #[test]
    fn a_new_process_finds_what_the_old_one_left() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut outbox = Outbox::in_spool(&options, 7).expect("new");
        (1..=4).for_each(|time| outbox.push(report(time)).expect("room"));
        drop(outbox);
        let mut outbox = Outbox::in_spool(&options, 8).expect("found");
        assert_eq!(outbox.id(), 7);
        outbox.push(report(5)).expect("room");
        // The hub stored two of them before the kill; its ack was lost.
        outbox.welcome(Welcome { server_id: 1, durable: 2, next: 3, report_interval_ms: 0 }).expect("welcome");
        assert_eq!(times(&mut outbox), [(3, 3), (4, 4), (5, 5)]);
    }

    #[test]
    fn a_new_numbering_survives_the_process() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut outbox = Outbox::in_spool(&options, 7).expect("new");
        (1..=4).for_each(|time| outbox.push(report(time)).expect("room"));
        outbox.welcome(Welcome { server_id: 1, durable: 0, next: 101, report_interval_ms: 0 }).expect("welcome");
        assert_eq!(times(&mut outbox), [(101, 1), (102, 2), (103, 3), (104, 4)]);
        drop(outbox);
        let mut outbox = Outbox::in_spool(&options, 8).expect("found");
        outbox.welcome(Welcome { server_id: 1, durable: 102, next: 103, report_interval_ms: 0 }).expect("welcome");
        assert_eq!(times(&mut outbox), [(103, 3), (104, 4)]);
    }

    #[test]
    fn a_torn_tail_is_cut_and_a_damaged_record_skipped() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut outbox = Outbox::in_spool(&options, 7).expect("new");
        (1..=4).for_each(|time| outbox.push(report(time)).expect("room"));
        drop(outbox);
        let path = segment_path(&options.folder, 1);
        let mut bytes = fs::read(&path).expect("the segment");
        let record = bytes.len() / 4;
        bytes[record + RECORD_HEAD_BYTES + 5] ^= 1;
        bytes.truncate(bytes.len() - 3);
        fs::write(&path, &bytes).expect("written");
        let mut outbox = Outbox::in_spool(&options, 8).expect("found");
        outbox.push(report(9)).expect("room");
        outbox.welcome(Welcome { server_id: 1, durable: 0, next: 1, report_interval_ms: 0 }).expect("welcome");
        assert_eq!(times(&mut outbox), [(1, 1), (3, 3), (4, 9)]);
    }

    #[test]
    fn done_segments_are_deleted_and_a_full_spool_refuses() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut outbox = Outbox::in_spool(&options, 7).expect("new");
        let mut pushed = 0u64;
        while outbox.push(report(1)).is_ok() {
            pushed += 1;
        }
        assert!(matches!(outbox.push(report(1)), Err(PushError::Full)));
        let segments = || list_segments(&options.folder).expect("listed");
        assert!(segments().len() >= 2);
        assert!(segments().iter().map(|segment| segment.bytes).sum::<u64>() <= options.bytes_max);
        outbox.welcome(Welcome { server_id: 1, durable: 0, next: 1, report_interval_ms: 0 }).expect("welcome");
        assert_eq!(times(&mut outbox).len() as u64, pushed);
        outbox.ack(pushed).expect("ack");
        assert!(outbox.is_empty());
        assert_eq!(segments().len(), 1);
        outbox.push(report(2)).expect("room again");
    }

    #[test]
    fn two_agents_cannot_share_a_spool() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let _first = Outbox::in_spool(&options, 7).expect("new");
        assert!(matches!(Outbox::in_spool(&options, 8), Err(SpoolError::Locked { .. })));
    }
}

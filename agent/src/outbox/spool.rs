//! Pending reports in a folder, for agents that must not lose what they read while the hub is away.
//!
//! ```text
//! folder   = lock state segment*
//! state    = text: "windfire spool 2", "machine" and a digest of the machine's id or "-"; then, while there are segments of
//!            version 1, "earlier", their outbox id, shift and floor; replaced whole
//! segment  = record*, in a file named FIRST-OUTBOX.seg: its first raw number (20 digits), its outbox id (32 hex digits)
//! ```
//! What one process keeps is a run: it has an outbox id of its own, which its segments bear in their names, so that a folder
//! that fell back behind what the hub knows (a power cut, a snapshot, a copy) is never taken for one that did not. What a
//! process finds keeps the id and the numbers under which it was or may have been sent, and is sent first, run by run. Runs
//! are kept apart: nothing is assumed about whose numbers come after whose.
//!
//! Segments are written at the end of the newest and deleted from the oldest. Records are not synced one by one: `kill -9`
//! loses nothing, a power cut what the system had not written back; none of that was acknowledged or is counted as sent. What
//! is no record is passed over and told.
//!
//! Version 1 had one run, named in its state together with the shift of its numbers; its segments are named FIRST.seg. It is
//! taken over as a run that was found.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use windfire_wire::Report;

use super::segment::{Records, encode_record};
use super::{PushError, new_outbox_id};
use crate::identity::hex;
use crate::limits::{SPOOL_BYTES_LIMIT, SPOOL_BYTES_MIN, SPOOL_RUNS_MAX, SPOOL_SEGMENT_BYTES};

const TITLE: &str = "windfire spool 2";
const TITLE_1: &str = "windfire spool 1";
/// Hexadecimal digits of the digest of a machine's id.
const MACHINE_DIGITS: usize = 16;

/// Where a spool lies and how large it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolOptions {
    /// The folder; made when missing.
    pub folder: PathBuf,
    /// Bytes of all its segments, at least [`SPOOL_BYTES_MIN`] and at most [`SPOOL_BYTES_LIMIT`].
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
    /// Oldest first; never empty. Those before the last were found here and take no more; the last is this process's.
    runs: VecDeque<Run>,
    /// The newest segment, open for appending.
    tail: File,
    /// Where the link reads.
    reader: Option<SegmentReader>,
    _lock: File,
}

/// What one process kept.
#[derive(Debug)]
struct Run {
    outbox_id: u128,
    /// What its sequence numbers are ahead of its raw ones, modulo [`super::STRIDE`].
    shift: u64,
    /// Oldest first; never empty.
    segments: VecDeque<Segment>,
    /// Oldest pending raw number.
    first: u64,
    /// Raw number after its last report.
    end: u64,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// Raw number of its first record.
    first: u64,
    bytes: u64,
    is_damage_told: bool,
}

#[derive(Debug)]
struct SegmentReader {
    path: PathBuf,
    records: Records<File>,
    /// Raw number of the next good record at the earliest.
    next: u64,
}

impl Spool {
    /// Opens the folder for a process whose own run is `new_id`, on the machine with that id.
    pub(super) fn open(options: &SpoolOptions, new_id: u128, machine: Option<&str>) -> Result<Self, SpoolError> {
        let folder = &options.folder;
        fs::create_dir_all(folder).map_err(at(folder))?;
        let lock = lock(folder)?;
        let found = list_segments(folder)?;
        let has_earlier = found.keys().any(Option::is_none);
        let state = read_state(folder, has_earlier)?;
        let machine = machine.map(machine_digest);
        tell_of_copy(folder, state.as_ref(), machine.as_deref());
        let known = state.as_ref().and_then(|state| state.earlier);
        let earlier = known.unwrap_or_else(|| Earlier::of(new_outbox_id()));
        let next_state = State { machine, earlier: (known.is_some() || has_earlier).then_some(earlier) };
        if state.as_ref() != Some(&next_state) {
            // On disk before anything is sent: what was found keeps its name from here on.
            write_state(folder, &next_state)?;
        }
        let (runs, empty): (Vec<Run>, Vec<Run>) = found
            .into_iter()
            .map(|(outbox_id, segments)| Run::found(outbox_id, segments, earlier))
            .collect::<Result<Vec<Run>, SpoolError>>()?
            .into_iter()
            .partition(|run| run.first < run.end);
        let mut runs = VecDeque::from(runs);
        runs.make_contiguous().sort_by_key(|run| (run.first, run.outbox_id));
        if !runs.is_empty() {
            let reports: u64 = runs.iter().map(Run::len).sum();
            tracing::info!(reports, runs = runs.len(), "the spool holds reports of earlier runs: they go first");
        }
        // Numbers go on, for people and for the hub, which then needs none in between; nothing depends on it.
        let first = runs.iter().chain(&empty).map(|run| run.end).fold(earlier.floor, u64::max);
        let (own, tail) = Run::new(folder, new_id, first)?;
        runs.push_back(own);
        empty.into_iter().try_for_each(Run::delete)?;
        let bytes_max = options.bytes_max.clamp(SPOOL_BYTES_MIN, SPOOL_BYTES_LIMIT);
        let options = SpoolOptions { bytes_max, ..options.clone() };
        Ok(Self { options, runs, tail, reader: None, _lock: lock })
    }

    /// The run that is sent now.
    fn front(&self) -> &Run {
        &self.runs[0]
    }

    fn own(&self) -> &Run {
        &self.runs[self.runs.len() - 1]
    }

    pub(super) fn id(&self) -> u128 {
        self.front().outbox_id
    }

    pub(super) fn shift(&self) -> u64 {
        self.front().shift
    }

    /// Whether the front run is one that was found.
    pub(super) fn is_found(&self) -> bool {
        self.runs.len() > 1
    }

    pub(super) fn first(&self) -> u64 {
        self.front().first
    }

    pub(super) fn end(&self) -> u64 {
        self.front().end
    }

    /// Raw number of the next report that is kept.
    pub(super) fn own_end(&self) -> u64 {
        self.own().end
    }

    pub(super) fn len(&self) -> u64 {
        self.runs.iter().map(Run::len).sum()
    }

    pub(super) fn is_half_full(&self) -> bool {
        self.bytes() >= self.options.bytes_max / 2
    }

    fn bytes(&self) -> u64 {
        self.runs.iter().map(Run::bytes).sum()
    }

    pub(super) fn push(&mut self, report: &Report) -> Result<(), PushError> {
        let raw = self.own().end;
        let record = encode_record(raw, report)?;
        let is_full =
            self.bytes() + record.len() as u64 > self.options.bytes_max || self.runs.len() - 1 > SPOOL_RUNS_MAX;
        if is_full {
            return Err(PushError::Full);
        }
        let last = self.runs.len() - 1;
        let own = &mut self.runs[last];
        if own.newest().bytes >= SPOOL_SEGMENT_BYTES {
            let (segment, tail) = Segment::new(&self.options.folder, own.outbox_id, raw)?;
            own.segments.push_back(segment);
            self.tail = tail;
        }
        if let Err(error) = self.tail.write_all(&record) {
            // Half a record is passed over, but takes room.
            let _best_effort = self.tail.set_len(own.newest().bytes);
            return Err(match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => PushError::Full,
                _ => SpoolError::Io { path: own.newest().path.clone(), error }.into(),
            });
        }
        own.newest_mut().bytes += record.len() as u64;
        own.end += 1;
        Ok(())
    }

    /// Consecutive reports of the front run from the first readable one at or after `from`.
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
        let segments = &mut self.runs[0].segments;
        let mut from_segment = segments.partition_point(|segment| segment.first <= from).saturating_sub(1);
        loop {
            let Some(segment) = segments.get_mut(from_segment) else { return Ok(None) };
            let fits = |reader: &SegmentReader| reader.path == segment.path && reader.next <= from.max(segment.first);
            let reader = match self.reader.take().filter(fits) {
                Some(reader) => self.reader.insert(reader),
                None => self.reader.insert(SegmentReader::open(segment)?),
            };
            while let Some(record) = reader.records.next().map_err(at(&segment.path))? {
                if record.skipped_bytes > 0 {
                    segment.tell_damage(record.skipped_bytes, record.raw.saturating_sub(reader.next));
                }
                reader.next = reader.next.max(record.raw + 1);
                if record.raw >= from {
                    return Ok(Some((record.raw, record.report)));
                }
            }
            if from_segment + 1 == segments.len() {
                return Ok(None);
            }
            from_segment += 1;
        }
    }

    /// Forgets reports of the front run; a found run without any is gone, and the next is in front.
    pub(super) fn drop_below(&mut self, raw: u64) -> Result<(), SpoolError> {
        let is_found = self.is_found();
        let front = &mut self.runs[0];
        front.first = front.first.max(raw.min(front.end));
        if is_found && front.len() == 0 {
            self.reader = None;
            return self.runs.pop_front().map_or(Ok(()), Run::delete);
        }
        front.delete_done()
    }
}

impl Run {
    /// The run of a process that starts: its first segment, empty.
    fn new(folder: &Path, outbox_id: u128, first: u64) -> Result<(Self, File), SpoolError> {
        let (segment, tail) = Segment::new(folder, outbox_id, first)?;
        Ok((Self { outbox_id, shift: 0, segments: VecDeque::from([segment]), first, end: first }, tail))
    }

    /// A run that an earlier process left.
    fn found(outbox_id: Option<u128>, mut segments: Vec<Segment>, earlier: Earlier) -> Result<Self, SpoolError> {
        segments.sort_by_key(|segment| segment.first);
        let (shift, floor) = if outbox_id.is_none() { (earlier.shift, earlier.floor) } else { (0, 1) };
        let first = segments.first().map_or(floor, |segment| segment.first.max(floor));
        let mut end = first;
        for segment in segments.iter().rev() {
            if let Some(last) = segment.last_raw()? {
                end = end.max(last + 1);
                break;
            }
        }
        let outbox_id = outbox_id.unwrap_or(earlier.outbox_id);
        Ok(Self { outbox_id, shift, segments: segments.into(), first, end })
    }

    fn len(&self) -> u64 {
        self.end - self.first
    }

    fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    fn newest(&self) -> &Segment {
        &self.segments[self.segments.len() - 1]
    }

    fn newest_mut(&mut self) -> &mut Segment {
        let newest = self.segments.len() - 1;
        &mut self.segments[newest]
    }

    /// Deletes segments with nothing pending, except the newest: its name keeps the count.
    fn delete_done(&mut self) -> Result<(), SpoolError> {
        while self.segments.get(1).is_some_and(|second| second.first <= self.first) {
            self.segments.pop_front().map_or(Ok(()), |done| done.delete())?;
        }
        Ok(())
    }

    fn delete(self) -> Result<(), SpoolError> {
        self.segments.iter().try_for_each(Segment::delete)
    }
}

impl Segment {
    fn new(folder: &Path, outbox_id: u128, first: u64) -> Result<(Self, File), SpoolError> {
        let path = folder.join(format!("{first:020}-{outbox_id:032x}.seg"));
        let file = OpenOptions::new().create_new(true).append(true).open(&path).map_err(at(&path))?;
        Ok((Self { path, first, bytes: 0, is_damage_told: false }, file))
    }

    /// The raw number of its last record.
    fn last_raw(&self) -> Result<Option<u64>, SpoolError> {
        let mut records = Records::new(File::open(&self.path).map_err(at(&self.path))?);
        let mut last = None;
        while let Some(record) = records.next().map_err(at(&self.path))? {
            last = last.max(Some(record.raw));
        }
        if records.rest_bytes() > 0 {
            let (segment, bytes) = (self.path.display(), records.rest_bytes());
            tracing::warn!(%segment, bytes, "the spool ends in bytes that are no report: it was cut off there");
        }
        Ok(last)
    }

    fn tell_damage(&mut self, bytes: u64, reports: u64) {
        if !std::mem::replace(&mut self.is_damage_told, true) {
            let segment = self.path.display();
            tracing::warn!(%segment, bytes, reports, "a part of the spool is damaged: these reports are lost, others are not");
        }
    }

    fn delete(&self) -> Result<(), SpoolError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SpoolError::Io { path: self.path.clone(), error })
            }
            _ => Ok(()),
        }
    }
}

impl SegmentReader {
    fn open(segment: &Segment) -> Result<Self, SpoolError> {
        let file = File::open(&segment.path).map_err(at(&segment.path))?;
        Ok(Self { path: segment.path.clone(), records: Records::new(file), next: segment.first })
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

/// Segments by their outbox id; those of version 1 have none in their names.
fn list_segments(folder: &Path) -> Result<BTreeMap<Option<u128>, Vec<Segment>>, SpoolError> {
    let mut runs: BTreeMap<Option<u128>, Vec<Segment>> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if let Some((outbox_id, first)) = parse_name(&path) {
            let bytes = fs::metadata(&path).map_err(at(&path))?.len();
            runs.entry(outbox_id).or_default().push(Segment { path, first, bytes, is_damage_told: false });
        }
    }
    Ok(runs)
}

/// Outbox id and first raw number of a segment's name.
fn parse_name(path: &Path) -> Option<(Option<u128>, u64)> {
    let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    match name.split_once('-') {
        None => Some((None, name.parse().ok()?)),
        Some((first, id)) => Some((Some(u128::from_str_radix(id, 16).ok()?), first.parse().ok()?)),
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    /// Digest of the id of the machine that used the folder last, where it has one.
    machine: Option<String>,
    /// What names the segments of version 1.
    earlier: Option<Earlier>,
}

/// The run of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Earlier {
    outbox_id: u128,
    /// Sequence number minus raw number.
    shift: u64,
    /// Raw number below which everything is done with.
    floor: u64,
}

impl Earlier {
    fn of(outbox_id: u128) -> Self {
        Self { outbox_id, shift: 0, floor: 1 }
    }

    fn parse<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let outbox_id = u128::from_str_radix(words.next()?, 16).ok()?;
        Some(Self { outbox_id, shift: words.next()?.parse().ok()?, floor: words.next()?.parse().ok()? })
    }
}

/// What names a machine in the state, without giving its id away.
fn machine_digest(machine: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"windfire spool machine\0");
    hash.update(machine.as_bytes());
    hex(&hash.finalize())[..MACHINE_DIGITS].to_owned()
}

fn tell_of_copy(folder: &Path, state: Option<&State>, machine: Option<&str>) {
    let before = state.and_then(|state| state.machine.as_deref());
    if before.zip(machine).is_some_and(|(before, machine)| before != machine) {
        let spool = folder.display();
        tracing::warn!(
            %spool,
            "this spool was last used on another machine: if that one still has it, give each its own folder and credential"
        );
    }
}

/// The state, if there is one. One that cannot be read matters only where it names segments of version 1.
fn read_state(folder: &Path, has_earlier: bool) -> Result<Option<State>, SpoolError> {
    let path = folder.join("state");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SpoolError::Io { path, error }),
    };
    let text = String::from_utf8_lossy(&bytes);
    let is_of_newer_version =
        text.starts_with("windfire spool ") && !text.starts_with(TITLE) && !text.starts_with(TITLE_1);
    match parse_state(&text) {
        Some(state) if state.earlier.is_some() || !has_earlier => Ok(Some(state)),
        _ if has_earlier || is_of_newer_version => Err(SpoolError::State { path }),
        _ => {
            tracing::warn!(state = %path.display(), "the spool's state is damaged: it is written anew, no report needs it");
            Ok(None)
        }
    }
}

fn parse_state(text: &str) -> Option<State> {
    let mut lines = text.lines();
    match lines.next()? {
        TITLE_1 => Some(State { machine: None, earlier: Some(Earlier::parse(lines)?) }),
        TITLE => {
            let machine = lines.next()?.strip_prefix("machine ")?;
            let earlier = match lines.next() {
                None => None,
                Some(line) => Some(Earlier::parse(line.strip_prefix("earlier ")?.split(' '))?),
            };
            Some(State { machine: (machine != "-").then(|| machine.to_owned()), earlier })
        }
        _ => None,
    }
}

fn write_state(folder: &Path, state: &State) -> Result<(), SpoolError> {
    let (path, draft) = (folder.join("state"), folder.join("state.new"));
    let write = || {
        let mut file = File::create(&draft)?;
        writeln!(file, "{TITLE}\nmachine {}", state.machine.as_deref().unwrap_or("-"))?;
        if let Some(Earlier { outbox_id, shift, floor }) = state.earlier {
            writeln!(file, "earlier {outbox_id:032x} {shift} {floor}")?;
        }
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        sync_folder(folder)
    };
    write().map_err(at(&path))
}

/// A renamed file is on disk when its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Reads a state file's text, for the fuzzer.
#[doc(hidden)]
pub fn is_state(text: &str) -> bool {
    parse_state(text).is_some()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::{Outbox, STRIDE};
    use super::*;
    use windfire_wire::Welcome;

    const FIRST_ID: u128 = 7;

    fn options(folder: &Path) -> SpoolOptions {
        SpoolOptions { folder: folder.join("spool"), bytes_max: SPOOL_BYTES_MIN }
    }

    fn report(time_ms: i64) -> Report {
        Report { time_ms, mem_used: u64::MAX, cpu: 1.0 / 3.0, ..Report::default() }
    }

    fn push(outbox: &mut Outbox, times: impl IntoIterator<Item = i64>) {
        times.into_iter().for_each(|time| outbox.push(report(time)).expect("room"));
    }

    /// What a hub knows of one server.
    #[derive(Default)]
    struct Hub {
        durable: HashMap<u128, u64>,
        next: u64,
        taken: Vec<(u64, i64)>,
    }

    impl Hub {
        fn welcome(&self, outbox: &mut Outbox) {
            let durable = self.durable.get(&outbox.id()).copied().unwrap_or(0);
            let welcome = Welcome { server_id: 1, durable, next: self.next.max(1), report_interval_ms: 0 };
            outbox.welcome(welcome).expect("welcome");
        }

        /// One connection: takes up to `max` reports, and acknowledges them or not.
        fn connect(&mut self, outbox: &mut Outbox, max: usize, is_acked: bool) {
            self.welcome(outbox);
            let (id, mut left) = (outbox.id(), max);
            while left > 0
                && let Some(pending) = outbox.next(left).expect("readable")
            {
                outbox.sent(&pending, pending.reports.len());
                left -= pending.reports.len();
                for (sequence, report) in (pending.first_sequence..).zip(&pending.reports) {
                    assert!(sequence >= self.next, "{sequence} is known already");
                    self.taken.push((sequence, report.time_ms));
                    self.durable.insert(id, sequence);
                    self.next = sequence + 1;
                }
            }
            if is_acked && let Some(up_to) = self.durable.get(&id) {
                outbox.ack(*up_to).expect("acked");
            }
        }

        /// As many connections as it takes.
        fn drain(&mut self, outbox: &mut Outbox) {
            for _ in 0..100 {
                self.connect(outbox, usize::MAX, true);
                if outbox.is_empty() && !outbox.has_moved_on() {
                    return;
                }
            }
            panic!("{} reports cannot be settled", outbox.len());
        }

        fn times(&self) -> Vec<i64> {
            self.taken.iter().map(|(_, time)| *time).collect()
        }
    }

    fn segments(options: &SpoolOptions) -> Vec<PathBuf> {
        let found = list_segments(&options.folder).expect("listed");
        let mut paths: Vec<PathBuf> = found.into_values().flatten().map(|segment| segment.path).collect();
        paths.sort();
        paths
    }

    /// Version 1's bytes of a spool: `state`, and one segment of reports whose times are their raw numbers.
    fn write_version_1(options: &SpoolOptions, state: &str, raws: std::ops::RangeInclusive<u64>) {
        fs::create_dir_all(&options.folder).expect("a folder");
        fs::write(options.folder.join("state"), state).expect("written");
        let records = raws.clone().flat_map(|raw| encode_record(raw, &report(raw as i64)).expect("finite"));
        let path = options.folder.join(format!("{:020}.seg", raws.start()));
        fs::write(path, records.collect::<Vec<u8>>()).expect("written");
    }

    #[test]
    fn what_a_process_leaves_keeps_its_name_and_goes_first() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut hub = Hub::default();
        let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
        push(&mut outbox, 1..=4);
        // The hub stores two of them before the kill; its ack is lost.
        hub.connect(&mut outbox, 2, false);
        drop(outbox);
        let mut outbox = Outbox::in_spool(&options, 8).expect("found");
        push(&mut outbox, [5]);
        assert_eq!((outbox.id(), outbox.len(), outbox.kept_count()), (FIRST_ID, 5, 5));
        hub.connect(&mut outbox, usize::MAX, true);
        assert!(outbox.has_moved_on());
        assert_eq!((outbox.id(), outbox.len(), outbox.unsent()), (8, 1, 0));
        assert_eq!(outbox.next(10).expect("readable"), None, "the connection was for the other run");
        hub.drain(&mut outbox);
        assert_eq!(hub.taken, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        assert_eq!(hub.durable, HashMap::from([(FIRST_ID, 4), (8, 5)]));
    }

    #[test]
    fn a_spool_that_fell_back_loses_no_new_reading() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut hub = Hub::default();
        let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
        push(&mut outbox, 1..=4);
        let before = fs::read(&segments(&options)[0]).expect("the segment");
        push(&mut outbox, 5..=20);
        hub.connect(&mut outbox, usize::MAX, false);
        drop(outbox);
        // The power goes, and with it what was not written back. The hub has it.
        fs::write(&segments(&options)[0], before).expect("written");
        // The first process reads on without ever reaching the hub, the second finds its readings.
        let mut outbox = Outbox::in_spool(&options, 8).expect("found");
        push(&mut outbox, 21..=30);
        drop(outbox);
        let mut outbox = Outbox::in_spool(&options, 9).expect("found");
        push(&mut outbox, 31..=33);
        hub.drain(&mut outbox);
        assert_eq!(hub.times(), (1..=33).collect::<Vec<i64>>());
    }

    #[test]
    fn a_copied_spool_loses_and_doubles_no_reading() {
        let (folder, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (here, there) = (options(folder.path()), options(other.path()));
        let mut hub = Hub::default();
        let mut outbox = Outbox::in_spool(&here, FIRST_ID).expect("new");
        push(&mut outbox, 1..=4);
        fs::create_dir_all(&there.folder).expect("a folder");
        for path in segments(&here).into_iter().chain([here.folder.join("state")]) {
            fs::copy(&path, there.folder.join(path.file_name().expect("a name"))).expect("copied");
        }
        push(&mut outbox, [5, 6]);
        let mut copy = Outbox::in_spool(&there, 8).expect("found");
        push(&mut copy, 100..=102);
        // They push each other out: each gets on a little, and numbers of one follow those of the other.
        hub.connect(&mut copy, 3, false);
        hub.connect(&mut outbox, 2, true);
        hub.drain(&mut copy);
        hub.drain(&mut outbox);
        assert_eq!(hub.times(), [1, 2, 3, 4, 5, 100, 101, 102, 6]);
        let (sequence, _) = hub.taken[8];
        assert_eq!(sequence % STRIDE, 6, "a number that says which report of its run it is");
    }

    #[test]
    fn a_snapshot_from_before_a_renumbering_doubles_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut hub = Hub { next: 101, ..Hub::default() };
        let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
        push(&mut outbox, 1..=4);
        let snapshot = fs::read(&segments(&options)[0]).expect("the segment");
        hub.connect(&mut outbox, 2, false);
        hub.next += 50;
        hub.connect(&mut outbox, 1, false);
        drop(outbox);
        segments(&options).iter().for_each(|path| fs::write(path, &snapshot).expect("written"));
        hub.drain(&mut Outbox::in_spool(&options, 8).expect("found"));
        assert_eq!(hub.times(), [1, 2, 3, 4]);
    }

    #[test]
    fn a_hub_that_was_put_back_gets_again_what_it_lost() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut hub = Hub::default();
        let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
        push(&mut outbox, 1..=6);
        hub.connect(&mut outbox, 4, true);
        // Its backup is older than the ack.
        let mut hub = Hub { durable: HashMap::from([(FIRST_ID, 2)]), next: 3, ..Hub::default() };
        hub.drain(&mut outbox);
        assert_eq!(hub.times(), [5, 6]);
    }

    #[test]
    fn a_spool_of_version_1_keeps_its_name_and_its_numbers() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        write_version_1(&options, &format!("{TITLE_1}\n{FIRST_ID:032x}\n100\n2\n"), 1..=6);
        // 101 to 103 are what this spool sent.
        let mut hub = Hub { durable: HashMap::from([(FIRST_ID, 103)]), next: 104, ..Hub::default() };
        let mut outbox = Outbox::in_spool(&options, 8).expect("found");
        assert_eq!((outbox.id(), outbox.len()), (FIRST_ID, 5));
        push(&mut outbox, [7]);
        hub.connect(&mut outbox, 1, false);
        drop(outbox);
        let mut outbox = Outbox::in_spool(&options, 9).expect("found");
        assert_eq!(outbox.id(), FIRST_ID);
        hub.drain(&mut outbox);
        assert_eq!(hub.taken, [(104, 4), (105, 5), (106, 6), (107 + STRIDE - 100, 7)]);
        assert_eq!(segments(&options).len(), 1);
    }

    #[test]
    fn damage_costs_what_it_touches_and_is_not_built_upon() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
        push(&mut outbox, 1..=9);
        drop(outbox);
        let path = segments(&options)[0].clone();
        let mut bytes = fs::read(&path).expect("the segment");
        let record = bytes.len() / 9;
        // The length of the third, a number of the fifth, and the end.
        bytes[2 * record + 2] ^= 0x40;
        bytes[4 * record + 20] ^= 1;
        bytes.truncate(bytes.len() - 3);
        fs::write(&path, &bytes).expect("written");
        let mut outbox = Outbox::in_spool(&options, 8).expect("found");
        push(&mut outbox, [10]);
        assert_eq!(fs::read(&path).expect("the segment"), bytes, "nothing is cut off");
        let mut hub = Hub::default();
        hub.drain(&mut outbox);
        assert_eq!(hub.times(), [1, 2, 4, 6, 7, 8, 10]);
    }

    #[test]
    fn a_run_that_cannot_be_read_to_its_end_is_settled() {
        // The damage comes after the start: behind what can be sent, and before anything can be.
        for (is_torn, expected) in [(true, vec![1, 2, 4]), (false, vec![4])] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let options = options(folder.path());
            let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
            push(&mut outbox, 1..=3);
            drop(outbox);
            let mut outbox = Outbox::in_spool(&options, 8).expect("found");
            push(&mut outbox, [4]);
            let path = &segments(&options)[0];
            let bytes = fs::read(path).expect("the segment");
            let kept = if is_torn { bytes.len() - 1 } else { 0 };
            fs::write(path, &bytes[..kept]).expect("written");
            let mut hub = Hub::default();
            hub.drain(&mut outbox);
            assert_eq!(hub.times(), expected);
        }
    }

    #[test]
    fn done_segments_are_deleted_and_a_full_spool_refuses() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut outbox = Outbox::in_spool(&options, FIRST_ID).expect("new");
        let mut pushed = 0;
        while outbox.push(report(pushed + 1)).is_ok() {
            pushed += 1;
        }
        assert!(matches!(outbox.push(report(1)), Err(PushError::Full)));
        assert!(segments(&options).len() >= 2);
        let bytes = |path: &PathBuf| fs::metadata(path).expect("a file").len();
        assert!(segments(&options).iter().map(bytes).sum::<u64>() <= options.bytes_max);
        drop(outbox);
        let mut outbox = Outbox::in_spool(&options, 8).expect("found");
        assert!(matches!(outbox.push(report(1)), Err(PushError::Full)));
        let mut hub = Hub::default();
        hub.drain(&mut outbox);
        assert_eq!(hub.times(), (1..=pushed).collect::<Vec<i64>>());
        assert_eq!(segments(&options).len(), 1);
        push(&mut outbox, [2]);
    }

    #[test]
    fn runs_without_reports_leave_nothing_and_runs_with_some_are_bounded() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        for id in 0..200 {
            drop(Outbox::in_spool(&options, 1000 + id).expect("opened"));
        }
        assert_eq!(segments(&options).len(), 1);
        let mut pushed = 0;
        let mut outbox = Outbox::in_spool(&options, 1).expect("opened");
        while outbox.push(report(pushed + 1)).is_ok() {
            pushed += 1;
            drop(outbox);
            outbox = Outbox::in_spool(&options, 1 + u128::from(pushed.unsigned_abs())).expect("opened");
        }
        assert_eq!(usize::try_from(pushed), Ok(SPOOL_RUNS_MAX + 1));
        let mut hub = Hub::default();
        hub.connect(&mut outbox, usize::MAX, true);
        push(&mut outbox, [pushed + 1]);
        hub.drain(&mut outbox);
        assert_eq!(hub.times(), (1..=pushed + 1).collect::<Vec<i64>>());
    }

    #[test]
    fn a_state_that_was_lost_or_damaged_costs_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let state = options.folder.join("state");
        let mut hub = Hub::default();
        for (id, damage) in [(7u32, &b""[..]), (8, b"windfire spool 2\nmachi"), (9, b"\0\0\0\xff"), (10, b"")] {
            let mut outbox = Outbox::in_spool(&options, id.into()).expect("opened");
            push(&mut outbox, [id.into()]);
            drop(outbox);
            fs::write(&state, damage).expect("written");
        }
        fs::remove_file(&state).expect("removed");
        hub.drain(&mut Outbox::in_spool(&options, 11).expect("opened"));
        assert_eq!(hub.times(), [7, 8, 9, 10]);
        // But a newer version's folder is not touched, nor one whose old segments nothing names.
        fs::write(&state, "windfire spool 3\nwhatever").expect("written");
        assert!(matches!(Outbox::in_spool(&options, 12), Err(SpoolError::State { .. })));
        write_version_1(&options, "windf", 1..=2);
        assert!(matches!(Outbox::in_spool(&options, 12), Err(SpoolError::State { .. })));
    }

    #[test]
    fn the_state_says_whose_machine_it_was_and_not_its_id() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let state = || parse_state(&fs::read_to_string(options.folder.join("state")).expect("a state")).expect("own");
        let open = |id, machine| drop(Spool::open(&options, id, machine).expect("opened"));
        open(1, Some("c0ffee"));
        let first = state();
        assert!(
            first.machine.as_ref().is_some_and(|digest| digest.len() == MACHINE_DIGITS && !digest.contains("c0ffee"))
        );
        open(2, Some("c0ffee"));
        assert_eq!(state(), first);
        open(3, Some("decade"));
        assert_ne!(state(), first);
        open(4, None);
        assert_eq!(state().machine, None);
    }

    #[test]
    fn two_agents_cannot_share_a_spool() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let _first = Outbox::in_spool(&options, FIRST_ID).expect("new");
        assert!(matches!(Outbox::in_spool(&options, 8), Err(SpoolError::Locked { .. })));
    }
}

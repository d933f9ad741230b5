//! Pending reports in a folder, for agents that must not lose readings while the hub is unreachable.
//!
//! ```text
//! folder   = lock state segment*
//! state    = text: "windfire spool 2", "machine" and a digest of the machine's id or "-"; then, while there are segments of
//!            version 1, "earlier", their outbox id, shift and floor; replaced whole
//! segment  = record*, in a file named FIRST-OUTBOX.seg: its first raw number (20 digits), its outbox id (32 hex digits)
//! ```
//! The reports of one process are a run. It has its own outbox id, which is in the names of its segments. So a folder
//! that is older than the hub's state (after a power cut, from a snapshot or a copy) is never mistaken for one that is
//! not. Runs that a process finds keep their id and the numbers under which they were or may have been sent. They are
//! sent first, run by run. Runs are kept apart: nothing is assumed about the order of their numbers.
//!
//! Records are written at the end of the newest segment, and the oldest segments are deleted. Records are not synced
//! one by one: `kill -9` loses nothing, and a power cut loses those that the system had not written back. None of these
//! was acknowledged or is counted as sent. Bytes that are no record are skipped and logged.
//!
//! A machine whose disk is full, read-only or failing must still be watched. While the disk takes no records, new
//! reports are held in memory. They have the numbers after those on the disk, and are written when it takes them,
//! unless they were acknowledged before. Each new report tries the disk again. After any failure but a full disk the
//! files are opened again for that, because the disk may have been mounted again in the meantime. Segments that cannot
//! be deleted are tried again too.
//!
//! A segment that cannot be read ends connections. If it stays so for some seconds, the whole spool is set aside
//! ([`SetAside`]): the agent reports from memory under another outbox id. Nothing of the spool is deleted or sent
//! meanwhile, because what is behind the segment in its run would settle what is in it. When the segment can be read, or
//! is gone, the spool is used again.
//!
//! Version 1 had one run, named in its state together with the shift of its numbers. Its segments are named FIRST.seg.
//! It is taken over as a run that was found.
mod aside;
mod lock;
mod record;
mod run;
mod segment;
mod state;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use windfire_wire::Report;

use super::error::{PushError, SpoolError, at};
use super::memory::Memory;
use super::numbers::new_outbox_id;
use crate::limits::{
    MEMORY_REPORTS_MAX, SPOOL_BYTES_LIMIT, SPOOL_BYTES_MIN, SPOOL_READ_PATIENCE, SPOOL_RUNS_MAX, SPOOL_SEGMENT_BYTES,
};
pub(super) use aside::SetAside;
pub(super) use lock::LOCK;
use lock::{lock, take_lock};
#[doc(hidden)]
pub use record::count_records;
use record::encode_record;
use run::Run;
use segment::{Segment, SegmentReader, list_segments};
#[doc(hidden)]
pub use state::is_state;
use state::{Earlier, State, machine_digest, read_state, tell_of_copy, write_state};

/// The folder of a spool and its maximum size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolOptions {
    /// The folder. It is created if it is missing.
    pub folder: PathBuf,
    /// Bytes of all its segments, at least [`SPOOL_BYTES_MIN`] and at most [`SPOOL_BYTES_LIMIT`].
    pub bytes_max: u64,
}

#[derive(Debug)]
pub(super) struct Spool {
    options: SpoolOptions,
    /// Oldest first; never empty. The last is this process's. Those before were found here and take no more reports.
    runs: VecDeque<Run>,
    /// The newest segment, open for appending.
    tail: File,
    /// The newest reports of this process's run, which the disk did not take.
    held: VecDeque<Report>,
    disk: Disk,
    /// Segments with nothing pending that could not be deleted yet.
    done: Vec<Segment>,
    /// The place from which the link reads.
    reader: Option<SegmentReader>,
    unreadable: Option<Unreadable>,
    /// The machine's id.
    machine: Option<String>,
    /// Absent only while the folder is locked again.
    lock: Option<File>,
}

/// The segment of the front run that cannot be read.
#[derive(Debug)]
struct Unreadable {
    path: PathBuf,
    /// The lowest raw number of which nothing is known.
    next: u64,
    since: Instant,
}

/// What became of the last record that was to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Disk {
    /// It was.
    Well,
    /// The disk had no room for it.
    Full,
    /// The disk failed, or is read-only.
    Sick,
}

impl Spool {
    /// Opens the folder for a process whose own run is `new_id`, on the machine with that id.
    pub(super) fn open(options: &SpoolOptions, new_id: u128, machine: Option<&str>) -> Result<Self, SpoolError> {
        Self::open_with(options, new_id, machine, None, None)
    }

    /// The same for a process whose run has begun in memory, because of the disk: these reports are held from now on.
    /// `aside` is the spool that it had before.
    pub(super) fn open_with(
        options: &SpoolOptions,
        new_id: u128,
        machine: Option<&str>,
        memory: Option<&Memory>,
        aside: Option<&SetAside>,
    ) -> Result<Self, SpoolError> {
        let folder = &options.folder;
        fs::create_dir_all(folder).map_err(at(folder))?;
        let lock = lock(folder)?;
        if let Some(aside) = aside {
            aside.write_held()?;
        }
        let found = list_segments(folder)?;
        let has_earlier = found.keys().any(Option::is_none);
        let state = read_state(folder, has_earlier)?;
        let digest = machine.map(machine_digest);
        tell_of_copy(folder, state.as_ref(), digest.as_deref());
        let known = state.as_ref().and_then(|state| state.earlier);
        let earlier = known.unwrap_or_else(|| Earlier::of(new_outbox_id()));
        let next_state = State { machine: digest, earlier: (known.is_some() || has_earlier).then_some(earlier) };
        if state.as_ref() != Some(&next_state) {
            // On disk before anything is sent: found runs keep their names from here on.
            write_state(folder, &next_state)?;
        }
        let found = found.into_iter().map(|(outbox_id, segments)| Run::found(outbox_id, segments, earlier));
        let found: Vec<Run> = found.collect::<Result<_, _>>()?;
        let (runs, empty): (Vec<Run>, Vec<Run>) = found.into_iter().partition(|run| run.first < run.end);
        let mut runs = VecDeque::from(runs);
        runs.make_contiguous().sort_by_key(|run| (run.first, run.outbox_id));
        // Numbers continue, for people and for the hub, which then has no gaps. Nothing depends on it.
        let next = runs.iter().chain(&empty).map(|run| run.end).fold(earlier.floor, u64::max);
        let (mut own, tail) = Run::new(folder, new_id, memory.map_or(next, Memory::first))?;
        if !runs.is_empty() {
            let reports: u64 = runs.iter().map(Run::len).sum();
            tracing::info!(reports, runs = runs.len(), "the spool holds reports of earlier runs: they go first");
        }
        let held = memory.map(Memory::reports).unwrap_or_default();
        own.end += held.len() as u64;
        runs.push_back(own);
        let bytes_max = options.bytes_max.clamp(SPOOL_BYTES_MIN, SPOOL_BYTES_LIMIT);
        let options = SpoolOptions { bytes_max, ..options.clone() };
        let mut spool = Self {
            options,
            runs,
            tail,
            held,
            disk: Disk::Well,
            done: Vec::new(),
            reader: None,
            unreadable: None,
            machine: machine.map(str::to_owned),
            lock: Some(lock),
        };
        spool.discard(empty.into_iter().flat_map(|run| run.segments));
        Ok(spool)
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
        self.bytes() >= self.options.bytes_max / 2 || self.held_len() >= MEMORY_REPORTS_MAX / 2
    }

    fn held_len(&self) -> u64 {
        self.held.len() as u64
    }

    fn bytes(&self) -> u64 {
        self.runs.iter().map(Run::bytes).sum()
    }

    pub(super) fn push(&mut self, report: &Report) -> Result<(), PushError> {
        let raw = self.own().end;
        let record = encode_record(raw, report)?;
        if !self.may_grow_by(&record) || self.runs.len() - 1 > SPOOL_RUNS_MAX {
            return Err(PushError::Full);
        }
        self.write_held()?;
        if !self.held.is_empty() || !self.append(raw, &record) {
            if self.held_len() >= MEMORY_REPORTS_MAX {
                return Err(PushError::Full);
            }
            self.held.push_back(report.clone());
        }
        let last = self.runs.len() - 1;
        self.runs[last].end += 1;
        Ok(())
    }

    fn may_grow_by(&self, record: &[u8]) -> bool {
        self.bytes() + record.len() as u64 <= self.options.bytes_max
    }

    /// Writes as many of the held reports as the disk takes.
    fn write_held(&mut self) -> Result<(), PushError> {
        while let Some(report) = self.held.front() {
            let raw = self.own().end - self.held_len();
            let record = encode_record(raw, report)?;
            if !self.may_grow_by(&record) || !self.append(raw, &record) {
                break;
            }
            self.held.pop_front();
        }
        Ok(())
    }

    /// Writes a record of this process's run, if the disk takes it.
    fn append(&mut self, raw: u64, record: &[u8]) -> bool {
        if !self.done.is_empty() {
            self.discard([]);
            let undeleted: u64 = self.done.iter().map(|segment| segment.bytes).sum();
            if self.bytes() + undeleted + record.len() as u64 > self.options.bytes_max {
                return false;
            }
        }
        let written = self.write(raw, record);
        let disk = match &written {
            Ok(()) => Disk::Well,
            Err(error) if error.is_of_full_disk() => Disk::Full,
            Err(_) => Disk::Sick,
        };
        let before = std::mem::replace(&mut self.disk, disk);
        if before != disk {
            let (spool, max) = (self.options.folder.display(), MEMORY_REPORTS_MAX);
            match &written {
                Ok(()) if before == Disk::Full => tracing::info!(%spool, "the spool's disk has room again"),
                Ok(()) => tracing::info!(%spool, "the spool can be written again"),
                Err(_) if disk == Disk::Full => {
                    tracing::warn!(%spool, max, "the spool's disk is full: readings are held in memory");
                }
                Err(error) => tracing::warn!(
                    max,
                    "{error}: it cannot be written, and readings are held in memory until it can: see to the disk"
                ),
            }
        }
        written.is_ok()
    }

    fn write(&mut self, raw: u64, record: &[u8]) -> Result<(), SpoolError> {
        if self.disk == Disk::Sick {
            self.open_again()?;
        }
        let last = self.runs.len() - 1;
        let own = &mut self.runs[last];
        if own.newest().bytes >= SPOOL_SEGMENT_BYTES {
            let (segment, tail) = Segment::new(&self.options.folder, own.outbox_id, raw)?;
            own.segments.push_back(segment);
            self.tail = tail;
        }
        if let Err(error) = self.tail.write_all(record) {
            // Half a record is skipped, but takes room.
            let _best_effort = self.tail.set_len(own.newest().bytes);
            return Err(SpoolError::Io { path: own.newest().path.clone(), error });
        }
        own.newest_mut().bytes += record.len() as u64;
        Ok(())
    }

    /// Opens the newest segment again, and locks the folder again: both may be on another mount by now.
    fn open_again(&mut self) -> Result<(), SpoolError> {
        self.lock_again()?;
        let last = self.runs.len() - 1;
        let newest = self.runs[last].newest_mut();
        let path = &newest.path;
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(at(path))?;
        // A power cut may have taken its end. What is left of a record that was written in part is cut off.
        let bytes = file.metadata().map_err(at(path))?.len().min(newest.bytes);
        file.set_len(bytes).map_err(at(path))?;
        newest.bytes = bytes;
        self.tail = file;
        // It may have read what was cut off.
        self.reader = None;
        Ok(())
    }

    fn lock_again(&mut self) -> Result<(), SpoolError> {
        let path = self.options.folder.join(LOCK);
        // It is not created: a folder without it is what lies beneath the mount point of a disk that is away.
        let file = OpenOptions::new().write(true).open(&path).map_err(at(&path))?;
        if take_lock(&file, &self.options.folder).is_err() {
            // As a rule this process itself has the lock: it is the lock of an opened file.
            drop(self.lock.take());
            take_lock(&file, &self.options.folder)?;
        }
        self.lock = Some(file);
        Ok(())
    }

    /// Consecutive reports of the front run from the first readable one at or after `from`.
    pub(super) fn read(&mut self, from: u64, max: usize) -> Result<(u64, Vec<Report>), SpoolError> {
        let (mut first, mut reports) = (from, Vec::new());
        let mut next = from;
        while reports.len() < max {
            let Some((raw, report)) = self.read_one(next)?.or_else(|| self.held_from(next)) else { break };
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

    /// The first held report at or after `from`, if it is of the front run.
    fn held_from(&self, from: u64) -> Option<(u64, Report)> {
        let first = self.own().end - self.held_len();
        let raw = from.max(first);
        let report = self.held.get(usize::try_from(raw - first).ok()?).filter(|_| !self.is_found())?;
        Some((raw, report.clone()))
    }

    fn read_one(&mut self, from: u64) -> Result<Option<(u64, Report)>, SpoolError> {
        let segments = &mut self.runs[0].segments;
        let mut from_segment = segments.partition_point(|segment| segment.first <= from).saturating_sub(1);
        loop {
            let Some(segment) = segments.get_mut(from_segment) else { return Ok(None) };
            let (bytes, next) = match read_in(&mut self.reader, segment, from) {
                Ok(Some(found)) => {
                    // What is before the bad place is read again at each connection.
                    self.unreadable = self.unreadable.take().filter(|unreadable| found.0 < unreadable.next);
                    return Ok(Some(found));
                }
                Ok(None) => {
                    let reader = self.reader.as_ref();
                    reader.map_or((0, from), |reader| (reader.records.rest_bytes(), reader.next.max(from)))
                }
                Err(error) => {
                    let next = self.reader.take().map_or(from, |reader| reader.next.max(from));
                    if self.unreadable.as_ref().is_none_or(|unreadable| unreadable.path != segment.path) {
                        self.unreadable = Some(Unreadable { path: segment.path.clone(), next, since: Instant::now() });
                    }
                    return Err(error);
                }
            };
            from_segment += 1;
            let Some(following) = segments.get(from_segment).map(|segment| segment.first) else { return Ok(None) };
            // Its end was cut off, or a file between these two is gone: what was settled is below `from`.
            if bytes > 0 || following > next {
                segments[from_segment - 1].tell_damage(bytes, following.saturating_sub(next));
            }
        }
    }

    /// The segment that cannot be read, if it was so for longer than a disk needs to come back.
    pub(super) fn is_held_up_by(&self) -> Option<&Path> {
        let unreadable = self.unreadable.as_ref()?;
        (unreadable.since.elapsed() >= SPOOL_READ_PATIENCE).then_some(&unreadable.path)
    }

    /// The time for which a segment may be unreadable is over.
    #[cfg(test)]
    pub(super) fn lose_patience(&mut self) {
        if let Some(unreadable) = &mut self.unreadable {
            unreadable.since = Instant::now().checked_sub(SPOOL_READ_PATIENCE).expect("the machine runs for longer");
        }
    }

    /// Forgets reports of the front run. A found run without any is removed, and the next is in front.
    pub(super) fn drop_below(&mut self, raw: u64) {
        let is_found = self.is_found();
        let front = &mut self.runs[0];
        front.first = front.first.max(raw.min(front.end));
        if is_found && front.len() == 0 {
            (self.reader, self.unreadable) = (None, None);
            if let Some(run) = self.runs.pop_front() {
                self.discard(run.segments);
            }
            return;
        }
        if !is_found {
            // An acknowledged report needs no disk any more.
            let held_max = usize::try_from(front.len()).unwrap_or(usize::MAX);
            self.held.drain(..self.held.len().saturating_sub(held_max));
        }
        let done = front.take_done();
        if !done.is_empty() {
            self.discard(done);
        }
    }

    /// Deletes segments with nothing pending. Those that cannot be deleted now are tried again.
    fn discard(&mut self, done: impl IntoIterator<Item = Segment>) {
        let is_told = !self.done.is_empty();
        self.done.extend(done);
        let mut failed = None;
        self.done.retain(|segment| match segment.delete() {
            Ok(()) => false,
            Err(error) => {
                failed = Some(error);
                true
            }
        });
        if let Some(error) = failed.filter(|_| !is_told) {
            tracing::warn!("{error}: the file is done with and cannot be deleted, which is tried again");
        }
    }
}

/// The first record of a segment at or after `from`. The reader goes on from where it is, if that is before it.
fn read_in(
    place: &mut Option<SegmentReader>,
    segment: &mut Segment,
    from: u64,
) -> Result<Option<(u64, Report)>, SpoolError> {
    let fits = |reader: &SegmentReader| reader.path == segment.path && reader.next <= from.max(segment.first);
    let reader = match place.take().filter(fits) {
        Some(reader) => place.insert(reader),
        None => place.insert(SegmentReader::open(segment)?),
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
    Ok(None)
}

//! The files of a spool that hold its reports.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::record::Records;
use crate::outbox::error::{SpoolError, at};

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Raw number of its first record.
    pub(super) first: u64,
    pub(super) bytes: u64,
    /// Reading it has failed: what cannot be read is passed over, and the file stays.
    pub(super) is_unreadable: bool,
    /// Failures to read it.
    pub(super) read_failures: u32,
    is_damage_told: bool,
}

#[derive(Debug)]
pub(super) struct SegmentReader {
    pub(super) path: PathBuf,
    pub(super) records: Records<File>,
    /// Raw number of the next good record at the earliest.
    pub(super) next: u64,
}

impl Segment {
    pub(super) fn new(folder: &Path, outbox_id: u128, first: u64) -> Result<(Self, File), SpoolError> {
        let path = folder.join(format!("{first:020}-{outbox_id:032x}.seg"));
        let file = OpenOptions::new().create_new(true).append(true).open(&path).map_err(at(&path))?;
        Ok((Self::of(path, first, 0), file))
    }

    fn of(path: PathBuf, first: u64, bytes: u64) -> Self {
        Self { path, first, bytes, is_unreadable: false, read_failures: 0, is_damage_told: false }
    }

    /// The raw number of its last record, as far as it can be read.
    pub(super) fn last_raw(&mut self) -> Option<u64> {
        let mut last = None;
        match self.read_last(&mut last) {
            Ok(0) => {}
            Ok(bytes) => {
                let segment = self.path.display();
                tracing::warn!(%segment, bytes, "the spool ended in bytes that are not a report: they were cut off");
            }
            Err(error) => self.tell_unreadable(&error),
        }
        last
    }

    /// Reads to the end. Returns the bytes after the last record.
    fn read_last(&self, last: &mut Option<u64>) -> Result<u64, SpoolError> {
        let mut records = Records::new(File::open(&self.path).map_err(at(&self.path))?);
        while let Some(record) = records.next().map_err(at(&self.path))? {
            *last = (*last).max(Some(record.raw));
        }
        Ok(records.rest_bytes())
    }

    pub(super) fn tell_unreadable(&mut self, error: &SpoolError) {
        if !std::mem::replace(&mut self.is_unreadable, true) {
            tracing::warn!("{error}: what cannot be read is passed over, and the file is left: see to the disk");
        }
    }

    pub(super) fn tell_damage(&mut self, bytes: u64, reports: u64) {
        if !std::mem::replace(&mut self.is_damage_told, true) {
            let segment = self.path.display();
            tracing::warn!(%segment, bytes, reports, "a part of the spool is damaged: these reports are lost, others are not");
        }
    }

    pub(super) fn delete(&self) -> Result<(), SpoolError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SpoolError::Io { path: self.path.clone(), error })
            }
            _ => Ok(()),
        }
    }
}

impl SegmentReader {
    pub(super) fn open(segment: &Segment) -> Result<Self, SpoolError> {
        let file = File::open(&segment.path).map_err(at(&segment.path))?;
        Ok(Self { path: segment.path.clone(), records: Records::new(file), next: segment.first })
    }
}

/// Segments by their outbox id. Those of version 1 have none in their names.
pub(super) fn list_segments(folder: &Path) -> Result<BTreeMap<Option<u128>, Vec<Segment>>, SpoolError> {
    let mut runs: BTreeMap<Option<u128>, Vec<Segment>> = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        if let Some((outbox_id, first)) = parse_name(&path) {
            let bytes = fs::metadata(&path).map_err(at(&path))?.len();
            runs.entry(outbox_id).or_default().push(Segment::of(path, first, bytes));
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

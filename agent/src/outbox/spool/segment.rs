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
        let path = segment_path(folder, outbox_id, first);
        let file = OpenOptions::new().create_new(true).append(true).open(&path).map_err(at(&path))?;
        Ok((Self::of(path, first, 0), file))
    }

    fn of(path: PathBuf, first: u64, bytes: u64) -> Self {
        Self { path, first, bytes, is_damage_told: false }
    }

    /// The raw number of its last record.
    pub(super) fn last_raw(&self) -> Result<Option<u64>, SpoolError> {
        let mut records = Records::new(File::open(&self.path).map_err(at(&self.path))?);
        let mut last = None;
        while let Some(record) = records.next().map_err(at(&self.path))? {
            last = last.max(Some(record.raw));
        }
        if records.rest_bytes() > 0 {
            let (segment, bytes) = (self.path.display(), records.rest_bytes());
            tracing::warn!(%segment, bytes, "the spool ended in bytes that are not a report: they were cut off");
        }
        Ok(last)
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

/// Where the segment of a run is that begins with that raw number.
pub(super) fn segment_path(folder: &Path, outbox_id: u128, first: u64) -> PathBuf {
    folder.join(format!("{first:020}-{outbox_id:032x}.seg"))
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

//! A spool that is set aside because a segment of it cannot be read.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use windfire_wire::Report;

use super::record::encode_record;
use super::segment::segment_path;
use super::{Spool, SpoolOptions};
use crate::outbox::error::{SpoolError, at};

/// What is known of it until it can be used again. Its files stay as they are.
#[derive(Debug)]
pub(in crate::outbox) struct SetAside {
    /// The segment that cannot be read.
    segment: PathBuf,
    /// The newest reports of the run of this process, which the disk did not take. They may have been sent under their
    /// numbers, so they stay in that run.
    held: Held,
}

#[derive(Debug)]
struct Held {
    /// The segment that they become.
    path: PathBuf,
    /// Raw number of the first.
    first: u64,
    reports: VecDeque<Report>,
}

impl SetAside {
    /// With what the spool is to be opened again: its options, and the machine's id.
    pub(in crate::outbox) fn new(spool: Spool, segment: PathBuf) -> (Self, SpoolOptions, Option<String>) {
        let (own_id, first) = (spool.own().outbox_id, spool.own().end - spool.held_len());
        let Spool { options, machine, held: reports, .. } = spool;
        let path = segment_path(&options.folder, own_id, first);
        (Self { segment, held: Held { path, first, reports } }, options, machine)
    }

    /// Whether the segment can be read, or was taken away.
    ///
    /// # Errors
    /// It still cannot be read.
    pub(in crate::outbox) fn check(&self) -> Result<(), SpoolError> {
        match File::open(&self.segment).and_then(|mut file| io::copy(&mut file, &mut io::sink())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&self.segment)(error)),
            _ => Ok(()),
        }
    }

    /// Writes what was held as a segment of its run. The spool's lock is held.
    pub(super) fn write_held(&self) -> Result<(), SpoolError> {
        let Held { path, first, reports } = &self.held;
        if reports.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for (raw, report) in (*first..).zip(reports) {
            // It was kept, so it can be written.
            bytes.extend(encode_record(raw, report).unwrap_or_default());
        }
        fs::write(path, bytes).map_err(at(path))
    }
}

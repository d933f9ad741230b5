//! `DURABLE`: how far the store was on disk, so that a write-ahead log that went missing is noticed at the next start.
//!
//! ```text
//! DURABLE = "windfire durable " number "\n"           number: 20 digits
//! ```
//! RocksDB numbers every change. It takes a write-ahead log that is not there, or empty, for one that never was. This file
//! says which number was synced at least, so a store that comes back with a lower one has lost something. The note itself is
//! never synced: after a power cut it may be old, but never ahead of the store. It costs a commit one small write into
//! memory.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

/// Name of the file.
pub(super) const FILE: &str = "DURABLE";
const PREFIX: &str = "windfire durable ";

/// The note, open for writing.
pub(super) struct Durable {
    path: PathBuf,
    /// Where it is, and what it says. No file where none can be made: then nothing is noticed, and everything else works.
    note: Mutex<(Option<File>, u64)>,
}

impl Durable {
    /// Opens the note of the store in `folder`, or makes one.
    pub(super) fn open(folder: &Path) -> Self {
        let path = folder.join(FILE);
        Self { note: Mutex::new((open_file(&path), 0)), path }
    }

    /// Opens the file again: the folder's disk may have been mounted again.
    pub(super) fn reopen(&self) {
        self.note.lock().0 = open_file(&self.path);
    }

    /// The highest number that this process noted; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        self.note.lock().1
    }

    /// Notes that every change up to this number is synced.
    pub(super) fn raise(&self, number: u64) {
        let mut note = self.note.lock();
        if number > note.1
            && let Some(file) = &note.0
        {
            // A note that cannot be written stays lower: it promises less, and nothing wrong.
            let _stays_lower = file.write_all_at(format!("{PREFIX}{number:020}\n").as_bytes(), 0);
            note.1 = number;
        }
    }
}

fn open_file(path: &Path) -> Option<File> {
    File::options().write(true).create(true).truncate(false).open(path).ok()
}

/// What the note of the store in `folder` says; `None` when there is none that can be read.
pub(super) fn read(folder: &Path) -> Option<u64> {
    let text = fs::read_to_string(folder.join(FILE)).ok()?;
    text.strip_prefix(PREFIX)?.strip_suffix('\n')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_only_rises() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(read(folder.path()), None);
        let durable = Durable::open(folder.path());
        for (number, said) in [(7, 7), (5, 7), (u64::MAX, u64::MAX)] {
            durable.raise(number);
            assert_eq!(read(folder.path()), Some(said));
        }
    }

    #[test]
    fn a_torn_note_says_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for text in ["", "windfire durable 00", "windfire durable x\n", "\0\0\0\0"] {
            fs::write(folder.path().join(FILE), text).expect("written");
            assert_eq!(read(folder.path()), None, "{text:?}");
        }
    }
}

//! The file `ROLLBACK`: what a folder for a rollback has in it, and of which store.
//!
//! ```text
//! ROLLBACK = "windfire rollback 1\n"
//!            "format " number "\n" "store " identity "\n"                             identity as in rocksdb/IDENTITY
//!            "servers " number "\n" "commit " number "\n" "change " number "\n"       what the store holds
//!            { "file " bytes " " path "\n" }*                                         every other file, by its path
//!            "check " check "\n"                                                      8 hexadecimal digits
//! ```
//! `check` is the CRC-32 of everything before its line.

use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::place::{NOTE, read_text, write_synced};
use crate::store::contents::Contents;
use crate::store::options::DB_FOLDER;

const FIRST_LINE: &str = "windfire rollback 1";
const CHECK: &str = "check ";
/// Bytes of a note that are read: those of half a million files.
const NOTE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes of a file `IDENTITY` that are read.
const IDENTITY_BYTES_MAX: u64 = 256;

/// What the note says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) format: u32,
    /// The identity of the store.
    pub(super) store: String,
    pub(super) contents: Contents,
    /// Each file's path and its bytes.
    pub(super) files: Vec<(String, u64)>,
}

impl Note {
    /// Reads the note in a folder. The error says what is wrong.
    pub(super) fn read(folder: &Path) -> Result<Self, String> {
        let text =
            read_text(&folder.join(NOTE), NOTE_BYTES_MAX).map_err(|error| format!("its file {NOTE}: {error}"))?;
        Self::parse(&text).ok_or_else(|| format!("its file {NOTE} is damaged"))
    }

    /// Writes it into a folder, durably.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        write_synced(&folder.join(NOTE), &self.text())
    }

    fn text(&self) -> String {
        let Self { format, store, contents: Contents { servers, commit, change }, files } = self;
        let mut text = format!(
            "{FIRST_LINE}\nformat {format}\nstore {store}\nservers {servers}\ncommit {commit}\nchange {change}\n"
        );
        for (path, bytes) in files {
            let _into_a_string = writeln!(text, "file {bytes} {path}");
        }
        let check = crc32fast::hash(text.as_bytes());
        let _into_a_string = writeln!(text, "{CHECK}{check:08x}");
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let (before, last) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let checked = text.get(..before.len() + 1)?;
        if u32::from_str_radix(last.strip_prefix(CHECK)?, 16).ok()? != crc32fast::hash(checked.as_bytes()) {
            return None;
        }
        let mut lines = before.split('\n');
        (lines.next()? == FIRST_LINE).then_some(())?;
        let mut value = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ');
        let format = value("format")?.parse::<u32>().ok()?;
        let store = value("store")?.to_owned();
        let mut number = |name: &str| value(name)?.parse::<u64>().ok();
        let contents = Contents { servers: number("servers")?, commit: number("commit")?, change: number("change")? };
        let file = |line: &str| {
            let (bytes, path) = line.strip_prefix("file ")?.split_once(' ')?;
            // A path that leads out of the folder is refused.
            let is_inside = path.split('/').all(|part| !part.is_empty() && part != "..");
            is_inside.then_some((path.to_owned(), bytes.parse::<u64>().ok()?))
        };
        let files = lines.map(file).collect::<Option<Vec<_>>>()?;
        Some(Self { format, store, contents, files })
    }
}

/// The note that a text says, written again; `None` when it says nothing.
pub(in crate::store) fn rewritten(text: &str) -> Option<String> {
    Note::parse(text).map(|note| note.text())
}

/// The identity of the store in a folder, which RocksDB gave it when it was created. `None` if there is none.
pub(super) fn identity(folder: &Path) -> io::Result<Option<String>> {
    match read_text(&folder.join(DB_FOLDER).join("IDENTITY"), IDENTITY_BYTES_MAX) {
        Ok(text) => Ok(text.split_whitespace().next().map(str::to_owned)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            format: 5,
            store: "8b1c-77".to_owned(),
            contents: Contents { servers: 2, commit: 30, change: 400 },
            files: vec![("FORMAT".to_owned(), 17), ("rocksdb/a b.sst".to_owned(), 0)],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Note::parse(&note().text()), Some(note()));
    }

    #[test]
    fn a_note_with_a_changed_byte_or_a_part_of_one_says_nothing() {
        let text = note().text();
        for end in 0..text.len() {
            assert_eq!(Note::parse(&text[..end]), None, "{end}");
        }
        for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            // A letter of the check in upper case is the same digit.
            assert!(Note::parse(&changed).is_none_or(|read| read == note()), "byte {at}, bit {bit}: {changed}");
        }
    }

    #[test]
    fn a_path_that_leads_out_of_the_folder_is_refused() {
        for path in ["/etc/passwd", "../x", "rocksdb/../../x", "a//b", ""] {
            let note = Note { files: vec![(path.to_owned(), 1)], ..note() };
            assert_eq!(Note::parse(&note.text()), None, "{path}");
        }
    }
}

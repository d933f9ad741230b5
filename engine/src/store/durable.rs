//! `DURABLE`: how far the store was on disk, so that a write-ahead log or a manifest that lost something is noticed at
//! the next start.
//!
//! ```text
//! DURABLE = "windfire durable " number "\n"                      number, bytes: 20 digits
//!           "manifest " bytes " " sum " " name " " check "\n"    sum, check: CRC-32, 8 hexadecimal digits
//! ```
//! RocksDB numbers every change. It takes a write-ahead log that is not there, or empty, for one that never was. This
//! file says which number was synced at least, so a store that comes back with a lower one has lost something.
//!
//! RocksDB's manifest lists the table files. One that ends in the middle of a record is taken for one that ends before
//! it, and table files that it does not list are deleted. So the file also says how many bytes of which manifest were
//! synced, with their checksum.
//!
//! The note itself is never synced: after a power cut it may be old, but never ahead of the store. It costs a commit a
//! look at the manifest's size and one small write into memory. `check` is of everything before it; a note that is
//! damaged says nothing. Older hubs wrote the first line only.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::options::DB_FOLDER;

/// Name of the file.
pub(super) const FILE: &str = "DURABLE";
const PREFIX: &str = "windfire durable ";
const MANIFEST_PREFIX: &str = "manifest ";

/// What the file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// Every change up to this number was synced.
    pub(super) number: u64,
    /// Absent in a note of an older hub.
    pub(super) manifest: Option<Manifest>,
}

/// The synced part of RocksDB's manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Manifest {
    /// Name of its file.
    pub(super) name: String,
    /// Bytes from its beginning.
    pub(super) bytes: u64,
    /// CRC-32 of these bytes.
    sum: u32,
}

/// The note, open for writing.
pub(super) struct Durable {
    folder: PathBuf,
    open: Mutex<Open>,
}

struct Open {
    /// Absent where none can be made: then nothing is noticed, and everything else works.
    file: Option<File>,
    note: Note,
    /// Every change up to this number was written and not synced, and must not be missed by this process.
    kept: u64,
}

impl Durable {
    /// Opens the note of the store in `folder`, or makes one.
    pub(super) fn open(folder: &Path) -> Self {
        let open = Open { file: open_file(folder), note: Note::default(), kept: 0 };
        Self { folder: folder.to_owned(), open: Mutex::new(open) }
    }

    /// Opens the file again: the folder's disk may have been mounted again, and its manifest may be another one.
    pub(super) fn reopen(&self) {
        let mut open = self.open.lock();
        open.file = open_file(&self.folder);
        open.note.manifest = None;
    }

    /// The highest number that this process relies on; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        let open = self.open.lock();
        open.note.number.max(open.kept)
    }

    /// Notes that this process relies on every change up to this number. The file does not say so: a power cut may undo
    /// them.
    pub(super) fn keep(&self, number: u64) {
        let mut open = self.open.lock();
        open.kept = open.kept.max(number);
    }

    /// Notes that every change up to this number is synced.
    pub(super) fn raise(&self, number: u64) {
        let mut open = self.open.lock();
        if number <= open.note.number {
            return;
        }
        open.note.number = number;
        // Where the manifest cannot be read or synced, the promise of before stays.
        if let Ok(Some(manifest)) = Manifest::newer(&self.folder.join(DB_FOLDER), open.note.manifest.as_ref()) {
            open.note.manifest = Some(manifest);
        }
        if let Some(file) = &open.file {
            // A note that cannot be written stays lower: it promises less, and nothing wrong.
            let _stays_lower = file.write_all_at(open.note.text().as_bytes(), 0);
        }
    }
}

fn open_file(folder: &Path) -> Option<File> {
    File::options().write(true).create(true).truncate(false).open(folder.join(FILE)).ok()
}

/// Makes the note of a copy, whose changes are all synced. It says nothing of the manifest.
pub(super) fn write_new(folder: &Path, number: u64) -> io::Result<()> {
    let mut file = File::create(folder.join(FILE))?;
    file.write_all(Note { number, manifest: None }.text().as_bytes())?;
    file.sync_all()
}

/// What the note of the store in `folder` says; `None` when there is none that can be read.
pub(super) fn read(folder: &Path) -> Option<Note> {
    Note::parse(&fs::read_to_string(folder.join(FILE)).ok()?)
}

/// The note that a text says, written again; `None` when it says nothing.
pub(super) fn rewritten(text: &str) -> Option<String> {
    Note::parse(text).map(|note| note.text())
}

impl Note {
    fn text(&self) -> String {
        let mut text = format!("{PREFIX}{:020}\n", self.number);
        if let Some(Manifest { name, bytes, sum }) = &self.manifest {
            text.push_str(&format!("{MANIFEST_PREFIX}{bytes:020} {sum:08x} {name}"));
            let check = crc32fast::hash(text.as_bytes());
            text.push_str(&format!(" {check:08x}\n"));
        }
        text
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, rest) = text.split_once('\n')?;
        let number = first.strip_prefix(PREFIX)?.parse().ok()?;
        let Some((second, _)) = rest.split_once('\n') else { return Some(Self { number, manifest: None }) };
        let (said, check) = second.rsplit_once(' ')?;
        let checked = text.get(..first.len() + 1 + said.len())?;
        if u32::from_str_radix(check, 16).ok()? != crc32fast::hash(checked.as_bytes()) {
            return None;
        }
        let mut words = said.strip_prefix(MANIFEST_PREFIX)?.splitn(3, ' ');
        let bytes = words.next()?.parse().ok()?;
        let sum = u32::from_str_radix(words.next()?, 16).ok()?;
        Some(Self { number, manifest: Some(Manifest { name: words.next()?.to_owned(), bytes, sum }) })
    }
}

impl Manifest {
    /// The manifest as it is now; `None` when it is still the `known` one. It only grows, so what is known of it is not
    /// read again.
    fn newer(database: &Path, known: Option<&Self>) -> io::Result<Option<Self>> {
        let name = current(database)?;
        let path = database.join(&name);
        let length = fs::metadata(&path)?.len();
        let known = known.filter(|known| known.name == name && known.bytes <= length);
        if known.is_some_and(|known| known.bytes == length) {
            return Ok(None);
        }
        let (from, sum) = known.map_or((0, 0), |known| (known.bytes, known.sum));
        let mut file = File::open(&path)?;
        file.seek(SeekFrom::Start(from))?;
        let (read, sum) = sum_on(&mut file, sum)?;
        // RocksDB may have written the end a moment ago, and may not have synced it yet.
        file.sync_data()?;
        Ok(Some(Self { name, bytes: from + read, sum }))
    }

    /// Whether the database still has these bytes, or has another manifest by now. RocksDB itself misses one that is
    /// gone.
    pub(super) fn is_kept(&self, database: &Path) -> io::Result<bool> {
        if current(database)? != self.name {
            return Ok(true);
        }
        let file = match File::open(database.join(&self.name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            file => file?,
        };
        Ok(sum_on(&mut file.take(self.bytes), 0)? == (self.bytes, self.sum))
    }
}

/// Reads to the end. Returns the bytes read, and the CRC-32 of them and of what comes before, whose CRC-32 is `before`.
fn sum_on(from: &mut impl Read, before: u32) -> io::Result<(u64, u32)> {
    let mut sum = Sum(crc32fast::Hasher::new_with_initial(before));
    let read = io::copy(from, &mut sum)?;
    Ok((read, sum.0.finalize()))
}

/// Takes bytes, and keeps their CRC-32 only.
struct Sum(crc32fast::Hasher);

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The name of the manifest that the database uses.
fn current(database: &Path) -> io::Result<String> {
    let name = fs::read(database.join("CURRENT"))?;
    Ok(String::from_utf8_lossy(&name).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(folder: &Path) -> Option<u64> {
        read(folder).map(|note| note.number)
    }

    #[test]
    fn a_note_only_rises() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert_eq!(read(folder.path()), None);
        let durable = Durable::open(folder.path());
        for (raised, said) in [(7, 7), (5, 7), (u64::MAX, u64::MAX)] {
            durable.raise(raised);
            assert_eq!((number(folder.path()), durable.number()), (Some(said), said));
        }
    }

    #[test]
    fn what_is_kept_and_not_synced_is_noted_in_memory_only() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let durable = Durable::open(folder.path());
        durable.raise(7);
        durable.keep(9);
        assert_eq!((number(folder.path()), durable.number()), (Some(7), 9));
        durable.keep(8);
        durable.raise(10);
        assert_eq!((number(folder.path()), durable.number()), (Some(10), 10));
    }

    #[test]
    fn a_torn_note_says_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for text in ["", "windfire durable 00", "windfire durable x\n", "\0\0\0\0"] {
            fs::write(folder.path().join(FILE), text).expect("written");
            assert_eq!(read(folder.path()), None, "{text:?}");
        }
    }

    /// A folder with a database that has a manifest, and where that is.
    fn with_manifest(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = folder.path().join(DB_FOLDER);
        fs::create_dir(&database).expect("made");
        fs::write(database.join("CURRENT"), "MANIFEST-000005\n").expect("written");
        let manifest = database.join("MANIFEST-000005");
        fs::write(&manifest, bytes).expect("written");
        (folder, manifest)
    }

    #[test]
    fn a_manifest_that_lost_or_changed_a_byte_is_missed() {
        let (folder, path) = with_manifest(b"0123456789");
        let database = folder.path().join(DB_FOLDER);
        let durable = Durable::open(folder.path());
        durable.raise(3);
        let is_kept = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            let noted = read(folder.path()).and_then(|note| note.manifest).expect("noted");
            noted.is_kept(&database).expect("readable")
        };
        assert!(is_kept(b"0123456789") && is_kept(b"0123456789, and more"));
        assert!(!is_kept(b"012345678") && !is_kept(b"") && !is_kept(b"0123456788"));
        assert!(is_kept(b"0123456789, and more"));
        durable.raise(4);
        assert!(!is_kept(b"0123456789"), "it had grown before the second note");
        assert!(is_kept(b"0123456789, and more, and more") && !is_kept(b"1123456789, and more"));
        // As on a disk that was put back with other contents.
        fs::write(&path, b"0123456789, or another end").expect("written");
        durable.reopen();
        durable.raise(5);
        assert!(is_kept(b"0123456789, or another end") && !is_kept(b"0123456789, and more, and more"));
        // RocksDB begins a new one at each start.
        fs::write(database.join("CURRENT"), "MANIFEST-000009\n").expect("written");
        assert!(is_kept(b""));
    }

    #[test]
    fn a_note_with_a_changed_byte_promises_nothing_new() {
        let (folder, _) = with_manifest(b"0123456789");
        Durable::open(folder.path()).raise(3);
        let sound = read(folder.path()).expect("a note");
        let bytes = fs::read(folder.path().join(FILE)).expect("readable");
        assert!(sound.manifest.is_some());
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            fs::write(folder.path().join(FILE), bytes).expect("written");
            let Some(read) = read(folder.path()) else { continue };
            assert_eq!(read.number, sound.number, "byte {at}, bit {bit}");
            assert!(read.manifest.is_none() || read.manifest == sound.manifest, "byte {at}, bit {bit}");
        }
    }
}

//! A backup on its way to another machine, as one run of bytes.
//!
//! ```text
//! parcel = "windfire parcel 1\n" list { file }*
//! list   = bytes u32 BE, then the text of the file BACKUP
//! file   = the bytes of a file, then their SHA-256; in the order of the list
//! ```
//! `CLUSTER` is the first file, so that a parcel of another cluster is refused before the rest of it comes. Whoever
//! receives a parcel believes nothing of it: paths, sizes and digests are checked before anything else reads a file.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use windfire_engine::Contents;

use super::backup_list::{self, FILE};
use crate::cluster::MEMBERSHIP_FILE;
use crate::limits::{PARCEL_LIST_BYTES_MAX, PARCEL_MEMBERSHIP_BYTES_MAX};

/// Where a hub hands a parcel over, over HTTP.
pub(crate) const PARCEL_PATH: &str = "/cluster/parcel";

const FIRST_LINE: &[u8; 18] = b"windfire parcel 1\n";
const DIGEST_BYTES: usize = 32;
/// Bytes of a file that are read at once.
const PIECE_BYTES: usize = 64 * 1024;

/// Why a parcel was not received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParcelError {
    /// It did not come whole. Another one may.
    Broken(String),
    /// The other hub cannot send one now. It may soon.
    Busy(String),
    /// It must not be used, or it cannot be stored.
    Refused(String),
}

impl From<String> for ParcelError {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// Where the files of a parcel are stored.
pub(super) trait Destination {
    /// A file that has not come whole yet.
    type File: Write;

    /// Creates a file. The path is of a backup, and leads nowhere else.
    ///
    /// # Errors
    /// There is one of this path, or it cannot be stored.
    fn create(&mut self, path: &str) -> Result<Self::File, String>;

    /// Keeps a file that came whole.
    ///
    /// # Errors
    /// It cannot be stored.
    fn keep(&mut self, path: &str, file: Self::File) -> Result<(), String>;

    /// The text of a file that was kept.
    ///
    /// # Errors
    /// It is no text, or cannot be read.
    fn text(&self, path: &str) -> Result<String, String>;
}

/// A folder on the disk, which is empty at first.
struct Folder<'a>(&'a Path);

impl Destination for Folder<'_> {
    type File = File;

    fn create(&mut self, path: &str) -> Result<File, String> {
        let to = self.0.join(path);
        let failed = |error: io::Error| format!("{}: {error}", to.display());
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        // A path that is listed twice is refused here.
        File::options().write(true).create_new(true).open(&to).map_err(failed)
    }

    fn keep(&mut self, path: &str, file: File) -> Result<(), String> {
        file.sync_all().map_err(|error| format!("{}: {error}", self.0.join(path).display()))
    }

    fn text(&self, path: &str) -> Result<String, String> {
        fs::read_to_string(self.0.join(path)).map_err(|error| format!("{path}: {error}"))
    }
}

/// Sends a complete backup.
///
/// # Errors
/// It cannot be read, or `out` takes no more.
pub(super) fn send(backup: &Path, out: &mut dyn Write) -> io::Result<()> {
    let list = fs::read_to_string(backup.join(FILE))?;
    send_files(&list, &mut |path: &str| File::open(backup.join(path)), out)
}

/// Sends the files of a backup that has this list. `open` is asked for each of them, in the order of the list.
///
/// # Errors
/// The list is damaged, a file cannot be read, or `out` takes no more.
pub(super) fn send_files<R: Read>(
    list: &str,
    open: &mut dyn FnMut(&str) -> io::Result<R>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let said = backup_list::parse(list).ok_or_else(|| io::Error::other("the list of the backup is damaged"))?;
    out.write_all(FIRST_LINE)?;
    out.write_all(&u32::try_from(list.len()).map_err(io::Error::other)?.to_be_bytes())?;
    out.write_all(list.as_bytes())?;
    for (path, bytes) in said.files {
        let digest = pass_on(&mut open(path)?, bytes, out).map_err(Side::into_inner)?;
        out.write_all(&digest)?;
    }
    Ok(())
}

/// Receives a parcel into an empty folder, with at most so many bytes of files. `is_ours` is asked about the cluster of
/// the parcel before the other files come. Returns what the store must hold.
///
/// # Errors
/// The parcel did not come whole, is not what it must be, or cannot be stored. The folder has a part of it then.
pub(crate) fn receive(
    from: &mut dyn Read,
    into: &Path,
    bytes_max: u64,
    is_ours: &mut dyn FnMut(&str) -> Result<(), String>,
) -> Result<Contents, ParcelError> {
    receive_into(from, &mut Folder(into), bytes_max, is_ours)
}

/// The same into any destination.
///
/// # Errors
/// As [`receive`].
pub(super) fn receive_into<D: Destination>(
    from: &mut dyn Read,
    into: &mut D,
    bytes_max: u64,
    is_ours: &mut dyn FnMut(&str) -> Result<(), String>,
) -> Result<Contents, ParcelError> {
    let first: [u8; FIRST_LINE.len()] = take(from)?;
    if first != *FIRST_LINE {
        let what = "what comes is not a backup: check the address, and that both hubs have the same version";
        return Err(ParcelError::Refused(what.to_owned()));
    }
    let length = u64::from(u32::from_be_bytes(take(from)?));
    if length > PARCEL_LIST_BYTES_MAX {
        return Err(format!("its list has {length} bytes, and at most {PARCEL_LIST_BYTES_MAX} are allowed").into());
    }
    let mut text = Vec::new();
    pass_on(from, length, &mut text).map_err(broken_or_refused)?;
    let text = String::from_utf8(text).map_err(|_| "its list is damaged".to_owned())?;
    let said = backup_list::parse(&text).ok_or_else(|| "its list is damaged".to_owned())?;
    check_list(&said.files, bytes_max)?;
    for (path, bytes) in &said.files {
        receive_file(from, into, *bytes, path)?;
        if *path == MEMBERSHIP_FILE {
            is_ours(into.text(path)?.trim_end())?;
        }
    }
    match from.read(&mut [0]) {
        Ok(1..) => Err("it has more bytes than it lists".to_owned().into()),
        // All files are there with their digests, so it does not matter how the connection ends.
        Ok(0) | Err(_) => Ok(said.contents),
    }
}

fn receive_file<D: Destination>(from: &mut dyn Read, into: &mut D, bytes: u64, path: &str) -> Result<(), ParcelError> {
    let mut file = into.create(path)?;
    let digest = pass_on(from, bytes, &mut file).map_err(broken_or_refused)?;
    if digest != take::<DIGEST_BYTES>(from)? {
        return Err(ParcelError::Broken(format!("{path} was damaged on its way")));
    }
    Ok(into.keep(path, file)?)
}

/// Refuses files that a hub's backup does not have, and more bytes than there is room for.
fn check_list(files: &[(&str, u64)], bytes_max: u64) -> Result<(), String> {
    match files.first() {
        Some((MEMBERSHIP_FILE, bytes)) if *bytes <= PARCEL_MEMBERSHIP_BYTES_MAX => {}
        _ => return Err(format!("it does not begin with {MEMBERSHIP_FILE}, so it is not of a hub of a cluster")),
    }
    for needed in ["FORMAT", "tls/cert.pem", "tls/key.pem"] {
        if !files.iter().any(|(path, _)| *path == needed) {
            return Err(format!("it has no {needed}"));
        }
    }
    let is_known = |path: &str| match path.split_once('/') {
        Some((folder, _)) => matches!(folder, "rocksdb" | "tls"),
        None => matches!(path, MEMBERSHIP_FILE | "FORMAT"),
    };
    if let Some((path, _)) = files.iter().find(|(path, _)| !is_known(path)) {
        return Err(format!("it has a file {path:?}, which a backup does not have"));
    }
    let bytes = files.iter().try_fold(0_u64, |sum, (_, bytes)| sum.checked_add(*bytes)).unwrap_or(u64::MAX);
    if bytes > bytes_max {
        return Err(format!(
            "it has {bytes} bytes, and there is room for {bytes_max}: free some, or use a larger disk"
        ));
    }
    Ok(())
}

/// Which side of a copy failed.
enum Side {
    Source(io::Error),
    Target(io::Error),
}

impl Side {
    fn into_inner(self) -> io::Error {
        match self {
            Self::Source(error) | Self::Target(error) => error,
        }
    }
}

fn broken_or_refused(side: Side) -> ParcelError {
    match side {
        Side::Source(error) => broken(&error),
        Side::Target(error) => ParcelError::Refused(format!("it cannot be stored: {error}")),
    }
}

fn broken(error: &io::Error) -> ParcelError {
    let reason = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the connection ended before all of it came".to_owned(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "nothing comes any more".to_owned(),
        _ => error.to_string(),
    };
    ParcelError::Broken(reason)
}

/// The next bytes.
fn take<const N: usize>(from: &mut dyn Read) -> Result<[u8; N], ParcelError> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes).map_err(|error| broken(&error))?;
    Ok(bytes)
}

/// Passes on so many bytes. Returns their digest.
fn pass_on(from: &mut dyn Read, bytes: u64, to: &mut dyn Write) -> Result<[u8; DIGEST_BYTES], Side> {
    let at_once = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES);
    let (mut left, mut piece, mut digest) = (bytes, vec![0; at_once(bytes)], Sha256::new());
    while left > 0 {
        let next = &mut piece[..at_once(left)];
        from.read_exact(next).map_err(Side::Source)?;
        to.write_all(next).map_err(Side::Target)?;
        digest.update(&*next);
        left -= next.len() as u64;
    }
    Ok(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "0123456789abcdef\n";

    /// A folder with a backup in it, as far as its list and files go.
    fn backup() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = folder.path();
        for part in ["rocksdb", "tls"] {
            fs::create_dir(at.join(part)).expect("made");
        }
        let large = vec![7; PIECE_BYTES + 9];
        let files: [(&str, &[u8]); 6] = [
            ("CLUSTER", CLUSTER.as_bytes()),
            ("FORMAT", b"6\n"),
            ("rocksdb/000009.sst", &large),
            ("rocksdb/CURRENT", b""),
            ("tls/cert.pem", b"certificate"),
            ("tls/key.pem", b"key"),
        ];
        files.iter().for_each(|(path, bytes)| fs::write(at.join(path), bytes).expect("written"));
        let list = files.iter().map(|(path, bytes)| (*path, bytes.len() as u64));
        fs::write(at.join(FILE), backup_list::text(contents(), list)).expect("written");
        folder
    }

    fn contents() -> Contents {
        Contents { servers: 1, commit: 2, change: 3 }
    }

    fn parcel() -> Vec<u8> {
        let (backup, mut bytes) = (backup(), Vec::new());
        send(backup.path(), &mut bytes).expect("sent");
        bytes
    }

    /// The parcel of this list, with files of zeros.
    fn of_list(list: &str) -> Vec<u8> {
        let mut bytes = FIRST_LINE.to_vec();
        bytes.extend(u32::try_from(list.len()).expect("short").to_be_bytes());
        bytes.extend(list.as_bytes());
        bytes.extend([0; 4096]);
        bytes
    }

    fn receive_all(mut bytes: &[u8], bytes_max: u64) -> (tempfile::TempDir, Result<Contents, ParcelError>) {
        let into = tempfile::tempdir().expect("a temporary folder");
        let received = receive(&mut bytes, into.path(), bytes_max, &mut |_| Ok(()));
        (into, received)
    }

    #[test]
    fn what_is_sent_is_received() {
        let (sent, bytes) = (backup(), parcel());
        let (received, contents_of) = receive_all(&bytes, u64::MAX);
        assert_eq!(contents_of, Ok(contents()));
        for path in ["CLUSTER", "FORMAT", "rocksdb/000009.sst", "rocksdb/CURRENT", "tls/cert.pem", "tls/key.pem"] {
            let read = |folder: &tempfile::TempDir| fs::read(folder.path().join(path)).expect("there");
            assert_eq!(read(&received), read(&sent), "{path}");
        }
    }

    #[test]
    fn a_parcel_that_ends_early_is_broken_wherever_it_ends() {
        let bytes = parcel();
        // Each place in the beginning and at the end, and some in the large file.
        let ends = (0..350).chain((350..bytes.len() - 90).step_by(9_973)).chain(bytes.len() - 90..bytes.len());
        for end in ends {
            let (_into, received) = receive_all(&bytes[..end], u64::MAX);
            assert!(matches!(received, Err(ParcelError::Broken(_))), "{end}: {received:?}");
        }
    }

    #[test]
    fn a_file_that_changes_on_its_way_is_noticed() {
        let bytes = parcel();
        let at = bytes.windows(11).position(|part| part == b"certificate").expect("there");
        for place in [at, at + 11, bytes.len() / 2, bytes.len() - 1] {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1;
            let (_into, received) = receive_all(&damaged, u64::MAX);
            assert!(matches!(received, Err(ParcelError::Broken(_))), "{place}: {received:?}");
        }
    }

    #[test]
    fn a_cluster_that_is_not_ours_is_refused_before_the_other_files_come() {
        let (bytes, into) = (parcel(), tempfile::tempdir().expect("a temporary folder"));
        let mut asked = Vec::new();
        let received = receive(&mut &bytes[..], into.path(), u64::MAX, &mut |cluster| {
            asked.push(cluster.to_owned());
            Err("another cluster".to_owned())
        });
        assert_eq!(received, Err(ParcelError::Refused("another cluster".to_owned())));
        assert_eq!(asked, [CLUSTER.trim_end()]);
        assert!(!into.path().join("FORMAT").exists());
    }

    #[test]
    fn a_path_that_is_listed_twice_is_refused() {
        for twice in ["rocksdb/a", "rocksdb/./a"] {
            let paths = ["CLUSTER", "FORMAT", "tls/cert.pem", "tls/key.pem", "rocksdb/a", twice];
            let list = backup_list::text(contents(), paths.into_iter().map(|path| (path, 1)));
            let mut bytes = Vec::new();
            send_files(&list, &mut |_: &str| Ok(&b"x"[..]), &mut bytes).expect("sent");
            let (_into, received) = receive_all(&bytes, u64::MAX);
            assert!(matches!(&received, Err(ParcelError::Refused(why)) if why.contains(twice)), "{received:?}");
        }
    }

    #[test]
    fn what_is_no_backup_of_a_hub_of_a_cluster_is_refused() {
        let begin = "windfire backup 1\nservers 1\ncommit 2\nchange 3\n";
        let cluster = format!("{begin}file 9 CLUSTER\n");
        let tls = "file 1 FORMAT\nfile 1 tls/cert.pem\nfile 1 tls/key.pem\n";
        for (list, words) in [
            (begin.to_owned(), "does not begin with CLUSTER"),
            (format!("{begin}{tls}"), "does not begin with CLUSTER"),
            (format!("{begin}file 9999 CLUSTER\n{tls}"), "does not begin with CLUSTER"),
            (format!("{cluster}file 1 FORMAT\n"), "has no tls/cert.pem"),
            (format!("{cluster}{tls}file 1 admin.sock\n"), "admin.sock"),
            (format!("{cluster}{tls}file 1 elsewhere/x\n"), "elsewhere/x"),
            (format!("{cluster}{tls}file 1 rocksdb/../../x\n"), "list is damaged"),
            (format!("{cluster}{tls}file 1 /etc/x\n"), "list is damaged"),
            (format!("{cluster}{tls}file 3000 rocksdb/a\n"), "there is room for 2000"),
            (format!("{cluster}{tls}file {} rocksdb/a\nfile 9 rocksdb/b\n", u64::MAX), "there is room for 2000"),
            ("\u{0}".to_owned(), "list is damaged"),
        ] {
            let (into, received) = receive_all(&of_list(&list), 2000);
            let Err(ParcelError::Refused(error)) = received else { panic!("{list}: {received:?}") };
            assert!(error.contains(words), "{list}: {error}");
            assert_eq!(fs::read_dir(into.path()).expect("there").count(), 0, "nothing is stored: {list}");
        }
        let (_into, longer) = receive_all(&[parcel(), vec![0]].concat(), u64::MAX);
        assert!(matches!(longer, Err(ParcelError::Refused(_))), "{longer:?}");
        let (_into, page) = receive_all(b"<!doctype html><html></html>", u64::MAX);
        assert!(matches!(page, Err(ParcelError::Refused(_))), "{page:?}");
        let huge = [&FIRST_LINE[..], &u32::MAX.to_be_bytes()].concat();
        let (_into, huge) = receive_all(&huge, u64::MAX);
        assert!(matches!(huge, Err(ParcelError::Refused(_))), "{huge:?}");
    }
}

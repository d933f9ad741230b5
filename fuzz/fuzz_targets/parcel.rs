//! The parcel by which a hub joins a cluster, and the answer that brings it. No file is created that is not listed,
//! that is outside of a backup, or that has more bytes than are listed. What is accepted is of the cluster that was
//! asked about, and it is what a hub sends of the same files.
//!
//! The first byte chooses what follows. `p`: the bytes of a parcel. `s`: a list, a zero byte and the bytes of all
//! files, of which a hub makes the parcel, so that its digests are right. `a`: an answer over HTTP.
#![no_main]

// The hub is a program and no library, so its files are read here as well.
#[path = "../../engine/hub/src/cluster/answer.rs"]
#[allow(dead_code)]
mod answer;
#[path = "../../engine/hub/src/admin/backup_list.rs"]
#[allow(dead_code)]
mod backup_list;
#[path = "../../engine/hub/src/limits.rs"]
#[allow(dead_code)]
mod limits;
#[path = "../../engine/hub/src/admin/parcel.rs"]
#[allow(dead_code)]
mod parcel;

/// What a parcel needs of the hub's module of this name.
mod cluster {
    pub(crate) const MEMBERSHIP_FILE: &str = "CLUSTER";
}

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::slice::Iter;

use answer::{MESSAGE_CHARS_MAX, NoParcel, read_head};
use cluster::MEMBERSHIP_FILE;
use libfuzzer_sys::fuzz_target;
use parcel::{Destination, ParcelError, receive_into, send_files};

/// Room for files. An input may have more.
const ROOM_BYTES: u64 = 60_000;
/// What may be at the top of a backup.
const NAMES: [&str; 4] = [MEMBERSHIP_FILE, "FORMAT", "rocksdb", "tls"];
/// The cluster of no parcel that is accepted.
const FOREIGN: &str = "foreign";
/// Bytes of a chunk of an answer.
const CHUNK_BYTES: usize = 1000;
const LAST_CHUNK: &[u8; 5] = b"0\r\n\r\n";

/// A folder in memory.
struct Memory<'a> {
    /// Files that the parcel lists and that have not come yet.
    listed: Iter<'a, (&'a str, u64)>,
    has_room: bool,
    is_foreign: bool,
    kept: BTreeMap<PathBuf, Vec<u8>>,
}

/// A file in memory, and its bytes as the parcel lists them.
struct Arriving {
    bytes: Vec<u8>,
    listed: u64,
}

impl Write for Arriving {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(piece);
        assert!(self.bytes.len() as u64 <= self.listed, "{} bytes of {}", self.bytes.len(), self.listed);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Destination for Memory<'_> {
    type File = Arriving;

    fn create(&mut self, path: &str) -> Result<Arriving, String> {
        let (next, listed) = self.listed.next().expect("the list has no more files");
        assert!(self.has_room && !self.is_foreign && path == *next, "{path:?} instead of {next:?}");
        let mut parts = Path::new(path).components();
        let top = parts.next();
        assert!(NAMES.iter().any(|name| top == Some(Component::Normal(OsStr::new(name)))), "{path:?}");
        assert!(parts.all(|part| matches!(part, Component::Normal(_))), "{path:?}");
        if self.kept.insert(PathBuf::from(path), Vec::new()).is_some() {
            return Err(format!("{path}: it is there already"));
        }
        Ok(Arriving { bytes: Vec::new(), listed: *listed })
    }

    fn keep(&mut self, path: &str, file: Arriving) -> Result<(), String> {
        assert_eq!(file.bytes.len() as u64, file.listed, "{path:?}");
        self.is_foreign |= path == MEMBERSHIP_FILE && file.bytes.trim_ascii_end() == FOREIGN.as_bytes();
        self.kept.insert(PathBuf::from(path), file.bytes);
        Ok(())
    }

    fn text(&self, path: &str) -> Result<String, String> {
        String::from_utf8(self.kept[Path::new(path)].clone()).map_err(|error| error.to_string())
    }
}

/// The list of a parcel, if it has come whole.
fn list_of(parcel: &[u8]) -> Option<&str> {
    let first_line = parcel.iter().position(|byte| *byte == b'\n')?;
    let (length, rest) = parcel[first_line + 1..].split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?).ok()
}

/// What a hub sends of a backup with this list and these bytes in its files; `None` if there is no such backup.
fn sent(list: &str, mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut files = Vec::new();
    for (_, listed) in backup_list::parse(list)?.files {
        let (file, rest) = bytes.split_at_checked(usize::try_from(listed).ok()?)?;
        files.push(file);
        bytes = rest;
    }
    let (mut files, mut parcel) = (files.into_iter(), Vec::new());
    let mut open = |_: &str| files.next().ok_or_else(|| io::Error::other("the list has no more files"));
    send_files(list, &mut open, &mut parcel).expect("all of it is there");
    Some(parcel)
}

/// Receives a parcel, and compares what is kept with what the parcel says.
fn receive(parcel: &[u8]) -> Result<(), ParcelError> {
    let list = list_of(parcel);
    let said = list.and_then(backup_list::parse);
    let files = said.as_ref().map(|said| said.files.as_slice()).unwrap_or_default();
    let bytes: u128 = files.iter().map(|(_, bytes)| u128::from(*bytes)).sum();
    let has_room = bytes <= u128::from(ROOM_BYTES);
    let mut into = Memory { listed: files.iter(), has_room, is_foreign: false, kept: BTreeMap::new() };
    let (mut from, mut asked) = (parcel, 0);
    let mut is_ours = |cluster: &str| {
        asked += 1;
        if cluster == FOREIGN { Err("it is of another cluster".to_owned()) } else { Ok(()) }
    };
    let contents = receive_into(&mut from, &mut into, ROOM_BYTES, &mut is_ours)?;
    let (Some(list), Some(said)) = (list, &said) else { panic!("it is accepted without a list") };
    assert_eq!((contents, asked), (said.contents, 1));
    assert!(into.listed.next().is_none(), "files are missing");
    let kept: Vec<u8> = files.iter().flat_map(|(path, _)| &into.kept[Path::new(path)]).copied().collect();
    assert_eq!(sent(list, &kept).as_deref(), Some(parcel));
    // It is whole only as it is.
    let shorter = receive(&parcel[..parcel.len() - 1]);
    assert!(matches!(shorter, Err(ParcelError::Broken(_))), "{shorter:?}");
    let longer = receive(&[parcel, b"x".as_slice()].concat());
    assert!(matches!(longer, Err(ParcelError::Refused(_))), "{longer:?}");
    Ok(())
}

/// An answer that comes in pieces.
struct Pieces<'a> {
    bytes: &'a [u8],
    piece_bytes_max: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let next = into.len().min(self.piece_bytes_max);
        self.bytes.read(&mut into[..next])
    }
}

fn body_of(answer: &[u8], piece_bytes_max: usize) -> Result<Vec<u8>, NoParcel> {
    let mut body = Vec::new();
    read_head(Pieces { bytes: answer, piece_bytes_max })?.read_to_end(&mut body).map_err(NoParcel::Broken)?;
    Ok(body)
}

/// The body of an answer, if it has one that came whole. The pieces in which it comes do not matter.
fn checked_body(answer: &[u8]) -> Option<Vec<u8>> {
    match (body_of(answer, usize::MAX), body_of(answer, 1)) {
        (Ok(body), Ok(slow)) => {
            assert_eq!(body, slow);
            Some(body)
        }
        (Err(error), Err(slow)) => {
            assert_eq!(format!("{error:?}"), format!("{slow:?}"));
            if let NoParcel::Status { status, message } = error {
                assert!(status != 200 && message.chars().count() <= MESSAGE_CHARS_MAX, "{status}: {message}");
            }
            None
        }
        (whole, slow) => panic!("{whole:?} at once, and {slow:?} in pieces"),
    }
}

/// Sends a body in both ways in which its end can be known. It arrives, and one that breaks off does not.
fn check_body(body: &[u8]) {
    let mut of_length = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    of_length.extend(body);
    let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(CHUNK_BYTES) {
        chunked.extend(format!("{:x}\r\n", chunk.len()).bytes());
        chunked.extend(chunk);
        chunked.extend(b"\r\n");
    }
    chunked.extend(LAST_CHUNK);
    for (answer, end_bytes) in [(of_length, 1), (chunked, LAST_CHUNK.len())] {
        assert_eq!(body_of(&answer, usize::MAX).expect("it is whole"), body);
        let cut = body_of(&answer[..answer.len() - end_bytes], usize::MAX);
        assert!(matches!(cut, Err(NoParcel::Broken(_))), "{cut:?}");
    }
}

fuzz_target!(|input: &[u8]| {
    match input.split_first() {
        Some((b'p', parcel)) => {
            let _any = receive(parcel);
        }
        Some((b's', backup)) => {
            let Some(end) = backup.iter().position(|byte| *byte == 0) else { return };
            let Ok(list) = std::str::from_utf8(&backup[..end]) else { return };
            let Some(parcel) = sent(list, &backup[end + 1..]) else { return };
            let received = receive(&parcel);
            assert!(!matches!(received, Err(ParcelError::Broken(_))), "{received:?}");
        }
        Some((b'a', answer)) => {
            let Some(body) = checked_body(answer) else { return };
            check_body(&body);
            let _any = receive(&body);
        }
        _ => {}
    }
});

//! Transfers over an agent's restart. A file has the transfers as of the last time when an interface came, went or was
//! reset, and the counters of each interface then. The next process of the same boot continues from there.
//!
//! ```text
//! windfire transfers 2
//! boot BOOT-ID
//! transfer RECEIVED SENT
//! index IFINDEX RECEIVED SENT      for each interface known by its number
//! name NAME RECEIVED SENT          for each interface known by its name
//! check CRC                        CRC-32 of everything before, 8 hexadecimal digits
//! ```
//! A file that is damaged is not used. Version 1 had no last line, and is still read.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::counters::{Bytes, Identity};
use crate::collector::apart::STACK_BYTES;

const TITLE: &str = "windfire transfers 2";
const TITLE_1: &str = "windfire transfers 1";
const CHECK: &str = "check ";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Bytes read of the file: far more than is ever written.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Counted bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) transfer: Bytes,
    /// The counters of each interface.
    pub(super) interfaces: Vec<(Identity, Bytes)>,
}

impl Counted {
    fn text(&self, boot: &str) -> String {
        let Bytes { received, sent } = self.transfer;
        let mut text = format!("{TITLE}\nboot {boot}\ntransfer {received} {sent}\n");
        for (identity, Bytes { received, sent }) in &self.interfaces {
            let _to_memory = match identity {
                Identity::Index(index) => writeln!(text, "index {index} {received} {sent}"),
                Identity::Name(name) if name.contains(char::is_whitespace) => Ok(()),
                Identity::Name(name) => writeln!(text, "name {name} {received} {sent}"),
            };
        }
        let check = crc32fast::hash(text.as_bytes());
        let _to_memory = writeln!(text, "{CHECK}{check:08x}");
        text
    }

    /// The contents of the file for that boot. `None` if it is of another boot, or not such a file.
    fn parse(text: &str, boot: &str) -> Option<Self> {
        let mut lines = sound(text)?.split('\n').skip(1);
        if lines.next()?.strip_prefix("boot ")? != boot {
            return None;
        }
        let bytes = |text: &str| {
            let (received, sent) = text.split_once(' ')?;
            Some(Bytes { received: received.parse().ok()?, sent: sent.parse().ok()? })
        };
        let transfer = bytes(lines.next()?.strip_prefix("transfer ")?)?;
        let interface = |line: &str| {
            let (kind, rest) = line.split_once(' ')?;
            let (which, rest) = rest.split_once(' ')?;
            let identity = match kind {
                "index" => Identity::Index(which.parse().ok()?),
                "name" => Identity::Name(which.to_owned()),
                _ => return None,
            };
            Some((identity, bytes(rest)?))
        };
        Some(Self { transfer, interfaces: lines.map(interface).collect::<Option<_>>()? })
    }
}

/// The lines of a file that is not damaged, without its checksum.
fn sound(text: &str) -> Option<&str> {
    let lines = text.strip_suffix('\n')?;
    match lines.split('\n').next()? {
        TITLE_1 => Some(lines),
        TITLE => {
            let (body, check) = lines.rsplit_once('\n')?;
            let check = u32::from_str_radix(check.strip_prefix(CHECK)?, 16).ok()?;
            (crc32fast::hash(&text.as_bytes()[..=body.len()]) == check).then_some(body)
        }
        _ => None,
    }
}

/// Whether a text is such a file. For fuzzing.
#[doc(hidden)]
pub fn is_transfers(text: &str, boot: &str) -> bool {
    Counted::parse(text, boot).is_some_and(|counted| Counted::parse(&counted.text(boot), boot) == Some(counted))
}

/// Writes the file, on its own thread, because a disk may hang.
#[derive(Debug)]
pub(super) struct Keeper {
    boot: String,
    texts: SyncSender<String>,
    #[cfg(test)]
    thread: thread::JoinHandle<()>,
}

impl Keeper {
    /// Keeps transfers in `path`. Also returns the file's contents for this boot. `None` if the system has no boot id.
    pub(super) fn open(root: &Path, path: &Path) -> Option<(Self, Option<Counted>)> {
        let boot = fs::read_to_string(root.join(BOOT_ID.trim_start_matches('/'))).ok()?.trim().to_owned();
        let text = read(path);
        if text.as_deref().is_some_and(|text| sound(text).is_none()) {
            tracing::warn!("{} is damaged and rewritten: transfers begin again", path.display());
        }
        let counted = text.and_then(|text| Counted::parse(&text, &boot));
        let (texts, to_write) = sync_channel::<String>(1);
        let path = path.to_owned();
        let run = move || {
            let mut is_told = false;
            for text in to_write {
                if let Err(error) = write(&path, &text)
                    && !std::mem::replace(&mut is_told, true)
                {
                    let path = path.display();
                    tracing::warn!(%error, "{path} cannot be written: after a restart, transfers may begin again");
                }
            }
        };
        let thread = thread::Builder::new().name("transfers".to_owned()).stack_size(STACK_BYTES).spawn(run).ok()?;
        let keeper = Self {
            boot,
            texts,
            #[cfg(test)]
            thread,
        };
        #[cfg(not(test))]
        drop(thread);
        Some((keeper, counted))
    }

    /// Returns whether it will be written: not while the previous one waits to be written.
    pub(super) fn keep(&self, counted: &Counted) -> bool {
        self.texts.try_send(counted.text(&self.boot)).is_ok()
    }

    /// Waits until all is written.
    #[cfg(test)]
    pub(super) fn finish(self) {
        drop(self.texts);
        self.thread.join().expect("written");
    }
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    // A byte that is no text is damage, and fails the check.
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces the whole file. It is not synced: after a power cut there is another boot.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let draft: PathBuf = path.with_extension("new");
    fs::write(&draft, text)?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: Bytes = Bytes { received: u64::MAX, sent: 7 };

    fn counted() -> Counted {
        let interfaces =
            vec![(Identity::Index(2), BYTES), (Identity::Name("eth0:1".to_owned()), Bytes { received: 0, sent: 1 })];
        Counted { transfer: BYTES, interfaces }
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let text = counted().text("b-1");
        assert_eq!(Counted::parse(&text, "b-1"), Some(counted()));
        assert_eq!(Counted::parse(&text, "b-2"), None, "another boot");
        for end in 0..text.len() {
            assert_eq!(Counted::parse(&text[..end], "b-1"), None, "cut at {end}");
        }
    }

    /// As version 1 wrote it.
    fn text_1(counted: &Counted, boot: &str) -> String {
        let text = counted.text(boot);
        let (body, _) = text.split_once(CHECK).expect("a checksum");
        body.replace(TITLE, TITLE_1)
    }

    #[test]
    fn no_changed_bit_changes_a_transfer() {
        let text = counted().text("b-1");
        let mut refused = 0;
        for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            // A digit of the checksum may have become a capital.
            let read = Counted::parse(&String::from_utf8_lossy(&bytes), "b-1");
            assert!(read.as_ref().is_none_or(|read| *read == counted()), "byte {at}, bit {bit}: {read:?}");
            refused += usize::from(read.is_none());
        }
        println!("{refused} of {} changed bits refused", text.len() * 8);
        assert!(refused >= (text.len() - 8) * 8);
    }

    #[test]
    fn a_file_of_version_1_is_read_with_care() {
        let text = text_1(&counted(), "b-1");
        assert_eq!(Counted::parse(&text, "b-1"), Some(counted()));
        assert_eq!(Counted::parse(&text, "b-2"), None, "another boot");
        let transfer = "transfer 18446744073709551615 7";
        assert!(text.contains(transfer));
        for odd in ["transfer 18446744073709551616 7", "transfer -1 7", "transfer 7", "transfer 7 7 7", ""] {
            assert_eq!(Counted::parse(&text.replace(transfer, odd), "b-1"), None, "{odd:?}");
        }
        assert_eq!(Counted::parse(&text.replace("index", "indexes"), "b-1"), None);
    }

    #[test]
    fn a_name_that_would_break_its_line_is_left_out() {
        let odd = Counted { interfaces: vec![(Identity::Name("a b".to_owned()), BYTES)], ..counted() };
        assert_eq!(Counted::parse(&odd.text("b"), "b"), Some(Counted { interfaces: Vec::new(), ..odd }));
    }

    #[test]
    fn a_boot_without_a_name_keeps_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        assert!(Keeper::open(folder.path(), &folder.path().join("transfers")).is_none());
    }
}

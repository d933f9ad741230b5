//! Transfers over an agent's restart. A file has the transfers as of the last time when an interface came, went or was
//! reset, and the counters of each interface then. The next process of the same boot continues from there.
//!
//! ```text
//! windfire transfers 1
//! boot BOOT-ID
//! transfer RECEIVED SENT
//! index IFINDEX RECEIVED SENT      for each interface known by its number
//! name NAME RECEIVED SENT          for each interface known by its name
//! ```

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use super::counters::{Bytes, Identity};
use crate::collector::apart::STACK_BYTES;

const TITLE: &str = "windfire transfers 1";
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
        text
    }

    /// The contents of the file for that boot. `None` if it is of another boot, or not such a file.
    fn parse(text: &str, boot: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != TITLE || lines.next()?.strip_prefix("boot ")? != boot {
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
        let counted = read(path).and_then(|text| Counted::parse(&text, &boot));
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
    let mut text = String::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
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
            let cut = Counted::parse(&text[..end], "b-1");
            assert!(cut.is_none_or(|cut| text[..end].ends_with('\n') && cut.transfer == BYTES), "cut at {end}");
        }
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

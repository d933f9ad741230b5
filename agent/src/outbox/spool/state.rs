//! The state of a spool: its machine, and the run of version 1.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::identity::hex;
use crate::outbox::error::{SpoolError, at};

const PREFIX: &str = "windfire spool ";
const VERSION: u32 = 2;
const TITLE: &str = "windfire spool 2";
pub(super) const TITLE_1: &str = "windfire spool 1";
/// Hexadecimal digits of the digest of a machine's id.
pub(super) const MACHINE_DIGITS: usize = 16;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct State {
    /// Digest of the id of the machine that used the folder last, where it has one.
    pub(super) machine: Option<String>,
    /// The names of the segments of version 1.
    pub(super) earlier: Option<Earlier>,
}

/// The run of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Earlier {
    pub(super) outbox_id: u128,
    /// Sequence number minus raw number.
    pub(super) shift: u64,
    /// Raw number below which everything is settled.
    pub(super) floor: u64,
}

impl Earlier {
    pub(super) fn of(outbox_id: u128) -> Self {
        Self { outbox_id, shift: 0, floor: 1 }
    }

    fn parse<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<Self> {
        let outbox_id = u128::from_str_radix(words.next()?, 16).ok()?;
        Some(Self { outbox_id, shift: words.next()?.parse().ok()?, floor: words.next()?.parse().ok()? })
    }
}

/// The name of a machine in the state. It does not reveal the machine's id.
pub(super) fn machine_digest(machine: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(b"windfire spool machine\0");
    hash.update(machine.as_bytes());
    hex(&hash.finalize())[..MACHINE_DIGITS].to_owned()
}

pub(super) fn tell_of_copy(folder: &Path, state: Option<&State>, machine: Option<&str>) {
    let before = state.and_then(|state| state.machine.as_deref());
    if before.zip(machine).is_some_and(|(before, machine)| before != machine) {
        let spool = folder.display();
        tracing::warn!(
            %spool,
            "this spool was last used on another machine: if that one still has it, give each its own folder and credential"
        );
    }
}

/// The state, if there is one. A state that cannot be read matters only if there are segments of version 1, which it
/// alone names.
pub(super) fn read_state(folder: &Path, has_earlier: bool) -> Result<Option<State>, SpoolError> {
    let path = folder.join("state");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SpoolError::Io { path, error }),
    };
    let text = String::from_utf8_lossy(&bytes);
    // A title that was cut or damaged is no version.
    let version = text.strip_prefix(PREFIX).and_then(|rest| rest.lines().next()?.parse::<u32>().ok());
    let is_of_newer_version = version.is_some_and(|version| version > VERSION);
    match parse_state(&text) {
        Some(state) if state.earlier.is_some() || !has_earlier => Ok(Some(state)),
        _ if has_earlier || is_of_newer_version => Err(SpoolError::State { path }),
        _ => {
            tracing::warn!(state = %path.display(), "the spool's state is damaged and rewritten: no report needs it");
            Ok(None)
        }
    }
}

pub(super) fn parse_state(text: &str) -> Option<State> {
    let mut lines = text.lines();
    match lines.next()? {
        TITLE_1 => Some(State { machine: None, earlier: Some(Earlier::parse(lines)?) }),
        TITLE => {
            let machine = lines.next()?.strip_prefix("machine ")?;
            let earlier = match lines.next() {
                None => None,
                Some(line) => Some(Earlier::parse(line.strip_prefix("earlier ")?.split(' '))?),
            };
            Some(State { machine: (machine != "-").then(|| machine.to_owned()), earlier })
        }
        _ => None,
    }
}

pub(super) fn write_state(folder: &Path, state: &State) -> Result<(), SpoolError> {
    let (path, draft) = (folder.join("state"), folder.join("state.new"));
    let write = || {
        let mut file = File::create(&draft)?;
        writeln!(file, "{TITLE}\nmachine {}", state.machine.as_deref().unwrap_or("-"))?;
        if let Some(Earlier { outbox_id, shift, floor }) = state.earlier {
            writeln!(file, "earlier {outbox_id:032x} {shift} {floor}")?;
        }
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        sync_folder(folder)
    };
    write().map_err(at(&path))
}

/// A renamed file is on disk when its folder is.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Reads a state file's text, for the fuzzer.
#[doc(hidden)]
pub fn is_state(text: &str) -> bool {
    parse_state(text).is_some()
}

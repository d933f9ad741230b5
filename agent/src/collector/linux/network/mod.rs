//! Traffic of the interfaces where bytes enter and leave the machine. They are known by the kernel's facts, not by
//! name.

mod counters;
mod nature;
#[cfg(test)]
mod tests;
mod transfers;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::files::{self, Files};
use counters::{Bytes, Identity, grown_by, of_proc};
use nature::{Nature, counted};
#[doc(hidden)]
pub use transfers::is_transfers;
use transfers::{Counted, Keeper};

/// The result of a reading.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    /// A counter: the interfaces' counters when the first process of this boot began, and their growth since.
    pub(super) transfer: Bytes,
    /// Per second.
    pub(super) speed: Bytes,
    /// Counters that moved by more than any wire carries.
    pub(super) impossible: u64,
}

const CLASS: &str = "/sys/class/net";
const PROC: &str = "/proc/net/dev";

/// Readings between two classifications of the interfaces, if none came or went.
const CLASSIFY_EVERY: u32 = 10;
/// Interfaces whose counters are remembered.
const KNOWN_MAX: usize = 4096;
/// Traffic, added up from reading to reading.
#[derive(Debug, Default)]
pub(super) struct Network {
    names: Vec<String>,
    counted: Vec<String>,
    until_classified: u32,
    known: HashMap<Identity, Known>,
    transfer: Bytes,
    before: Option<Instant>,
    /// Keeps the transfers over a restart.
    keeper: Option<Keeper>,
    /// Whether there is something to keep: the kept state and the counters no longer give the present transfer.
    is_unkept: bool,
}

/// The last reading of an interface.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// `None` if it was read by an earlier process.
    at: Option<Instant>,
    bytes: Bytes,
    /// Its growth until then.
    grown: Bytes,
}

impl Network {
    /// Continues where the last process of this boot stopped, from that file.
    pub(super) fn resumed(root: &Path, path: &Path) -> Self {
        let Some((keeper, counted)) = Keeper::open(root, path) else { return Self::default() };
        let mut network = Self { keeper: Some(keeper), ..Self::default() };
        if let Some(Counted { transfer, interfaces }) = counted {
            let known = |(identity, bytes)| (identity, Known { at: None, bytes, grown: Bytes::default() });
            network.known = interfaces.into_iter().take(KNOWN_MAX).map(known).collect();
            network.transfer = transfer;
        }
        network
    }

    pub(super) fn read(&mut self, files: &mut Files, now: Instant) -> Traffic {
        let found = match files::names(&files.path(CLASS)) {
            Ok(names) if names.is_empty() => Err("no interface is there".to_owned()),
            Ok(names) => Ok(self.of_sysfs(files, names)),
            Err(error) => Err(error.to_string()),
        };
        let found = found.unwrap_or_else(|why| {
            let said = files.text_if(PROC).map(|text| of_proc(&text)).filter(|found| !found.is_empty());
            if said.is_none() {
                files.miss(CLASS, &why);
            }
            said.unwrap_or_default()
        });
        self.add_up(found, now)
    }

    /// Counters of the interfaces that count.
    fn of_sysfs(&mut self, files: &Files, mut names: Vec<String>) -> Vec<(Identity, Bytes)> {
        names.sort_unstable();
        let class = files.path(CLASS);
        if self.until_classified == 0 || names != self.names {
            let natures: Vec<Nature> = names.iter().map(|name| Nature::read(&class, name)).collect();
            self.counted = counted(&natures).into_iter().map(|at| names[at].clone()).collect();
            (self.names, self.until_classified) = (names, CLASSIFY_EVERY);
        }
        self.until_classified -= 1;
        let bytes = |name: &String| {
            let at = class.join(name);
            let number = |file| files::number(&at.join("statistics").join(file));
            // Looked up each time: another may have taken the name.
            let index = files::number(&at.join("ifindex"));
            let identity = index.map_or_else(|| Identity::Name(name.clone()), Identity::Index);
            Some((identity, Bytes { received: number("rx_bytes")?, sent: number("tx_bytes")? }))
        };
        self.counted.iter().filter_map(bytes).collect()
    }

    /// Adds the growth of each interface since it was last seen. A sum of counters would not be a counter, because
    /// interfaces come and go.
    fn add_up(&mut self, found: Vec<(Identity, Bytes)>, now: Instant) -> Traffic {
        let before = self.before.replace(now);
        let is_first = before.is_none() && self.known.is_empty();
        let was_there = |known: &Known| before.is_some() && known.at == before;
        let mut gone = self.known.values().filter(|known| was_there(known)).count();
        let (mut speed, mut impossible) = (Bytes::default(), 0);
        for (identity, bytes) in found {
            let known = self.known.get(&identity).copied();
            let mut grown = Bytes::default();
            if let Some(known) = known {
                let elapsed = known.at.map(|at| now.duration_since(at));
                let mut one = |before, now, usual| {
                    grown_by(before, now, usual, elapsed).unwrap_or_else(|| {
                        impossible += 1;
                        0
                    })
                };
                grown.received = one(known.bytes.received, bytes.received, known.grown.received);
                grown.sent = one(known.bytes.sent, bytes.sent, known.grown.sent);
                if was_there(&known) {
                    speed = speed.plus(grown);
                    gone -= 1;
                }
                self.is_unkept |= known.bytes.plus(grown) != bytes;
            } else if is_first {
                self.transfer = self.transfer.plus(bytes);
            }
            self.is_unkept |= !known.is_some_and(|known| was_there(&known));
            self.transfer = self.transfer.plus(grown);
            self.known.insert(identity, Known { at: Some(now), bytes, grown });
        }
        self.is_unkept |= gone > 0;
        // An interface that went may come back under the same number, but their count is bounded.
        if self.known.len() > KNOWN_MAX {
            self.known.retain(|_, known| known.at == Some(now));
        }
        self.keep();
        let elapsed = before.map_or(Duration::ZERO, |before| now.duration_since(before));
        let a_second = |bytes: u64| {
            let per_second = u128::from(bytes) * 1000 / elapsed.as_millis().max(1);
            u64::try_from(per_second).unwrap_or(u64::MAX)
        };
        let speed = Bytes { received: a_second(speed.received), sent: a_second(speed.sent) };
        Traffic { transfer: self.transfer, speed, impossible }
    }
}

impl Network {
    /// The kept state stays right while the counters grow: only other changes must be kept.
    fn keep(&mut self) {
        let Some(keeper) = self.keeper.as_ref().filter(|_| self.is_unkept) else { return };
        let interfaces = self.known.iter().map(|(identity, known)| (identity.clone(), known.bytes)).collect();
        self.is_unkept = !keeper.keep(&Counted { transfer: self.transfer, interfaces });
    }
}

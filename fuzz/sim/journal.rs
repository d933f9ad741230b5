//! What happens in a run, line by line: hashed, so that two runs of a seed can be compared, and the last lines kept for a
//! failure. Nothing in it depends on the machine: agents, servers and connections have the simulator's own numbers.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

/// Lines that a failure shows.
const LINES: usize = 40;

/// What happens in a run.
#[derive(Debug)]
pub(crate) struct Journal {
    hash: u64,
    /// The last lines.
    pub(crate) lines: VecDeque<String>,
    prints: bool,
    /// How often what happened.
    pub(crate) counts: Counts,
}

/// How often what happened.
pub(crate) type Counts = BTreeMap<Cow<'static, str>, u64>;

impl Journal {
    /// An empty one, that prints each line or not.
    pub(crate) fn new(prints: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, lines: VecDeque::new(), prints, counts: Counts::new() }
    }

    /// FNV-1a, 64 bits, of all lines.
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Something happens.
    pub(crate) fn note(&mut self, line: String) {
        for byte in line.bytes().chain([b'\n']) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if self.prints {
            println!("{line}");
        }
        self.lines.push_back(line);
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }

    /// Something of that kind happened so often.
    pub(crate) fn count(&mut self, what: impl Into<Cow<'static, str>>, times: u64) {
        *self.counts.entry(what.into()).or_default() += times;
    }
}

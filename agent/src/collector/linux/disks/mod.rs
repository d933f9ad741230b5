//! Space of the file systems on disks of this machine. Each counts once, under any name and at any mount point.
//!
//! A file system may never answer. So one separate thread asks them, one after the other. If one takes too long, that
//! thread is left waiting, the file system keeps its last answer, and another thread continues with the others.

mod mounts;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::collector::apart::STACK_BYTES;
use crate::collector::linux::root::Root;
use mounts::list;
use targets::{Device, Place, Target, targets};

/// Bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Space {
    pub(super) total: u64,
    pub(super) used: u64,
}

/// Time for a file system to answer. After it, the others are asked without this one.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Threads that wait for file systems that do not answer. When there are so many, no file system is asked until one has
/// answered.
const WAITING_MAX: usize = 8;
/// Readings between two reads of the list of mounts.
const LIST_EVERY: u32 = 5;

/// The call that asks one file system.
type Ask = dyn Fn(&Place) -> Option<Space> + Send + Sync;

pub(super) struct Disks {
    shared: Arc<Shared>,
    until_listed: u32,
}

struct Shared {
    root: Root,
    ask: Box<Ask>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_wanted: bool,
    is_over: bool,
    /// The list must be read again.
    is_stale: bool,
    targets: Option<Arc<Vec<Target>>>,
    answers: HashMap<Device, Space>,
    /// The thread whose turn it is, and the file system that it asks, and since when.
    turn: u64,
    asking: Option<(Device, Instant)>,
    /// Asked by threads whose turn is over.
    waiting: HashSet<Device>,
    has_thread: bool,
    /// A whole round was answered.
    is_known: bool,
}

impl Disks {
    pub(super) fn new(root: &Root) -> Self {
        Self::asking(root, Box::new(space))
    }

    fn asking(root: &Root, ask: Box<Ask>) -> Self {
        let shared = Shared { root: root.clone(), ask, state: Mutex::default(), changed: Condvar::new() };
        Self { shared: Arc::new(shared), until_listed: 0 }
    }

    /// The newest sum, without waiting. `None` if the kernel's list cannot be read. It also starts the next round.
    pub(super) fn space(&mut self, now: Instant) -> Option<Space> {
        let mut state = self.shared.state.lock();
        state.is_stale |= self.until_listed == 0;
        self.until_listed = if self.until_listed == 0 { LIST_EVERY } else { self.until_listed - 1 };
        state.is_wanted = true;
        let late = state.asking.as_ref().filter(|(_, since)| now.duration_since(*since) > ANSWER_TIMEOUT);
        if let Some((device, _)) = late.cloned()
            && state.waiting.len() < WAITING_MAX
        {
            tracing::warn!(file_system = %device.name(), "a file system does not answer: it keeps its last values");
            state.waiting.insert(device);
            (state.asking, state.has_thread) = (None, false);
            state.turn += 1;
        }
        if !state.has_thread {
            let (shared, turn) = (Arc::clone(&self.shared), state.turn);
            let thread = thread::Builder::new().name("disks".to_owned()).stack_size(STACK_BYTES);
            state.has_thread = thread.spawn(move || shared.run(turn)).is_ok();
        }
        self.shared.changed.notify_all();
        state.sum()
    }

    /// As [`Disks::space`], after a whole round, or after a while.
    pub(super) fn first_space(&mut self, at_most: Duration) -> Option<Space> {
        self.space(Instant::now());
        let mut state = self.shared.state.lock();
        self.shared.changed.wait_while_for(&mut state, |state| !state.is_known, at_most);
        state.sum()
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        self.shared.state.lock().is_over = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    /// Asks, round after round, until another thread has the turn.
    fn run(&self, turn: u64) {
        let mut state = self.state.lock();
        loop {
            self.changed.wait_while(&mut state, |state| !state.is_wanted && !state.is_over && state.turn == turn);
            if state.is_over || state.turn != turn {
                return;
            }
            state.is_wanted = false;
            if std::mem::take(&mut state.is_stale) || state.targets.is_none() {
                drop(state);
                let targets = list(&self.root).map(|mounts| Arc::new(targets(&self.root, &mounts)));
                state = self.state.lock();
                state.targets = targets;
                let devices: HashSet<Device> = state
                    .targets
                    .iter()
                    .flat_map(|targets| targets.iter())
                    .map(|target| target.device.clone())
                    .collect();
                state.answers.retain(|device, _| devices.contains(device));
            }
            let targets = state.targets.clone().unwrap_or_default();
            for target in targets.iter() {
                if state.turn != turn || state.is_over {
                    return;
                }
                if state.waiting.contains(&target.device) {
                    continue;
                }
                state.asking = Some((target.device.clone(), Instant::now()));
                drop(state);
                let answer = target.places.iter().find_map(|place| (self.ask)(place));
                state = self.state.lock();
                if state.turn == turn {
                    state.asking = None;
                } else {
                    state.waiting.remove(&target.device);
                }
                match answer {
                    Some(space) => drop(state.answers.insert(target.device.clone(), space)),
                    None => drop(state.answers.remove(&target.device)),
                }
            }
            state.is_known = true;
            self.changed.notify_all();
        }
    }
}

impl State {
    fn sum(&self) -> Option<Space> {
        let targets = self.targets.as_ref()?;
        let mut sum = Space::default();
        // Data sets of a pool share its free space.
        let mut pools: BTreeMap<&[u8], (u64, u64)> = BTreeMap::new();
        for target in targets.iter() {
            let Some(space) = self.answers.get(&target.device) else { continue };
            if let Device::Zfs(data_set) = &target.device {
                let pool = data_set.split(|byte| *byte == b'/').next().unwrap_or_default();
                let (free, used) = pools.entry(pool).or_default();
                *free = (*free).max(space.total.saturating_sub(space.used));
                *used = used.saturating_add(space.used);
            } else {
                sum.total = sum.total.saturating_add(space.total);
                sum.used = sum.used.saturating_add(space.used);
            }
        }
        for (free, used) in pools.into_values() {
            sum.total = sum.total.saturating_add(free).saturating_add(used);
            sum.used = sum.used.saturating_add(used);
        }
        Some(sum)
    }
}

/// Used is the space of files, as in v0. Reserves and quotas do not count as used.
fn space(place: &Place) -> Option<Space> {
    let found = rustix::fs::statvfs(&place.path).ok()?;
    if let Some(number) = place.number {
        let is_it = rustix::fs::stat(&place.path).is_ok_and(|stat| stat.st_dev == number);
        if !is_it {
            return None;
        }
    }
    Some(Space {
        total: found.f_blocks.saturating_mul(found.f_frsize),
        used: found.f_blocks.saturating_sub(found.f_bfree).saturating_mul(found.f_frsize),
    })
}

//! The state of history, and one round of its upkeep: sealing, packing, expiring.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};

use parking_lot::Mutex;

use super::catch_up::{CatchUp, CatchUpProgress, CatchingUp};
use super::plan::Floors;
use super::tier::{Retention, Tier};
use crate::clock::Clock;
use crate::health::Health;
use crate::intake::{Position, Watermark};
use crate::limits::{CLOCK_STORE_INTERVAL_MS, FAILED_ROUNDS_TOLD};
use crate::slot::Slot;
use crate::store::{Changes, Store, StoreError, key};

/// An hour or a day of a server: a kind of entry of the family `todo`, server and time.
pub(super) type Place = (u8, u64, i64);

/// What one round of upkeep did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// Heads that became blocks.
    pub heads_sealed: u64,
    /// Hours of a server that were packed.
    pub hours_packed: u64,
    /// Days of a server that were packed.
    pub days_packed: u64,
    /// Corrupt blocks. They stay where they are.
    pub corrupt_blocks: u64,
    /// Names of some of them.
    pub corrupt: Vec<String>,
    /// Names of hours and days that could not be read for the first time. They stay as they are.
    pub set_aside: Vec<String>,
    /// Reports that were older than their tier is kept when they were sealed.
    pub expired_reports: u64,
    /// Whether a range expired.
    pub has_expired: bool,
}

/// The part of history that is in memory, except for heads.
pub(crate) struct History {
    retention: Mutex<Retention>,
    /// Servers with full heads.
    pub(super) full: Mutex<Vec<Arc<Slot>>>,
    /// Oldest hour (raw) or day (minute, quarter) of each tier that is kept. Readers ignore what is older.
    pub(super) floors: [AtomicI64; 3],
    /// Servers whose clock is off, as of the last look at all heads.
    pub(super) clocks_off: AtomicUsize,
    /// Hours and days that could not be read, and when that was tried last. They hold up no others.
    pub(super) set_aside: Mutex<BTreeMap<Place, i64>>,
    catching_up: CatchingUp,
    /// Names of stretches of the log that cannot be read and were not handed out yet.
    lost: Mutex<Vec<String>>,
    /// How the newest round ended, and the rounds in a row that failed.
    health: Health,
    failed_rounds: AtomicU32,
    /// Upkeep is one thread's work at a time.
    state: Mutex<State>,
}

/// What upkeep remembers between rounds.
#[derive(Default)]
pub(super) struct State {
    pub(super) swept_ms: i64,
    pub(super) packed_ms: i64,
    pub(super) expired_ms: i64,
    clock_stored_ms: i64,
    /// The log is deleted before this commit.
    pub(super) log_cut: u64,
    pub(super) log_cut_ms: i64,
    /// Names of corrupt blocks that were met and not handed out yet.
    pub(super) corrupt: Vec<String>,
}

impl History {
    pub(crate) fn open(store: &Store, retention: Retention) -> Result<Self, StoreError> {
        let mut floors = [i64::MIN; 3];
        for (floor, key) in floors.iter_mut().zip(key::FLOORS) {
            *floor = store.time(key)?.unwrap_or(i64::MIN);
        }
        Ok(Self {
            retention: Mutex::new(retention),
            full: Mutex::default(),
            floors: floors.map(AtomicI64::new),
            clocks_off: AtomicUsize::new(0),
            set_aside: Mutex::default(),
            catching_up: CatchingUp::default(),
            lost: Mutex::default(),
            health: Health::default(),
            failed_rounds: AtomicU32::new(0),
            state: Mutex::default(),
        })
    }

    /// How long history is kept.
    pub(crate) fn retention(&self) -> Retention {
        *self.retention.lock()
    }

    /// Keeps history so long from the next round of upkeep on.
    pub(crate) fn set_retention(&self, retention: Retention) {
        *self.retention.lock() = retention;
    }

    /// Has the next rounds of upkeep catch up.
    pub(crate) fn begin_catch_up(&self, catch_up: CatchUp) {
        self.catching_up.begin(catch_up);
    }

    /// One step of catching up. Whether there was something to do.
    pub(crate) fn catch_up(&self, store: &Store, slots: &dyn Fn() -> Vec<Arc<Slot>>) -> Result<bool, StoreError> {
        self.catching_up.step(store, &mut |lost| self.note_lost(lost), slots, &|slot| self.note_full(slot))
    }

    /// Notes a stretch of the log that cannot be read. Upkeep hands its name out.
    pub(crate) fn note_lost(&self, lost: String) {
        self.lost.lock().push(lost);
    }

    /// Notes how a round of upkeep ended.
    pub(crate) fn note_round(&self, result: &Result<bool, StoreError>) {
        self.health.note(result);
        let failed = if result.is_ok() { 0 } else { self.failed_rounds.load(Ordering::Relaxed).saturating_add(1) };
        self.failed_rounds.store(failed, Ordering::Relaxed);
    }

    /// Why rounds of upkeep fail, when so many in a row did that it is no passing fault.
    pub(crate) fn failure(&self) -> Option<String> {
        let is_lasting = self.failed_rounds.load(Ordering::Relaxed) >= FAILED_ROUNDS_TOLD;
        self.health.reason().filter(|_| is_lasting)
    }

    /// How far history has caught up after a start; `None` when it has all reports.
    pub(crate) fn catch_up_progress(&self) -> Option<CatchUpProgress> {
        self.catching_up.progress.get()
    }

    /// Notes that the server has a full head.
    pub(crate) fn note_full(&self, slot: &Arc<Slot>) {
        self.full.lock().push(Arc::clone(slot));
    }

    /// Servers whose clock was off when all were looked at last.
    pub(crate) fn clocks_off(&self) -> usize {
        self.clocks_off.load(Ordering::Relaxed)
    }

    /// Hours and days of a server that could not be read.
    pub(crate) fn unreadable(&self) -> usize {
        self.set_aside.lock().len()
    }

    /// Whether a head is full.
    pub(crate) fn has_full(&self) -> bool {
        !self.full.lock().is_empty()
    }

    /// Oldest hour, for raw, or day that is kept of a tier.
    pub(crate) fn floor(&self, tier: Tier) -> i64 {
        self.floors[tier as usize].load(Ordering::Acquire)
    }

    /// The floors, on which a plan depends besides the query.
    pub(super) fn floors(&self) -> Floors {
        Floors(Tier::ALL.map(|tier| self.floor(tier)))
    }

    /// Does one round of upkeep: seals, packs, expires. Returns whether more is due at once. A step that fails is tried again
    /// in the next round; the steps before it stay done.
    pub(crate) fn upkeep(
        &self,
        store: &Store,
        watermark: &Watermark,
        slots: &dyn Fn() -> Vec<Arc<Slot>>,
        next_and_checkpoint: (Position, u64),
        clock: &Clock,
        now_ms: i64,
    ) -> (Upkeep, Result<bool, StoreError>) {
        let mut state = self.state.lock();
        // Deleting cannot be undone, so it goes by a time that no leap of a clock moves.
        let expiry_ms = clock.expiry_ms(now_ms);
        let mut upkeep = Upkeep::default();
        let mut run = || {
            store_clock(&mut state, store, clock, now_ms)?;
            self.lower_floors(store, expiry_ms)?;
            // Newer heads and the log have to wait for it.
            if self.catch_up(store, slots)? {
                return Ok(true);
            }
            self.sweep(&mut state, store, slots, next_and_checkpoint, now_ms)?;
            self.seal_full(store, watermark, expiry_ms, &mut upkeep)?;
            let has_more = self.pack(&mut state, store, now_ms, &mut upkeep)?;
            if !has_more {
                self.expire(&mut state, store, expiry_ms, &mut upkeep)?;
            }
            Ok(has_more)
        };
        let result = run();
        let lost = std::mem::take(&mut *self.lost.lock());
        upkeep.corrupt_blocks += lost.len() as u64;
        state.corrupt.extend(lost);
        upkeep.corrupt = std::mem::take(&mut state.corrupt);
        (upkeep, result)
    }

    /// The oldest hour whose reports still become blocks: by age, or where the disk budget has raised the floor.
    pub(super) fn oldest_hour(&self, expiry_ms: i64) -> i64 {
        self.floor(Tier::Raw).max(self.floor_by_age(Tier::Raw, expiry_ms))
    }
}

/// Stores the trusted time at intervals, so that the next start knows how late it is at least. Not synced: an older value
/// also helps.
fn store_clock(state: &mut State, store: &Store, clock: &Clock, now_ms: i64) -> Result<(), StoreError> {
    if (0..CLOCK_STORE_INTERVAL_MS).contains(&now_ms.saturating_sub(state.clock_stored_ms)) {
        return Ok(());
    }
    if let Some(stored) = clock.to_store() {
        let mut changes = Changes::default();
        changes.put_clock(&stored);
        store.write(&changes)?;
    }
    state.clock_stored_ms = now_ms;
    Ok(())
}

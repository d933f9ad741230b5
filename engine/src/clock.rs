//! The trusted time of the hub. `docs/decisions/clocks.md` says why.
//!
//! A wall clock can leap, by seconds or by decades, and come back. The time since the machine's start runs evenly. It
//! shows when the wall clock leapt, but not which side of the leap was right. Agents have their own clocks, and report
//! their time at each connection: they are the witnesses. So:
//!
//! * The **trusted time** follows the wall clock while that runs evenly. At a leap the trusted time runs on evenly, until
//!   witnesses confirm the wall clock, or none contradicts it for some time.
//! * The **expiry time** is what history expires by. It never moves faster than real time, so one wrong clock
//!   deletes nothing. After a long stop it catches up once the clock has been steady for a day.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::limits::{CLOCK_WITNESSES_MAX, EARLIEST_MS};
use crate::timing::HubTime;

/// After this moment no hub of this kind runs any more: 1 January 2200.
const LATEST_MS: i64 = 7_258_118_400_000;

/// Difference from an even run that is no leap: machines that keep time are corrected by less than this at once.
const LEAP_MS: i64 = 1_000;
/// Time for which a wall clock that leapt must run evenly before it is trusted, if no witness contradicts it.
const CONFIRM_MS: i64 = 60_000;
/// The same when a few witnesses contradict it: they may be the ones that are wrong.
const CONTRADICTED_MS: i64 = 3_600_000;
/// A longer stop is not believed at once: the clock may have leapt instead.
const STOP_MS: i64 = 600_000;
/// Steady time after which a long stop is taken as real, if no witness contradicts the clock.
const VOUCHED_MS: i64 = 3_600_000;
/// Age at which a witness no longer counts. Connected agents report their clock every ten minutes.
const WITNESS_AGE_MS: i64 = 20 * 60_000;
/// Time by which one thread's reading may come after that of another.
const LATE_MS: i64 = 10_000;
/// Steady time after which the expiry time becomes the trusted time.
const STEADY_MS: i64 = 24 * 3_600_000;
/// Difference from both sides of a leap above which an agent is no witness to it.
const WITNESS_OFF_MS: u64 = 60_000;
/// Witnesses that win against a wall clock that did not leap, or for as long as they contradict it.
const QUORUM: usize = 3;
/// Difference between witnesses that agree.
const AGREE_MS: i64 = 5_000;
/// Difference from the quorum above which the hub's clock is wrong.
const DISAGREE_MS: i64 = 30_000;

/// A reading of the machine's clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock, Unix milliseconds.
    pub wall_ms: i64,
    /// A clock that never leaps, milliseconds from any moment on.
    pub uptime_ms: i64,
}

/// The state of the hub's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockState {
    /// Milliseconds that the machine's wall clock is ahead of the trusted time. 0 unless it is doubted.
    pub wall_ahead_ms: i64,
    /// Milliseconds that expiry is behind the trusted time.
    pub expiry_behind_ms: i64,
    /// Agents whose clocks are known.
    pub witnesses: usize,
    /// How often the trusted time leapt.
    pub leaps: u64,
}

impl ClockState {
    /// Whether the machine's clock is not trusted at present.
    pub fn is_doubted(&self) -> bool {
        self.wall_ahead_ms.abs() > LEAP_MS
    }
}

/// The stored part. It tells a start the earliest time that it can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredClock {
    /// The newest trusted time that was stored, Unix milliseconds.
    pub(crate) trusted_ms: i64,
    /// The expiry time then.
    pub(crate) expiry_ms: i64,
    /// For how long the clock had been steady.
    pub(crate) steady_ms: i64,
}

/// The time that an agent's clock showed.
#[derive(Debug, Clone, Copy)]
struct Witness {
    /// Minus the trusted time, milliseconds.
    ahead_ms: i64,
    /// When, by the clock that never leaps.
    said_ms: i64,
}

/// The hub's clock.
#[derive(Debug)]
pub struct Clock {
    state: Mutex<State>,
    /// The trusted time as of the last reading or leap, for every frame. `None` before the first reading.
    now: Mutex<Option<HubTime>>,
}

#[derive(Debug)]
struct State {
    stored: Option<StoredClock>,
    running: Option<Running>,
    /// By server.
    witnesses: BTreeMap<u64, Witness>,
    leaps: u64,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    /// The trusted time at `uptime_ms`.
    trusted_ms: i64,
    uptime_ms: i64,
    expiry_ms: i64,
    steady_ms: i64,
    doubt: Option<Doubt>,
    /// The trusted time that was stored before the start. A right clock cannot show less.
    stored_ms: i64,
    /// The trusted time that was stored before the start, if the stop was long or of unknown length, and no witness has
    /// confirmed the wall clock yet.
    unvouched_from_ms: Option<i64>,
}

/// A wall clock that is not trusted.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    /// The wall clock minus the trusted time, milliseconds.
    ahead_ms: i64,
    /// When it began to show this, by the clock that never leaps.
    since_ms: i64,
}

impl Clock {
    /// A clock that continues from the stored one.
    pub(crate) fn new(stored: Option<StoredClock>) -> Self {
        let state = State { stored, running: None, witnesses: BTreeMap::new(), leaps: 0 };
        Self { state: Mutex::new(state), now: Mutex::new(None) }
    }

    /// The trusted time at a moment, Unix milliseconds. Must be called at least once per second.
    pub fn read(&self, reading: Reading) -> i64 {
        let mut state = self.state.lock();
        let state = &mut *state;
        let Some(running) = &mut state.running else {
            let running = Running::start(state.stored, reading);
            state.running = Some(running);
            self.note(state, running.trusted_ms, 0);
            return running.trusted_ms;
        };
        let leapt_ms = running.run(reading, &state.witnesses);
        let trusted_ms = running.trusted_ms;
        self.note(state, trusted_ms, leapt_ms);
        trusted_ms
    }

    /// Notes the time of a server's agent, just after the last reading.
    pub(crate) fn witness(&self, server_id: u64, agent_ms: i64) {
        let mut state = self.state.lock();
        let state = &mut *state;
        let State { running: Some(running), witnesses, .. } = state else { return };
        if !(EARLIEST_MS..LATEST_MS).contains(&agent_ms) {
            return;
        }
        // Connected agents report their clock again within ten minutes.
        witnesses.retain(|_, witness| running.uptime_ms.saturating_sub(witness.said_ms) <= WITNESS_AGE_MS);
        if witnesses.len() >= CLOCK_WITNESSES_MAX && !witnesses.contains_key(&server_id) {
            let oldest = witnesses.iter().min_by_key(|(_, witness)| witness.said_ms).map(|(id, _)| *id);
            oldest.map(|id| witnesses.remove(&id));
        }
        let ahead_ms = agent_ms.saturating_sub(running.trusted_ms);
        witnesses.insert(server_id, Witness { ahead_ms, said_ms: running.uptime_ms });
        let leapt_ms = running.hear(ahead_ms, witnesses);
        let trusted_ms = running.trusted_ms;
        self.note(state, trusted_ms, leapt_ms);
    }

    /// The expiry time when the trusted time is `now_ms`. It is `now_ms` if no clock was ever read.
    pub(crate) fn expiry_ms(&self, now_ms: i64) -> i64 {
        self.state.lock().running.map_or(now_ms, |running| running.expiry_ms.min(now_ms))
    }

    /// The state to store. `None` if no clock was ever read.
    pub(crate) fn to_store(&self) -> Option<StoredClock> {
        self.state.lock().running.map(|running| StoredClock {
            trusted_ms: running.trusted_ms,
            expiry_ms: running.expiry_ms,
            steady_ms: running.steady_ms,
        })
    }

    /// The trusted time as of the last reading. It is `now_ms` if no clock was ever read.
    pub(crate) fn hub_time(&self, now_ms: i64) -> HubTime {
        self.now.lock().unwrap_or(HubTime { now_ms, leapt_ms: 0 })
    }

    /// Notes the trusted time. After a leap the witnesses' differences are corrected, as their clocks did not change.
    fn note(&self, state: &mut State, now_ms: i64, leapt_ms: i64) {
        if leapt_ms != 0 {
            state.leaps += 1;
            let follow = |witness: &mut Witness| witness.ahead_ms = witness.ahead_ms.saturating_sub(leapt_ms);
            state.witnesses.values_mut().for_each(follow);
        }
        let mut now = self.now.lock();
        let before_ms = now.map_or(0, |now| now.leapt_ms);
        *now = Some(HubTime { now_ms, leapt_ms: before_ms.saturating_add(leapt_ms) });
    }

    /// Its state.
    pub fn state(&self) -> ClockState {
        let state = self.state.lock();
        let running = state.running;
        ClockState {
            wall_ahead_ms: running.and_then(|running| running.doubt).map_or(0, |doubt| doubt.ahead_ms),
            expiry_behind_ms: running.map_or(0, |running| running.trusted_ms - running.expiry_ms),
            witnesses: state.witnesses.len(),
            leaps: state.leaps,
        }
    }
}

impl Running {
    fn start(stored: Option<StoredClock>, reading: Reading) -> Self {
        let Reading { wall_ms, uptime_ms } = reading;
        let last_ms = stored.map(|stored| stored.trusted_ms.max(EARLIEST_MS));
        let stop_ms = last_ms.map_or(0, |last_ms| wall_ms.saturating_sub(last_ms));
        let is_behind = wall_ms < last_ms.unwrap_or(EARLIEST_MS) - LEAP_MS;
        let trusted_ms = if is_behind { last_ms.unwrap_or(EARLIEST_MS) } else { wall_ms };
        let is_short = (0..=STOP_MS).contains(&stop_ms);
        let expiry_ms = match stored {
            // A short stop explains the time that passed.
            Some(stored) if is_short => stored.expiry_ms.saturating_add(stop_ms),
            Some(stored) => stored.expiry_ms,
            None => trusted_ms,
        };
        Self {
            trusted_ms,
            uptime_ms,
            expiry_ms: expiry_ms.min(trusted_ms),
            steady_ms: stored.filter(|_| is_short).map_or(0, |stored| stored.steady_ms),
            doubt: is_behind.then(|| Doubt { ahead_ms: wall_ms.saturating_sub(trusted_ms), since_ms: uptime_ms }),
            stored_ms: last_ms.unwrap_or(EARLIEST_MS),
            unvouched_from_ms: (is_behind || stop_ms > STOP_MS).then_some(last_ms.unwrap_or(EARLIEST_MS)),
        }
    }

    /// Continues to a reading. Returns by how much the trusted time leapt, milliseconds.
    fn run(&mut self, reading: Reading, witnesses: &BTreeMap<u64, Witness>) -> i64 {
        // Another thread may have read later but come first: this reading is moved to that moment.
        let late_ms = self.uptime_ms.saturating_sub(reading.uptime_ms).clamp(0, LATE_MS);
        let (wall_ms, uptime_ms) = (reading.wall_ms.saturating_add(late_ms), reading.uptime_ms.saturating_add(late_ms));
        // It never goes back. If it did, no time has passed.
        let passed_ms = uptime_ms.saturating_sub(self.uptime_ms).max(0);
        self.uptime_ms = uptime_ms;
        self.trusted_ms = self.trusted_ms.saturating_add(passed_ms);
        // Expiry catches up after a stop once the clock has been steady for some time: two seconds per second.
        let steps = if self.steady_ms >= VOUCHED_MS { 2 } else { 1 };
        self.expiry_ms = self.expiry_ms.saturating_add(passed_ms.saturating_mul(steps)).min(self.trusted_ms);
        let ahead_ms = wall_ms.saturating_sub(self.trusted_ms);
        if ahead_ms.saturating_abs() <= LEAP_MS {
            // No leap: clocks that keep time are corrected now and then.
            self.trusted_ms = wall_ms;
            self.doubt = None;
            self.steady_ms = self.steady_ms.saturating_add(passed_ms).min(STEADY_MS);
            if self.steady_ms >= VOUCHED_MS {
                // No witness has contradicted it for a long time.
                self.unvouched_from_ms = None;
            }
            if self.steady_ms >= STEADY_MS {
                self.expiry_ms = self.trusted_ms;
            }
            return 0;
        }
        self.steady_ms = 0;
        let is_same = |doubt: &Doubt| doubt.ahead_ms.abs_diff(ahead_ms) <= LEAP_MS.unsigned_abs();
        let since_ms = self.doubt.filter(is_same).map_or(uptime_ms, |doubt| doubt.since_ms.min(uptime_ms));
        let doubt = Doubt { ahead_ms, since_ms };
        self.doubt = Some(doubt);
        self.judge(doubt, witnesses)
    }

    /// Trusts the wall clock again, if that is safe. Returns by how much the trusted time changed, milliseconds.
    fn judge(&mut self, doubt: Doubt, witnesses: &BTreeMap<u64, Witness>) -> i64 {
        let Doubt { ahead_ms, since_ms } = doubt;
        // A witness that is far from both says nothing about either.
        let near_ms = (ahead_ms.unsigned_abs() / 2).min(WITNESS_OFF_MS);
        let count = |from_ms: i64| {
            let since = || witnesses.values().filter(|witness| witness.said_ms >= from_ms);
            let of_wall = since().filter(|witness| witness.ahead_ms.abs_diff(ahead_ms) <= near_ms).count();
            (of_wall, since().filter(|witness| witness.ahead_ms.unsigned_abs() <= near_ms).count())
        };
        // Witnesses since the leap count more than earlier ones, as the clock that never leaps may have stopped for a
        // time.
        let (of_wall, of_trusted) =
            Some(count(since_ms)).filter(|recent| *recent != (0, 0)).unwrap_or_else(|| count(i64::MIN));
        let for_ms = self.uptime_ms - since_ms;
        let is_believed = match of_wall.cmp(&of_trusted) {
            Ordering::Greater => true,
            Ordering::Equal => for_ms >= CONFIRM_MS,
            // A clock that shows less than it once did is certainly wrong.
            Ordering::Less => {
                let is_possible = self.trusted_ms.saturating_add(ahead_ms) >= self.stored_ms;
                of_trusted < QUORUM && for_ms >= CONTRADICTED_MS && is_possible
            }
        };
        if !is_believed || self.trusted_ms.saturating_add(ahead_ms) < EARLIEST_MS {
            return 0;
        }
        self.doubt = None;
        self.unvouched_from_ms = None;
        self.leap(ahead_ms)
    }

    /// Takes a witness's time. Returns by how much the trusted time changed, milliseconds.
    fn hear(&mut self, said_ms: i64, witnesses: &BTreeMap<u64, Witness>) -> i64 {
        if let Some(doubt) = self.doubt {
            let leapt_ms = self.judge(doubt, witnesses);
            if leapt_ms != 0 {
                return leapt_ms;
            }
        }
        if let Some(last_ms) = self.unvouched_from_ms {
            let is_after = self.trusted_ms.saturating_add(said_ms) >= last_ms - AGREE_MS;
            let is_between = said_ms < 0 && is_after;
            if said_ms.saturating_abs() <= AGREE_MS {
                self.unvouched_from_ms = None;
            } else if is_between || self.doubt.is_some() && is_after {
                // Either the stop was long, and a witness's clock is between its beginning and our present time. Or
                // ours is certainly wrong, because it shows less than it once did.
                return self.disbelieve(said_ms);
            }
        }
        // Many witnesses that agree with one another, but not with this clock.
        let mut offsets: Vec<i64> = witnesses.values().map(|witness| witness.ahead_ms).collect();
        offsets.sort_unstable();
        let Some(median_ms) = offsets.get(offsets.len() / 2).copied() else { return 0 };
        let agreeing = offsets.iter().filter(|offset| offset.abs_diff(median_ms) <= AGREE_MS.unsigned_abs()).count();
        let is_quorum = agreeing >= QUORUM && agreeing * 3 >= offsets.len() * 2;
        let is_sane = self.trusted_ms.saturating_add(median_ms) >= EARLIEST_MS;
        if is_quorum && is_sane && median_ms.saturating_abs() > DISAGREE_MS {
            return self.disbelieve(median_ms);
        }
        0
    }

    /// Separates the trusted time from the wall clock.
    fn disbelieve(&mut self, by_ms: i64) -> i64 {
        let before = self.doubt.unwrap_or(Doubt { ahead_ms: 0, since_ms: self.uptime_ms });
        self.doubt = Some(Doubt { ahead_ms: before.ahead_ms.saturating_sub(by_ms), ..before });
        self.steady_ms = 0;
        self.unvouched_from_ms = None;
        self.leap(by_ms)
    }

    fn leap(&mut self, by_ms: i64) -> i64 {
        self.trusted_ms = self.trusted_ms.saturating_add(by_ms);
        // Time that was never reached has not passed.
        self.expiry_ms = self.expiry_ms.min(self.trusted_ms);
        by_ms
    }
}

#[cfg(test)]
mod tests;

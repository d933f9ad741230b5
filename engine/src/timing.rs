//! When a sample was taken, by the hub's clock. `docs/decisions/clocks.md` says why.
//!
//! Agents stamp readings with their own wall clock, which may be wrong, and may be corrected while they run. They also
//! report its time ([`Timing::on_clock`]), so the hub knows how far it is off. A time that is off by little is kept,
//! because it is finer than the hub's. Any other is moved to the hub's time ([`Timing::place`]). No reading of an
//! outbox is placed before the one that was taken before it.

use crate::limits::{CLOCK_SKEW_KEPT_MS, EARLIEST_MS};

/// Milliseconds by which uptimes are rounded, and a little more.
const UPTIME_ROUNDED_MS: i64 = 2_000;

/// How far after now a reading may be so that later readings are still placed after it.
const ORDER_KEPT_MS: i64 = 60_000;

/// An agent's clock, as the hub knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Timing {
    /// Added to the agent's times, milliseconds.
    shift_ms: i64,
    /// The newest time of the clock.
    told: Option<Told>,
    /// The sum of the leaps of the hub's own clock that all of this has followed.
    leapt_ms: i64,
    last: Option<Last>,
    /// Readings whose time was moved.
    pub(crate) moved: u64,
}

/// The last reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    /// By the agent's clock.
    agent_ms: i64,
    /// Its time in history, which no later leap of the hub's clock changes.
    placed_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    /// The agent's clock minus the hub's, milliseconds.
    skew_ms: i64,
    /// Uptime of its machine then, by its readings, milliseconds; 0 before the first. And the hub's time.
    uptime_ms: i64,
    hub_ms: i64,
}

/// When reports came, and whether they have their places in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dating {
    /// They came now, and have their agent's times.
    Now(HubTime),
    /// The hub that their agent is connected to has placed them.
    Placed {
        /// When they came there, Unix milliseconds by that hub's clock.
        received_ms: i64,
    },
}

impl Dating {
    /// When they came, Unix milliseconds by the clock of the hub that they came to.
    pub(crate) fn received_ms(self) -> i64 {
        match self {
            Self::Now(now) => now.now_ms,
            Self::Placed { received_ms } => received_ms,
        }
    }
}

/// The hub's time at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HubTime {
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
    /// The sum of the leaps of the hub's own clock, milliseconds.
    pub(crate) leapt_ms: i64,
}

impl Timing {
    /// The state after a start, when only the newest reading's time is known.
    pub(crate) fn after_start(last_ms: i64) -> Self {
        let mut timing = Self::default();
        timing.go_on_after(Some(last_ms));
        timing
    }

    /// Readings come from another outbox now: nothing says that they are newer than those before.
    pub(crate) fn on_outbox(&mut self) {
        self.last = None;
    }

    /// The next reading comes after one that was placed at `last_ms`, perhaps by another hub. With `None`, nothing says
    /// that it is newer than others.
    pub(crate) fn go_on_after(&mut self, last_ms: Option<i64>) {
        self.last = last_ms.map(|placed_ms| Last { agent_ms: i64::MIN, placed_ms });
    }

    /// A session begins. Its agent reports its clock afterwards, or not at all.
    pub(crate) fn on_session(&mut self) {
        (self.shift_ms, self.told) = (0, None);
    }

    /// Takes the agent's clock and uptime. Returns how far the clock is ahead of the hub's, milliseconds.
    pub(crate) fn on_clock(&mut self, agent_ms: i64, uptime_ms: u64, now: HubTime) -> i64 {
        self.follow(now.leapt_ms);
        let uptime_ms = i64::try_from(uptime_ms).unwrap_or(i64::MAX);
        let measured_ms = agent_ms.saturating_sub(now.now_ms);
        // A frame that waited makes the clock look late. Its change against the uptime is more exact.
        let before = self.told.filter(|told| told.uptime_ms > 0 && uptime_ms > 0);
        let skew_ms = before.map_or(measured_ms, |told| {
            let said_then_ms = told.hub_ms.saturating_add(told.skew_ms);
            let stepped_ms =
                agent_ms.saturating_sub(said_then_ms).saturating_sub(uptime_ms.saturating_sub(told.uptime_ms));
            measured_ms.max(told.skew_ms.saturating_add(stepped_ms))
        });
        self.shift_ms = shift_of(skew_ms);
        self.told = Some(Told { skew_ms, uptime_ms, hub_ms: agent_ms.saturating_sub(skew_ms) });
        skew_ms
    }

    /// The hub's time for a time of the agent's clock, as far as the clock's error is known.
    pub(crate) fn shifted(&self, agent_ms: i64) -> i64 {
        agent_ms.saturating_add(self.shift_ms)
    }

    /// Milliseconds that the agent's clock is ahead of the hub's. `None` if the agent never reported it.
    pub(crate) fn skew_ms(&self) -> Option<i64> {
        self.told.map(|told| told.skew_ms)
    }

    /// The hub's time of a reading that the agent took at `agent_ms` by its own clock, after all readings before it.
    pub(crate) fn place(&mut self, agent_ms: i64, uptime_s: u64, now: HubTime) -> i64 {
        self.follow(now.leapt_ms);
        // A reading that is far after now was placed while the hub's clock was ahead. Others keep the order, because a
        // counter that seems to fall would count as a reset.
        self.last = self.last.filter(|last| last.placed_ms <= now.now_ms.saturating_add(ORDER_KEPT_MS));
        let said_ms = self.shifted(agent_ms);
        let last_ms = self.last.map_or(i64::MIN, |last| last.placed_ms);
        // The previous reading may be too late by as much as a clock may be off.
        let is_after = |at_ms: &i64| *at_ms >= last_ms.saturating_sub(2 * CLOCK_SKEW_KEPT_MS);
        let by_uptime = self.by_uptime(uptime_s, now).filter(is_after);
        let is_meant = said_ms >= EARLIEST_MS.min(now.now_ms);
        let is_past = said_ms <= now.now_ms.saturating_add(CLOCK_SKEW_KEPT_MS);
        let is_back = last_ms.saturating_sub(said_ms) > CLOCK_SKEW_KEPT_MS;
        let mut placed_ms = said_ms;
        if let Some(at_ms) = by_uptime.filter(|at_ms| self.is_of_this_boot(said_ms, *at_ms)) {
            // The clock changed between this reading and its newest report of itself.
            placed_ms = at_ms;
        } else if !(is_meant && is_past) || is_back {
            placed_ms = by_uptime.unwrap_or_else(|| {
                if is_back && is_meant && is_past {
                    // The clock was set back between these two readings, which are one step apart.
                    last_ms.saturating_add(1)
                } else {
                    now.now_ms
                }
            });
            if by_uptime.is_none() {
                // Until the agent says otherwise, this is how far its clock is off from now on.
                self.shift_ms = placed_ms.saturating_sub(agent_ms);
            }
        }
        if placed_ms <= last_ms {
            // Two readings of one moment keep the same time.
            let is_same = self.last.is_some_and(|last| last.agent_ms == agent_ms);
            placed_ms = last_ms.saturating_add(i64::from(!is_same));
        }
        self.moved += u64::from(placed_ms != agent_ms);
        self.last = Some(Last { agent_ms, placed_ms });
        placed_ms
    }

    /// Differences from the hub's clock that were measured before it leapt are corrected by the leap.
    fn follow(&mut self, leapt_ms: i64) {
        let by_ms = leapt_ms.saturating_sub(self.leapt_ms);
        if by_ms == 0 {
            return;
        }
        self.leapt_ms = leapt_ms;
        self.shift_ms = 0;
        if let Some(told) = &mut self.told {
            told.hub_ms = told.hub_ms.saturating_add(by_ms);
            told.skew_ms = told.skew_ms.saturating_sub(by_ms);
            self.shift_ms = shift_of(told.skew_ms);
        }
    }

    /// Whether a reading claims to be of the machine's present run, in which its uptime counts, but contradicts that
    /// uptime.
    fn is_of_this_boot(&self, said_ms: i64, by_uptime_ms: i64) -> bool {
        let booted_ms = self.told.map_or(i64::MAX, |told| told.hub_ms.saturating_sub(told.uptime_ms));
        let is_off = said_ms.saturating_sub(by_uptime_ms).saturating_abs() > CLOCK_SKEW_KEPT_MS;
        said_ms >= booted_ms && is_off
    }

    /// When the machine had been up for so long, if that was since its last start.
    fn by_uptime(&self, uptime_s: u64, now: HubTime) -> Option<i64> {
        let told = self.told.filter(|told| told.uptime_ms > 0)?;
        let uptime_ms = i64::try_from(uptime_s).ok()?.checked_mul(1000)?;
        let at_ms = told.hub_ms.saturating_add(uptime_ms.saturating_sub(told.uptime_ms));
        (at_ms >= EARLIEST_MS && at_ms <= now.now_ms.saturating_add(UPTIME_ROUNDED_MS)).then_some(at_ms)
    }
}

/// Milliseconds to add to the times of a clock that is so far ahead.
fn shift_of(skew_ms: i64) -> i64 {
    if skew_ms.saturating_abs() <= CLOCK_SKEW_KEPT_MS { 0 } else { skew_ms.saturating_neg() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = EARLIEST_MS + 50_000_000_000;
    const DAY_MS: i64 = 86_400_000;

    fn at(second: i64) -> HubTime {
        HubTime { now_ms: NOW_MS + second * 1000, leapt_ms: 0 }
    }

    /// Places readings of every second by a clock that is off by so much, in the order of the seconds.
    fn place(timing: &mut Timing, seconds: std::ops::Range<i64>, off_ms: i64) -> Vec<i64> {
        let place = |second| timing.place(at(second).now_ms + off_ms, uptime(second), at(second)) - NOW_MS;
        seconds.map(place).collect()
    }

    fn uptime(second: i64) -> u64 {
        1_000_000 + second.unsigned_abs()
    }

    fn say(timing: &mut Timing, second: i64, off_ms: i64) {
        timing.on_clock(at(second).now_ms + off_ms, uptime(second) * 1000, at(second));
    }

    #[test]
    fn a_clock_that_is_nearly_right_keeps_its_milliseconds() {
        for off_ms in [0, -37, 800, -4_999] {
            let mut timing = Timing::default();
            say(&mut timing, 0, off_ms);
            assert_eq!(place(&mut timing, 1..4, off_ms), [1000, 2000, 3000].map(|ms| ms + off_ms));
            assert_eq!((timing.moved, timing.skew_ms()), (0, Some(off_ms)));
        }
    }

    #[test]
    fn a_clock_that_says_how_wrong_it_is_is_put_right() {
        for off_ms in [-NOW_MS, -400 * DAY_MS, -30 * DAY_MS, -3_600_000, 6_000, 3_600_000, 400 * DAY_MS] {
            let mut timing = Timing::default();
            say(&mut timing, 0, off_ms);
            assert_eq!(place(&mut timing, 1..4, off_ms), [1000, 2000, 3000], "{off_ms}");
        }
    }

    #[test]
    fn what_an_outbox_gathered_before_lies_where_it_was_taken() {
        let mut timing = Timing::default();
        say(&mut timing, 7200, 0);
        let placed: Vec<i64> =
            (0..7200).map(|second| timing.place(at(second).now_ms, uptime(second), at(7200))).collect();
        assert!(placed.iter().zip(0..).all(|(placed_ms, second)| *placed_ms == at(second).now_ms));
        // Readings that were gathered while the clock showed 1970, before it was corrected, are placed by their uptime.
        let mut timing = Timing::default();
        say(&mut timing, 7200, 0);
        let placed: Vec<i64> = (0..7200).map(|second| timing.place(second * 1000, uptime(second), at(7200))).collect();
        assert!(placed.iter().zip(0..).all(|(placed_ms, second)| *placed_ms == at(second).now_ms));
    }

    #[test]
    fn steps_of_a_clock_that_says_so_leave_the_order_and_the_distance() {
        let mut timing = Timing::default();
        let mut all = Vec::new();
        for (part, off_ms) in [0, -900, 3_600_000, -7_200_000, 0].into_iter().enumerate() {
            let first = part as i64 * 10;
            say(&mut timing, first, off_ms);
            all.extend(place(&mut timing, first..first + 10, off_ms));
        }
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        assert!(all.iter().zip(0..).all(|(placed_ms, second)| (placed_ms - second * 1000).abs() <= 1000), "{all:?}");
    }

    #[test]
    fn steps_of_a_clock_that_says_nothing_are_found_out() {
        // Ahead; then set back by an hour; then in 1970.
        let mut timing = Timing::default();
        let mut all = place(&mut timing, 0..10, 86_400_000);
        all.extend(place(&mut timing, 10..20, 82_800_000));
        all.extend(place(&mut timing, 20..30, -NOW_MS));
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        assert!(all.iter().zip(0..).all(|(placed_ms, second)| (placed_ms - second * 1000).abs() <= 3000), "{all:?}");
    }

    #[test]
    fn a_leap_of_the_hubs_own_clock_moves_nothing_of_an_agent_that_is_right() {
        let mut timing = Timing::default();
        // The hub was a year ahead when the agent came, and noticed.
        let year_ms = 365 * DAY_MS;
        timing.on_clock(NOW_MS, 5, HubTime { now_ms: NOW_MS + year_ms, leapt_ms: 0 });
        let right = HubTime { now_ms: NOW_MS + 1000, leapt_ms: -year_ms };
        assert_eq!(timing.place(NOW_MS + 1000, 6, right), NOW_MS + 1000);
        assert_eq!(timing.skew_ms(), Some(0));
    }

    #[test]
    fn what_a_clock_said_long_before_it_was_read_is_no_error_of_the_clock() {
        let mut timing = Timing::default();
        say(&mut timing, 0, 0);
        place(&mut timing, 0..60, 0);
        // The hub could not write for half an hour. Then it reads the frames that waited.
        timing.on_clock(at(600).now_ms, uptime(600) * 1000, at(1800));
        assert_eq!(timing.skew_ms(), Some(0));
        let placed: Vec<i64> =
            (60..1800).map(|second| timing.place(at(second).now_ms, uptime(second), at(1800))).collect();
        assert!(placed.iter().zip(60..).all(|(placed_ms, second)| *placed_ms == at(second).now_ms));
    }

    #[test]
    fn a_reading_that_was_placed_ahead_holds_nothing_there() {
        let year_ms = 365 * DAY_MS;
        // After a start; and in one process, with and without a clock that says what it shows.
        let mut timing = Timing::after_start(NOW_MS + year_ms);
        assert_eq!(timing.place(at(1).now_ms, uptime(1), at(1)), at(1).now_ms);
        for says in [false, true] {
            let mut timing = Timing::default();
            let ahead = |second: i64| HubTime { now_ms: at(second).now_ms + year_ms, leapt_ms: 0 };
            if says {
                timing.on_clock(at(0).now_ms, uptime(0) * 1000, ahead(0));
            }
            for second in 1..10 {
                timing.place(at(second).now_ms, uptime(second), ahead(second));
            }
            let right = |second: i64| HubTime { leapt_ms: -year_ms, ..at(second) };
            let placed: Vec<i64> =
                (10..20).map(|second| timing.place(at(second).now_ms, uptime(second), right(second))).collect();
            assert!(
                placed.iter().zip(10..).all(|(ms, second)| (ms - at(second).now_ms).abs() <= 10),
                "{says}: {placed:?}"
            );
        }
    }

    #[test]
    fn two_outboxes_that_take_turns_keep_their_times() {
        let mut timing = Timing::default();
        say(&mut timing, 100, 0);
        place(&mut timing, 100..110, 0);
        timing.on_outbox();
        assert_eq!(timing.place(at(3).now_ms, uptime(3), at(111)), at(3).now_ms);
    }
}

//! Whether the silence of servers says something about them, or about the hub: a hub that hears nobody, whose disk takes no
//! reports, or that has only just started, must not tell that its servers are away. Times are those of a clock that never
//! leaps.

/// Servers that must have been heard before the hub believes that it is the one who is cut off. With fewer, silence is as
/// likely theirs.
pub const ISOLATION_SERVERS_MIN: usize = 3;
/// Time without a packet from anybody after which the hub is cut off. An agent that reports seldom, or gathers reports, is
/// silent for 11 seconds at a time, and all agents may be so together: those of a hub that has just started connect at one
/// moment.
pub const ISOLATION_MS: i64 = 15_000;
/// A wall clock that leaps by more has every server be given time again: the newest report of each seems as much older.
/// Less than [`OFFLINE_S_MIN`](crate::limits::OFFLINE_S_MIN), so that a shorter leap alone makes nobody offline.
pub const LEAP_MS: i64 = 2_000;

/// What the hub knows besides the servers' reports.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outside {
    /// Milliseconds since a packet came from any agent, to any hub of the cluster; `None` when none ever came.
    pub quiet_ms: Option<i64>,
    /// Agents that are connected, or were until they fell silent.
    pub sessions: usize,
    /// Whether reports cannot be stored, so that agents are told to wait.
    pub is_stalled: bool,
    /// Free part of the disk of the data folder. `None` when it is not known.
    pub disk_free_percent: Option<f64>,
}

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    Same,
    /// The hub hears nobody any more.
    CutOff,
    /// It hears somebody again, after so many milliseconds.
    Back { lasted_ms: i64 },
    /// The time that it gave everybody to come back after that is over.
    Settled,
}

/// Watches over the hub itself.
#[derive(Debug)]
pub(super) struct Guard {
    grace_ms: i64,
    /// A server that was not heard since then is given time until `until_ms`.
    from_ms: i64,
    until_ms: i64,
    /// Since when the hub hears nobody.
    cut_off_ms: Option<i64>,
    /// Whether the time after having been cut off is running.
    settles: bool,
    was_stalled: bool,
    /// For how long nobody was heard, where that may be the hub's own fault.
    quiet_ms: i64,
    /// The newest look: by the clock that never leaps, and the wall clock minus that one.
    looked: Option<(i64, i64)>,
}

impl Guard {
    /// The guard of a hub that starts now.
    pub(super) fn new(grace_ms: i64, now_ms: i64) -> Self {
        Self {
            grace_ms,
            from_ms: now_ms,
            until_ms: now_ms.saturating_add(grace_ms),
            cut_off_ms: None,
            settles: false,
            was_stalled: false,
            quiet_ms: 0,
            looked: None,
        }
    }

    /// Takes one look, once in every pass.
    pub(super) fn look(&mut self, outside: &Outside, wall_ms: i64, now_ms: i64) -> Turn {
        let offset_ms = wall_ms.saturating_sub(now_ms);
        let has_leapt = self.looked.is_some_and(|(_, before)| offset_ms.abs_diff(before) > LEAP_MS.unsigned_abs());
        self.looked = Some((now_ms, offset_ms));
        // A pause of the whole hub, such as that of a suspended machine, is nobody's silence either.
        if has_leapt || (self.was_stalled && !outside.is_stalled) {
            self.give_time(now_ms);
        }
        self.was_stalled = outside.is_stalled;
        let is_in_contact = outside.sessions >= ISOLATION_SERVERS_MIN;
        self.quiet_ms = outside.quiet_ms.filter(|_| is_in_contact).unwrap_or(0);
        let hears_nobody = self.quiet_ms >= ISOLATION_MS;
        match self.cut_off_ms {
            None if hears_nobody => {
                self.cut_off_ms = Some(now_ms - outside.quiet_ms.unwrap_or_default());
                self.settles = false;
                Turn::CutOff
            }
            Some(since_ms) if outside.quiet_ms.is_some_and(|quiet_ms| quiet_ms < ISOLATION_MS) => {
                self.cut_off_ms = None;
                self.settles = true;
                self.give_time(now_ms);
                Turn::Back { lasted_ms: now_ms - since_ms }
            }
            None if self.settles && now_ms >= self.until_ms => {
                self.settles = false;
                Turn::Settled
            }
            _ => Turn::Same,
        }
    }

    /// Whether the hub hears nobody.
    pub(super) fn is_cut_off(&self) -> bool {
        self.cut_off_ms.is_some()
    }

    /// Milliseconds that nobody's silence counts for: those since the newest packet of any agent. A server is away when
    /// others are heard after it should have reported, however seldom they are. Before that, the hub may be cut off.
    pub(super) fn quiet_ms(&self) -> i64 {
        self.quiet_ms
    }

    /// Whether silence says nothing about a server that was heard `heard_ms` last, or never.
    pub(super) fn excuses(&self, heard_ms: Option<i64>, now_ms: i64) -> bool {
        let was_heard_since = heard_ms.is_some_and(|heard_ms| heard_ms >= self.from_ms);
        self.is_cut_off() || self.was_stalled || (now_ms < self.until_ms && !was_heard_since)
    }

    fn give_time(&mut self, now_ms: i64) {
        self.from_ms = now_ms;
        self.until_ms = now_ms.saturating_add(self.grace_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE_MS: i64 = 120_000;
    const WALL_MS: i64 = 1_790_000_000_000;

    fn outside(quiet_ms: i64, sessions: usize) -> Outside {
        Outside { quiet_ms: Some(quiet_ms), sessions, ..Outside::default() }
    }

    #[test]
    fn a_start_gives_everybody_time_until_it_has_heard_them() {
        let guard = Guard::new(GRACE_MS, 1_000);
        assert!(guard.excuses(None, 1_000) && guard.excuses(Some(999), 120_999));
        assert!(!guard.excuses(Some(1_000), 2_000), "heard since, and silent again");
        assert!(!guard.excuses(None, 121_000), "the time is over");
    }

    #[test]
    fn a_hub_that_hears_nobody_excuses_all_and_tells_it_once() {
        let mut guard = Guard::new(0, 0);
        let mut look = |quiet_ms, now_ms| guard.look(&outside(quiet_ms, 100), WALL_MS + now_ms, now_ms);
        assert_eq!((look(0, 0), look(14_999, 15_000)), (Turn::Same, Turn::Same));
        assert_eq!((look(15_000, 20_000), look(20_000, 25_000)), (Turn::CutOff, Turn::Same));
        assert_eq!(look(100, 65_000), Turn::Back { lasted_ms: 60_000 });
        assert_eq!((look(100, 65_000), look(100, 70_000)), (Turn::Settled, Turn::Same));
        assert!(!guard.excuses(None, 70_000));
    }

    #[test]
    fn after_having_been_cut_off_everybody_is_given_time() {
        let mut guard = Guard::new(GRACE_MS, 0);
        let mut at = |quiet_ms, now_ms| guard.look(&outside(quiet_ms, 3), WALL_MS + now_ms, now_ms);
        at(0, 200_000);
        assert_eq!(at(ISOLATION_MS, 210_000), Turn::CutOff);
        assert!(matches!(at(0, 300_000), Turn::Back { .. }));
        assert!(guard.excuses(Some(200_000), 419_999));
        assert!(!guard.excuses(Some(300_000), 301_000) && !guard.excuses(Some(200_000), 420_000));
        let mut at = |quiet_ms, now_ms| guard.look(&outside(quiet_ms, 3), WALL_MS + now_ms, now_ms);
        assert_eq!(at(0, 420_000), Turn::Settled);
    }

    #[test]
    fn the_silence_of_all_counts_for_nobody_where_there_are_three() {
        let mut guard = Guard::new(0, 0);
        let mut quiet = |outside: Outside| {
            guard.look(&outside, WALL_MS, 0);
            guard.quiet_ms()
        };
        assert_eq!([quiet(outside(11_000, 3)), quiet(outside(11_000, 2)), quiet(Outside::default())], [11_000, 0, 0]);
    }

    #[test]
    fn the_silence_of_two_servers_is_theirs() {
        let mut guard = Guard::new(0, 0);
        assert_eq!(guard.look(&outside(60_000, 2), WALL_MS, 60_000), Turn::Same);
        assert_eq!(guard.look(&Outside::default(), WALL_MS, 60_000), Turn::Same, "nobody ever came");
        assert!(!guard.excuses(None, 60_000));
    }

    #[test]
    fn stalled_agents_are_excused_and_given_time_afterwards() {
        let mut guard = Guard::new(GRACE_MS, 0);
        let stalled = Outside { is_stalled: true, ..outside(0, 5) };
        guard.look(&stalled, WALL_MS + 300_000, 300_000);
        assert!(guard.excuses(Some(299_000), 300_000));
        guard.look(&outside(0, 5), WALL_MS + 310_000, 310_000);
        assert!(guard.excuses(Some(299_000), 429_999) && !guard.excuses(Some(299_000), 430_000));
    }

    #[test]
    fn a_clock_that_leaps_has_everybody_be_given_time() {
        for leap_ms in [LEAP_MS + 1, -LEAP_MS - 1] {
            let mut guard = Guard::new(GRACE_MS, 0);
            guard.look(&outside(0, 5), WALL_MS + 300_000, 300_000);
            guard.look(&outside(0, 5), WALL_MS + 305_000 + leap_ms, 305_000);
            assert!(guard.excuses(Some(299_000), 305_000));
        }
        let mut guard = Guard::new(GRACE_MS, 0);
        guard.look(&outside(0, 5), WALL_MS + 300_000, 300_000);
        guard.look(&outside(0, 5), WALL_MS + 305_000 + LEAP_MS, 305_000);
        assert!(!guard.excuses(Some(299_000), 305_000));
    }
}

//! The hub's deaths during a run, and its fleet's return.

use std::time::{Duration, Instant};

use super::Hub;
use super::hub_watch::HubWatch;
use super::profile::Profile;
use crate::swarm::{Account, Swarm};

/// Time for agents to reconnect, after the hub was killed.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(300);

/// Kills the hub when the profile says so, and watches the agents reconnect.
pub(super) struct Recovery {
    /// When the next kill is due, from the run's begin.
    kill_at: Option<Duration>,
    /// From one kill to the next. `None`: there is one at most.
    every: Option<Duration>,
    /// Agents that may be away although the hub is well: those that lose their connections all the time.
    away_max: usize,
    absence: Duration,
    /// No kill is later.
    until: Duration,
    state: State,
    /// When the hub was started last, from the run's begin; before the run: 0.
    started_at: Duration,
    /// Kills so far.
    pub(super) kills: u64,
    /// The longest time from the hub's start until all agents were back and had caught up, seconds.
    pub(super) recovered_s: Option<f64>,
}

enum State {
    Well,
    Away { until: Instant },
    Back { since: Instant, pushed: Vec<u64> },
}

impl Recovery {
    pub(super) fn new(profile: Profile, every: Option<Duration>, agents: usize, measured: Duration) -> Self {
        let absence = profile.absence();
        Self {
            kill_at: every.or(absence.map(|_| measured / 3)),
            every,
            away_max: if profile.flaps_per_s(agents) > 0.0 { agents / 50 } else { 0 },
            absence: absence.unwrap_or_default(),
            until: measured,
            state: State::Well,
            started_at: Duration::ZERO,
            kills: 0,
            recovered_s: None,
        }
    }

    /// Whether agents have yet to come back.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.state, State::Well)
    }

    /// Seconds since the hub started.
    pub(super) fn age_s(&self, elapsed: Duration) -> f64 {
        elapsed.saturating_sub(self.started_at).as_secs_f64()
    }

    /// Does what is due.
    pub(super) fn step(
        &mut self,
        elapsed: Duration,
        hub: &mut Hub,
        watch: &mut HubWatch,
        fleet: &Swarm,
        agents: usize,
    ) {
        let Hub::Own(process) = hub else { return };
        match &self.state {
            State::Well if self.kill_at.is_some_and(|at| elapsed >= at && elapsed < self.until) => {
                process.kill();
                self.kills += 1;
                self.kill_at = self.kill_at.zip(self.every).map(|(at, every)| at + every);
                self.state = State::Away { until: Instant::now() + self.absence };
                if self.absence.is_zero() {
                    self.step(elapsed, hub, watch, fleet, agents);
                }
            }
            State::Away { until } if Instant::now() >= *until => {
                let since = Instant::now();
                // Reports that were made until now must be caught up with. Later ones are normal work.
                let pushed = fleet.accounts().iter().map(|account| account.pushed).collect();
                process.start_at_once();
                self.started_at = elapsed;
                self.state = State::Back { since, pushed };
            }
            State::Back { since, pushed } => {
                let took = since.elapsed();
                assert!(took < RECOVERY_TIMEOUT, "the fleet did not come back in time");
                let is_acked = |(account, pushed): (&Account, &u64)| account.acked >= *pushed;
                let is_back = watch.now.sessions as usize >= agents - self.away_max;
                if is_back && fleet.accounts().iter().zip(pushed).all(is_acked) {
                    let longest_s = self.recovered_s.unwrap_or_default().max(took.as_secs_f64());
                    self.recovered_s = Some(longest_s);
                    self.state = State::Well;
                }
            }
            _ => {}
        }
    }
}

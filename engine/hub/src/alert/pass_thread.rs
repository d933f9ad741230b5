//! The thread that judges: every few seconds one pass over all servers and rules.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use windfire_engine::Engine;
use windfire_engine::alert::state::AlertTime;
use windfire_engine::alert::{Outside, Passed};
use windfire_engine::error::ChangeError;

use super::{POLL, wait_for_history};
use crate::clock::{Clock, at_one_moment};
use crate::counters::Counters;
use crate::limits::COMMIT_STALL;
use crate::pulse::Pulse;
use crate::threads::{Phase, Stop};

/// Agents that were heard in such a time are in contact.
const HEARD: Duration = Duration::from_secs(2);

pub(crate) struct PassThread {
    pub(crate) engine: Arc<Engine>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Clock,
    /// The data folder, whose disk may become full.
    pub(crate) data: PathBuf,
    pub(crate) interval: Duration,
    pub(crate) stop: Stop,
}

impl PassThread {
    /// Judges until the hub stops. Then agents are sent away, and their silence says nothing.
    pub(crate) fn run(self, pulse: &Pulse) {
        // Not a clock that counts the time asleep: that is nobody's silence.
        let begun = Instant::now();
        pulse.beat_before_disk();
        self.engine.alerts().resume(self.now(begun));
        if !wait_for_history(&self.engine, &self.stop, pulse) {
            return;
        }
        let (mut contact, mut is_failing, mut term) = (Contact::default(), false, None);
        while !self.stop.has_reached(Phase::Draining) {
            pulse.beat_before_disk();
            let started = Instant::now();
            contact.look(&self.counters, started);
            if self.is_judge(self.now(begun), started, &mut term) {
                let outside = self.outside(contact, started);
                is_failing = self.judge(self.now(begun), &outside, is_failing);
            }
            self.pause(started + self.interval, &mut contact, pulse);
        }
    }

    /// Whether this hub judges. In a cluster the one does that has the lease, and it says so in the stream first: what
    /// the hub before it proposes from then on does not count. It says so again after each end of its lease, even if no
    /// other hub has judged: servers are given time, because the hub may have sent its agents away. `term` is the term
    /// of the lease in which it has said so.
    fn is_judge(&self, now: AlertTime, started: Instant, term: &mut Option<u64>) -> bool {
        let Some(cluster) = self.counters.cluster() else { return true };
        let alerts = self.engine.alerts();
        let held = cluster.judge_term(started);
        if held.is_some() {
            let is_begun = held == *term && alerts.is_judge();
            let taken = if is_begun { Ok(()) } else { alerts.take_over() };
            if let Err(error) = &taken {
                tracing::debug!(%error, "alerts are not taken over yet");
            }
            *term = held.filter(|_| taken.is_ok());
            return taken.is_ok();
        }
        if cluster.judge(started).is_some()
            && let Err(error) = alerts.stand_by(now.now_ms)
        {
            tracing::debug!(%error, "old rows of the log of alerts are still there");
        }
        false
    }

    /// One pass. Returns whether what it found could not be stored.
    fn judge(&self, now: AlertTime, outside: &Outside, was_failing: bool) -> bool {
        let started = Instant::now();
        let result = self.engine.alerts().evaluate(now, outside);
        self.counters.observe_pass(started.elapsed());
        match result {
            Ok(passed) => {
                if was_failing {
                    tracing::info!("what alerts find is stored again");
                }
                self.note(&passed);
                false
            }
            // In a cluster: somebody has acknowledged an alert at the same moment, or another hub has taken over.
            Err(ChangeError::Overtaken) => {
                tracing::debug!("a pass was overtaken: the next one finds the same");
                was_failing
            }
            Err(error) => {
                if !was_failing {
                    tracing::error!(%error, "what alerts found was not stored: later passes find it again");
                }
                true
            }
        }
    }

    fn pause(&self, until: Instant, contact: &mut Contact, pulse: &Pulse) {
        loop {
            pulse.beat();
            let now = Instant::now();
            if now >= until || self.stop.has_reached(Phase::Draining) {
                return;
            }
            contact.look(&self.counters, now);
            thread::sleep(POLL.min(until - now));
        }
    }

    fn now(&self, begun: Instant) -> AlertTime {
        let (now_ms, uptime_ms) = at_one_moment(&*self.clock, || whole_ms(begun.elapsed()));
        AlertTime { now_ms, uptime_ms }
    }

    fn outside(&self, contact: Contact, now: Instant) -> Outside {
        Outside {
            quiet_ms: heard_ago(&self.counters, now).map(whole_ms),
            sessions: contact.sessions,
            is_stalled: self.engine.history().catch_up().is_some()
                || self.counters.commit_begun.ago(now).is_some_and(|lasted| lasted > COMMIT_STALL)
                // A hub that follows late sees servers late.
                || self.counters.cluster().is_some_and(|cluster| !cluster.is_ready()),
            disk_free_percent: self.disk_free_percent(),
        }
    }

    /// The part that this user may still write, of what users may write at all.
    fn disk_free_percent(&self) -> Option<f64> {
        let disk = rustix::fs::statvfs(&self.data).ok()?;
        let used = disk.f_blocks.saturating_sub(disk.f_bfree);
        let writable = used.saturating_add(disk.f_bavail);
        (writable > 0).then(|| disk.f_bavail as f64 * 100.0 / writable as f64)
    }

    fn note(&self, passed: &Passed) {
        self.counters.set_alerts_refused(passed.refused);
        if passed.fired > 0 || passed.resolved > 0 {
            let Passed { fired, resolved, alerts, .. } = passed;
            tracing::info!(fired, resolved, alerts, "alerts");
        }
    }
}

/// How long ago an agent was heard. In a cluster by any of its hubs: agents that leave this one are not away.
fn heard_ago(counters: &Counters, now: Instant) -> Option<Duration> {
    let elsewhere = counters.cluster().and_then(|cluster| cluster.agent_heard_ago(now));
    counters.agent_heard.ago(now).into_iter().chain(elsewhere).min()
}

fn whole_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// How many agents are connected, or were until they fell silent: QUIC gives them up some seconds after that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Contact {
    sessions: usize,
}

impl Contact {
    fn look(&mut self, counters: &Counters, now: Instant) {
        let sessions = counters.sessions.get();
        let is_heard = heard_ago(counters, now).is_some_and(|ago| ago < HEARD);
        self.sessions = if is_heard { sessions } else { self.sessions.max(sessions) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::State;

    #[test]
    fn agents_that_fell_silent_together_are_remembered() {
        let (counters, begun) = (Arc::new(Counters::default()), Instant::now());
        let mut contact = Contact::default();
        let mut sessions: Vec<_> = (0..5).map(|_| Counters::hold(&counters, |counters| &counters.sessions)).collect();
        let mut look = |ms, counters: &Counters| {
            contact.look(counters, begun + Duration::from_millis(ms));
            contact.sessions
        };
        counters.agent_heard.note(begun + Duration::from_millis(1_000));
        assert_eq!(look(1_500, &counters), 5);
        // They are given up, one after the other, without a word.
        sessions.truncate(1);
        assert_eq!(look(20_000, &counters), 5);
        // They said goodbye.
        counters.agent_heard.note(begun + Duration::from_millis(21_000));
        assert_eq!(look(21_100, &counters), 1);
        drop(sessions);
        assert_eq!(look(40_000, &counters), 1, "the last one fell silent");
        counters.agent_heard.note(begun + Duration::from_millis(41_000));
        assert_eq!(look(41_100, &counters), 0);
    }

    #[test]
    fn agents_that_other_hubs_hear_are_heard() {
        let (counters, begun) = (Arc::new(Counters::default()), Instant::now());
        let cluster = Arc::new(State::sample());
        counters.set_cluster(Arc::clone(&cluster));
        let at = |ms| begun + Duration::from_millis(ms);
        let mut contact = Contact::default();
        let sessions: Vec<_> = (0..5).map(|_| Counters::hold(&counters, |counters| &counters.sessions)).collect();
        counters.agent_heard.note(at(1_000));
        contact.look(&counters, at(1_500));
        // They go to another hub, and this one gives them up.
        drop(sessions);
        contact.look(&counters, at(20_000));
        assert_eq!((heard_ago(&counters, at(21_000)), contact.sessions), (Some(Duration::from_secs(20)), 5));
        cluster.note_applied(0, 1, 0, at(20_000));
        contact.look(&counters, at(21_000));
        assert_eq!((heard_ago(&counters, at(21_000)), contact.sessions), (Some(Duration::from_secs(1)), 0));
    }
}

//! What holds while a hub's disk is unwell: what needs no disk is answered, and nothing is acknowledged that is not
//! durable. And what holds afterwards: nothing is lost or doubled.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use windfire_bench::hub_process::{HubProcess, request};
use windfire_bench::swarm::{Account, Swarm, SwarmOptions};

use super::{quick_backoff, wait_until};

/// An answer that takes longer has waited for something. A busy machine may need a part of that, and stand still
/// meanwhile.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Time between two questions, and between two looks at the acks.
const PAUSE: Duration = Duration::from_millis(20);
/// What a hub answers from memory.
const ANSWERED: [&str; 4] = ["/healthz", "/metrics", "/api/v1/server/list", "/api/v1/server/details"];

/// Agents that report often, and ask for an ack of every report.
pub(crate) fn eager_agents() -> SwarmOptions {
    SwarmOptions {
        interval: Duration::from_millis(50),
        backoff: quick_backoff(),
        ack_each_report: true,
        ..SwarmOptions::default()
    }
}

/// Reports of all agents that are acknowledged.
pub(crate) fn acked(swarm: &Swarm) -> u64 {
    Account::total(&swarm.accounts()).acked
}

/// Somebody who asks a hub for what needs no disk, again and again. Any other answer than 200, and a slow one, fails.
pub(crate) struct Reader {
    is_over: Arc<AtomicBool>,
    /// How often all was asked and answered.
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<Answers>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) count: u64,
    /// Longest time from one answer to the next.
    pub(crate) longest_silence: Duration,
}

impl Reader {
    /// Asks with a token, also for `more`.
    pub(crate) fn start(hub: &HubProcess, token: &str, more: &[&'static str]) -> Self {
        let (is_over, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (address, token, paths) = (hub.http(), token.to_owned(), [&ANSWERED[..], more].concat());
        let thread = thread::spawn({
            let (is_over, rounds) = (Arc::clone(&is_over), Arc::clone(&rounds));
            move || {
                let mut answers = Answers { count: 0, longest_silence: Duration::ZERO };
                let mut answered = Instant::now();
                while !is_over.load(Ordering::Acquire) {
                    for path in &paths {
                        let answer = request(address, "GET", path, &[("Authorization", &token)], b"");
                        let answer = answer.unwrap_or_else(|error| panic!("{path}: {error}"));
                        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                        answers.count += 1;
                        answers.longest_silence = answers.longest_silence.max(answered.elapsed());
                        answered = Instant::now();
                    }
                    rounds.fetch_add(1, Ordering::AcqRel);
                    thread::sleep(PAUSE);
                }
                answers
            }
        });
        Self { is_over, rounds, thread }
    }

    /// How often all was asked and answered. The next time may have begun before this call, the one after that has not.
    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Acquire)
    }

    /// Ends it. Every answer came in time.
    pub(crate) fn finish(self) -> Answers {
        self.is_over.store(true, Ordering::Release);
        let answers = self.thread.join().unwrap_or_else(|panic| resume_unwind(panic));
        assert!(answers.longest_silence < ANSWER_MAX, "no answer for {:?}", answers.longest_silence);
        answers
    }
}

/// The times in which commits failed.
#[derive(Debug, Default)]
pub(crate) struct Outages {
    /// Reports that were acknowledged in them: they were durable before.
    pub(crate) acked: u64,
    /// Longest time without an ack: until the hub was ready again, and its agents had one.
    pub(crate) without_ack: Duration,
}

impl Outages {
    /// Lets commits fail so many times, each time with `fail` and for this time, and mends the disk with `mend`. The
    /// hub's log has `words` about each.
    pub(crate) fn outlast(
        (hub, swarm): (&HubProcess, &Swarm),
        rounds: u64,
        (time, words): (Duration, &str),
        fail: impl Fn(),
        mend: impl Fn(),
    ) -> Self {
        let mut outages = Self::default();
        for _ in 0..rounds {
            let (acked, without_ack) = outlast_one(hub, swarm, time, &fail, &mend);
            outages.acked += acked;
            outages.without_ack = outages.without_ack.max(without_ack);
        }
        let is_told = |line: &&String| line.contains("commit failed") && line.contains(words);
        let told = hub.log().iter().filter(is_told).count();
        assert!(told as u64 >= rounds, "{told} commits failed with {words:?} in {rounds} rounds");
        outages
    }
}

/// One of them: `/readyz` says so, nothing becomes durable, no ack is given for what is not, the hub tries again, and
/// is well without a restart. Returns the reports that were acknowledged in it, and the time without an ack.
fn outlast_one(hub: &HubProcess, swarm: &Swarm, time: Duration, fail: &impl Fn(), mend: &impl Fn()) -> (u64, Duration) {
    let (durable, failures) = ("windfire_reports_durable_total", "windfire_commit_failures_total");
    let (acked_before, failures_before) = (acked(swarm), hub.metric(failures));
    wait_until("reports are acknowledged", || acked(swarm) > acked_before);
    fail();
    let says_so = || {
        let ready = hub.get("/readyz", "");
        ready.status == 503 && ready.text().contains("commits fail: ")
    };
    wait_until("commits fail", says_so);
    let (began, durable_then, acked_then) = (Instant::now(), hub.metric(durable), acked(swarm));
    let (mut known, mut newest_ack) = (acked_then, began);
    while began.elapsed() < time {
        let now = acked(swarm);
        if now > known {
            (known, newest_ack) = (now, Instant::now());
        }
        assert!(known as f64 <= durable_then, "{known} are acknowledged, and {durable_then} were durable");
        assert_eq!(hub.metric(durable), durable_then, "durable while commits fail");
        assert!(says_so(), "{}", hub.get("/readyz", "").text());
        thread::sleep(PAUSE);
    }
    wait_until("commits were tried again", || hub.metric(failures) >= failures_before + 2.0);
    mend();
    wait_until("the hub is ready, without a restart", || hub.get("/readyz", "").status == 200);
    wait_until("reports are acknowledged again", || acked(swarm) > known);
    (known - acked_then, newest_ack.elapsed())
}

/// After the hub was killed and is back: every agent sends what is left. Returns the reports made, all of them
/// acknowledged, and those that history has lost or doubled.
pub(crate) fn settle(hub: &mut HubProcess, swarm: &mut Swarm) -> (u64, u64, u64) {
    let agents = swarm.accounts().len();
    wait_until("every agent is back", || hub.metric("windfire_sessions").to_string() == agents.to_string());
    let accounts = swarm.settle();
    assert!(hub.terminate().success());
    let Account { pushed, acked } = Account::total(&accounts);
    assert_eq!(acked, pushed, "reports that are not acknowledged at the end");
    let (lost, doubled) = hub.check_history(accounts.iter().map(|account| account.pushed));
    (pushed, lost, doubled)
}

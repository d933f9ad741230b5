//! Many agents in one process: real outboxes, real links, simulated readings.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::clock::Clock;
use windfire_agent::identity::Identity;
use windfire_agent::link::{Endpoints, Link, LinkOptions};
use windfire_agent::outbox::{Outbox, new_outbox_id};
use windfire_agent::sampler::Feed;
use windfire_agent::trust::{Fingerprint, Trust};
use windfire_wire::Report;

use crate::clock::unix_ms;
use crate::hub_process::HubProcess;
pub use crate::latencies::Latencies;
use crate::workload::{Machine, Trace, host};

/// Agents that share a UDP socket: the more, the fewer packets its buffer has for each.
const AGENTS_PER_SOCKET: usize = 5000;
/// Minimum of UDP sockets of one thread.
const SOCKETS_MIN: usize = 4;
/// Bytes of their buffers: with the system's default a fleet that reconnects at once loses packets.
const SOCKET_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Time between two looks at which readings are due.
const TICK: Duration = Duration::from_millis(5);
/// Agents that are stopped at once, and the time between two such waves. If all of a large fleet asked for its last ack
/// at one moment, that would be a storm that no real fleet causes.
const WAVE_AGENTS: usize = 10_000;
const WAVE_INTERVAL: Duration = Duration::from_secs(1);
/// Milliseconds that a machine was up at least: longer than any backlog.
const UP_BEFORE_MS: u64 = 8 * 86_400_000;
/// Time for the hub to be heard, before the agents stop, and again for what they have left when they have stopped.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);
/// Lateness of a reading above which the generator, not the hub, is the limit.
const LATE: Duration = Duration::from_millis(100);

/// How a swarm behaves.
#[derive(Debug, Clone)]
pub struct SwarmOptions {
    /// Time between two reports of one agent.
    pub interval: Duration,
    /// Waits between attempts.
    pub backoff: BackoffOptions,
    /// Asks for an ack of every report, to measure how long one takes.
    pub ack_each_report: bool,
    /// Time over which the agents start, one after the other.
    pub ramp: Duration,
    /// Part of the interval, 0–1, over which the agents' readings are spread: 0 is all at once.
    pub spread: f64,
    /// Threads that the agents share.
    pub threads: usize,
    /// Connections that are cut each second. Their agents reconnect.
    pub flaps_per_s: f64,
    /// Readings of one agent that are made at a time, when the last of them is due, with their proper times. A hub
    /// whose pace is as many or more sees no difference, and the generator has a fraction of the work.
    pub readings_at_once: u32,
    /// The readings of the agents, each with its own variation.
    pub trace: Option<Arc<Trace>>,
    /// Readings of each agent from before the start, one interval apart and with their proper times. They are in its
    /// outbox before its link starts, as after an outage.
    pub backlog: u32,
    /// Number of each agent's first report. By default, numbers continue those of its outbox.
    pub first_number: Option<u64>,
    /// The agents' wall clock, Unix milliseconds.
    pub unix_ms: fn() -> i64,
}

impl Default for SwarmOptions {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            backoff: BackoffOptions::default(),
            ack_each_report: false,
            ramp: Duration::ZERO,
            spread: 1.0,
            threads: 1,
            flaps_per_s: 0.0,
            readings_at_once: 1,
            trace: None,
            backlog: 0,
            first_number: None,
            unix_ms,
        }
    }
}

/// The hubs to which a swarm reports.
#[derive(Debug, Clone)]
pub struct Target {
    /// The hubs, each as `host:port`.
    pub hubs: Vec<String>,
    /// The fingerprint of the certificate that all of them have.
    pub fingerprint: Fingerprint,
}

impl Target {
    /// A hub that was started.
    pub fn of(hub: &HubProcess) -> Self {
        Self { hubs: vec![hub.quic().to_string()], fingerprint: hub.fingerprint() }
    }

    /// Hubs that were started and have the same certificate.
    ///
    /// # Panics
    /// When there is none, or the certificates differ.
    pub fn of_all(hubs: &[HubProcess]) -> Self {
        let fingerprint = hubs.first().expect("a hub").fingerprint();
        assert!(hubs.iter().all(|hub| hub.fingerprint() == fingerprint), "the hubs have one certificate");
        Self { hubs: hubs.iter().map(|hub| hub.quic().to_string()).collect(), fingerprint }
    }
}

/// Many agents, running.
pub struct Swarm {
    agents: Vec<Arc<SwarmAgent>>,
    is_reporting: Arc<AtomicBool>,
    /// Until when agents that have stopped send what they have left; `None` if they do not.
    rest_until: Arc<Mutex<Option<Instant>>>,
    /// One for each wave of agents.
    stops: Vec<watch::Sender<bool>>,
    threads: Vec<thread::JoinHandle<()>>,
    tally: Arc<Tally>,
}

/// One agent's account.
struct SwarmAgent {
    feed: Feed,
    /// The number in its next report, minus the reports that its outbox ever kept; wrapping.
    numbers_ahead: u64,
    /// When each report was due that is not acknowledged, oldest first.
    unacked: Mutex<VecDeque<Instant>>,
}

/// Figures of all agents together.
struct Tally {
    latencies: Mutex<Latencies>,
    late: AtomicU64,
    refused: AtomicU64,
    /// The longest time from one ack of an agent to its next one, microseconds.
    silence_us_max: AtomicU64,
}

/// How many reports of one agent were made, and how many are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Reports made. The n-th, counted from 1 over the life of the outbox, has n as its count of UDP sockets, unless
    /// [`SwarmOptions::first_number`] says otherwise.
    pub pushed: u64,
    /// Reports that the hub said are durable.
    pub acked: u64,
}

impl Account {
    /// The reports of all these agents together.
    pub fn total(accounts: &[Self]) -> Self {
        let add = |sum: Self, one: &Self| Self { pushed: sum.pushed + one.pushed, acked: sum.acked + one.acked };
        accounts.iter().fold(Self { pushed: 0, acked: 0 }, add)
    }
}

impl Swarm {
    /// Starts one agent for each credential, with its outbox in memory. Reports carry their own number, from 1, as
    /// their count of UDP sockets, so that each can be found again in history.
    ///
    /// # Panics
    /// When a thread, runtime or TLS cannot be created.
    pub fn start(hub: &HubProcess, credentials: &[String], options: SwarmOptions) -> Self {
        Self::start_at(&Target::of(hub), credentials, options)
    }

    /// [`Swarm::start`] against any hub.
    ///
    /// # Panics
    /// As [`Swarm::start`].
    pub fn start_at(target: &Target, credentials: &[String], options: SwarmOptions) -> Self {
        let outboxes = credentials.iter().map(|_| Outbox::in_memory(new_outbox_id())).collect();
        Self::start_with(target, credentials, outboxes, options)
    }

    /// [`Swarm::start`] with outboxes of the caller's, one for each credential.
    ///
    /// # Panics
    /// As [`Swarm::start`].
    pub fn start_with(target: &Target, credentials: &[String], outboxes: Vec<Outbox>, options: SwarmOptions) -> Self {
        Self::start_all(target, credentials, outboxes, options, true)
    }

    /// [`Swarm::start_with`] with agents that only send the reports in their outboxes.
    ///
    /// # Panics
    /// As [`Swarm::start`].
    pub fn start_silent(target: &Target, credentials: &[String], outboxes: Vec<Outbox>, options: SwarmOptions) -> Self {
        Self::start_all(target, credentials, outboxes, options, false)
    }

    fn start_all(
        target: &Target,
        credentials: &[String],
        outboxes: Vec<Outbox>,
        mut options: SwarmOptions,
        is_reporting: bool,
    ) -> Self {
        let trace = options.trace.get_or_insert_with(Arc::default).clone();
        let waves = credentials.len().div_ceil(WAVE_AGENTS);
        let stops: Vec<watch::Sender<bool>> = (0..waves).map(|_| watch::Sender::new(false)).collect();
        let is_reporting = Arc::new(AtomicBool::new(is_reporting));
        let rest_until = Arc::new(Mutex::new(None));
        let tally = Arc::new(Tally {
            latencies: Mutex::new(Latencies::default()),
            late: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            silence_us_max: AtomicU64::new(0),
        });
        let agent = |outbox: Outbox| {
            let kept = outbox.kept_count();
            let numbers_ahead = options.first_number.unwrap_or(kept + 1).wrapping_sub(kept);
            let feed = Feed::new(outbox, options.interval);
            Arc::new(SwarmAgent { feed, numbers_ahead, unacked: Mutex::new(VecDeque::new()) })
        };
        let agents: Vec<Arc<SwarmAgent>> = outboxes.into_iter().map(agent).collect();
        let threads = options.threads.max(1);
        let options = Arc::new(options);
        let start_thread = |part: usize| {
            let mine = |number: &usize| number % threads == part;
            let members = (0..agents.len()).filter(mine).map(|number| Member {
                number,
                agent: Arc::clone(&agents[number]),
                credential: credentials[number].clone(),
                stopped: stops[number / WAVE_AGENTS].subscribe(),
            });
            let shift = Shift {
                members: members.collect(),
                fleet_size: agents.len(),
                target: target.clone(),
                options: Arc::clone(&options),
                is_reporting: Arc::clone(&is_reporting),
                rest_until: Arc::clone(&rest_until),
                trace: Arc::clone(&trace),
                tally: Arc::clone(&tally),
            };
            thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(shift.run());
            })
        };
        let threads = (0..threads).map(start_thread).collect();
        Self { agents, is_reporting, rest_until, stops, threads, tally }
    }

    /// Makes no more reports.
    pub fn pause(&self) {
        self.is_reporting.store(false, Ordering::Release);
    }

    /// Makes no more reports, waits until every agent has stopped as it would on SIGTERM, with its last reports
    /// acknowledged if the hub runs, and returns the last accounts.
    pub fn finish(&mut self) -> Vec<Account> {
        self.pause();
        for (wave, stop) in self.stops.drain(..).enumerate() {
            thread::sleep(if wave > 0 { WAVE_INTERVAL } else { Duration::ZERO });
            let _nobody_left = stop.send(true);
        }
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
        self.accounts()
    }

    /// [`Swarm::finish`] once the hub has acknowledged something new to every agent, or two minutes have passed. An
    /// agent that stops waits for its last acks for a few seconds only. A hub that was just killed may need these for
    /// its start, and one on a busy machine for a commit. What such an agent has left is sent on another connection,
    /// as by its next process.
    pub fn settle(&mut self) -> Vec<Account> {
        let before = self.accounts();
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        // They go on reporting, because a hub acknowledges several reports at a time.
        let is_heard = || {
            let mut both = self.accounts().into_iter().zip(&before);
            both.all(|(now, before)| now.acked == now.pushed || now.acked > before.pushed)
        };
        while !is_heard() && Instant::now() < deadline {
            thread::sleep(TICK);
        }
        *self.rest_until.lock() = Some(Instant::now() + SETTLE_TIMEOUT);
        self.finish()
    }

    /// Each agent's account, in the order of the credentials.
    pub fn accounts(&self) -> Vec<Account> {
        let account = |agent: &Arc<SwarmAgent>| {
            let outbox = agent.feed.outbox_now();
            let pushed = outbox.kept_count();
            Account { pushed, acked: pushed - outbox.len() }
        };
        self.agents.iter().map(account).collect()
    }

    /// How long acks took since the last call.
    pub fn take_latencies(&self) -> Latencies {
        std::mem::take(&mut *self.tally.latencies.lock())
    }

    /// The longest time that an agent was without an ack, of those that have ended since the last call.
    pub fn take_longest_silence(&self) -> Duration {
        Duration::from_micros(self.tally.silence_us_max.swap(0, Ordering::Relaxed))
    }

    /// Readings that came more than 100 ms after they were due: the generator had too much to do.
    pub fn late(&self) -> u64 {
        self.tally.late.load(Ordering::Relaxed)
    }

    /// Readings that were not taken because an outbox was full.
    pub fn refused(&self) -> u64 {
        self.tally.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.finish();
    }
}

/// One agent of a thread.
struct Member {
    /// Its number in the whole fleet.
    number: usize,
    agent: Arc<SwarmAgent>,
    credential: String,
    stopped: watch::Receiver<bool>,
}

/// The agents of one thread.
struct Shift {
    members: Vec<Member>,
    fleet_size: usize,
    target: Target,
    options: Arc<SwarmOptions>,
    trace: Arc<Trace>,
    is_reporting: Arc<AtomicBool>,
    rest_until: Arc<Mutex<Option<Instant>>>,
    tally: Arc<Tally>,
}

impl Shift {
    async fn run(self) {
        let sockets = SOCKETS_MIN.max(self.members.len() / AGENTS_PER_SOCKET);
        let sockets: Vec<Endpoints> = (0..sockets).map(|_| endpoints(self.target.fingerprint)).collect();
        let mut pushers: Vec<Pusher> = self.members.iter().map(|member| self.pusher(member)).collect();
        for pusher in &mut pushers {
            let (now, now_ms) = (Instant::now(), (self.options.unix_ms)());
            for before in (1..=self.options.backlog).rev() {
                let before = self.options.interval * before;
                pusher.push_at(now_ms - before.as_millis() as i64, now, &self.tally).await;
            }
        }
        let started = Instant::now();
        let mut pushing = tokio::spawn(push_all(
            pushers,
            self.options.interval,
            self.options.readings_at_once.max(1),
            started,
            Arc::clone(&self.is_reporting),
            Arc::clone(&self.tally),
        ));
        let measuring: Vec<JoinHandle<()>> = self
            .members
            .iter()
            .map(|member| tokio::spawn(measure(Arc::clone(&member.agent), Arc::clone(&self.tally))))
            .collect();
        let mut links = Vec::with_capacity(self.members.len());
        for member in &self.members {
            tokio::time::sleep_until((started + self.start_of(member)).into()).await;
            links.push(self.link(member, member.stopped.clone(), &sockets));
        }
        let mut flaps = self.options.flaps_per_s * self.members.len() as f64 / self.fleet_size.max(1) as f64;
        if flaps > 0.0 {
            flaps = flaps.max(0.1);
            while self.is_reporting.load(Ordering::Acquire) {
                tokio::time::sleep(Duration::from_secs_f64(1.0 / flaps)).await;
                let number = fastrand::usize(..links.len());
                links[number].abort();
                let member = &self.members[number];
                links[number] = self.link(member, member.stopped.clone(), &sockets);
            }
        }
        for link in links {
            let _ended = link.await;
        }
        let rest_until = *self.rest_until.lock();
        if let Some(deadline) = rest_until {
            // The last reading may still be on its way into its outbox.
            let _in_time = tokio::time::timeout_at(deadline.into(), &mut pushing).await;
            self.send_rest(deadline, &sockets).await;
        }
        pushing.abort();
        measuring.iter().for_each(JoinHandle::abort);
    }

    /// Sends what the agents have left that stopped without their last acks, until it is acknowledged or too late.
    async fn send_rest(&self, deadline: Instant, sockets: &[Endpoints]) {
        let stop = watch::Sender::new(false);
        let mut links = Vec::new();
        for member in &self.members {
            if !member.agent.feed.outbox().await.is_empty() {
                links.push((member, self.link(member, stop.subscribe(), sockets)));
            }
        }
        for (member, _) in &links {
            while !member.agent.feed.outbox().await.is_empty() && Instant::now() < deadline {
                tokio::time::sleep(TICK).await;
            }
        }
        let _nobody_left = stop.send(true);
        for (_, link) in links {
            let _ended = link.await;
        }
    }

    fn start_of(&self, member: &Member) -> Duration {
        self.options.ramp.mul_f64(member.number as f64 / self.fleet_size.max(1) as f64)
    }

    fn link(&self, member: &Member, stopped: watch::Receiver<bool>, sockets: &[Endpoints]) -> JoinHandle<()> {
        let options = LinkOptions {
            hubs: self.target.hubs.clone(),
            identity: Identity::of_credential(member.credential.clone()),
            backoff: self.options.backoff,
            clock: Clock::new(self.options.unix_ms),
            ack_each_frame: self.options.ack_each_report,
        };
        let (_, facts) = watch::channel(host(member.number));
        let endpoints = sockets[member.number % sockets.len()].clone();
        let link = Link::new(options, endpoints, member.agent.feed.clone(), facts, stopped);
        tokio::spawn(link.run())
    }

    fn pusher(&self, member: &Member) -> Pusher {
        // The golden ratio spreads any number of agents evenly.
        let place = (member.number as f64 * 0.618_033_988_749_895).fract() * self.options.spread;
        let period = self.options.interval * self.options.readings_at_once.max(1);
        let phase = period.mul_f64(place);
        // The first reading comes after the agent's start, in its phase.
        let start = self.start_of(member);
        let laps = start.saturating_sub(phase).as_nanos().div_ceil(period.as_nanos().max(1));
        let first_lap = u32::try_from(laps).unwrap_or(u32::MAX);
        let machine = Machine::new(member.number as u64);
        // The same moment whenever the agents start again.
        let clock = Clock::new(self.options.unix_ms).read();
        let up_ms = clock.uptime_ms + machine.uptime_s() * 1000 + UP_BEFORE_MS;
        Pusher {
            agent: Arc::clone(&member.agent),
            machine,
            trace: Arc::clone(&self.trace),
            unix_ms: self.options.unix_ms,
            booted_ms: clock.now_ms - up_ms.cast_signed(),
            phase,
            first: phase + period * first_lap,
        }
    }
}

fn endpoints(fingerprint: Fingerprint) -> Endpoints {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    let buffers = socket2::SockRef::from(&socket);
    buffers.set_recv_buffer_size(SOCKET_BUFFER_BYTES).expect("a socket");
    buffers.set_send_buffer_size(SOCKET_BUFFER_BYTES).expect("a socket");
    Endpoints::over(Trust::Fingerprint(fingerprint), socket).expect("TLS")
}

/// One agent's readings.
struct Pusher {
    agent: Arc<SwarmAgent>,
    machine: Machine,
    trace: Arc<Trace>,
    unix_ms: fn() -> i64,
    /// When the machine started, by the agent's clock.
    booted_ms: i64,
    phase: Duration,
    /// When the first reading is due, after the start.
    first: Duration,
}

/// Makes every agent's readings when they are due. One loop for all: a timer for each would be most of the generator's
/// work.
async fn push_all(
    mut pushers: Vec<Pusher>,
    interval: Duration,
    at_once: u32,
    started: Instant,
    is_reporting: Arc<AtomicBool>,
    tally: Arc<Tally>,
) {
    pushers.sort_by_key(|pusher| pusher.phase);
    let (mut at, mut lap) = (0, 0u32);
    let period = interval * at_once;
    while is_reporting.load(Ordering::Acquire) && !pushers.is_empty() {
        let now = Instant::now();
        let mut pushed = 0;
        while started + period * lap + pushers[at].phase <= now {
            let pusher = &mut pushers[at];
            let due_after = period * lap + pusher.phase;
            let due = started + due_after;
            if pusher.first <= due_after {
                for before in (0..at_once).rev() {
                    pusher.push(due, now, interval * before, &tally).await;
                }
                pushed += 1;
            }
            at += 1;
            if at == pushers.len() {
                (at, lap) = (0, lap + 1);
            }
            // The links of this thread must also run.
            if pushed == 64 {
                break;
            }
        }
        if pushed == 64 {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(TICK.min(interval)).await;
        }
    }
}

impl Pusher {
    /// Makes the reading that was due `before` the present one.
    async fn push(&mut self, due: Instant, now: Instant, before: Duration, tally: &Tally) {
        if now.duration_since(due) > LATE {
            tally.late.fetch_add(1, Ordering::Relaxed);
        }
        let time_ms = (self.unix_ms)() - before.as_millis() as i64;
        self.push_at(time_ms, due.checked_sub(before).unwrap_or(due), tally).await;
    }

    /// Makes the reading of a moment. Its ack counts from `due`.
    async fn push_at(&mut self, time_ms: i64, due: Instant, tally: &Tally) {
        let udp_conn_count = self.agent.feed.outbox().await.kept_count().wrapping_add(self.agent.numbers_ahead);
        // It passes as time does, however often the machine is read: the hub dates readings by it.
        let uptime_s = u64::try_from((time_ms - self.booted_ms) / 1000).unwrap_or(0);
        let report = Report { udp_conn_count, uptime_s, ..self.machine.next(&self.trace, time_ms) };
        // A full outbox pauses its agent, as in the real one.
        if self.agent.feed.push(report).await.is_ok() {
            // An ack that comes in between is counted one report later. That is better than too early.
            self.agent.unacked.lock().push_back(due);
        } else {
            tally.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn measure(agent: Arc<SwarmAgent>, tally: Arc<Tally>) {
    let mut heard: Option<Instant> = None;
    loop {
        agent.feed.acked.notified().await;
        let now = Instant::now();
        let left = usize::try_from(agent.feed.outbox().await.len()).unwrap_or(usize::MAX);
        let mut unacked = agent.unacked.lock();
        let acked = unacked.len().saturating_sub(left);
        if acked > 0
            && let Some(before) = heard.replace(now)
        {
            let silence_us = u64::try_from(now.duration_since(before).as_micros()).unwrap_or(u64::MAX);
            tally.silence_us_max.fetch_max(silence_us, Ordering::Relaxed);
        }
        let mut latencies = tally.latencies.lock();
        for (due, is_newest) in unacked.drain(..acked).zip((0..acked).rev().map(|left| left == 0)) {
            let took = now.saturating_duration_since(due);
            Latencies::record(&mut latencies.kept, took);
            if is_newest {
                Latencies::record(&mut latencies.ack, took);
            }
        }
    }
}

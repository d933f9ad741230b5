//! Many agents in one process: real outboxes, real links, simulated readings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at};
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::identity::Identity;
use windfire_agent::link::{Endpoints, Link, LinkOptions};
use windfire_agent::outbox::{Outbox, new_outbox_id};
use windfire_agent::sampler::Feed;
use windfire_agent::trust::{Fingerprint, Trust};
use windfire_wire::Report;

use crate::hub_process::HubProcess;
use crate::workload::{Machine, Trace, host};

/// UDP sockets that the agents share: enough that no one socket's buffer is the limit.
const SOCKETS: usize = 8;

/// How a swarm behaves.
#[derive(Debug, Clone, Copy)]
pub struct SwarmOptions {
    /// Time between two reports of one agent.
    pub interval: Duration,
    /// Waits between attempts.
    pub backoff: BackoffOptions,
    /// Asks for an ack of every report, to measure how long one takes.
    pub ack_each_report: bool,
}

/// Where a swarm reports to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The hub, as `host:port`.
    pub hub: String,
    /// Its certificate's fingerprint.
    pub fingerprint: Fingerprint,
}

impl Target {
    /// A hub that was started.
    pub fn of(hub: &HubProcess) -> Self {
        Self { hub: hub.quic().to_string(), fingerprint: hub.fingerprint() }
    }
}

/// Many agents, running.
pub struct Swarm {
    agents: Vec<Arc<SwarmAgent>>,
    is_reporting: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
    latencies: Arc<Mutex<Histogram<u64>>>,
}

/// One agent's account: what it pushed, what is not acknowledged.
struct SwarmAgent {
    feed: Feed,
    /// When each report was made that this process made.
    pushed: Mutex<Vec<Instant>>,
}

/// How many reports of one agent are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Reports made. The n-th, counted from 1 over the life of the outbox, has n as its time in milliseconds.
    pub pushed: u64,
    /// Reports that the hub said are durable.
    pub acked: u64,
}

impl Swarm {
    /// Starts one agent for each credential, with its outbox in memory. Reports carry their own number, from 1, as their
    /// count of UDP sockets, so that each can be found again in history.
    ///
    /// # Panics
    /// When no thread, runtime or TLS is to be had.
    pub fn start(hub: &HubProcess, credentials: &[String], options: SwarmOptions) -> Self {
        let outboxes = credentials.iter().map(|_| Outbox::in_memory(new_outbox_id())).collect();
        Self::start_with(&Target::of(hub), credentials, outboxes, options)
    }

    /// [`Swarm::start`] with outboxes of the caller's, one for each credential.
    ///
    /// # Panics
    /// As [`Swarm::start`].
    pub fn start_with(target: &Target, credentials: &[String], outboxes: Vec<Outbox>, options: SwarmOptions) -> Self {
        Self::start_all(target, credentials, outboxes, options, true)
    }

    /// [`Swarm::start_with`] with agents that only send what their outboxes hold.
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
        options: SwarmOptions,
        is_reporting: bool,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let is_reporting = Arc::new(AtomicBool::new(is_reporting));
        let latencies = Arc::new(Mutex::new(Histogram::new(3).expect("3 digits")));
        let agent =
            |outbox| Arc::new(SwarmAgent { feed: Feed::new(outbox, options.interval), pushed: Mutex::new(Vec::new()) });
        let agents: Vec<Arc<SwarmAgent>> = outboxes.into_iter().map(agent).collect();
        let link_options = |credential: &String| LinkOptions {
            hubs: vec![target.hub.clone()],
            trust: Trust::Fingerprint(target.fingerprint),
            identity: Identity::of_credential(credential.clone()),
            backoff: options.backoff,
            ack_each_frame: options.ack_each_report,
        };
        let link_options: Vec<LinkOptions> = credentials.iter().map(link_options).collect();
        let fleet: Vec<(Arc<SwarmAgent>, LinkOptions)> = agents.iter().cloned().zip(link_options).collect();
        let (reporting, histogram) = (Arc::clone(&is_reporting), Arc::clone(&latencies));
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(run(fleet, options, stopped, reporting, histogram));
        });
        Self { agents, is_reporting, stop, thread: Some(thread), latencies }
    }

    /// Makes no more reports, waits until every agent has stopped as it would on SIGTERM, with its last reports
    /// acknowledged if the hub is there, and gives the last accounts.
    pub fn finish(&mut self) -> Vec<Account> {
        self.is_reporting.store(false, Ordering::Release);
        let _nobody_left = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
        self.accounts()
    }

    /// Where each agent's reports are, in the order of the credentials.
    pub fn accounts(&self) -> Vec<Account> {
        let account = |agent: &Arc<SwarmAgent>| {
            let outbox = agent.feed.outbox.lock();
            let pushed = outbox.kept_count();
            Account { pushed, acked: pushed - outbox.len() }
        };
        self.agents.iter().map(account).collect()
    }

    /// Time from a report to its ack, microseconds, of everything acknowledged so far.
    pub fn take_latencies(&self) -> Histogram<u64> {
        let fresh = Histogram::new(3).expect("3 digits");
        std::mem::replace(&mut *self.latencies.lock(), fresh)
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.finish();
    }
}

async fn run(
    fleet: Vec<(Arc<SwarmAgent>, LinkOptions)>,
    options: SwarmOptions,
    stopped: watch::Receiver<bool>,
    is_reporting: Arc<AtomicBool>,
    latencies: Arc<Mutex<Histogram<u64>>>,
) {
    let sockets: Vec<Endpoints> = (0..SOCKETS).map(|_| Endpoints::new()).collect();
    let trace = Arc::new(Trace::new());
    let mut links = Vec::with_capacity(fleet.len());
    // Spread over one interval, as real agents are.
    let step = options.interval / u32::try_from(fleet.len().max(1)).unwrap_or(u32::MAX);
    for ((agent, link_options), number) in fleet.into_iter().zip(0u32..) {
        let (_, facts) = watch::channel(host(number as usize));
        let endpoints = sockets[number as usize % SOCKETS].clone();
        let link = Link::new(link_options, endpoints, agent.feed.clone(), facts, stopped.clone()).expect("TLS");
        let start = tokio::time::Instant::now() + step * number;
        tokio::spawn(report(
            Arc::clone(&agent),
            Arc::clone(&trace),
            number,
            start,
            options.interval,
            is_reporting.clone(),
        ));
        tokio::spawn(measure(agent, Arc::clone(&latencies)));
        links.push(tokio::spawn(link.run()));
    }
    for link in links {
        let _ended = link.await;
    }
}

async fn report(
    agent: Arc<SwarmAgent>,
    trace: Arc<Trace>,
    number: u32,
    start: tokio::time::Instant,
    interval: Duration,
    is_reporting: Arc<AtomicBool>,
) {
    let mut machine = Machine::new(u64::from(number));
    let mut ticks = interval_at(start, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let mut pushed = agent.pushed.lock();
        if !is_reporting.load(Ordering::Acquire) {
            return;
        }
        let udp_conn_count = agent.feed.outbox.lock().kept_count() + 1;
        // A full outbox pauses its agent, as in the real one.
        if agent.feed.push(Report { udp_conn_count, ..machine.next(&trace, unix_ms()) }).is_ok() {
            pushed.push(Instant::now());
        }
    }
}

/// Unix milliseconds.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

async fn measure(agent: Arc<SwarmAgent>, latencies: Arc<Mutex<Histogram<u64>>>) {
    let mut measured = 0;
    loop {
        agent.feed.acked.notified().await;
        let now = Instant::now();
        let outbox = agent.feed.outbox.lock();
        let pushed = agent.pushed.lock();
        let acked = pushed.len().saturating_sub(usize::try_from(outbox.len()).unwrap_or(usize::MAX));
        let mut latencies = latencies.lock();
        for made in &pushed[measured.min(acked)..acked] {
            let took = u64::try_from(now.duration_since(*made).as_micros()).unwrap_or(u64::MAX);
            latencies.record(took.max(1)).expect("a histogram that grows");
        }
        measured = acked;
    }
}

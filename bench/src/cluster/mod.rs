//! `windfire-bench cluster`: hubs of one cluster with three brokers, all on this machine. First agents report to the
//! hubs. Then batches are published without agents, and all hubs follow. Afterwards every report is looked for in the
//! history of every hub.

mod brokers;
mod hubs;
mod injection;
pub mod maker;

use std::fmt::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

pub use self::hubs::Programs;
use self::hubs::{Hubs, wait_until};
pub use self::injection::{Injected, Injection};
use crate::fleet::outcome::table_row;
use crate::hub_process::usage_of;
use crate::swarm::{Account, Latencies, Swarm, SwarmOptions, Target};

/// Time in which the hubs must welcome every agent, beyond the ramp.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(300);
/// First seconds of the agents, in which the effects of the start settle.
const SETTLE: Duration = Duration::from_secs(5);

/// Agents that report to any of the hubs.
#[derive(Debug, Clone, Copy)]
pub struct Agents {
    /// Hubs.
    pub hubs: usize,
    /// Agents.
    pub agents: usize,
    /// Time between two reports of one agent.
    pub interval: Duration,
    /// Time of measured reporting.
    pub measured: Duration,
    /// Whether each report asks for an ack.
    pub ack_each: bool,
}

/// CPU by kind of process, seconds.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    /// All brokers.
    pub brokers_s: f64,
    /// All hubs.
    pub hubs_s: f64,
    /// This process: agents, or whoever publishes.
    pub own_s: f64,
}

/// What agents had.
#[derive(Debug)]
pub struct Reported {
    agents: Agents,
    /// Reports of all agents that were made, and that are acknowledged.
    account: Account,
    /// Reports that were acknowledged in the measured time, and how long that was.
    acked: (u64, f64),
    latencies: Latencies,
    cpu: Cpu,
    /// Sessions of each hub in the end.
    sessions: Vec<f64>,
    /// Readings that came late: the generator had too much to do.
    late: u64,
    /// Of each hub: reports that are lost, and that are there more than once.
    checked: Vec<(u64, u64)>,
}

impl Cpu {
    /// What was used so far.
    fn now(hubs: &Hubs) -> Self {
        let own_s = usage_of(std::process::id()).cpu_s();
        Self { brokers_s: hubs.brokers.cpu_s(), hubs_s: hubs.cpu_s(), own_s }
    }

    /// What was used since then.
    fn since(hubs: &Hubs, then: Self) -> Self {
        let now = Self::now(hubs);
        Self {
            brokers_s: now.brokers_s - then.brokers_s,
            hubs_s: now.hubs_s - then.hubs_s,
            own_s: now.own_s - then.own_s,
        }
    }
}

impl Agents {
    /// Measures in a folder that is there and empty.
    ///
    /// # Panics
    /// When a program does not start, or the hubs do not take what they should.
    pub fn run(self, programs: &Programs, folder: &Path) -> Reported {
        let mut cluster = Hubs::new(programs, folder, self.hubs, self.agents);
        cluster.start();
        let ramp = Duration::from_secs_f64(self.agents as f64 / 500.0);
        let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let options = SwarmOptions {
            interval: self.interval,
            ack_each_report: self.ack_each,
            ramp,
            threads,
            ..SwarmOptions::default()
        };
        let mut swarm = Swarm::start_at(&Target::of_all(&cluster.hubs), &cluster.credentials, options);
        let are_there = || cluster.hubs.iter().map(|hub| hub.metric("windfire_sessions")).sum::<f64>();
        wait_until("all agents are connected", ramp + CONNECT_TIMEOUT, || are_there() >= self.agents as f64);
        thread::sleep(SETTLE);

        drop(swarm.take_latencies());
        let (begun, before) = (Instant::now(), Account::total(&swarm.accounts()));
        let cpu = Cpu::now(&cluster);
        thread::sleep(self.measured);
        let cpu = Cpu::since(&cluster, cpu);
        let acked = Account::total(&swarm.accounts()).acked - before.acked;
        let acked = (acked, begun.elapsed().as_secs_f64());
        let latencies = swarm.take_latencies();

        let sessions = cluster.hubs.iter().map(|hub| hub.metric("windfire_sessions")).collect();
        let accounts = swarm.settle();
        let pushed: Vec<u64> = accounts.iter().map(|account| account.pushed).collect();
        let checked = cluster.stop_and_check(&pushed);
        let account = Account::total(&accounts);
        Reported { agents: self, account, acked, latencies, cpu, sessions, late: swarm.late(), checked }
    }
}

impl Reported {
    /// Whether everything is acknowledged and on every hub once.
    pub fn is_whole(&self) -> bool {
        self.account.acked == self.account.pushed && are_whole(&self.checked)
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, text: String| {
            let _infallible = writeln!(table, "{}", table_row(name, &text));
        };
        let Agents { hubs, agents, interval, .. } = self.agents;
        let (acked, took_s) = self.acked;
        row("agents", format!("{agents}, a report each {interval:?}, to {hubs} hubs with three brokers"));
        row("sessions", format!("{:?} by hub at the end", self.sessions));
        row("reports", format!("{} made, {} acked", self.account.pushed, self.account.acked));
        row("acked", format!("{:.0} a second, over {took_s:.1} s", acked as f64 / took_s));
        let ms = |quantile| self.latencies.ack.value_at_quantile(quantile) as f64 / 1000.0;
        let max_ms = self.latencies.ack.max() as f64 / 1000.0;
        row("ack", format!("p50 {:.1} ms, p99 {:.1} ms, max {max_ms:.1} ms", ms(0.5), ms(0.99)));
        let Cpu { brokers_s, hubs_s, own_s } = self.cpu;
        for (name, cpu_s) in [("brokers", brokers_s), ("hubs", hubs_s), ("generator", own_s)] {
            row(name, cpu_row(cpu_s, took_s, acked));
        }
        row("late", format!("{} readings of the generator", self.late));
        row("history", checked_row(&self.checked));
        table
    }
}

/// CPU of one kind of process.
fn cpu_row(cpu_s: f64, took_s: f64, reports: u64) -> String {
    format!("{:.2} cores, {:.2} µs CPU a report", cpu_s / took_s, cpu_s * 1e6 / reports.max(1) as f64)
}

/// What the look into each history found.
fn checked_row(checked: &[(u64, u64)]) -> String {
    let hub = |(number, (lost, doubled)): (usize, &(u64, u64))| format!("hub-{number}: {lost} lost, {doubled} doubled");
    checked.iter().enumerate().map(hub).collect::<Vec<_>>().join("; ")
}

fn are_whole(checked: &[(u64, u64)]) -> bool {
    checked.iter().all(|differences| *differences == (0, 0))
}

//! Alerts of a large fleet: half of the agents stop at once and come back at once, and then the hub is killed under all
//! of them. Two channels get messages. Counted is what they were told, what the log of alerts has, and what it cost.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::outcome::table_row;
use crate::hub_process::HubProcess;
use crate::receiver::{Receiver, add_rule, counted, log};
use crate::swarm::{Account, Swarm, SwarmOptions};

/// Who is told.
const CHANNELS: [&str; 2] = ["one", "two"];
/// Messages to one channel about the fault, and about its end, that are promised at most.
const MESSAGES_MAX: usize = 3;
/// Time after the fault, and after its end, in which messages are counted.
const MINUTE: Duration = Duration::from_secs(60);
/// Seconds that servers have to come back after a start of the hub.
const GRACE_S: u64 = 60;
/// After that time a message about who did not come back would be there: two passes, and what it waits for others.
const TELLING: Duration = Duration::from_secs(2 * 5 + 10 + 5);
/// First seconds of the fleet, in which the effects of the start settle.
const SETTLE: Duration = Duration::from_secs(10);
/// Time in which the hub must welcome every agent, beyond the ramp.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(300);
/// Time until all is told.
const TOLD_TIMEOUT: Duration = Duration::from_secs(300);
/// Time between two looks at a condition.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Servers whose rows of the log are asked for at a time: it answers with 10,000 rows at most.
const SERVERS_AT_ONCE: usize = 500;
/// The hub's numbers of passes, and the time that they took.
const PASSES: &str = "windfire_alert_pass_seconds_count";
const PASSING_S: &str = "windfire_alert_pass_seconds_sum";

/// The storm to make.
#[derive(Debug, Clone, Copy)]
pub struct Storm {
    /// Agents; half of them stop.
    pub agents: usize,
    /// Seconds without a report after which the rule fires.
    pub offline_s: u32,
    /// How long acks and passes are timed before and after it.
    pub steady: Duration,
}

/// What a stretch of time cost.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// What happens in it.
    pub name: &'static str,
    /// 99th percentile of the acks of agents that stay, milliseconds.
    pub ack_p99_ms: f64,
    /// Mean time of a pass, milliseconds.
    pub pass_ms: f64,
    /// Part of the time in which a pass was under way.
    pub passing: f64,
    /// Share of one core that the hub used.
    pub hub_cores: f64,
}

/// What one channel was told of the fault, or of its end.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// The channel.
    pub channel: &'static str,
    /// Messages within a minute.
    pub within_a_minute: usize,
    /// All messages.
    pub messages: usize,
    /// Servers that they count.
    pub servers: u64,
    /// Seconds until the first message.
    pub first_s: f64,
    /// Seconds until the last one.
    pub last_s: f64,
}

/// What the log of alerts has of one kind of event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Logged {
    servers: BTreeSet<u64>,
    rows: usize,
}

/// The results of a storm.
#[derive(Debug, Clone)]
pub struct StormOutcome {
    storm: Storm,
    /// Of the fault, and of its end.
    told: [Vec<Told>; 2],
    /// Messages of any other kind.
    others: usize,
    /// Of the fault, and of its end.
    logged: [Logged; 2],
    /// Servers that stopped.
    stopped: BTreeSet<u64>,
    phases: Vec<Phase>,
    /// Seconds from the start of the killed hub until all agents were back.
    back_s: f64,
    /// Messages after that start, and alerts that fired.
    after_restart: (usize, usize),
    account: Account,
    late: u64,
}

impl Storm {
    /// Makes it, against a hub of that binary on an empty folder, on these cores, or on all if none are named.
    ///
    /// # Panics
    /// When the hub does not start, agents do not get in, or messages do not come.
    pub fn run(self, binary: &Path, data: &Path, cores: &str) -> StormOutcome {
        let receiver = Receiver::start();
        let mut hub = HubProcess::new(binary, data, &["--alert-grace-s", &GRACE_S.to_string()]).on_cores(cores);
        let credentials = hub.make_servers(self.agents, "fleet");
        hub.start();
        let channels = CHANNELS.map(|name| receiver.channel(&hub, name)).join(",");
        let rule = add_rule(&hub, "away", &format!("offline > {}", self.offline_s), &channels, &[]);
        let (leaving, staying) = credentials.split_at(self.agents / 2);
        let ramp = Duration::from_secs_f64(self.agents as f64 / 500.0);
        let options = |ramp| SwarmOptions { ramp, ..SwarmOptions::default() };
        let mut stays = Swarm::start(&hub, staying, options(ramp));
        let mut leaves = Swarm::start(&hub, leaving, options(ramp));
        self.wait_for_all(&hub, ramp);
        thread::sleep(SETTLE);
        let mut phases = vec![self.steady_phase("before", &hub, &stays)];

        let meter = Meter::begin(&hub, &stays);
        let at = Instant::now();
        leaves.finish();
        let fault = wait_for_messages(&receiver, &hub, "firing", leaving.len(), at);
        phases.push(meter.end("half away", &hub, &stays));

        let meter = Meter::begin(&hub, &stays);
        let at = Instant::now();
        // With the same credentials, and new outboxes.
        let mut back = Swarm::start(&hub, leaving, options(Duration::ZERO));
        let recovery = wait_for_messages(&receiver, &hub, "resolved", leaving.len(), at);
        phases.push(meter.end("coming back", &hub, &stays));
        self.wait_for_all(&hub, Duration::ZERO);
        phases.push(self.steady_phase("after", &hub, &stays));
        let logged = ["fired", "resolved"].map(|what| self.logged(&hub, rule, what));

        let messages = || CHANNELS.iter().map(|name| receiver.told(name).len()).sum::<usize>();
        let before = messages();
        hub.kill();
        hub.start_at_once();
        let at = Instant::now();
        self.wait_for_all(&hub, Duration::ZERO);
        let back_s = at.elapsed().as_secs_f64();
        // The time in which whoever is not back would be told.
        thread::sleep(Duration::from_secs(GRACE_S + u64::from(self.offline_s)) + TELLING);
        let after_restart = (messages() - before, self.logged(&hub, rule, "fired").rows - logged[0].rows);
        let late = stays.late() + back.late();
        let account = Account::total(&[stays.finish(), back.finish()].concat());
        hub.terminate();
        StormOutcome {
            storm: self,
            others: before - fault.iter().chain(&recovery).map(|told| told.messages).sum::<usize>(),
            told: [fault, recovery],
            logged,
            // The servers that were made first.
            stopped: (1..=leaving.len() as u64).collect(),
            phases,
            back_s,
            after_restart,
            account,
            late,
        }
    }

    fn wait_for_all(&self, hub: &HubProcess, ramp: Duration) {
        let are_there = || hub.metric("windfire_sessions") as usize == self.agents;
        wait_until("all agents are connected", ramp + CONNECT_TIMEOUT, are_there);
    }

    fn steady_phase(&self, name: &'static str, hub: &HubProcess, agents: &Swarm) -> Phase {
        let meter = Meter::begin(hub, agents);
        thread::sleep(self.steady);
        meter.end(name, hub, agents)
    }

    /// What the log has of that kind of event.
    fn logged(&self, hub: &HubProcess, rule: u64, what: &str) -> Logged {
        let mut logged = Logged::default();
        let ids: Vec<u64> = (1..=self.agents as u64).collect();
        for some in ids.chunks(SERVERS_AT_ONCE) {
            for row in log(hub, some).iter().filter(|row| row["rule"] == rule && row["what"] == what) {
                logged.rows += 1;
                logged.servers.extend(row["server"].as_u64());
            }
        }
        logged
    }
}

impl StormOutcome {
    /// Whether it went as the alerts promise: few messages that count every server, each server in the log once, and no
    /// message after a start of the hub.
    pub fn is_as_promised(&self) -> bool {
        let stopped = self.stopped.len();
        let told = self.told.iter().flatten();
        let are_few = told
            .map(|told| (told.messages, told.servers))
            .all(|(messages, servers)| messages <= MESSAGES_MAX && servers == stopped as u64);
        let is_logged = |logged: &Logged| logged.servers == self.stopped && logged.rows == stopped;
        are_few && self.others == 0 && self.logged.iter().all(is_logged) && self.after_restart == (0, 0)
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, text: String| {
            let _infallible = writeln!(table, "{}", table_row(name, &text));
        };
        let (agents, stopped, offline_s) = (self.storm.agents, self.stopped.len(), self.storm.offline_s);
        row("agents", format!("{agents}, of which {stopped} stop and come back; the rule is offline > {offline_s}"));
        row("reports", format!("{} made by those left at the end, {} acked", self.account.pushed, self.account.acked));
        for (what, told) in ["stop", "return"].into_iter().zip(&self.told) {
            for Told { channel, within_a_minute, messages, servers, first_s, last_s } in told {
                row(
                    what,
                    format!(
                        "channel {channel}: {within_a_minute} messages within 60 s, {messages} in all, about {servers} \
                         servers; the first after {first_s:.1} s, the last after {last_s:.1} s"
                    ),
                );
            }
        }
        row("other messages", self.others.to_string());
        for (what, logged) in ["fired", "resolved"].into_iter().zip(&self.logged) {
            let missing = self.stopped.difference(&logged.servers).count();
            let surplus = logged.servers.difference(&self.stopped).count();
            let rows = logged.rows;
            row("log", format!("{rows} {what}; {missing} servers are missing, {surplus} are there that did not stop"));
        }
        for Phase { name, ack_p99_ms, pass_ms, passing, hub_cores } in &self.phases {
            row(
                name,
                format!(
                    "acks p99 {ack_p99_ms:.1} ms; a pass {pass_ms:.2} ms, {:.2} % of the time; hub {:.1} % of a core",
                    passing * 100.0,
                    hub_cores * 100.0
                ),
            );
        }
        let (messages, alerts) = self.after_restart;
        row(
            "hub killed",
            format!("all back {:.1} s after the start; {messages} messages, {alerts} alerts fired", self.back_s),
        );
        row("generator", format!("{} readings late", self.late));
        row("as promised", if self.is_as_promised() { "yes" } else { "NO" }.to_owned());
        table
    }
}

/// Counters at the begin of a phase.
struct Meter {
    begun: Instant,
    passes: f64,
    passing_s: f64,
    cpu_s: f64,
}

impl Meter {
    fn begin(hub: &HubProcess, agents: &Swarm) -> Self {
        drop(agents.take_latencies());
        let (passes, passing_s) = (hub.metric(PASSES), hub.metric(PASSING_S));
        Self { begun: Instant::now(), passes, passing_s, cpu_s: hub.usage().cpu_s() }
    }

    fn end(self, name: &'static str, hub: &HubProcess, agents: &Swarm) -> Phase {
        let lasted_s = self.begun.elapsed().as_secs_f64();
        let (passes, passing_s) = (hub.metric(PASSES) - self.passes, hub.metric(PASSING_S) - self.passing_s);
        Phase {
            name,
            ack_p99_ms: agents.take_latencies().ack.value_at_quantile(0.99) as f64 / 1000.0,
            pass_ms: passing_s * 1000.0 / passes.max(1.0),
            passing: passing_s / lasted_s,
            hub_cores: (hub.usage().cpu_s() - self.cpu_s) / lasted_s,
        }
    }
}

/// Waits until all channels were told of so many servers, and for the rest of the first minute. Returns what they were
/// told.
fn wait_for_messages(receiver: &Receiver, hub: &HubProcess, status: &str, servers: usize, since: Instant) -> Vec<Told> {
    let all = || CHANNELS.iter().map(|channel| told(receiver, channel, status, since)).collect::<Vec<_>>();
    wait_until("all of it is told", TOLD_TIMEOUT, || all().iter().all(|told| told.servers >= servers as u64));
    thread::sleep((since + MINUTE).saturating_duration_since(Instant::now()));
    wait_until("nothing waits to be sent", TOLD_TIMEOUT, || hub.metric("windfire_notices_pending") == 0.0);
    all()
}

fn told(receiver: &Receiver, channel: &'static str, status: &str, since: Instant) -> Told {
    let mut told = receiver.told_at(channel);
    told.retain(|(_, message)| message["status"] == status);
    let after: Vec<Duration> = told.iter().map(|(at, _)| at.saturating_duration_since(since)).collect();
    let messages: Vec<Value> = told.into_iter().map(|(_, message)| message).collect();
    Told {
        channel,
        within_a_minute: after.iter().filter(|after| **after <= MINUTE).count(),
        messages: messages.len(),
        servers: counted(&messages),
        first_s: after.first().map_or(0.0, Duration::as_secs_f64),
        last_s: after.last().map_or(0.0, Duration::as_secs_f64),
    }
}

fn wait_until(what: &str, timeout: Duration, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !is_true() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        thread::sleep(LOOK_INTERVAL);
    }
}

//! Batches without agents: messages are made before, published as hubs do, and followed by all hubs. Then a hub that has
//! followed nothing yet follows all of it.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::task::JoinSet;
use windfire_cluster::{BootId, BrokerOptions, Brokers, HubId, Names, Publisher, StreamOf};

use super::hubs::{Hubs, LOOK_INTERVAL, Programs};
use super::maker::{Made, Maker};
use super::{Cpu, are_whole, checked_row, cpu_row};
use crate::clock::unix_ms;
use crate::fleet::outcome::table_row;
use crate::hub_process::{HubProcess, usage_of};

/// Time until all hubs have all messages.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(600);
/// The hub as which messages are published, and the one that follows them afterwards.
const PUBLISHER: &str = "publisher";
const LATECOMER: &str = "latecomer";
/// Reports that a hub has applied since its start.
const APPLIED: &str = "windfire_reports_taken_total";

/// What to publish.
#[derive(Debug, Clone, Copy)]
pub struct Injection {
    /// Hubs that follow.
    pub hubs: usize,
    /// Servers.
    pub servers: usize,
    /// Reports of each, one second apart.
    pub seconds: u64,
    /// Reports of a server in one frame.
    pub per_frame: u64,
}

/// What it took.
#[derive(Debug)]
pub struct Injected {
    injection: Injection,
    messages: usize,
    bytes: usize,
    /// CPU for making the messages, from frames to bytes, seconds. It is spent before the measured time.
    made_cpu_s: f64,
    /// Until the brokers had stored all messages, seconds.
    stored_s: f64,
    /// Until each hub had applied all, seconds.
    applied_s: Vec<f64>,
    /// In the time until the last hub had.
    cpu: Cpu,
    /// From the publish of a message until it was stored, microseconds.
    publish_us: Histogram<u64>,
    checked: Vec<(u64, u64)>,
    backlog: Backlog,
}

/// How a hub followed everything that was there when it started.
#[derive(Debug)]
struct Backlog {
    /// From its start until it had all, seconds.
    took_s: f64,
    /// CPU of its process, commits and upkeep included.
    cpu_s: f64,
    heads_sealed: f64,
    checked: (u64, u64),
}

impl Injection {
    /// Measures in a folder that is there and empty.
    ///
    /// # Panics
    /// When a program does not start, or the hubs do not follow.
    pub fn run(self, programs: &Programs, folder: &Path) -> Injected {
        let mut cluster = Hubs::new(programs, folder, self.hubs, self.servers);
        let cpu_before_s = own_cpu_s();
        let made = self.make(&cluster);
        let made_cpu_s = own_cpu_s() - cpu_before_s;
        let (messages, bytes) = (made.len(), made.iter().map(|made| made.bytes.len()).sum());
        let mut latecomer = cluster.another(LATECOMER);
        cluster.start();

        let urls = cluster.brokers.urls();
        let (begun, cpu) = (Instant::now(), Cpu::now(&cluster));
        let publishing = thread::spawn(move || publish(urls, made));
        let applied_s = await_all(&cluster.hubs, self.reports(), begun);
        let cpu = Cpu::since(&cluster, cpu);
        let (publish_us, stored) = publishing.join().expect("everything is published");
        let pushed = vec![self.seconds; self.servers];
        let checked = cluster.stop_and_check(&pushed);
        let backlog = self.follow_backlog(&mut latecomer, &pushed);
        let stored_s = (stored - begun).as_secs_f64();
        let injection = self;
        Injected { injection, messages, bytes, made_cpu_s, stored_s, applied_s, cpu, publish_us, checked, backlog }
    }

    fn reports(&self) -> u64 {
        self.seconds * self.servers as u64
    }

    /// Makes all messages. Their last reports are of now.
    fn make(&self, cluster: &Hubs) -> Vec<Made> {
        let store = cluster.another(PUBLISHER);
        let start_ms = unix_ms() - self.seconds.cast_signed() * 1000;
        let mut maker = Maker::open(store.data(), &cluster.credentials, start_ms);
        let mut left = self.seconds;
        while left > 0 {
            let seconds = left.min(self.per_frame);
            maker.round(seconds);
            left -= seconds;
        }
        maker.take()
    }

    fn follow_backlog(&self, latecomer: &mut HubProcess, pushed: &[u64]) -> Backlog {
        let begun = Instant::now();
        latecomer.start_at_once();
        let took_s = await_all(std::slice::from_ref(latecomer), self.reports(), begun)[0];
        let (cpu_s, heads_sealed) = (latecomer.usage().cpu_s(), latecomer.metric("windfire_heads_sealed_total"));
        assert!(latecomer.terminate().success(), "the hub did not stop well");
        Backlog { took_s, cpu_s, heads_sealed, checked: latecomer.check_history(pushed.iter().copied()) }
    }
}

fn own_cpu_s() -> f64 {
    usage_of(std::process::id()).cpu_s()
}

/// Waits until each hub has applied so many reports. Returns after how many seconds each had.
fn await_all(hubs: &[HubProcess], reports: u64, begun: Instant) -> Vec<f64> {
    let mut applied_s = vec![None; hubs.len()];
    while applied_s.iter().any(Option::is_none) {
        assert!(begun.elapsed() < FOLLOW_TIMEOUT, "the hubs do not get through {reports} reports: {applied_s:?}");
        thread::sleep(LOOK_INTERVAL);
        for (hub, applied_s) in hubs.iter().zip(&mut applied_s) {
            if applied_s.is_none() && hub.metric(APPLIED) >= reports as f64 {
                *applied_s = Some(begun.elapsed().as_secs_f64());
            }
        }
    }
    applied_s.into_iter().flatten().collect()
}

/// Publishes all messages, one of a partition at a time. Returns how long each took, and when the last was stored.
fn publish(urls: Vec<String>, made: Vec<Made>) -> (Histogram<u64>, Instant) {
    let mut partitions: HashMap<usize, Vec<Vec<u8>>> = HashMap::new();
    for Made { partition, bytes, .. } in made {
        partitions.entry(partition).or_default().push(bytes);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let publish_us = runtime.block_on(async {
        let names = Names::new("bench".parse().expect("a name"));
        let hub: HubId = PUBLISHER.parse().expect("an id");
        let brokers = Brokers::connect(&BrokerOptions::new(urls)).await.expect("brokers that run");
        let mut publishing = JoinSet::new();
        for (partition, messages) in partitions {
            let of = StreamOf::Partition(u16::try_from(partition).expect("few"));
            let mut publisher = Publisher::new(&brokers, &names, of, &hub, BootId(1));
            publishing.spawn(async move {
                let mut took_us = Vec::new();
                for message in messages {
                    let begun = Instant::now();
                    publisher.publish(message.into()).await.expect("nobody else has this id");
                    took_us.push(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
                }
                took_us
            });
        }
        let mut publish_us = Histogram::<u64>::new(3).expect("3 digits");
        while let Some(took_us) = publishing.join_next().await {
            for took_us in took_us.expect("it is published") {
                publish_us.record(took_us.max(1)).expect("a histogram that grows");
            }
        }
        publish_us
    });
    (publish_us, Instant::now())
}

impl Injected {
    /// Whether every report is on every hub once.
    pub fn is_whole(&self) -> bool {
        are_whole(&self.checked) && self.backlog.checked == (0, 0)
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let mut table = String::new();
        let mut row = |name: &str, text: String| {
            let _infallible = writeln!(table, "{}", table_row(name, &text));
        };
        let Injection { hubs, servers, seconds, per_frame } = self.injection;
        let (reports, messages) = (self.injection.reports(), self.messages);
        let all_s = self.applied_s.iter().copied().fold(0.0, f64::max);
        let per_s = |took_s: f64| reports as f64 / took_s;
        row("injected", format!("{servers} servers × {seconds} reports in frames of {per_frame}, {hubs} hubs follow"));
        row(
            "messages",
            format!(
                "{messages}, {:.0} reports and {:.1} kB each",
                reports as f64 / messages as f64,
                self.bytes as f64 / messages as f64 / 1000.0
            ),
        );
        let made_us = self.made_cpu_s * 1e6 / reports as f64;
        row("made before", format!("{made_us:.2} µs CPU a report, from frames to messages"));
        row("stored", format!("after {:.2} s, {:.0} reports/s", self.stored_s, per_s(self.stored_s)));
        for (hub, applied_s) in self.applied_s.iter().enumerate() {
            row("applied", format!("by hub-{hub} after {applied_s:.2} s, {:.0} reports/s", per_s(*applied_s)));
        }
        row("by all hubs", format!("{:.0} reports/s", per_s(all_s)));
        let ms = |quantile| self.publish_us.value_at_quantile(quantile) as f64 / 1000.0;
        row("publish", format!("of a message: p50 {:.1} ms, p99 {:.1} ms", ms(0.5), ms(0.99)));
        let Cpu { brokers_s, hubs_s, own_s } = self.cpu;
        for (name, cpu_s) in [("brokers", brokers_s), ("publisher", own_s), ("hubs", hubs_s)] {
            row(name, cpu_row(cpu_s, all_s, reports));
        }
        let hub_us = hubs_s * 1e6 / (reports * hubs as u64) as f64;
        row("a hub", format!("{hub_us:.2} µs CPU a report, commits and upkeep included"));
        row("history", checked_row(&self.checked));
        let Backlog { took_s, cpu_s, heads_sealed, checked: (lost, doubled) } = self.backlog;
        row(
            "backlog",
            format!(
                "a hub that starts has all after {took_s:.2} s, {:.0} reports/s; {:.0} reports per second of CPU, \
                 {heads_sealed} heads sealed; {lost} lost, {doubled} doubled",
                per_s(took_s),
                per_s(cpu_s)
            ),
        );
        table
    }
}

//! Whole passes over an engine in this process, with servers that report when a test says so, a receiver of messages, and
//! a disk that refuses. In `judges` two engines share alerts.

mod days;
mod faults;
mod judges;

use std::cell::Cell;
use std::collections::BTreeMap;

use tempfile::TempDir;

use super::channel::{ChannelKind, NewChannel};
use super::journal::{AlertEvent, EventKind};
use super::measure::Measure;
use super::notice::{Notice, NoticeKind};
use super::rule::{Condition, NewRule, Operator, Severity};
use super::state::{AlertFilter, AlertTime};
use super::{Outside, Passed};
use crate::error::ChangeError;
use crate::sample::Sample;
use crate::server::NewServer;
use crate::store::WritePoint;
use crate::{Engine, Options};

const START_MS: i64 = 1_790_000_000_000;
/// Time between two passes.
const PASS_MS: i64 = 5_000;
/// The grace of the usual options.
const GRACE_MS: i64 = 120_000;

thread_local! {
    /// The point at which writes of this thread are refused.
    static REFUSED_AT: Cell<Option<WritePoint>> = const { Cell::new(None) };
}

fn gate(point: WritePoint) -> bool {
    REFUSED_AT.get() != Some(point)
}

/// A hub and its servers, at a time.
struct World {
    folder: TempDir,
    engine: Option<Engine>,
    time: AlertTime,
    outside: Outside,
    /// Of each server, its newest report.
    reports: BTreeMap<u64, (i64, f64)>,
    sequence: u64,
    /// What the receiver got, in order: the same notice may come twice.
    received: Vec<Notice>,
}

impl World {
    /// A hub whose own rules are disabled, with a channel, and so many servers.
    fn new(servers: usize) -> Self {
        REFUSED_AT.set(None);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = open(&folder);
        let registry = engine.registry();
        registry.begin_rules(START_MS / 1000).expect("on disk");
        for rule in registry.rules().iter().filter(|rule| !rule.is_built_in) {
            registry.remove_rule(rule.id).expect("a rule");
        }
        let channel = NewChannel::of("ops", ChannelKind::Slack { url: "https://hooks.example.org/secret".into() });
        registry.add_channel(channel, 0).expect("room");
        let mut world = Self {
            folder,
            engine: None,
            time: AlertTime { now_ms: START_MS, uptime_ms: 1_000_000 },
            outside: Outside { quiet_ms: Some(0), sessions: servers, ..Outside::default() },
            reports: BTreeMap::new(),
            sequence: 0,
            received: Vec::new(),
        };
        for number in 0..servers {
            let tag = ["web", "db", "edge"][number % 3].to_owned();
            let new = NewServer { name: format!("s{number}"), tag, ..NewServer::default() };
            let id = registry.add_server(new, START_MS / 1000).expect("room").id;
            world.reports.insert(id, (START_MS, 1.0));
        }
        world.engine = Some(engine);
        world
    }

    fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it is open")
    }

    fn ids(&self) -> Vec<u64> {
        self.reports.keys().copied().collect()
    }

    fn channel(&self) -> u64 {
        self.engine().registry().channels()[0].id
    }

    fn rule(&self, measure: Measure, value: f64, change: impl FnOnce(&mut NewRule)) -> u64 {
        let condition = Condition { measure, operator: Operator::Above, value, clear: None };
        let mut new = NewRule::of(measure.name(), Severity::Critical, vec![condition]);
        (new.keep_s, new.channels) = (0, vec![self.channel()]);
        change(&mut new);
        self.engine().registry().add_rule(new, 0).expect("a rule")
    }

    /// A report of a server, now.
    fn report(&mut self, id: u64, cpu: f64) {
        self.reports.insert(id, (self.time.now_ms, cpu));
        self.show(id);
    }

    fn report_all(&mut self, cpu: f64) {
        self.ids().into_iter().for_each(|id| self.report(id, cpu));
    }

    /// Makes the engine know a server's newest report.
    fn show(&mut self, id: u64) {
        let (at_ms, cpu) = self.reports[&id];
        self.sequence += 1;
        let sample = Sample { time_ms: at_ms, cpu, ..Sample::default() };
        let slot = self.engine().registry().slot(id).expect("a server");
        slot.status.lock().replay(self.sequence, sample, at_ms);
    }

    fn wait(&mut self, ms: i64) {
        self.time.now_ms += ms;
        self.time.uptime_ms += ms;
    }

    fn pass(&mut self) -> Result<Passed, ChangeError> {
        self.engine().alerts().evaluate(self.time, &self.outside)
    }

    /// Passes every few seconds for so long, in which these servers report, and the receiver gets what is due.
    fn run(&mut self, seconds: i64, reporting: &[u64]) {
        for _ in 0..seconds * 1000 / PASS_MS {
            self.wait(PASS_MS);
            reporting.iter().for_each(|id| self.report(*id, self.reports[id].1));
            self.pass().expect("a healthy disk");
            self.receive();
        }
    }

    /// The receiver takes what is due.
    fn receive(&mut self) {
        for due in self.engine().alerts().due_notices(self.time.now_ms, 100) {
            self.engine().alerts().sent(due.notice.sequence, self.time.now_ms).expect("a healthy disk");
            self.received.push(due.notice);
        }
    }

    /// The hub dies and starts again. Its servers' newest reports were on disk.
    fn restart(&mut self, away_ms: i64) {
        REFUSED_AT.set(None);
        drop(self.engine.take());
        self.engine = Some(open(&self.folder));
        self.time.now_ms += away_ms;
        // A new process, or a new start of the machine.
        self.time.uptime_ms = 5_000;
        self.ids().into_iter().for_each(|id| self.show(id));
    }

    fn log(&self) -> Vec<AlertEvent> {
        let mut log = self.engine().alerts().log(i64::MIN, i64::MAX, &|_| true, usize::MAX).expect("readable");
        log.reverse();
        log
    }

    /// What happened, as the log has it.
    fn events(&self) -> Vec<EventKind> {
        self.log().iter().map(|event| event.what).collect()
    }

    /// What was received: the kind, how many alerts, and how many of them had ended.
    fn told(&self) -> Vec<(NoticeKind, u64, u64)> {
        self.received.iter().map(|notice| (notice.kind, notice.count, notice.ended)).collect()
    }

    fn alerts(&self) -> usize {
        self.engine().alerts().list(&AlertFilter::default(), self.time.now_ms).len()
    }
}

fn open(folder: &TempDir) -> Engine {
    Engine::open(folder.path(), Options { at_write: Some(gate), ..Options::default() }).expect("a store")
}

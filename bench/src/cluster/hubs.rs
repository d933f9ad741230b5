//! Hubs of one cluster, made from one hub's backup.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::{Duration, Instant};

use super::brokers::Brokers;
use crate::hub_process::HubProcess;

/// How long hubs may take until they are ready.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Time between two looks at a condition.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The programs to measure.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The hub.
    pub hub: PathBuf,
    /// nats-server.
    pub nats: PathBuf,
}

/// Hubs with their brokers. All processes are killed when this is dropped.
pub(super) struct Hubs {
    pub(super) hubs: Vec<HubProcess>,
    /// Of the servers, by id.
    pub(super) credentials: Vec<String>,
    pub(super) brokers: Brokers,
    hub: PathBuf,
    folder: PathBuf,
    /// The first hub as it was alone.
    alone: HubProcess,
}

impl Hubs {
    /// Brokers that run, and so many hubs that do not yet, in a folder that is there.
    pub(super) fn new(programs: &Programs, folder: &Path, hubs: usize, servers: usize) -> Self {
        let mut alone = HubProcess::new(&programs.hub, &folder.join("hub-0"), &[]);
        let credentials = alone.make_servers(servers, "fleet");
        // It makes the certificate, which is the one of all.
        alone.start();
        assert!(alone.terminate().success(), "the first hub did not stop well");
        let brokers = Brokers::start(&programs.nats, folder);
        let (hub, folder) = (programs.hub.clone(), folder.to_owned());
        let mut made = Self { hubs: Vec::new(), credentials, brokers, hub, folder, alone };
        let arguments = made.arguments("hub-0");
        let init: Vec<&str> = ["cluster", "init"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
        succeeded(&made.alone.cli(&init));
        succeeded(&made.alone.cli(&["backup", &made.backup()]));
        for number in 0..hubs {
            let id = format!("hub-{number}");
            let hub = made.process(&id);
            if number > 0 {
                made.restore(&hub);
            }
            made.hubs.push(hub);
        }
        made
    }

    /// Another hub of the cluster, which does not run yet and has followed nothing.
    pub(super) fn another(&self, id: &str) -> HubProcess {
        let hub = self.process(id);
        self.restore(&hub);
        hub
    }

    /// Starts all hubs, and waits until they are ready.
    pub(super) fn start(&mut self) {
        for hub in &mut self.hubs {
            hub.start_at_once();
            await_ready(hub);
        }
    }

    /// Seconds of CPU that all hubs have used so far.
    pub(super) fn cpu_s(&self) -> f64 {
        self.hubs.iter().map(|hub| hub.usage().cpu_s()).sum()
    }

    /// Stops all hubs. Returns, for each, how many of these reports it lost, and how many it has more than once.
    pub(super) fn stop_and_check(&mut self, pushed: &[u64]) -> Vec<(u64, u64)> {
        self.hubs.iter_mut().for_each(|hub| assert!(hub.terminate().success(), "a hub did not stop well"));
        self.hubs.iter().map(|hub| hub.check_history(pushed.iter().copied())).collect()
    }

    fn process(&self, id: &str) -> HubProcess {
        let arguments = self.arguments(id);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let hub = HubProcess::new(&self.hub, &self.folder.join(id), &arguments);
        hub.adopt_servers(&self.alone);
        hub
    }

    fn restore(&self, hub: &HubProcess) {
        succeeded(&hub.cli(&["restore", &self.backup()]));
    }

    fn backup(&self) -> String {
        self.folder.join("backup").display().to_string()
    }

    /// What a hub of that id needs to know.
    fn arguments(&self, id: &str) -> Vec<String> {
        let urls = self.brokers.urls().join(",");
        let values = [("nats", urls.as_str()), ("name", "bench"), ("hub-id", id), ("stream-gib-max", "8")];
        let options = values.into_iter().flat_map(|(name, value)| [format!("--cluster-{name}"), value.to_owned()]);
        options.chain(["--cluster-sync-always".to_owned()]).collect()
    }
}

/// Waits until a hub that runs is ready.
fn await_ready(hub: &HubProcess) {
    wait_until("the hub is ready", READY_TIMEOUT, || hub.get("/readyz", "").status == 200);
}

pub(super) fn wait_until(what: &str, timeout: Duration, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + timeout;
    while !is_true() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        thread::sleep(LOOK_INTERVAL);
    }
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

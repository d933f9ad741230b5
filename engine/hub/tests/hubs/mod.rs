//! Hubs of one cluster with their brokers. The first hub's data is the cluster's, the others are made from its backup
//! or join.

#[path = "../../../cluster/tests/brokers/mod.rs"]
pub(crate) mod brokers;
pub(crate) mod faults;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Account, Swarm};

use crate::hub::{HUB, wait_until};
use brokers::BrokerCluster;
use faults::made_by;

/// Hubs with their brokers. All processes are killed when this is dropped.
pub(crate) struct Hubs {
    pub(crate) brokers: BrokerCluster,
    pub(crate) hubs: Vec<HubProcess>,
    /// Of the servers, by id.
    pub(crate) credentials: Vec<String>,
    /// Kept until the processes have ended.
    folder: TempDir,
}

impl Hubs {
    /// Three brokers, and so many hubs that do not run yet.
    pub(crate) fn new(hubs: usize, servers: usize) -> Self {
        Self::with_brokers(BrokerCluster::start(3), hubs, servers)
    }

    /// So many hubs that do not run yet, with these brokers.
    pub(crate) fn with_brokers(brokers: BrokerCluster, hubs: usize, servers: usize) -> Self {
        let mut cluster = Self::first_with(brokers, servers, |_, _| {});
        let backup = cluster.path("backup").display().to_string();
        succeeded(&cluster.hubs[0].cli(&["backup", &backup]));
        for number in 1..hubs {
            let id = format!("hub-{number}");
            let hub = cluster.hub(&id, &cluster.arguments(&id));
            succeeded(&hub.cli(&["restore", &backup]));
            cluster.hubs.push(hub);
        }
        cluster
    }

    /// Three brokers and the first hub, which does not run. Before it was in a cluster it ran alone, for `alone`, which
    /// gets the credentials of its servers.
    pub(crate) fn first(servers: usize, alone: impl FnOnce(&HubProcess, &[String])) -> Self {
        Self::first_with(BrokerCluster::start(3), servers, alone)
    }

    fn first_with(brokers: BrokerCluster, servers: usize, alone: impl FnOnce(&HubProcess, &[String])) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (file, user) in [("nats", "wf"), ("nats-system", "sys")] {
            let text = format!("user = {user}\npassword = {user}-secret\n");
            fs::write(folder.path().join(file), text).expect("a file");
        }
        // Its certificate is the one of all.
        let mut hub = HubProcess::new(Path::new(HUB), &folder.path().join("hub-0"), &[]);
        let credentials = hub.make_servers(servers, "");
        hub.start();
        alone(&hub, &credentials);
        assert!(hub.terminate().success());
        let mut cluster = Self { brokers, hubs: Vec::new(), credentials, folder };
        succeeded(&cluster.run(&hub, "init", "hub-0", &[]));
        let first = cluster.hub("hub-0", &cluster.arguments("hub-0"));
        cluster.hubs.push(first);
        cluster
    }

    /// Runs a verb of `windfire cluster` on a hub's data folder, as the hub of that id.
    pub(crate) fn run(&self, hub: &HubProcess, verb: &str, id: &str, more: &[&str]) -> Output {
        let arguments = self.arguments(id);
        let arguments = arguments.iter().map(String::as_str);
        hub.cli(&["cluster", verb].into_iter().chain(more.iter().copied()).chain(arguments).collect::<Vec<_>>())
    }

    /// Lets a hub of that id join from one that runs, in a new folder, and starts it.
    pub(crate) fn join(&self, id: &str, from: &HubProcess) -> HubProcess {
        let mut hub = self.hub(id, &self.arguments(id));
        let (url, file) = (format!("http://{}", from.http()), invitation(from));
        succeeded(&self.run(&hub, "join", id, &["--from", &url, "--invitation-file", &file]));
        hub.start_at_once();
        wait_until("the hub that joined is ready", || is_ready(&hub));
        hub
    }

    /// What a hub of that id needs to know.
    pub(crate) fn arguments(&self, id: &str) -> Vec<String> {
        let urls: Vec<String> =
            self.brokers.brokers.iter().map(|broker| format!("nats://127.0.0.1:{}", broker.port)).collect();
        let file = |name: &str| self.path(name).display().to_string();
        [
            ("--cluster-nats", urls.join(",")),
            ("--cluster-name", "test".to_owned()),
            ("--cluster-hub-id", id.to_owned()),
            ("--cluster-credentials-file", file("nats")),
            ("--cluster-system-credentials-file", file("nats-system")),
            ("--cluster-stream-gib-max", "2".to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }

    /// A hub on that folder which does not run.
    pub(crate) fn hub(&self, folder: &str, arguments: &[String]) -> HubProcess {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        HubProcess::new(Path::new(HUB), &self.path(folder), &arguments)
    }

    /// Starts all hubs, and waits until they are ready.
    pub(crate) fn start(&mut self) {
        for hub in &mut self.hubs {
            hub.start_at_once();
            wait_until("the hub is ready", || is_ready(hub));
        }
    }

    /// Waits until all hubs have applied the same messages.
    pub(crate) fn await_equal(&self) {
        wait_until("all hubs have applied the same", || {
            let positions: Vec<Vec<u64>> = self.hubs.iter().map(positions).collect();
            positions.iter().all(|one| !one.is_empty() && *one == positions[0])
        });
    }

    /// Stops all hubs, and checks that each has every report that was made once, and that their exports are equal.
    pub(crate) fn stop_and_check(&mut self, accounts: &[Account]) {
        self.stop_and_compare(&made_by(accounts)).check();
    }

    /// Moves a hub that was never started to another folder, which is not there yet.
    pub(crate) fn move_hub(&mut self, number: usize, folder: &Path) {
        succeeded(&Command::new("cp").arg("-a").arg(self.hubs[number].data()).arg(folder).output().expect("cp"));
        let arguments = self.arguments(&format!("hub-{number}"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        self.hubs[number] = HubProcess::new(Path::new(HUB), folder, &arguments);
    }

    /// A place in the folder of this cluster.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Waits until every agent has an ack for something that it made from now on. Returns how long that took.
pub(crate) fn await_acks(swarm: &Swarm) -> Duration {
    let (begun, before) = (Instant::now(), swarm.accounts());
    wait_until("every agent's new reports are acknowledged", || {
        swarm.accounts().iter().zip(&before).all(|(now, before)| now.acked > before.pushed)
    });
    begun.elapsed()
}

/// A file with a new invitation to join from a hub that runs.
pub(crate) fn invitation(hub: &HubProcess) -> String {
    let output = hub.cli(&["cluster", "invite", "--json"]);
    succeeded(&output);
    let invited: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let file = hub.data().with_extension("invitation");
    fs::write(&file, invited["invitation"].as_str().expect("a secret")).expect("a file");
    file.display().to_string()
}

/// Every report that a hub has, one line each.
pub(crate) fn export(hub: &HubProcess) -> Vec<u8> {
    let output = hub.cli(&["export", "--from", "0", "--format", "ndjson"]);
    succeeded(&output);
    output.stdout
}

/// Whether a hub that runs is ready.
pub(crate) fn is_ready(hub: &HubProcess) -> bool {
    hub.get("/readyz", "").status == 200
}

/// The newest message of each partition that a hub has applied, and of the registry.
fn positions(hub: &HubProcess) -> Vec<u64> {
    let output = hub.cli(&["cluster", "status", "--json"]);
    succeeded(&output);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let partitions = answer["partitions"].as_array().expect("a list");
    let applied = partitions.iter().map(|partition| &partition["applied"]).chain([&answer["registry_applied"]]);
    applied.map(|applied| applied.as_u64().expect("a number")).collect()
}

/// Checks that a verb did what it was asked for.
pub(crate) fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

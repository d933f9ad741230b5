//! A real Alertmanager shows the alerts that the hub's own list has: after faults, after `kill -9` of the hub, after
//! `kill -9` of the Alertmanager, and after servers came back. `INTERVALS=1` waits until the hub tells the new
//! Alertmanager by itself, which takes a minute. Otherwise a new fault makes it do that.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::hub::receiver::{add_rule, done};
use crate::hub::{new_hub, quick_backoff, wait_until};
use serde_json::Value;
use windfire_bench::given::given;
use windfire_bench::hub_process::{HubProcess, request};
use windfire_bench::skipped;
use windfire_bench::swarm::{Swarm, SwarmOptions};

const PROGRAM: &str = "prometheus-alertmanager";
/// It sends nothing on: it is asked what it knows.
const CONFIG: &str = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
/// Ports outside of the range from which the system takes those of connections: it must get its port again.
const PORTS: Range<u16> = 10_000..30_000;
/// More than the 10 s for which agents of a busy hub gather readings.
const OFFLINE_S: u64 = 12;
/// The hub tells it again after that time.
const INTERVAL: Duration = Duration::from_secs(60);
/// The rules of the test.
const RULES: [&str; 2] = ["away", "space"];

/// Rule and server of alerts that fire. The hub has the id 0.
type Fires = BTreeSet<(String, u64)>;

/// A real Alertmanager. It is gone with the test.
struct Manager {
    folder: PathBuf,
    address: SocketAddr,
    child: Child,
}

impl Manager {
    /// Starts one at a free port. `None` where the machine does not have the program.
    fn start(folder: &Path) -> Option<Self> {
        fs::write(folder.join("alertmanager.yml"), CONFIG).expect("written");
        let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
        let address = std::iter::repeat_with(|| fastrand::u16(PORTS)).find_map(|port| bind(port).ok());
        let address = address.expect("they go on without end");
        match Self::spawn(folder, address) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                skipped!("needs {PROGRAM}, for example from Debian's package of that name");
                None
            }
            child => {
                let child = child.expect("the program starts");
                let mut manager = Self { folder: folder.to_owned(), address, child };
                manager.wait_until_ready();
                Some(manager)
            }
        }
    }

    fn spawn(folder: &Path, address: SocketAddr) -> io::Result<Child> {
        let log = File::options().create(true).append(true).open(folder.join("log"))?;
        Command::new(PROGRAM)
            .arg(format!("--config.file={}", folder.join("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            // It looks for no others.
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
    }

    fn wait_until_ready(&mut self) {
        let (child, address, log) = (&mut self.child, self.address, self.folder.join("log"));
        wait_until("the Alertmanager is ready", || {
            let has_ended = child.try_wait().expect("own child").is_some();
            assert!(!has_ended, "it has ended: {}", fs::read_to_string(&log).unwrap_or_default());
            request(address, "GET", "/-/ready", &[], b"").is_ok_and(|answer| answer.status == 200)
        });
    }

    /// Ends it with `kill -9`, and starts it again at the same port. It has forgotten all alerts.
    fn restart(&mut self) {
        self.child.kill().expect("own child");
        self.child.wait().expect("own child");
        self.child = Self::spawn(&self.folder, self.address).expect("the program starts");
        self.wait_until_ready();
    }

    /// The alerts that it shows: those that have ended are not among them.
    fn shown(&self) -> Vec<Value> {
        let answer = request(self.address, "GET", "/api/v2/alerts", &[], b"").expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("a list")
    }

    fn firing(&self) -> Fires {
        let fires = |alert: Value| {
            let label = |name: &str| alert["labels"][name].as_str().map(str::to_owned).expect("a label");
            (label("alertname"), label("server_id").parse().expect("an id"))
        };
        self.shown().into_iter().map(fires).collect()
    }

    /// Until when it takes all of them for firing if it hears no more. As texts, later times are the greater ones.
    fn lasts_until(&self) -> String {
        let ends = |alert: &Value| alert["endsAt"].as_str().expect("a time").to_owned();
        self.shown().iter().map(ends).min().expect("some fire")
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What the hub's list of alerts has.
fn listed(hub: &HubProcess) -> Fires {
    let all = done(hub, &["alerts", "list"]);
    let of_rules = all
        .as_array()
        .expect("a list")
        .iter()
        .filter(|alert| alert["state"] != "pending" && RULES.iter().any(|rule| alert["rule_name"] == *rule));
    let fires = |alert: &Value| {
        (alert["rule_name"].as_str().expect("a name").to_owned(), alert["server"].as_u64().expect("an id"))
    };
    of_rules.map(fires).collect()
}

/// Waits until both have exactly these, and prints what they had until then.
fn agree(hub: &HubProcess, manager: &Manager, when: &str, expected: &[(&str, u64)]) {
    let expected: Fires = expected.iter().map(|(rule, server)| ((*rule).to_owned(), *server)).collect();
    let mut last = None;
    wait_until(&format!("both have the same {when}"), || {
        let both = (listed(hub), manager.firing());
        let is_same = both.0 == expected && both.1 == expected;
        if last.as_ref() != Some(&both) {
            println!("{when}: the hub has {:?}, the Alertmanager {:?}", both.0, both.1);
            last = Some(both);
        }
        is_same
    });
}

fn start(hub: &HubProcess, credentials: &[String]) -> Swarm {
    Swarm::start(hub, credentials, SwarmOptions { backoff: quick_backoff(), ..SwarmOptions::default() })
}

#[test]
fn alertmanager_shows_what_fires() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Some(mut manager) = Manager::start(folder.path()) else { return };
    let quick = ["--alert-interval-s", "1", "--alert-grace-s", "30", "--group-wait-s", "0", "--group-interval-s", "0"];
    let (_folder, mut hub) = new_hub(&quick);
    let credentials = hub.make_servers(6, "web");
    hub.start();
    let url = format!("url=http://{}", manager.address);
    let kind = ["--kind", "alertmanager", "--set", &url, "--messages-per-minute", "600"];
    let channel = done(&hub, &[&["channel", "add", "--name", "manager"][..], &kind].concat())["id"].to_string();
    add_rule(&hub, "away", &format!("offline > {OFFLINE_S}"), &channel, &[]);
    let mut swarms = [&credentials[..2], &credentials[2..3], &credentials[3..]].map(|some| start(&hub, some));
    wait_until("all have reported", || hub.metric("windfire_reports_taken_total") >= 18.0);
    agree(&hub, &manager, "before any fault", &[]);

    // No disk is all free.
    add_rule(&hub, "space", "hub.disk_free < 100", &channel, &[]);
    swarms[2].finish();
    let faults = [("space", 0), ("away", 4), ("away", 5), ("away", 6)];
    agree(&hub, &manager, "after faults", &faults);

    let until = manager.lasts_until();
    hub.kill();
    hub.start_at_once();
    wait_until("the new process has told it", || manager.lasts_until() > until);
    agree(&hub, &manager, "after a restart of the hub", &faults);
    // A server that the new process has not heard yet is given time.
    let reported =
        || hub.metric("windfire_sessions").to_string() == "3" && hub.metric("windfire_reports_taken_total") >= 9.0;
    wait_until("the others report to the new process", reported);

    let until = manager.lasts_until();
    manager.restart();
    // The hub may have told it again since, as it does once a minute.
    assert!(manager.shown().is_empty() || manager.lasts_until() > until, "it forgets");
    let intervals: u32 = given("INTERVALS", 0);
    if intervals > 0 {
        // Nothing happens that would make the hub tell more: time passes.
        thread::sleep(INTERVAL * intervals);
        agree(&hub, &manager, "after a restart of the Alertmanager, and an interval", &faults);
    }
    swarms[1].finish();
    let more = [&faults[..], &[("away", 3)]].concat();
    agree(&hub, &manager, "after a restart of the Alertmanager, and another fault", &more);

    let mut back = start(&hub, &credentials[3..]);
    agree(&hub, &manager, "after a recovery", &[("space", 0), ("away", 3)]);
    back.finish();
    swarms[0].finish();
}

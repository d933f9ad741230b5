//! A hub's name has two addresses, and only one of them leads to the hub: nobody listens at the other, it is silent, or
//! somebody else's. Names come from a hosts file of the test's own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::hub::agent_process::{AgentProcess, with_files};
use crate::hub::{HUB, new_hub, wait_until};
use tempfile::TempDir;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::skipped;

/// Time in which an agent reports whose first address does not answer. It would wait 10 s for that one alone.
const REPORTS_WITHIN: Duration = Duration::from_secs(8);
/// Agents until one is as fast as that: a machine may stand still for some seconds.
const AGENTS_MAX: usize = 4;

/// What stands at the hub's port on the other address.
enum Other {
    Nobody,
    Silence,
    Stranger,
}

fn start_agent(folder: &TempDir, hub: &HubProcess, credential: &str, hosts: &str) -> Option<AgentProcess> {
    let file = folder.path().join("hosts");
    fs::write(&file, hosts).expect("written");
    let mut agent = with_files(&[(&file, "/etc/hosts")])?;
    agent.args(["--hub", &format!("hub.test:{}", hub.quic().port())]);
    agent.args(["--fingerprint", &hub.fingerprint().to_string(), "--credential", credential]);
    Some(AgentProcess::start(agent))
}

/// Another hub, with another certificate.
struct Stranger(Child);

impl Stranger {
    fn start(folder: &TempDir, address: SocketAddr) -> Self {
        let mut child = Command::new(HUB)
            .arg("--data")
            .arg(folder.path().join("stranger"))
            .args(["serve", "--http", "127.0.0.1:0", "--quic", &address.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the hub's program");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let mut lines = log.lines().map_while(Result::ok);
        assert!(lines.any(|line| line.contains("ready")), "the stranger started");
        // It goes on saying things.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Whether this machine has addresses of version 6. Says so if it has none.
fn has_ipv6() -> bool {
    let has = UdpSocket::bind("[::1]:0").is_ok();
    if !has {
        skipped!("needs the address ::1");
    }
    has
}

fn is_reached_beside(other: &Other) {
    let (folder, hub, credential) = hub_of_one_server();
    let dead = SocketAddr::new("::1".parse().expect("an address"), hub.quic().port());
    let (mut socket, mut stranger) = (None, None);
    match other {
        Other::Nobody => {}
        Other::Silence => socket = UdpSocket::bind(dead).ok(),
        Other::Stranger if !has_ipv6() => return,
        Other::Stranger => stranger = Some(Stranger::start(&folder, dead)),
    }
    let hosts = "::1 hub.test localhost\n127.0.0.1 hub.test localhost\n";
    let reports = || hub.metric("windfire_reports_taken_total");
    let mut took = Vec::new();
    while took.iter().all(|took| *took >= REPORTS_WITHIN) {
        assert!(took.len() < AGENTS_MAX, "not only after a time-out: {took:?}");
        let (before, begun) = (reports(), Instant::now());
        let Some(_agent) = start_agent(&folder, &hub, &credential, hosts) else { return };
        wait_until("the agent reports", || reports() > before);
        took.push(begun.elapsed());
    }
    drop((socket.take(), stranger.take()));
}

/// A hub that runs, and the credential of its one server.
fn hub_of_one_server() -> (TempDir, HubProcess, String) {
    let (folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    (folder, hub, credential)
}

#[test]
fn an_address_where_nobody_listens_is_passed_over() {
    is_reached_beside(&Other::Nobody);
}

#[test]
fn a_silent_address_is_passed_over() {
    is_reached_beside(&Other::Silence);
}

#[test]
fn somebody_elses_address_is_passed_over() {
    is_reached_beside(&Other::Stranger);
}

#[test]
fn an_address_without_a_way_there_is_passed_over() {
    let (folder, hub, credential) = hub_of_one_server();
    let hosts = "2001:db8::1 hub.test\n0.0.0.0 hub.test\n127.0.0.1 hub.test\n";
    let Some(_agent) = start_agent(&folder, &hub, &credential, hosts) else { return };
    wait_until("the agent reports", || hub.metric("windfire_reports_taken_total") > 0.0);
}

#[test]
fn an_error_names_every_address_that_was_tried() {
    let (folder, mut hub, credential) = hub_of_one_server();
    let port = hub.quic().port();
    hub.kill();
    let Some(mut agent) = start_agent(&folder, &hub, &credential, "::1 hub.test\n127.0.0.1 hub.test\n") else { return };
    let line = agent.wait_for_log("no connection");
    for said in
        [format!("hub.test:{port}"), format!("[::1]:{port}"), format!("127.0.0.1:{port}"), "UDP port".to_owned()]
    {
        assert!(line.contains(&said), "{line}");
    }
    // All by itself when the hub is there again.
    hub.start();
    wait_until("the agent reports", || hub.metric("windfire_reports_taken_total") > 0.0);
}

#[test]
fn a_wrong_fingerprint_is_told_before_silence() {
    if !has_ipv6() {
        return;
    }
    let (folder, mut hub, credential) = hub_of_one_server();
    let port = hub.quic().port();
    hub.kill();
    let _stranger = Stranger::start(&folder, SocketAddr::new("::1".parse().expect("an address"), port));
    let Some(mut agent) = start_agent(&folder, &hub, &credential, "::1 hub.test\n127.0.0.1 hub.test\n") else { return };
    // A stranger that is busy is as silent as the other address. The agent tries both again.
    let line = agent.wait_for_log("not the expected");
    assert!(line.contains("no connection") && line.contains(&format!("at [::1]:{port}")), "{line}");
}

//! An agent waits for an answer, before its next attempt, or for its last ack: SIGTERM ends it in time, and a second one at
//! once.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fake_hub::FakeHub;
use crate::hub::agent_process::{AgentProcess, program, with_files};
use crate::hub::spools::bytes_in;
use crate::hub::{HUB, new_hub, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use windfire_bench::skipped;

/// Time for an agent to end: less than the 10 s that it waits for a name, for a connection and for a welcome, and more
/// than the 4 s that it has for its last readings and acks. A machine may stand still for some seconds.
const STOP_MAX: Duration = Duration::from_secs(9);

/// An agent's process and what it logs.
struct Agent {
    child: Child,
    log: BufReader<ChildStderr>,
}

impl Agent {
    fn start(hub: &str, fingerprint: &str, credential: &str, spool: &Path) -> Self {
        let agent = Path::new(HUB).with_file_name("windfire-agent");
        let mut child = Command::new(&agent)
            .args(["--hub", hub, "--fingerprint", fingerprint, "--credential", credential])
            .arg("--spool")
            .arg(spool)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}: {error}: build the workspace first, as `make test` does", agent.display())
            });
        let log = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, log }
    }

    fn wait_for_log(&mut self, what: &str) {
        let mut line = String::new();
        while !line.contains(what) {
            line.clear();
            assert!(self.log.read_line(&mut line).expect("readable") > 0, "the agent ended before it said {what:?}");
        }
    }

    fn signal(&self, pid: u32, signal: Signal) {
        let pid = Pid::from_raw(pid.cast_signed()).expect("a process");
        kill_process(pid, signal).expect("own child");
    }

    fn terminate(&self) {
        self.signal(self.child.id(), Signal::TERM);
    }

    /// Whether it ends well within `time`; it is gone after this either way.
    fn ends_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        loop {
            if let Some(status) = self.child.try_wait().expect("own child") {
                return status.success();
            }
            if Instant::now() > deadline {
                self.child.kill().expect("own child");
                self.child.wait().expect("own child");
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn an_agent_that_connects_stops_when_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // It hears, and never answers.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
    let address = silent.local_addr().expect("bound").to_string();
    let mut agent = Agent::start(&address, &"0".repeat(64), "c", &folder.path().join("spool"));
    silent.recv_from(&mut [0; 2048]).expect("the agent knocks");
    agent.terminate();
    assert!(agent.ends_within(STOP_MAX));
}

#[test]
fn an_agent_that_looks_a_name_up_stops_when_told() {
    // A name server that hears, and never answers.
    let Ok(silent) = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 77), 53)) else {
        skipped!("needs the right to bind port 53");
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("resolv.conf");
    std::fs::write(&file, "nameserver 127.0.0.77\n").expect("written");
    let Some(mut agent) = with_files(&[(&file, "/etc/resolv.conf")]) else { return };
    agent.args(["--hub", "hub.test:5555", "--fingerprint", &"0".repeat(64), "--credential", "c"]);
    let mut agent = AgentProcess::start(agent);
    silent.recv_from(&mut [0; 2048]).expect("the agent asks");
    agent.terminate();
    assert!(agent.ends_within(STOP_MAX));
}

#[test]
fn an_agent_that_waits_for_a_welcome_stops_when_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let hub = FakeHub::new();
        let (address, fingerprint) = (hub.address().to_string(), hub.fingerprint().to_string());
        let mut agent = Command::new(program());
        agent.args(["--hub", &address, "--fingerprint", &fingerprint, "--credential", "c"]);
        let mut agent = AgentProcess::start(agent);
        let session = hub.accept().await;
        agent.terminate();
        assert!(agent.ends_within(STOP_MAX));
        drop(session);
    });
}

#[test]
fn an_agent_whose_log_nobody_reads_goes_on_and_stops_when_told() {
    let (_folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let mut agent = Command::new(program());
    agent.args(["--hub", &hub.quic().to_string(), "--fingerprint", &hub.fingerprint().to_string()]);
    let mut agent = AgentProcess::start({
        agent.args(["--credential", &credential, "--log", "debug"]);
        agent
    });
    wait_until("the agent reports", || hub.metric("windfire_reports_taken_total") > 0.0);
    agent.stop_reading();
    let before = hub.metric("windfire_reports_taken_total");
    // It says that it is refused, and that it comes back; a panic would end it.
    hub.kill();
    hub.start();
    wait_until("the agent is back", || hub.metric("windfire_reports_taken_total") > 1.0);
    assert!(before > 0.0);
    agent.terminate();
    assert!(agent.ends_within(STOP_MAX));
}

#[test]
fn an_agent_between_two_attempts_stops_when_told() {
    let (folder, mut hub) = new_hub(&[]);
    hub.start();
    let fingerprint = hub.fingerprint().to_string();
    let mut agent = Agent::start(&hub.quic().to_string(), &fingerprint, "c", &folder.path().join("spool"));
    // It would come back after some minutes.
    agent.wait_for_log("hub refused");
    agent.terminate();
    assert!(agent.ends_within(STOP_MAX));
}

#[test]
fn an_agent_that_waits_for_its_last_ack_stops_when_told_twice() {
    let (folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let (fingerprint, spool) = (hub.fingerprint().to_string(), folder.path().join("spool"));
    let mut agent = Agent::start(&hub.quic().to_string(), &fingerprint, &credential, &spool);
    wait_until("the agent reports", || hub.metric("windfire_reports_taken_total") > 0.0);
    agent.signal(hub.pid(), Signal::STOP);
    // Until then the hub may have acknowledged all.
    let before = bytes_in(&spool);
    wait_until("the agent has a reading that the hub has not", || bytes_in(&spool) > before);
    agent.terminate();
    agent.wait_for_log("stopping");
    agent.terminate();
    // One that waits on ends without this line.
    agent.wait_for_log("a second signal to stop");
    assert!(agent.ends_within(STOP_MAX));
    agent.signal(hub.pid(), Signal::CONT);
}

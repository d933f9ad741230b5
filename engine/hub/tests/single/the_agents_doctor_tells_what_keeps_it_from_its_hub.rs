//! The agent's doctor and hubs that are not there, that are silent, that are others, and one that is well. Without
//! `--session` it does not disturb an agent that runs with the same credential, and it never tells a secret.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::hub::agent_process::{AgentProcess, program};
use crate::hub::doctor::{Report, Verdict, run};
use crate::hub::{new_hub, wait_until};

/// The doctor of an agent with that credential.
fn doctor(hub: &str, fingerprint: &str, credential: &str, more: &[&str]) -> Report {
    let mut command = Command::new(program());
    command.args(["doctor", "--json", "--hub", hub, "--fingerprint", fingerprint]).args(more);
    let output = run(command.env("WINDFIRE_CREDENTIAL", credential));
    let said = [&output.stdout[..], &output.stderr].concat();
    assert!(!String::from_utf8_lossy(&said).contains(credential), "it tells the credential");
    let report = Report::of(&output);
    assert_eq!(report.program, "windfire-agent");
    report
}

/// The same for a hub that is there. One that gets no processor for three seconds looks like one that is blocked, and
/// is asked once more.
fn doctor_of_hub(hub: &str, fingerprint: &str, credential: &str) -> Report {
    let mut report = doctor(hub, fingerprint, credential, &[]);
    for _ in 1..TRIES_MAX {
        if report.finding("udp").verdict == Verdict::Ok {
            break;
        }
        report = doctor(hub, fingerprint, credential, &[]);
    }
    report
}

/// A port at which nothing listens, and what keeps others from taking it: it takes only packets of one other port.
fn free_port() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect("127.0.0.1:1").expect("an address");
    let address = socket.local_addr().expect("bound");
    (socket, address)
}

fn is_bad(report: &Report, check: &str, words: &str) {
    let finding = report.finding(check);
    let said = format!("{}: {}", finding.seen, finding.remedy);
    assert!(finding.verdict == Verdict::Bad && said.contains(words), "{check} with {words:?}: {report:#?}");
}

/// Times that a hub is asked until it answers.
const TRIES_MAX: u32 = 5;
const SOME_FINGERPRINT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const SOME_CREDENTIAL: &str = "no-server-has-this-credential";

#[test]
fn a_hub_that_is_not_there_and_a_port_that_is_blocked_are_told_apart() {
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (_taken, free) = free_port();
    let of = |hub: &str| doctor(hub, SOME_FINGERPRINT, SOME_CREDENTIAL, &[]);
    let report = of(&free.to_string());
    is_bad(&report, "udp", "nothing listens");
    is_bad(&report, "udp", "start the hub");
    assert_eq!(report.finding("certificate").verdict, Verdict::Info, "not asked");
    let blocked = of(&silent.local_addr().expect("bound").to_string());
    is_bad(&blocked, "udp", "UDP seems blocked");
    // What it sent has no secret in it: the same bytes, but for the id of the packet.
    let mut packet = [0; 2000];
    let count = silent.recv(&mut packet).expect("a packet");
    assert_eq!((count, &packet[..5]), (1200, &[0xc0, 0x1a, 0x2a, 0x3a, 0x4a][..]));
    assert!(packet[23..count].iter().all(|byte| *byte == 0), "nothing behind the header");
}

#[test]
fn another_certificate_is_named_and_a_good_hub_is_good() {
    let (_folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let (address, fingerprint) = (hub.quic().to_string(), hub.fingerprint().to_string());
    let wrong = doctor_of_hub(&address, SOME_FINGERPRINT, &credential);
    is_bad(&wrong, "certificate", &fingerprint);
    assert_eq!(wrong.finding("udp").verdict, Verdict::Ok);

    let mut agent = Command::new(program());
    agent.args(["--hub", &address, "--fingerprint", &fingerprint]).env("WINDFIRE_CREDENTIAL", &credential);
    let _agent = AgentProcess::start(agent);
    wait_until("the agent reports", || hub.metric("windfire_reports_taken_total") > 0.0);
    let good = doctor_of_hub(&address, &fingerprint, &credential);
    assert_eq!(good.with(Verdict::Bad), [""; 0], "{good:#?}");
    for check in ["identity", "secret_source", "lookup", "udp", "certificate"] {
        assert_eq!(good.finding(check).verdict, Verdict::Ok, "{check}: {good:#?}");
    }
    assert_eq!(good.finding("credential").verdict, Verdict::Info, "not shown");
    assert_eq!(hub.metric("windfire_sessions_opened_total"), 1.0, "the agent's session is the only one so far");

    let shown = doctor(&address, &fingerprint, &credential, &["--session"]);
    let taken = shown.finding("credential");
    assert!(taken.verdict == Verdict::Ok && taken.seen.contains("server 1"), "{shown:#?}");
    assert_eq!(hub.metric("windfire_sessions_opened_total"), 2.0, "the doctor's own");
    let refused = doctor(&address, &fingerprint, SOME_CREDENTIAL, &["--session"]);
    is_bad(&refused, "credential", "windfire server rotate");
}

#[test]
fn the_file_of_a_credential_and_the_command_line_are_judged_by_who_may_see_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("credential");
    fs::write(&file, SOME_CREDENTIAL).expect("room");
    let (_taken, free) = free_port();
    let free = free.to_string();
    let way = ["doctor", "--json", "--hub", &free, "--fingerprint", SOME_FINGERPRINT];
    let with = |option: &str, value: &Path| {
        let mut command = Command::new(program());
        Report::of(&run(command.args(way).arg(option).arg(value)))
    };
    for (mode, verdict) in [(0o600, Verdict::Ok), (0o640, Verdict::Info), (0o644, Verdict::Bad)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("own");
        assert_eq!(with("--credential-file", &file).finding("secret_source").verdict, verdict, "{mode:o}");
    }
    assert_eq!(with("--credential", Path::new("c")).finding("secret_source").verdict, Verdict::Warn);
    is_bad(&with("--credential-file", &folder.path().join("missing")), "identity", "windfire server add");
    let none = Report::of(&run(Command::new(program()).args(way)));
    is_bad(&none, "identity", "WINDFIRE_CREDENTIAL");
    let spool = folder.path().join("spool");
    assert_eq!(with("--spool", &spool).finding("spool").verdict, Verdict::Ok);
    assert!(!spool.exists(), "it is the agent that creates it");
}

//! Tools that set variables cannot leave one out, and Kubernetes sets some for every Service: neither keeps a program from
//! starting, and neither makes one server of two. What is misspelt still does.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::hub::agent_process::{AgentProcess, program, with_files};
use crate::hub::{HUB, new_hub, wait_until};
use windfire_bench::skipped;

/// What `check-config` says with these variables.
fn checked(variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(HUB);
    command.arg("check-config").envs(variables.iter().copied());
    command.output().expect("the hub's program")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every variable of a program, as its help names them.
fn variables_of(program: &Path, arguments: &[&str]) -> Vec<String> {
    let help = Command::new(program).args(arguments).arg("--help").output().expect("the program");
    let help = text(&help.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let names = help.split("[env: ").skip(1).filter_map(|rest| rest.split(['=', ']']).next().map(str::to_owned));
    names.collect()
}

#[test]
fn a_hub_starts_with_every_variable_set_and_empty() {
    let plain = checked(&[]);
    assert!(plain.status.success());
    let names = variables_of(Path::new(HUB), &["serve"]);
    assert!(names.len() > 20, "{names:?}");
    for blank in ["", "  ", "\n", "\"\""] {
        let variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), blank)).collect();
        let said = checked(&variables);
        assert_eq!((text(&said.stderr), text(&said.stdout)), (String::new(), text(&plain.stdout)), "{blank:?}");
    }
}

#[test]
fn variables_of_kubernetes_and_of_the_agent_are_no_fault() {
    let said = checked(&[
        ("WINDFIRE_SERVICE_HOST", "10.0.0.5"),
        ("WINDFIRE_SERVICE_PORT", "8008"),
        ("WINDFIRE_SERVICE_PORT_HTTP", "8008"),
        ("WINDFIRE_PORT", "tcp://10.0.0.5:8008"),
        ("WINDFIRE_PORT_8008_TCP", "tcp://10.0.0.5:8008"),
        ("WINDFIRE_PORT_8008_TCP_PROTO", "tcp"),
        ("WINDFIRE_PORT_8008_TCP_PORT", "8008"),
        ("WINDFIRE_PORT_8008_TCP_ADDR", "10.0.0.5"),
        ("WINDFIRE_HUB_SERVICE_HOST", "10.0.0.6"),
        ("WINDFIRE_HUB_PORT", "udp://10.0.0.6:5555"),
        ("WINDFIRE_HUB", "hub:5555"),
        ("WINDFIRE_CREDENTIAL", "c"),
    ]);
    assert!(said.status.success(), "{}", text(&said.stderr));
}

#[test]
fn what_is_misspelt_is_refused_and_what_is_wrong_is_told_how_to_be_written() {
    for (name, value, word) in [
        ("WINDFIRE_COMMIT_INTERVALL_MS", "5", "WINDFIRE_COMMIT_INTERVAL_MS"),
        ("WINDFIRE_PORT", "8008", "unknown"),
        ("WINDFIRE_HTTP", ":8008", "0.0.0.0:8008"),
        ("WINDFIRE_QUIC", "hub.example:5555", "ADDRESS:PORT"),
        ("WINDFIRE_GUESTS", "perhaps", "true or false"),
        ("WINDFIRE_AGENTS_ADDRESS", "https://hub.example", "hub.example:5555"),
        ("WINDFIRE_COMMIT_INTERVAL_MS", "5ms", "5ms"),
    ] {
        let said = checked(&[(name, value)]);
        assert!(!said.status.success() && text(&said.stderr).contains(word), "{name}={value}: {}", text(&said.stderr));
    }
    for (name, value, line) in [
        ("WINDFIRE_HTTP", "18208", "http = \"127.0.0.1:18208\""),
        ("WINDFIRE_HTTP", " localhost:8008 ", "http = \"127.0.0.1:8008\""),
        ("WINDFIRE_GUESTS", "Off", "guests = false"),
        ("WINDFIRE_HTTPS", "1", "https = true"),
        ("WINDFIRE_AGENTS_ADDRESS", "a:1, b", "agents_address = \"a:1,b\""),
    ] {
        let said = checked(&[(name, value)]);
        assert!(text(&said.stdout).lines().any(|said| said == line), "{name}={value}: {}", text(&said.stdout));
    }
}

#[test]
fn agents_with_empty_variables_are_servers_of_their_own() {
    let (folder, mut hub) = new_hub(&[]);
    hub.start();
    let made = hub.cli(&["--json", "enrol-token", "add"]);
    let made = if made.status.success() { made } else { hub.cli(&["enrol-token", "add", "--json"]) };
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let token = made["token"].as_str().expect("a token").to_owned();

    let names = variables_of(&program(), &[]);
    assert!(names.len() > 12, "{names:?}");
    let mut agents = Vec::new();
    for (number, id) in ["8f3a1c0de4b94f7d9a6be21c5d70f3aa", "1c0de4b94f7d9a6be21c5d70f3aa8f3a"].iter().enumerate() {
        let file = folder.path().join(format!("machine-id-{number}"));
        std::fs::write(&file, format!("{id}\n")).expect("written");
        if !Path::new("/etc/machine-id").exists() {
            skipped!("this machine has no /etc/machine-id to put another over");
            return;
        }
        let Some(mut agent) = with_files(&[(&file, "/etc/machine-id")]) else { return };
        agent.envs(names.iter().map(|name| (name.as_str(), "")));
        agent.env("WINDFIRE_HUB", format!(" {}, ,", hub.quic()));
        agent.env("WINDFIRE_FINGERPRINT", format!("\"{}\"\n", hub.fingerprint()));
        agent.env("WINDFIRE_ENROL", format!("'{token}'"));
        agent.env("WINDFIRE_TEMPERATURE", "no");
        agents.push(AgentProcess::start(agent));
    }
    wait_until("both have a session", || hub.metric("windfire_sessions") == 2.0);
    wait_until("each has a server of its own", || hub.metric("windfire_servers") == 2.0);
}

/// What an agent says that does not start.
fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let mut agent = Command::new(program());
    agent.args(["--fingerprint", &"0".repeat(64)]).args(arguments).envs(variables.iter().copied());
    let said = agent.output().expect("the agent's program");
    assert!(!said.status.success());
    text(&said.stderr)
}

#[test]
fn what_is_given_on_the_command_line_and_empty_is_named() {
    for (flag, others) in [
        ("--machine", &["--hub", "127.0.0.1:1", "--enrol", "t"][..]),
        ("--name", &["--hub", "127.0.0.1:1", "--enrol", "t"]),
        ("--ip", &["--hub", "127.0.0.1:1", "--credential", "c"]),
        ("--hub", &["--credential", "c"]),
    ] {
        let said = refused(&[others, &[flag, ""]].concat(), &[]);
        assert!(said.contains(flag), "{said}");
    }
    let said = refused(&["--hub", "127.0.0.1:1", "--credential", ""], &[]);
    assert!(said.contains("credential") && said.contains("empty"), "{said}");
    let said = refused(&["--hub", "https://hub.example:8008", "--credential", "c"], &[]);
    assert!(said.contains("hub.example:5555"), "{said}");
    let said = refused(&["--hub", "127.0.0.1:1", "--credential", "c", "--ip", "300.1.1.1"], &[]);
    assert!(said.contains("300.1.1.1"), "{said}");
}

#[test]
fn an_image_s_machine_id_is_nobodys() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("machine-id");
    std::fs::write(&file, "uninitialized\n").expect("written");
    let places = ["/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostid"];
    let there: Vec<(&Path, &str)> =
        places.iter().filter(|place| Path::new(place).exists()).map(|place| (file.as_path(), *place)).collect();
    let Some(mut agent) = with_files(&there) else { return };
    agent.args(["--hub", "127.0.0.1:1", "--fingerprint", &"0".repeat(64), "--enrol", "t"]);
    let mut agent = AgentProcess::start(agent);
    let line = agent.wait_for_log("machine id");
    assert!(line.contains("--machine"), "{line}");
    assert!(!agent.ends_within(Duration::from_secs(5)), "it says that it failed");
}

#[test]
fn a_credential_is_found_in_what_an_editor_wrote() {
    let (folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let file = folder.path().join("credential");
    std::fs::write(&file, format!("\u{feff}{credential}\r\n")).expect("written");
    let mut agent = Command::new(program());
    agent.args(["--hub", &hub.quic().to_string(), "--fingerprint", &hub.fingerprint().to_string()]);
    agent.arg("--credential-file").arg(&file);
    let _agent = AgentProcess::start(agent);
    wait_until("the agent is welcome", || hub.metric("windfire_sessions_opened_total") == 1.0);
}

//! An agent that has no secret among its options and variables takes the one that its service manager hands over: the
//! credential, or the enrolment token, in the folder that systemd names for `LoadCredential=`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::hub::agent_process::{AgentProcess, program};
use crate::hub::{new_hub, wait_until};
use windfire_bench::hub_process::HubProcess;

/// An agent that is given its hub, and a folder of secrets.
fn agent(hub: &HubProcess, folder: &Path) -> Command {
    let mut command = Command::new(program());
    command.args(["--hub", &hub.quic().to_string(), "--fingerprint", &hub.fingerprint().to_string()]);
    command.args(["--machine", "a-machine-of-this-test"]).env("CREDENTIALS_DIRECTORY", folder);
    command
}

#[test]
fn an_agent_reports_with_the_credential_that_is_handed_over() {
    let (folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let handed = folder.path().join("handed");
    fs::create_dir(&handed).expect("made");
    fs::write(handed.join("credential"), credential).expect("written");
    fs::write(handed.join("enrolment-token"), "no-such-token").expect("written");
    let _agent = AgentProcess::start(agent(&hub, &handed));
    wait_until("the agent reports", || hub.metric("windfire_reports_taken_total") > 0.0);
    assert_eq!(hub.metric("windfire_servers"), 1.0, "the token is not used");
}

#[test]
fn an_agent_enrols_with_the_token_that_is_handed_over() {
    let (folder, mut hub) = new_hub(&[]);
    hub.start();
    let made = hub.cli(&["enrol-token", "add", "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let handed = folder.path().join("handed");
    fs::create_dir(&handed).expect("made");
    fs::write(handed.join("enrolment-token"), made["token"].as_str().expect("a token")).expect("written");
    let _agent = AgentProcess::start(agent(&hub, &handed));
    wait_until("the agent reports", || hub.metric("windfire_reports_taken_total") > 0.0);
    assert_eq!(hub.metric("windfire_servers"), 1.0);
}

#[test]
fn a_secret_that_is_handed_over_and_empty_is_named() {
    let (folder, mut hub) = new_hub(&[]);
    hub.start();
    let credential = folder.path().join("credential");
    fs::write(&credential, "\n").expect("written");
    let mut agent = AgentProcess::start(agent(&hub, folder.path()));
    let line = agent.wait_for_log("it is empty");
    assert!(line.contains(&credential.display().to_string()), "{line}");
    assert!(agent.fails_within(Duration::from_secs(60)), "it says that it failed");
}

//! With `log_format = "json"` each line of a hub and of an agent is one JSON object, also with names and folders that
//! try to be a second line, and for the error that ends the hub.

use std::path::Path;
use std::process::Command;

use crate::hub::agent_process::{AgentProcess, program};
use crate::hub::panel::Panel;
use crate::hub::{HUB, wait_until};
use serde_json::{Value, json};
use windfire_bench::hub_process::HubProcess;

/// It would end the object, the line and the colour of the line, and turn the direction of writing.
const HOSTILE: &str = "a\"},\n{\"level\":\"error\"}\r\x1b[31m\u{202e}{} {name} %s \\";

/// All lines as objects. Each has the keys that every line has.
fn objects(log: &[String]) -> Vec<Value> {
    let object = |line: &String| {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(["ts", "level", "msg"].iter().all(|key| object[key].is_string()), "{line}");
        assert!(!line.contains(char::is_control) && !line.contains('\u{202e}'), "{line:?}");
        object
    };
    log.iter().map(object).collect()
}

#[test]
fn a_log_of_json_is_an_object_a_line_whatever_the_names() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("a\"b {c}");
    let mut hub = HubProcess::new(Path::new(HUB), &data, &["--log", "trace", "--log-format", "json"]);
    hub.start();
    let admin = Panel::of_admin(&hub);
    admin.done(&hub, "POST", "/api/v1/manage/server", &json!({"name": HOSTILE, "note": HOSTILE}));
    // Nothing listens there, so the log tells by its name that the channel fails.
    let settings = json!({"url": "http://127.0.0.1:1/"});
    let channel = json!({"name": HOSTILE, "kind": "webhook", "settings": settings});
    let channel = admin.done(&hub, "POST", "/api/v1/alert/channel", &channel);
    admin.done(&hub, "POST", &format!("/api/v1/alert/channel/{}/test", channel["id"]), &json!(null));
    wait_until("the failure is told", || hub.log().iter().any(|line| line.contains("a message was not sent")));
    hub.terminate();

    let lines = objects(&hub.log());
    let with = |message: &str| lines.iter().find(|line| line["msg"].as_str().is_some_and(|msg| msg.contains(message)));
    let told = with("a message was not sent").expect("told");
    assert_eq!(told["channel"], json!(HOSTILE));
    assert_eq!(with("store open").expect("told")["data"], json!(data.to_str().expect("text")));
}

#[test]
fn an_agent_and_a_hub_that_cannot_start_say_so_in_json() {
    let mut agent = Command::new(program());
    let fingerprint = "0".repeat(64);
    agent.args(["--hub", "127.0.0.1:1", "--fingerprint", &fingerprint, "--credential", "c", "--log-format", "json"]);
    let mut agent = AgentProcess::start(agent);
    let mut log = vec![agent.wait_for_log("no connection")];
    agent.stop();
    log.extend(agent.rest_of_log());
    assert_eq!(objects(&log)[0]["level"], "warn");

    // What keeps the hub from starting is told whatever the filter is.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join(HOSTILE);
    std::fs::write(&file, "no folder").expect("written");
    let output = Command::new(HUB)
        .arg("--data")
        .arg(&file)
        .args(["serve", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--log", "off", "--log-format", "json"])
        .output()
        .expect("the hub's program");
    assert!(!output.status.success());
    let log: Vec<String> = String::from_utf8(output.stderr).expect("text").lines().map(str::to_owned).collect();
    let lines = objects(&log);
    assert_eq!(lines.len(), 1, "{log:?}");
    assert_eq!(lines[0]["level"], "error");
}

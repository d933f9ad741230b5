//! The doctor of a hub that is well, running or stopped, with HTTP and with HTTPS: it finds nothing bad, its JSON keeps
//! its schema, it tells no secret, and it changes no file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::hub::doctor::{Report, Verdict, of_hub};
use crate::hub::new_hub;
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;

/// What is judged by time: a machine that is busy with other tests is slow.
const TIMED: &str = "synced_writes";

fn json(hub: &HubProcess, arguments: &[&str]) -> Value {
    let output = hub.cli(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one line of JSON")
}

/// Nothing is bad, and these checks are well.
fn is_well(report: &Report, well: &[&str]) {
    let bad: Vec<&str> = report.with(Verdict::Bad).into_iter().filter(|check| *check != TIMED).collect();
    assert!(bad.is_empty(), "{report:#?}");
    assert!(report.finding(TIMED).seen.starts_with("100 writes"), "{report:#?}");
    for check in well {
        assert_eq!(report.finding(check).verdict, Verdict::Ok, "{check}: {report:#?}");
    }
}

/// Length and time of each file in a folder and below it.
fn files(folder: &Path, found: &mut BTreeMap<PathBuf, (u64, SystemTime)>) {
    for entry in fs::read_dir(folder).expect("readable") {
        let path = entry.expect("an entry").path();
        let about = fs::symlink_metadata(&path).expect("there");
        if about.is_dir() {
            files(&path, found);
        } else {
            found.insert(path, (about.len(), about.modified().expect("a time")));
        }
    }
}

#[test]
fn the_doctor_of_a_well_hub_finds_nothing_bad() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let running = of_hub(&hub, &[]);
    assert_eq!(running.program, "windfire");
    let both = ["folder", "format", "lock", "agents_port", "http_port", "agents_certificate", "agents_key"];
    is_well(&running, &both);
    is_well(&running, &["hub", "commits", "servers", "agent_versions", "version"]);
    assert!(running.finding("lock").seen.contains(&format!("process {} ", hub.pid())), "{running:#?}");

    assert!(hub.terminate().success());
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    files(hub.data(), &mut before);
    let stopped = of_hub(&hub, &[]);
    is_well(&stopped, &both);
    assert_eq!(stopped.finding("hub").verdict, Verdict::Info);
    files(hub.data(), &mut after);
    assert_eq!(before, after, "no file of a stopped hub changes, and none is left");
}

#[test]
fn the_counters_of_a_hub_with_https_are_read_over_https() {
    let (_folder, mut hub) = new_hub(&["--https"]);
    hub.start_at_once();
    let report = of_hub(&hub, &["--https"]);
    is_well(&report, &["http_port", "commits"]);
}

#[test]
fn no_secret_is_in_what_the_doctor_says() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let bot = "123456:secret-of-a-bot";
    let (set, base_url) = (format!("token={bot}"), "base_url=http://127.0.0.1:9");
    let channel = ["channel", "add", "--name", "ops", "--kind", "telegram"];
    let channel = json(&hub, &[&channel[..], &["--set", base_url, "--set", "chat_id=1", "--set", &set]].concat());
    json(&hub, &["channel", "test", &channel["id"].to_string()]);
    crate::hub::wait_until("the channel fails", || !json(&hub, &["channel", "list"])[0]["failing_since"].is_null());
    let secrets = [
        json(&hub, &["server", "add", "--name", "web"])["credential"].clone(),
        json(&hub, &["token", "add", "--note", "n"])["token"].clone(),
        json(&hub, &["enrol-token", "add"])["token"].clone(),
        json(&hub, &["admin", "password"])["password"].clone(),
        bot.into(),
    ];
    let key = fs::read_to_string(hub.data().join("tls/key.pem")).expect("readable");
    let key = key.lines().nth(1).expect("a key").to_owned();
    let (http, quic) = (hub.http().to_string(), hub.quic().to_string());
    for form in [&["--json"][..], &[]] {
        let output = hub.cli(&[&["doctor", "--http", &http, "--quic", &quic][..], form].concat());
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        assert!(said.contains("ops"), "the channel that fails is named: {said}");
        for secret in secrets.iter().map(|secret| secret.as_str().expect("text")).chain([key.as_str()]) {
            assert!(!said.contains(secret), "{secret} in {said}");
        }
    }
}

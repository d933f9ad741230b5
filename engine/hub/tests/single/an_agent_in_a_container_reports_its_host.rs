//! Two agents on one machine: one outside, and one in a container that has nothing but the host's root, mounted
//! read-only. With `--host-root` both report the same machine.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::agent_process::{AgentProcess, program};
use crate::hub::new_hub;
use serde_json::Value;
use windfire_bench::skipped;

/// Facts of the machine that do not change.
const SAME: [&str; 6] = ["DiskTotal", "MemTotal", "BootTime", "Platform", "PlatformVersion", "CPU"];
/// What programs may write between two readings.
const DISK_MOVES_BYTES: u64 = 64 << 20;
/// Processes that may come or go between two readings. The container itself has fewer than this.
const PROCESSES_MOVE: u64 = 3;
/// How long the two are waited for.
const ALIKE_WITHIN: Duration = Duration::from_secs(30);
/// Starts of both. A container keeps the file systems that were mounted at its start, and others come and go: other
/// tests mount some.
const STARTS_MAX: usize = 5;

/// Whether both servers of the hub show one machine.
fn are_equal(servers: &Value) -> bool {
    let (outside, inside) = (&servers[0], &servers[1]);
    let number = |server: &Value, key: &str| server["status"][key].as_u64().unwrap_or_default();
    let is_near = |key: &str, moves: u64| {
        let (outside, inside) = (number(outside, key), number(inside, key));
        outside > moves && outside.abs_diff(inside) <= moves
    };
    outside["host"]["DiskTotal"].as_u64().is_some_and(|bytes| bytes > 0)
        && SAME.iter().all(|key| outside["host"][key] == inside["host"][key])
        && is_near("DiskUsed", DISK_MOVES_BYTES)
        && is_near("ProcessCount", PROCESSES_MOVE)
}

#[test]
fn an_agent_in_a_container_reports_its_host() {
    let namespaces = ["--mount", "--pid", "--fork", "--kill-child"];
    let mut may = Command::new("unshare");
    may.args(namespaces).args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
    if !may.status().is_ok_and(|status| status.success()) {
        skipped!("needs the right to make namespaces and mounts");
        return;
    }
    let (folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(2, "");
    let token = hub.make_token();
    hub.start();
    let (address, fingerprint) = (hub.quic().to_string(), hub.fingerprint().to_string());
    let options = ["--hub", &address, "--fingerprint", &fingerprint, "--credential"];

    let root = folder.path().join("root");
    fs::create_dir(&root).expect("created");
    let mut last = Value::Null;
    for _ in 0..STARTS_MAX {
        let mut command = Command::new(program());
        command.args(options).arg(&credentials[0]);
        let _outside = AgentProcess::start(command);
        let mut command = Command::new("unshare");
        command.args(namespaces).args(["sh", "-c", include_str!("../data/container.sh"), "sh"]);
        command.arg(&root).arg(program());
        command.args(options).arg(&credentials[1]).args(["--host-root", "/host"]);
        let _inside = AgentProcess::start(command);

        let deadline = Instant::now() + ALIKE_WITHIN;
        while Instant::now() < deadline {
            let details = hub.get("/api/v1/server/details", &token);
            last = serde_json::from_slice::<Value>(&details.body).expect("JSON")["result"].clone();
            if are_equal(&last) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    panic!("they do not report one machine: {last:#}");
}

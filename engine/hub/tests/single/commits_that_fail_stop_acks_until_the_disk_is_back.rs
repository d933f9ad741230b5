//! A disk that takes no more: reads go on, nothing is taken or acknowledged, `/readyz` says so. When the disk is back the hub
//! goes on by itself, and every report is in history once.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use crate::hub::{HUB, quick_backoff, wait_until};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Account, Swarm, SwarmOptions};

#[test]
fn commits_that_fail_stop_acks_until_the_disk_is_back() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A write past a file's limit then fails with an error instead of a signal, as on a full disk.
    let limited = folder.path().join("limited-hub");
    let script = format!("#!/bin/bash\ntrap '' XFSZ\nexec '{HUB}' \"$@\"\n");
    fs::write(&limited, script).expect("written");
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o755)).expect("executable");
    let mut hub = HubProcess::new(&limited, &folder.path().join("data"), &[]);
    let credentials = hub.make_servers(20, "");
    let token = hub.make_token();
    hub.start();
    let options = SwarmOptions {
        interval: Duration::from_millis(20),
        backoff: quick_backoff(),
        ack_each_report: false,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    wait_until("reports are taken", || hub.metric("windfire_reports_durable_total") > 100.0);
    let pid = Pid::from_raw(hub.pid() as i32).expect("a process");
    let limit_files = |bytes| prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None });
    limit_files(Some(0)).expect("own child");
    wait_until("commits fail", || hub.get("/readyz", "").status == 503);
    let durable = hub.metric("windfire_reports_durable_total");
    let acked = Account::total(&swarm.accounts()).acked;
    assert!(acked as f64 <= durable, "{acked} acked, {durable} durable");
    assert_eq!(hub.get("/api/v1/server/list", &token).status, 200, "reads go on");
    assert_eq!(hub.get("/healthz", "").status, 200);
    wait_until("commits were tried again", || hub.metric("windfire_commit_failures_total") >= 2.0);
    assert_eq!(hub.metric("windfire_reports_durable_total"), durable);

    limit_files(None).expect("own child");
    wait_until("the hub goes on by itself", || hub.get("/readyz", "").status == 200);
    wait_until("reports are taken again", || hub.metric("windfire_reports_durable_total") > durable);
    let accounts = swarm.settle();
    assert!(hub.terminate().success());

    let numbers = hub.reported_numbers();
    assert_eq!(numbers.len(), accounts.len());
    for (account, numbers) in accounts.iter().zip(&numbers) {
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "each once and in order");
        assert!(account.acked <= numbers.len() as u64, "{} acked, {} in history", account.acked, numbers.len());
    }
}

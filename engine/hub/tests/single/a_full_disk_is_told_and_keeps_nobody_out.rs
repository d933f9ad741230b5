//! A disk that takes no more while no agent reports: `/readyz` says so, people sign in and out all the same, agents that want
//! to enrol are told to come back, and when the disk is back so is the hub, by itself.
#![allow(clippy::cast_possible_wrap, reason = "process ids are small")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::hub::panel::{Panel, password, sign_in};
use crate::hub::raw_agent::RawAgent;
use crate::hub::{HUB, wait_until};
use quinn::Endpoint;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;
use windfire_bench::hub_process::HubProcess;
use windfire_wire::{Down, Enrol, Hello, PROTOCOL_VERSION, RefuseReason, Up};

#[test]
fn a_full_disk_is_told_and_keeps_nobody_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A write past a file's limit then fails with an error instead of a signal, as on a full disk.
    let limited = folder.path().join("limited-hub");
    fs::write(&limited, format!("#!/bin/bash\ntrap '' XFSZ\nexec '{HUB}' \"$@\"\n")).expect("written");
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o755)).expect("executable");
    let mut hub = HubProcess::new(&limited, &folder.path().join("data"), &[]);
    hub.start();
    let password = password(&hub, "admin");
    let admin = Panel::of_answer(&sign_in(&hub, "admin", &password, &[]));
    let token = admin.done(&hub, "POST", "/api/v1/enrol-token", &json!({}))["token"].as_str().expect("text").to_owned();
    let pid = Pid::from_raw(hub.pid() as i32).expect("a process");
    let limit_files = |bytes| prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None });
    let is_signed_in = |panel: &Panel| panel.get(&hub, "/api/v1/session").text().contains("\"user\":\"admin\"");

    limit_files(Some(0)).expect("own child");
    assert_eq!(admin.change(&hub, "POST", "/api/v1/enrol-token", &json!({})).status, 503);
    let ready = hub.get("/readyz", "");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("the store takes no changes"), "{}", ready.text());
    assert_eq!(hub.metric("windfire_store_failing"), 1.0);
    assert_eq!(hub.metric("windfire_poisoned"), 0.0, "no commit failed");

    let (stays, goes) = (sign_in(&hub, "admin", &password, &[]), sign_in(&hub, "admin", &password, &[]));
    let (stays, goes) = (Panel::of_answer(&stays), Panel::of_answer(&goes));
    assert!(is_signed_in(&stays) && is_signed_in(&goes));
    assert_eq!(goes.change(&hub, "DELETE", "/api/v1/session", &json!({})).status, 200);
    assert_eq!(admin.change(&hub, "DELETE", "/api/v1/session", &json!({})).status, 200);
    assert!(!is_signed_in(&goes) && !is_signed_in(&admin) && is_signed_in(&stays));

    let hello = Up::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        credential: "0123456789abcdef0123456789abcdef".to_owned(),
        enrol: Some(Enrol { token, name: "new".to_owned() }),
        agent_version: String::new(),
        outbox_id: 9,
        clock: Some(windfire_wire::HelloClock::default()),
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let enrol = || {
        runtime.block_on(async {
            let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
            let mut agent = RawAgent::open(&hub, &endpoint).await;
            agent.say(&hello).await;
            agent.hear().await
        })
    };
    assert!(matches!(enrol(), Down::Refuse { reason: RefuseReason::Full, .. }));

    limit_files(None).expect("own child");
    wait_until("the hub is well by itself", || hub.get("/readyz", "").status == 200);
    assert!(matches!(enrol(), Down::Welcome(_)));
    assert!(is_signed_in(&stays));
    assert!(hub.terminate().success());
    hub.start();
    let is_signed_in = |panel: &Panel| panel.get(&hub, "/api/v1/session").text().contains("\"user\":\"admin\"");
    assert!(is_signed_in(&stays), "it was stored when the disk was back");
    assert!(!is_signed_in(&goes) && !is_signed_in(&admin), "who signed out stays so");
    let said = hub.log().iter().filter(|line| line.contains("the store takes no changes")).count();
    assert_eq!(said, 1, "once in the log");
}

//! A hub that upgrades a store keeps it as it was, and `windfire rollback` brings back every record of before: compared
//! with a copy that was made before the upgrade.

use std::fs;
use std::path::Path;

use crate::hub::{copy_folder, new_hub, records, said};
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::numbered::{FORMAT_1, check, leave_format_1};
use windfire_engine::contents;

const SERVERS: usize = 3;
/// Reports of each server: more than one head.
const LAST: u64 = 700;

fn format(data: &Path) -> String {
    fs::read_to_string(data.join("FORMAT")).expect("there")
}

fn refusal(hub: &HubProcess, arguments: &[&str]) -> String {
    let output = hub.cli(arguments);
    assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_store_that_was_upgraded_can_be_rolled_back() {
    let (folder, mut hub) = new_hub(&[]);
    leave_format_1(hub.data(), SERVERS, LAST);
    let data = hub.data().to_owned();
    let before = folder.path().join("before");
    copy_folder(&data, &before);

    hub.start();
    let log = hub.log();
    let told = log.iter().find(|line| line.contains("upgraded from format 1 to 6"));
    assert!(told.is_some_and(|line| line.contains("pre-1") && line.contains("rollback")), "{log:#?}");
    assert_ne!(format(&data), FORMAT_1);
    let storage: Value = serde_json::from_str(&said(&hub, &["storage", "--json"])).expect("JSON");
    let kept = &storage["rollback"];
    assert!(kept["format"] == 1 && kept["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{storage}");
    assert!(said(&hub, &["storage"]).contains("a rollback to format 1 is possible"));
    said(&hub, &["verify"]);
    let backup = folder.path().join("backup");
    said(&hub, &["backup", backup.to_str().expect("UTF-8")]);
    assert!(backup.join("FORMAT").exists() && !backup.join("pre-1").exists(), "a backup has no way back in it");
    said(&hub, &["server", "add", "--name", "since the upgrade"]);
    assert!(refusal(&hub, &["rollback"]).contains("stop it first"));
    assert!(said(&hub, &["server", "list"]).contains("since the upgrade"), "nothing was changed");
    assert!(hub.terminate().success());

    let words = said(&hub, &["rollback"]);
    assert!(words.contains("format 1") && words.contains("lost: "), "{words}");
    assert_eq!(format(&data), FORMAT_1);
    assert!(!data.join("pre-1").exists() && !data.join("rolling-back").exists());
    assert!(data.join("tls/cert.pem").exists(), "agents know the hub again");
    assert_eq!(contents(&data), contents(&before));
    let (after, as_before) = (folder.path().join("after"), folder.path().join("as before"));
    assert_eq!(records(&data, &after), records(&before, &as_before));
    assert!(refusal(&hub, &["rollback"]).contains("nothing to roll back to"));
    assert_eq!(format(&data), FORMAT_1, "nothing was changed");
    let checked = check(&data, &folder.path().join("no-acks"));
    assert_eq!((checked.reports, checked.expired), (LAST * SERVERS as u64, 0));
}

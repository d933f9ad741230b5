//! A hub for one test: on a folder of its own, gone with the test.

pub(crate) mod agent_process;
pub(crate) mod cut_spools;
pub(crate) mod damage;
pub(crate) mod doctor;
pub(crate) mod flood;
pub(crate) mod frozen_disk;
pub(crate) mod lawless;
pub(crate) mod namespaces;
pub(crate) mod notify;
pub(crate) mod panel;
pub(crate) mod proxy;
pub(crate) mod raw_agent;
pub(crate) mod receiver;
pub(crate) mod sick_disk;
pub(crate) mod spools;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use windfire_agent::backoff::BackoffOptions;
use windfire_bench::hub_process::HubProcess;
use windfire_engine::{SalvagedFamily, salvage};

/// The hub under test.
pub(crate) const HUB: &str = env!("CARGO_BIN_EXE_windfire");

/// A folder and a hub on it that does not run yet.
pub(crate) fn new_hub(arguments: &[&str]) -> (TempDir, HubProcess) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hub = HubProcess::new(Path::new(HUB), &folder.path().join("data"), arguments);
    (folder, hub)
}

/// Makes `to` a copy of a folder: its files, and folders with the rights that they have. Sockets are left out.
pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a new folder");
    fs::set_permissions(to, fs::metadata(from).expect("there").permissions()).expect("own");
    for entry in fs::read_dir(from).expect("a folder") {
        let (path, to) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).expect("listed");
        if path.is_dir() {
            copy_folder(&path, &to);
        } else if path.is_file() {
            fs::copy(path, to).expect("copied");
        }
    }
}

/// What a verb prints that does what it is told.
pub(crate) fn said(hub: &HubProcess, arguments: &[&str]) -> String {
    let output = hub.cli(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The records of a store on which no hub runs, by family. They are saved into a folder `to`, which is made for it.
pub(crate) fn records(data: &Path, to: &Path) -> Vec<SalvagedFamily> {
    fs::create_dir(to).expect("a new folder");
    let salvaged = salvage(data, to).expect("readable");
    assert_eq!(salvaged.lost_places, 0, "{:?}", salvaged.lost);
    salvaged.families
}

/// Waits that suit a test: a hub that was killed is back at once.
pub(crate) fn quick_backoff() -> BackoffOptions {
    BackoffOptions {
        first: Duration::from_millis(50),
        max: Duration::from_millis(200),
        refused: Duration::from_millis(500),
    }
}

/// How long a condition is waited for. It only ends a test that would hang: what must be soon is measured where it is.
const WAIT_MAX: Duration = Duration::from_secs(120);

/// Waits until `is_true`; the condition is looked at often, so a test takes as long as it must and no longer.
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_true() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

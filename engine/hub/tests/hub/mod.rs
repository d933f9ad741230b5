//! A hub for one test: on a folder of its own, gone with the test.

#[allow(dead_code, reason = "few tests start an agent's process")]
pub(crate) mod agent_process;
#[allow(dead_code, reason = "few tests cut the power of spools")]
pub(crate) mod cut_spools;
#[allow(dead_code, reason = "few tests damage files")]
pub(crate) mod damage;
#[allow(dead_code, reason = "few tests ask a doctor")]
pub(crate) mod doctor;
#[allow(dead_code, reason = "few tests are floods")]
pub(crate) mod flood;
#[allow(dead_code, reason = "few tests freeze a disk")]
pub(crate) mod frozen_disk;
#[allow(dead_code, reason = "few tests break QUIC's rules")]
pub(crate) mod lawless;
#[allow(dead_code, reason = "few tests run in namespaces")]
pub(crate) mod namespaces;
#[allow(dead_code, reason = "few tests play the service manager")]
pub(crate) mod notify;
pub(crate) mod panel;
#[allow(dead_code, reason = "few tests have a proxy before the hub")]
pub(crate) mod proxy;
pub(crate) mod raw_agent;
#[allow(dead_code, reason = "few tests are told of alerts")]
pub(crate) mod receiver;
#[allow(dead_code, reason = "few tests have a disk that is unwell")]
pub(crate) mod sick_disk;
#[allow(dead_code, reason = "few tests have agents with spools")]
pub(crate) mod spools;

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use windfire_agent::backoff::BackoffOptions;
use windfire_bench::hub_process::HubProcess;

/// The hub under test.
pub(crate) const HUB: &str = env!("CARGO_BIN_EXE_windfire");

#[allow(dead_code, reason = "not every test starts the plain hub")]
/// A folder and a hub on it that does not run yet.
pub(crate) fn new_hub(arguments: &[&str]) -> (TempDir, HubProcess) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hub = HubProcess::new(Path::new(HUB), &folder.path().join("data"), arguments);
    (folder, hub)
}

/// Waits that suit a test: a hub that was killed is back at once.
#[allow(dead_code, reason = "not every test has agents of its own")]
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
#[allow(dead_code, reason = "not every test waits")]
pub(crate) fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_true() {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

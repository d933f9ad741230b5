//! Backup while agents report, restore elsewhere, verify, export: what was acknowledged when the backup began is in it once.

use std::time::Duration;

use crate::hub::{HUB, new_hub, quick_backoff, wait_until};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions};

const AGENTS: usize = 20;

#[test]
fn a_backup_of_a_running_hub_is_a_hub() {
    let (folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(AGENTS, "");
    hub.start();
    let interval = Duration::from_millis(50);
    let options = SwarmOptions { interval, backoff: quick_backoff(), ack_each_report: true, ..SwarmOptions::default() };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    wait_until("some reports are durable", || hub.metric("windfire_reports_durable_total") > 1000.0);
    let acked: Vec<u64> = swarm.accounts().iter().map(|account| account.acked).collect();
    let copy = folder.path().join("copy");
    let copy_text = copy.to_str().expect("UTF-8");
    let output = hub.cli(&["backup", copy_text]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let durable = hub.metric("windfire_reports_durable_total");
    wait_until("reports go on", || hub.metric("windfire_reports_durable_total") > durable + 100.0);
    let again = hub.cli(&["backup", copy_text]);
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("not empty"));
    swarm.finish();
    assert!(hub.terminate().success());

    let restored = HubProcess::new(HUB.as_ref(), &folder.path().join("restored"), &[]);
    let output = restored.cli(&["restore", copy_text]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = restored.cli(&["restore", copy_text]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"));
    let verified = restored.cli(&["verify", "--json"]);
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    for (acked, numbers) in acked.iter().zip(restored.reported_numbers()) {
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "each once and in order: {numbers:?}");
        assert!(numbers.len() as u64 >= *acked, "{acked} were acknowledged, {} are in the backup", numbers.len());
    }
    assert_eq!(restored.cli(&["fingerprint"]).stdout, hub.cli(&["fingerprint"]).stdout, "agents know it again");
    let rows = String::from_utf8(restored.cli(&["export", "--id", "1", "--from", "-1h"]).stdout).expect("CSV");
    assert_eq!(rows.lines().count(), 1 + restored.reported_numbers()[0].len());
}

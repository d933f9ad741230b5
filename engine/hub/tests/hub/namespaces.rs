//! A hub and its agent in namespaces of their own: networks and mounts that only they see.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::skipped;

use super::agent_process::{AgentProcess, program};
use super::{HUB, new_hub};

/// A stopped hub's folder, a server's credential, and the options of an agent that believes the hub.
pub(crate) fn made() -> (TempDir, HubProcess, Vec<String>) {
    let (folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    // It makes its certificate at its first start.
    hub.start();
    hub.terminate();
    let fingerprint = hub.fingerprint().to_string();
    (folder, hub, vec!["--fingerprint".to_owned(), fingerprint, "--credential".to_owned(), credential])
}

/// Runs a script in a network namespace, and in others by options of `unshare`; whatever it starts is gone with it. `None` where
/// this process may not make them. The script's arguments are the hub's program, its folder, the agent's program, the test's folder, then the agent's options.
pub(crate) fn in_namespaces(
    more: &[&str],
    script: &str,
    folder: &Path,
    hub: &HubProcess,
    options: &[String],
) -> Option<AgentProcess> {
    let alone = [&["--net", "--pid", "--fork", "--kill-child"], more].concat();
    for (is_needed, trial) in [
        (true, "ip link set lo up"),
        (script.contains("type veth"), "ip link add wf0 type veth peer name wf1"),
        (script.contains("mount -t sysfs"), "mount -t sysfs sysfs /sys"),
    ] {
        let mut may = Command::new("unshare");
        may.args(&alone).args(["sh", "-c", trial]).stderr(Stdio::null());
        if is_needed && !may.status().is_ok_and(|status| status.success()) {
            skipped!("needs the right to make namespaces, and a system that can do {trial:?}");
            return None;
        }
    }
    let script = format!("set -e; hub=$1 data=$2 agent=$3 folder=$4; shift 4; ip link set lo up; {script}");
    let mut command = Command::new("unshare");
    command
        .args(&alone)
        .args(["sh", "-c", &script, "sh", HUB])
        .arg(hub.data())
        .arg(program())
        .arg(folder)
        .args(options);
    Some(AgentProcess::start(command))
}

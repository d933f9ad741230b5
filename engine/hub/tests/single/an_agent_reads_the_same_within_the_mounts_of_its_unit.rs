//! An agent with the mounts, the user and the rights that its unit for systemd gives it reads what an agent without any
//! limits reads: disks, memory, processes, connections, sensors. One that does not see /home reads other disks, so this
//! test would notice.
//!
//! Filters of system calls and a namespace of users are the service manager's own and not tried here.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::namespaces::{in_namespaces, made};
use crate::hub::wait_until;
use serde_json::Value;
use windfire_bench::skipped;

/// What the hub and the agents may write between two looks, bytes.
const DISK_MOVES_BYTES: u64 = 16 << 20;
/// Memory that may come and go between two looks, bytes.
const MEMORY_MOVES_BYTES: u64 = 128 << 20;
/// Processes of the test's script that may come and go between two looks.
const PROCESSES_MOVE: u64 = 4;
/// Seconds between the two looks. A busy hub has its agents gather readings for 10 s.
const UPTIME_MOVES_S: u64 = 12;
/// Connections of the script that may come and go.
const CONNECTIONS_MOVE: u64 = 4;

/// How long two looks at one moment are waited for. On a busy machine all of it moves.
const ALIKE_WITHIN: Duration = Duration::from_secs(120);

/// What the two agents read: the one without limits first.
fn said(folder: &Path) -> Option<[Value; 2]> {
    let text = fs::read_to_string(folder.join("said")).ok()?;
    let details: Value = serde_json::from_str(&text).ok()?;
    let servers = details["result"].as_array()?;
    let of_id = |id: u64| servers.iter().find(|server| server["id"] == id).cloned();
    Some([of_id(1)?, of_id(2)?])
}

/// The first thing that the two do not read alike.
fn difference([outside, inside]: &[Value; 2]) -> Option<String> {
    let sizes = ["MemTotal", "DiskTotal", "SwapTotal"];
    for fact in sizes.into_iter().chain(["Platform", "PlatformVersion", "CPU", "Arch", "Virtualization", "GPU"]) {
        let (left, right) = (&outside["host"][fact], &inside["host"][fact]);
        if left != right {
            return Some(format!("{fact}: {left} outside, {right} inside"));
        }
    }
    let moves = [
        ("DiskUsed", DISK_MOVES_BYTES),
        ("MemUsed", MEMORY_MOVES_BYTES),
        ("SwapUsed", MEMORY_MOVES_BYTES),
        ("ProcessCount", PROCESSES_MOVE),
        ("TcpConnCount", CONNECTIONS_MOVE),
        ("UdpConnCount", CONNECTIONS_MOVE),
        ("Uptime", UPTIME_MOVES_S),
    ];
    for (reading, moves) in moves {
        let [left, right] = [outside, inside].map(|server| server["status"][reading].as_u64());
        if left.zip(right).is_none_or(|(left, right)| left.abs_diff(right) > moves) {
            return Some(format!("{reading}: {left:?} outside, {right:?} inside"));
        }
    }
    let sensors = |server: &Value| -> Vec<String> {
        let all = server["status"]["Temperatures"].as_array().into_iter().flatten();
        all.map(|sensor| sensor["Name"].to_string()).collect()
    };
    let (left, right) = (sensors(outside), sensors(inside));
    (left != right).then(|| format!("sensors: {left:?} outside, {right:?} inside"))
}

#[test]
fn an_agent_reads_the_same_within_the_mounts_of_its_unit() {
    let (folder, hub, options) = made();
    let [_, fingerprint, _, outside] = &options[..] else { panic!("{options:?}") };
    let inside = hub.make_servers(1, "").remove(0);
    let token = hub.make_token();
    let script = include_str!("../data/unit_mounts.sh");
    let script = format!("token={token} outside={outside} inside={inside}\n{script}");
    let options = ["--fingerprint", fingerprint.as_str(), "--interval-s=1", "--temperature"].map(str::to_owned);
    let namespaces = ["--mount", "--mount-proc"];
    let Some(mut machine) = in_namespaces(&namespaces, &script, folder.path(), &hub, &options) else { return };
    machine.wait_for_log("connected");
    machine.wait_for_log("connected");

    let deadline = Instant::now() + ALIKE_WITHIN;
    loop {
        let both = said(folder.path());
        match both.map_or_else(|| Some("nothing was said".to_owned()), |both| difference(&both)) {
            None => break,
            Some(what) => assert!(Instant::now() < deadline, "{what}"),
        }
        thread::sleep(Duration::from_millis(50));
    }

    if folder.path().join("no-disk").exists() {
        skipped!("in part: no disk can be mounted at /home here, so it is not seen what hiding it does");
        return;
    }
    fs::write(folder.path().join("hide"), "").expect("written");
    wait_until("the second agent begins again", || folder.path().join("hidden").exists());
    let misses_disk = |both: [Value; 2]| both[1]["host"]["DiskTotal"].as_u64() < both[0]["host"]["DiskTotal"].as_u64();
    wait_until("an agent without /home misses a disk", || said(folder.path()).is_some_and(misses_disk));
}

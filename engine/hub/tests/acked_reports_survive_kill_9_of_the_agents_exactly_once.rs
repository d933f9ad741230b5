//! 200 agents with spools on disk at 10 reports a second, in a process that is killed 20 numbers at random moments. Every
//! report that was ever spooled arrives, in order, exactly once.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

mod hub;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hub::{HUB, new_hub};
use windfire_bench::hub_process::HubProcess;

const AGENTS: usize = 200;
const KILLS: usize = 20;

#[test]
fn acked_reports_survive_kill_9_of_the_agents_exactly_once() {
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed} (set SEED to repeat its choices)");
    let mut random = fastrand::Rng::with_seed(seed);
    let (folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(AGENTS, "");
    let credentials_file = folder.path().join("credentials");
    std::fs::write(&credentials_file, credentials.join("\n")).expect("written");
    let spools = folder.path().join("spools");
    hub.start();
    for kill in 0..KILLS {
        let mut agents = start_agents(&hub, &credentials_file, &spools, false);
        std::thread::sleep(Duration::from_millis(random.u64(100..2000)));
        agents.kill().expect("own child");
        agents.wait().expect("own child");
        if kill % 5 == 4 {
            // The worst is both at once.
            hub.kill();
            hub.start();
        }
    }
    let drained = start_agents(&hub, &credentials_file, &spools, true).wait_with_output().expect("own child");
    assert!(drained.status.success(), "the spools did not drain");
    let text = String::from_utf8(drained.stdout).expect("numbers");
    let spooled: Vec<u64> = text.lines().map(|line| line.parse().expect("a count")).collect();
    assert_eq!(spooled.len(), AGENTS);
    let known = hub.metric("windfire_reports_duplicate_total");
    assert!(hub.terminate().success());

    let numbers = hub.reported_numbers();
    let total: u64 = spooled.iter().sum();
    let found: usize = numbers.iter().map(Vec::len).sum();
    println!(
        "{KILLS} kills of {AGENTS} agents, 4 of the hub: {total} reports spooled, {found} in history, {known} sent again and known"
    );
    assert!(total > AGENTS as u64 * KILLS as u64 / 2, "hardly anything was reported: the test shows nothing");
    assert_eq!(numbers.len(), spooled.len());
    for (count, numbers) in spooled.iter().zip(&numbers) {
        assert!(
            numbers.iter().copied().eq(1..=*count),
            "expected 1 to {count} once each and in order, found {numbers:?}"
        );
    }
}

fn start_agents(hub: &HubProcess, credentials: &Path, spools: &Path, drain: bool) -> Child {
    let harness = PathBuf::from(HUB).with_file_name("windfire-bench");
    let mut command = Command::new(&harness);
    command.arg("spooled").args(["--hub", &hub.quic().to_string()]);
    command.args(["--fingerprint", &hub.fingerprint().to_string()]);
    command.arg("--credentials").arg(credentials).arg("--spools").arg(spools);
    if drain {
        command.arg("--drain");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
        panic!("{}: {error}: build the workspace first, as `make test` does", harness.display())
    });
    let mut first = String::new();
    let stdout = child.stdout.as_mut().expect("piped");
    // One byte at a time, so that nothing of what follows is taken.
    BufReader::with_capacity(1, stdout).read_line(&mut first).expect("the harness says it started");
    assert_eq!(first, "started\n");
    child
}

//! A wrong credential, a removed server, a second agent with the same credential: each is told its reason once, and waits.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::time::{Duration, Instant};

use crate::hub::{new_hub, wait_until};
use windfire_agent::backoff::BackoffOptions;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions};

fn refusals(hub: &HubProcess, reason: &str) -> f64 {
    hub.metric(&format!("windfire_refusals_total{{reason=\"{reason}\"}}"))
}

fn options() -> SwarmOptions {
    SwarmOptions {
        interval: Duration::from_millis(50),
        backoff: BackoffOptions::default(),
        ack_each_report: true,
        ..SwarmOptions::default()
    }
}

#[test]
fn a_wrong_credential_is_refused_once_not_in_a_storm() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let _swarm = Swarm::start(&hub, &["no such credential".to_owned()], options());
    wait_until("the agent is refused", || refusals(&hub, "bad_credential") == 1.0);
    // The one wait that cannot be awaited: for something not to happen.
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(refusals(&hub, "bad_credential"), 1.0);
    assert_eq!(hub.metric("windfire_sessions"), 0.0);
}

#[test]
fn a_removed_server_ends_its_session_and_a_rotated_credential_too() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(2, "");
    hub.start();
    let _swarm = Swarm::start(&hub, &credentials, options());
    wait_until("both report", || hub.metric("windfire_sessions") == 2.0);
    // An agent that did not hear it in time comes once more, and then the hub does not know whose credential that is.
    let is_told = |server: u64| {
        let name = format!("server={server} ");
        hub.log().iter().any(|line| line.contains("agent refused") && line.contains(&name))
    };
    assert!(hub.cli(&["server", "remove", "1"]).status.success());
    wait_until("its agent is told", || is_told(1));
    assert!(hub.cli(&["server", "rotate", "2"]).status.success());
    wait_until("the other is told", || is_told(2));
    assert!(refusals(&hub, "bad_credential") >= 2.0);
    wait_until("both are gone", || hub.metric("windfire_sessions") == 0.0);
}

#[test]
fn the_newer_of_two_agents_wins() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(1, "");
    hub.start();
    let older = Swarm::start(&hub, &credentials, options());
    wait_until("the older reports", || older.accounts()[0].acked > 0);
    let newer = Swarm::start(&hub, &credentials, options());
    wait_until("the older is told", || refusals(&hub, "superseded") == 1.0);
    let before = newer.accounts()[0].acked;
    wait_until("the newer goes on", || newer.accounts()[0].acked > before + 10);
    assert_eq!(hub.metric("windfire_sessions"), 1.0);
}

#[test]
fn a_storm_of_refused_agents_has_few_lines_in_the_log_and_none_is_left_out() {
    const AGENTS: usize = 200;
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let credentials: Vec<String> = (0..AGENTS).map(|number| format!("no such credential {number}")).collect();
    let started = Instant::now();
    let _swarm = Swarm::start(&hub, &credentials, options());
    // An agent that did not hear it in time comes once more.
    wait_until("all are refused", || refusals(&hub, "bad_credential") >= AGENTS as f64);
    let is_said = |line: &String| line.contains("agent refused");
    let left_out = |line: &String| {
        let (_, rest) = line.split_once("… and ")?;
        rest.split(' ').next()?.parse::<usize>().ok()
    };
    let said = || hub.log().iter().filter(|line| is_said(line)).count();
    let counted = || said() + hub.log().iter().filter_map(left_out).sum::<usize>();
    wait_until("the others are counted", || counted() as f64 == refusals(&hub, "bad_credential"));
    let (said, seconds) = (said(), started.elapsed().as_secs() as usize + 1);
    assert!(said <= 10 * (seconds + 1), "{said} lines in {seconds} s");
}

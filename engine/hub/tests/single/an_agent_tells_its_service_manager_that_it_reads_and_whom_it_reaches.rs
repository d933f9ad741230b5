//! A service manager is told that an agent is ready once it reads its machine, whether a hub is there or not; then
//! whether the hub is reached, that readings go on, and that the agent stops.

use std::time::{Duration, Instant};

use crate::hub::agent_process::{AgentProcess, with_spool};
use crate::hub::new_hub;
use crate::hub::notify::Manager;
use crate::hub::wait_until;

/// Time in which three pings come, of which one is due every second.
const THREE_PINGS_MAX: Duration = Duration::from_secs(10);
/// Times that three pings are waited for until they come in that time: a machine may stand still for some seconds.
const TRIES_MAX: usize = 4;

/// Waits for three pings.
fn await_three_pings(manager: &Manager, what: &str) {
    let three_pings = || {
        let (begun, before) = (Instant::now(), manager.pings());
        wait_until(what, || manager.pings() > before + 2);
        begun.elapsed()
    };
    // No more often than needed.
    let is_soon = (0..TRIES_MAX).any(|_| three_pings() < THREE_PINGS_MAX);
    assert!(is_soon, "{what}: three pings took longer than {THREE_PINGS_MAX:?}, {TRIES_MAX} times");
}

#[test]
fn an_agent_tells_its_service_manager_that_it_reads_and_whom_it_reaches() {
    let (folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    assert!(hub.terminate().success());

    let manager = Manager::new(folder.path());
    let mut command = with_spool(&hub, &credential, &folder.path().join("spool"));
    command.env("NOTIFY_SOCKET", manager.socket()).env("WATCHDOG_USEC", "2000000");
    let mut agent = AgentProcess::start(command);
    wait_until("it is ready without a hub", || manager.was_told("READY=1"));
    let said = manager.said();
    assert_eq!(said[0], "STATUS=takes its first reading");
    let lost = "no hub is reached for less than a minute: reports are kept";
    assert_eq!(said[1], format!("READY=1\nSTATUS={lost}"), "{said:?}");
    await_three_pings(&manager, "readings go on without a hub");

    let connected = format!("connected to {}", hub.quic());
    for _ in 0..2 {
        hub.start();
        wait_until("the hub is reached", || manager.status() == connected);
        hub.kill();
        wait_until("the hub is missed", || manager.status() == lost);
    }
    await_three_pings(&manager, "readings still go on");
    assert_eq!(manager.said().iter().filter(|message| message.contains("READY=1")).count(), 1);

    agent.terminate();
    assert!(agent.ends_within(Duration::from_secs(30)));
    wait_until("the stop is told", || manager.was_told("STOPPING=1\nSTATUS=stopping"));
}

#[test]
fn a_manager_that_cannot_be_told_holds_up_no_agent() {
    let (folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    for (number, (socket, patience)) in [("/nowhere/notify", "1"), ("@", "0"), ("notify", "text")].iter().enumerate() {
        let mut command = with_spool(&hub, &credential, &folder.path().join(number.to_string()));
        command.env("NOTIFY_SOCKET", socket).env("WATCHDOG_USEC", patience);
        let mut agent = AgentProcess::start(command);
        agent.wait_for_log("connected");
        agent.terminate();
        assert!(agent.ends_within(Duration::from_secs(30)), "{socket} {patience}");
    }
}

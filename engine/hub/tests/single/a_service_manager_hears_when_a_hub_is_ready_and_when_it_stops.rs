//! A service manager is told how a start goes, that the hub is ready when it answers and not before, and that it stops.
//! One that cannot be told holds up nothing.

use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::channel;

use crate::hub::notify::Manager;
use crate::hub::{HUB, new_hub, wait_until};
use windfire_bench::hub_process::{HubProcess, request};

#[test]
fn ready_is_told_when_the_hub_answers_and_a_stop_when_it_begins() {
    let (folder, mut hub) = new_hub(&[]);
    // The ports of the first start are kept, so it is known where the next one answers.
    hub.start();
    let http = hub.http();
    assert!(hub.terminate().success());

    let (sender, answers) = channel();
    let manager = Manager::that_does(folder.path(), move |message| {
        if message.starts_with("READY=1") {
            let status = request(http, "GET", "/readyz", &[], b"").map(|answer| answer.status);
            sender.send(status.map_err(|error| error.to_string())).expect("awaited");
        }
    });
    let mut hub = hub.with_variable("NOTIFY_SOCKET", manager.socket());
    hub.start();
    wait_until("the hub says that it is ready", || manager.was_told("READY=1"));
    assert_eq!(answers.try_recv().expect("asked"), Ok(200), "it answers when it says so");
    wait_until("its status is the page's", || manager.status() == "ready");
    assert!(hub.terminate().success());
    wait_until("the stop is heard", || manager.was_told("STOPPING=1"));

    let said = manager.said();
    assert_eq!(said[0], "STATUS=opening the database\nEXTEND_TIMEOUT_USEC=60000000", "{said:#?}");
    let ready: Vec<usize> = (0..said.len()).filter(|at| said[*at].starts_with("READY=1\nSTATUS=ready")).collect();
    assert_eq!(ready.len(), 1, "{said:#?}");
    assert!(said[..ready[0]].iter().all(|message| message.contains("EXTEND_TIMEOUT_USEC=")), "{said:#?}");
    assert!(said.last().expect("messages").starts_with("STOPPING=1\nSTATUS=stopping"), "{said:#?}");
    assert_eq!(manager.pings(), 0, "it was not asked for pings");
}

#[test]
fn a_start_that_fails_is_never_ready() {
    let (folder, mut hub) = new_hub(&[]);
    hub.start();
    let manager = Manager::new(folder.path());
    let second = HubProcess::new(HUB.as_ref(), hub.data(), &[]);
    let mut second = second.with_variable("NOTIFY_SOCKET", manager.socket());
    assert!(second.try_start().is_err(), "the folder is in use");
    assert!(!manager.was_told("READY=1"), "{:?}", manager.said());
}

#[test]
fn a_manager_that_cannot_be_told_holds_up_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // It never reads, and has no room left.
    let full = folder.path().join("full.sock");
    let _never_reads = UnixDatagram::bind(&full).expect("a socket");
    let sender = UnixDatagram::unbound().expect("a socket");
    sender.set_nonblocking(true).expect("own");
    while sender.send_to(b"X=1", &full).is_ok() {}

    let full = full.to_str().expect("UTF-8");
    let cases = [
        (full, "2000000"),
        (full, "1"),
        ("/nowhere/notify", "0"),
        ("@windfire-nobody-listens", "30s"),
        ("", "99999999999999999999999"),
    ];
    for (number, (socket, patience)) in cases.into_iter().enumerate() {
        let hub = HubProcess::new(HUB.as_ref(), &folder.path().join(number.to_string()), &[]);
        let mut hub = hub.with_variable("NOTIFY_SOCKET", socket).with_variable("WATCHDOG_USEC", patience);
        hub.start();
        assert_eq!(hub.get("/readyz", "").status, 200, "{socket} {patience}");
        assert!(hub.terminate().success(), "{socket} {patience}");
    }
}

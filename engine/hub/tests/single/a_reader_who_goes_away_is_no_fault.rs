//! Whoever reads may have enough, whoever is asked may be silent, and whoever waits may be stopped.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::hub::{HUB, new_hub, wait_until};

/// How a verb that opens the store of a stopped hub says how far it is, if that takes long.
const PROGRESS: &str = "windfire: no hub runs, so the store is read: ";

/// Runs a verb whose output nobody reads. Returns how it ended, and what it complained about.
fn unread(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut child = Command::new(HUB);
    child.arg("--data").arg(data).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().expect("the hub's binary");
    drop(child.stdout.take());
    let mut words = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut words).expect("text");
    let complaints = words.lines().filter(|line| !line.starts_with(PROGRESS)).collect();
    (child.wait().expect("own child").code(), complaints)
}

#[test]
fn output_that_nobody_reads_is_no_fault() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(300, "fleet");
    hub.start();
    for is_running in [true, false] {
        let verbs: [&[&str]; 9] = [
            &["server", "list"],
            &["server", "list", "--json"],
            &["server", "add", "--name", "web"],
            &["admin", "password"],
            &["storage"],
            &["verify"],
            &["export"],
            &["fingerprint"],
            &["check-config"],
        ];
        for verb in verbs {
            assert_eq!(unread(hub.data(), verb), (Some(0), String::new()), "{verb:?}");
        }
        if is_running {
            hub.terminate();
        }
    }
}

#[test]
fn a_hub_whose_log_and_output_nobody_reads_goes_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let mut child = Command::new(HUB)
        .arg("--data")
        .arg(&data)
        .args(["serve", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the hub's binary");
    drop((child.stdout.take(), child.stderr.take()));
    let list =
        || Command::new(HUB).arg("--data").arg(&data).args(["server", "list"]).output().expect("the hub's binary");
    wait_until("the hub answers", || data.join("admin.sock").exists() && list().status.success());
    assert!(list().status.success());
    assert!(child.try_wait().expect("own child").is_none(), "it runs");
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM)
        .expect("own");
    assert!(child.wait().expect("own child").success());
}

#[test]
fn a_hub_that_takes_a_request_and_does_not_answer_is_given_up() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("FORMAT"), "windfire store 4\n").expect("written");
    let listener = UnixListener::bind(folder.path().join("admin.sock")).expect("bound");
    let started = Instant::now();
    // At once: each waits by itself.
    let verbs: [&[&str]; 3] = [&["server", "list"], &["verify"], &["export"]];
    let asked = verbs.map(|verb| {
        let mut command = Command::new(HUB);
        command.arg("--data").arg(folder.path()).args(verb).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the hub's binary")
    });
    for child in asked {
        let output = child.wait_with_output().expect("own child");
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && words.contains("does not answer"), "{words}");
    }
    // After 10 s. A busy machine may need some more.
    assert!((9..60).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    drop(listener);
}

#[test]
fn a_hub_at_work_says_so_until_it_answers() {
    use std::io::{BufRead, BufReader, Write};
    let folder = tempfile::tempdir().expect("a temporary folder");
    let listener = UnixListener::bind(folder.path().join("admin.sock")).expect("bound");
    let asked = Command::new(HUB)
        .arg("--data")
        .arg(folder.path())
        .args(["verify", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the hub's binary");
    let (stream, _) = listener.accept().expect("a request");
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line).expect("a line");
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(12) {
        (&stream).write_all(b" ").expect("taken");
        std::thread::sleep(Duration::from_secs(2));
    }
    (&stream).write_all(b"\"done\"\n").expect("taken");
    assert!(asked.wait_with_output().expect("own child").status.success());
}

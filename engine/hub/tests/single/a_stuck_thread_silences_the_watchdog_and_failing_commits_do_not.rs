//! A hub pings its service manager only while each of its threads goes round: when any of them is stuck, the pings end
//! soon. A disk that takes no more is no reason to be started again: the pings go on, and the status says what is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::notify::Manager;
use crate::hub::{HUB, new_hub, quick_backoff, wait_until};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use windfire_bench::given::given;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_bench::{skipped, tally};

/// The manager's patience, microseconds: a ping is due every second.
const PATIENCE_US: &str = "2000000";
/// Time without a ping that is no accident, also on a busy machine.
const SILENCE: Duration = Duration::from_secs(10);
/// Time within which the pings of a hub with a stuck thread must have ended. A thread may be late by 15 s.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

/// The folder of a thread of that name.
fn thread_of(pid: u32, name: &str) -> PathBuf {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a process").flatten().map(|task| task.path());
    let is_named = |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|found| found.trim_end() == name);
    tasks.into_iter().find(is_named).unwrap_or_else(|| panic!("no thread {name}"))
}

/// A thread whose next system call never begins; it goes on when this is dropped.
struct Held(Child);

impl Held {
    /// `None` where this process may not trace.
    fn hold(task: &Path) -> Option<Self> {
        let tid = task.file_name().expect("a number");
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-e", "trace=all", "-e", "inject=all:delay_enter=600000000", "-o", "/dev/null"]);
        strace.arg("-p").arg(tid);
        let mut held = Self(strace.stderr(Stdio::null()).spawn().ok()?);
        loop {
            let status = fs::read_to_string(task.join("status")).expect("a thread");
            let is_traced = status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"));
            if is_traced {
                return Some(held);
            }
            if held.0.try_wait().expect("own child").is_some() {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let pid = Pid::from_child(&self.0);
        // Not with `kill -9`, so that it lets go of the thread in order.
        let _gone_already = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _reaped = self.0.wait();
    }
}

/// Holds one thread of a hub until the pings end, and lets it go. `None` where that is not possible.
fn time_until_silent(name: &str) -> Option<Duration> {
    let (folder, hub) = new_hub(&[]);
    let manager = Manager::new(folder.path());
    let hub = hub.with_variable("NOTIFY_SOCKET", manager.socket());
    let mut hub = hub.with_variable("WATCHDOG_USEC", PATIENCE_US);
    hub.start();
    wait_until("pings come", || manager.pings() > 2);
    let held = Held::hold(&thread_of(hub.pid(), name))?;
    let begun = Instant::now();
    while manager.silence() < SILENCE {
        assert!(begun.elapsed() < NOTICED_WITHIN, "{name} is stuck, and pings go on");
        thread::sleep(Duration::from_millis(50));
    }
    let taken = begun.elapsed() - SILENCE;
    assert_eq!(manager.status(), format!("the thread for {name} is stuck"));
    let pings = manager.pings();
    drop(held);
    wait_until("pings come again", || manager.pings() > pings + 1);
    wait_until("nothing is stuck", || manager.status() == "ready");
    Some(taken)
}

#[test]
fn a_stuck_thread_silences_the_watchdog() {
    thread::scope(|scope| {
        let names = ["listener", "http", "commits", "alerts", "notices", "enrolments"];
        let trials = names.map(|name| (name, scope.spawn(move || time_until_silent(name))));
        for (name, trial) in trials {
            match trial.join().expect("it held") {
                Some(taken) => tally!("{name}: the last ping came {:.1} s after it was stuck", taken.as_secs_f64()),
                None => skipped!("{name}: needs strace, and the right to trace"),
            }
        }
    });
}

#[test]
fn failing_commits_do_not() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // A write past a file's limit then fails with an error instead of a signal, as on a full disk.
    let limited = folder.path().join("limited-hub");
    fs::write(&limited, format!("#!/bin/bash\ntrap '' XFSZ\nexec '{HUB}' \"$@\"\n")).expect("written");
    fs::set_permissions(&limited, fs::Permissions::from_mode(0o755)).expect("executable");
    let manager = Manager::new(folder.path());
    let hub = HubProcess::new(&limited, &folder.path().join("data"), &[]);
    let hub = hub.with_variable("NOTIFY_SOCKET", manager.socket());
    let mut hub = hub.with_variable("WATCHDOG_USEC", PATIENCE_US);
    let credentials = hub.make_servers(5, "");
    hub.start();
    let options = SwarmOptions {
        interval: Duration::from_millis(50),
        backoff: quick_backoff(),
        ack_each_report: false,
        ..SwarmOptions::default()
    };
    let swarm = Swarm::start(&hub, &credentials, options);
    wait_until("reports are taken", || hub.metric("windfire_reports_durable_total") > 20.0);
    let pid = Pid::from_raw(hub.pid().cast_signed()).expect("a process");
    let limit_files = |bytes| prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None });
    limit_files(Some(0)).expect("own child");
    wait_until("commits fail", || hub.get("/readyz", "").status == 503);
    wait_until("the status says so", || manager.status().starts_with("not ready: commits fail"));
    // Longer than a thread may be late and the silence after that together.
    let full_s = given("FULL_S", 30);
    let (until, before) = (Instant::now() + Duration::from_secs(full_s), manager.pings());
    while Instant::now() < until {
        assert!(manager.silence() < SILENCE, "no ping for {:?} while commits fail", manager.silence());
        thread::sleep(Duration::from_millis(100));
    }
    // One is due every second.
    let pings = manager.pings() - before;
    assert!(pings as u64 >= full_s / 3, "{pings} pings in {full_s} s while commits fail");
    assert_eq!(hub.get("/readyz", "").status, 503, "they failed all the time");
    limit_files(None).expect("own child");
    wait_until("the hub goes on", || manager.status() == "ready");
    drop(swarm);
    assert!(hub.terminate().success());
}

//! A real agent's process, and what it logs.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::skipped;

use super::HUB;

/// The agent's program, built with the hub's.
pub(crate) fn program() -> PathBuf {
    let agent = Path::new(HUB).with_file_name("windfire-agent");
    assert!(agent.exists(), "{}: build the workspace first, as `make test` does", agent.display());
    agent
}

/// A command that runs the agent of a server, with its spool in a folder.
pub(crate) fn with_spool(hub: &HubProcess, credential: &str, spool: &Path) -> Command {
    let mut command = Command::new(program());
    command.args(["--hub", &hub.quic().to_string(), "--fingerprint", &hub.fingerprint().to_string()]);
    command.args(["--credential", credential, "--spool"]).arg(spool);
    command
}

/// An agent; it is gone with the test.
pub(crate) struct AgentProcess {
    child: Child,
    /// The lines that nobody has waited for yet.
    log: Option<Receiver<String>>,
}

/// How long an agent may take until it says something.
const LOG_TIMEOUT: Duration = Duration::from_secs(60);

impl AgentProcess {
    /// Runs a command that is, or becomes, an agent. It gets no variables but its own.
    pub(crate) fn start(mut command: Command) -> Self {
        let of_manager = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "CREDENTIALS_DIRECTORY"];
        let is_testers = |name: &str| name.starts_with("WINDFIRE_") || of_manager.contains(&name);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_testers(&name.to_string_lossy())) {
            if !command.get_envs().any(|(own, _)| own == name) {
                command.env_remove(name);
            }
        }
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the agent's program");
        // Paths need not be text.
        let lines = BufReader::new(child.stderr.take().expect("piped")).split(b'\n');
        let mut lines = lines.map_while(Result::ok).map(|line| String::from_utf8_lossy(&line).into_owned());
        let (sender, log) = channel();
        // Until nobody wants the lines any more: then the pipe is closed.
        thread::spawn(move || lines.all(|line| sender.send(line).is_ok()));
        Self { child, log: Some(log) }
    }

    /// The next line of the log that has that in it.
    pub(crate) fn wait_for_log(&mut self, what: &str) -> String {
        let log = self.log.as_ref().expect("still read");
        let mut passed = Vec::new();
        loop {
            let line = log.recv_timeout(LOG_TIMEOUT);
            let line = line.unwrap_or_else(|error| panic!("the agent did not say {what:?} ({error}) but {passed:#?}"));
            if line.contains(what) {
                return line;
            }
            passed.push(line);
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it, and whatever it started that ends with it.
    pub(crate) fn stop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }

    /// The log's lines that nobody has waited for, once whoever writes it is gone.
    pub(crate) fn rest_of_log(&mut self) -> Vec<String> {
        self.log.take().expect("still read").iter().collect()
    }

    /// How many of them have that in them.
    pub(crate) fn lines_with(&mut self, what: &str) -> usize {
        self.rest_of_log().iter().filter(|line| line.contains(what)).count()
    }

    /// Closes the pipe that it logs to, after its next line.
    pub(crate) fn stop_reading(&mut self) {
        self.log = None;
    }

    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process");
        kill_process(pid, Signal::TERM).expect("own child");
    }

    /// Whether it ends well within `time`.
    pub(crate) fn ends_within(&mut self, time: Duration) -> bool {
        self.end_within(time).is_some_and(|status| status.success())
    }

    /// Whether it ends with an exit code of failure within `time`.
    pub(crate) fn fails_within(&mut self, time: Duration) -> bool {
        self.end_within(time).is_some_and(|status| !status.success())
    }

    fn end_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + time;
        loop {
            if let Some(status) = self.child.try_wait().expect("own child") {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A command that runs the agent with files of its own in place of the machine's, such as `/etc/hosts`; `None` where this
/// process may not make a mount namespace.
pub(crate) fn with_files(files: &[(&Path, &str)]) -> Option<Command> {
    let may = Command::new("unshare").args(["--mount", "true"]).stderr(Stdio::null()).status();
    if !may.is_ok_and(|status| status.success()) {
        skipped!("needs the right to make a mount namespace");
        return None;
    }
    let mounts = files.iter().map(|(file, place)| format!("mount --bind '{}' '{place}' && ", file.display()));
    let script = format!("{}exec \"$0\" \"$@\"", mounts.collect::<String>());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script]).arg(program());
    Some(command)
}

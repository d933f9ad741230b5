//! Agents with spools, in a process that may be killed, and what is in a spool.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use windfire_agent::limits::SPOOL_BYTES_LIMIT;
use windfire_agent::outbox::{Outbox, SpoolOptions};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::Account;
use windfire_engine::sample::Sample;
use windfire_wire::Welcome;
use windfire_wire::limits::REPORTS_PER_FRAME_MAX;

use super::HUB;

/// A process of many agents; it is gone with the test.
pub(crate) struct SpooledAgents {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl SpooledAgents {
    /// Starts an agent for each line of a file of credentials. Its spool is in the folder of its number.
    pub(crate) fn start(hub: &HubProcess, credentials: &Path, spools: &Path, more: &[&str]) -> Self {
        let harness = PathBuf::from(HUB).with_file_name("windfire-bench");
        let mut command = Command::new(&harness);
        command.arg("spooled").args(["--hub", &hub.quic().to_string()]);
        command.args(["--fingerprint", &hub.fingerprint().to_string()]);
        command.arg("--credentials").arg(credentials).arg("--spools").arg(spools).args(more);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{}: {error}: build the workspace first, as `make test` does", harness.display())
        });
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut agents = Self { child, stdout };
        let mut first = String::new();
        agents.stdout.read_line(&mut first).expect("the harness says it started");
        assert_eq!(first, "started\n");
        agents
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and the end of it.
    pub(crate) fn kill(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Drop for SpooledAgents {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends all that is in the spools. Returns how many reports each spool ever took.
pub(crate) fn drain(hub: &HubProcess, credentials: &Path, spools: &Path) -> Vec<u64> {
    let mut agents = SpooledAgents::start(hub, credentials, spools, &["--drain"]);
    let mut counts = String::new();
    agents.stdout.read_to_string(&mut counts).expect("text");
    assert!(agents.child.wait().expect("own child").success(), "the spools did not drain");
    counts.lines().map(|line| line.parse().expect("a count")).collect()
}

/// The newest accounts in the file that agents write with `--accounts`; none before the first.
pub(crate) fn accounts(file: &Path) -> Vec<Account> {
    let text = fs::read_to_string(file).unwrap_or_default();
    // The last line may be torn.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let account = |account: &str| {
        let (pushed, acked) = account.split_once('/').expect("two counts");
        Account { pushed: pushed.parse().expect("a count"), acked: acked.parse().expect("a count") }
    };
    whole.lines().next_back().unwrap_or_default().split_whitespace().map(account).collect()
}

/// The readings in a spool with their numbers there, as history would have them, found by a process that looks and
/// touches nothing. Acknowledged ones are among them until their file is deleted.
pub(crate) fn samples_in(spool: &Path) -> Vec<(u64, Sample)> {
    let copy = tempfile::tempdir().expect("a temporary folder");
    let entries = match fs::read_dir(spool) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
        entries => entries.expect("a spool"),
    };
    for entry in entries.map(|entry| entry.expect("listed")).filter(|entry| entry.file_name() != "lock") {
        match fs::copy(entry.path(), copy.path().join(entry.file_name())) {
            // Its agent may run, and delete a file that is done with.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            copied => assert!(copied.is_ok(), "{}: {copied:?}", entry.path().display()),
        }
    }
    let options = SpoolOptions { folder: copy.path().to_owned(), bytes_max: SPOOL_BYTES_LIMIT };
    let mut outbox = Outbox::in_spool(&options, u128::MAX).expect("a spool");
    let mut samples = Vec::new();
    loop {
        // With this welcome, sequence numbers are those of the spool.
        outbox.welcome(Welcome { server_id: 1, durable: 0, next: 1, report_interval_ms: 0 }).expect("welcome");
        while let Some(pending) = outbox.next(REPORTS_PER_FRAME_MAX).expect("readable") {
            outbox.sent(&pending, pending.reports.len());
            outbox.ack(pending.first_sequence + pending.reports.len() as u64 - 1);
            samples.extend((pending.first_sequence..).zip(pending.reports.into_iter().map(Sample::from)));
        }
        if outbox.is_empty() && !outbox.has_moved_on() {
            return samples;
        }
    }
}

/// Bytes of the reports in a spool.
pub(crate) fn bytes_in(spool: &Path) -> u64 {
    let entries = fs::read_dir(spool).expect("a spool").map(|entry| entry.expect("listed"));
    let segments = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "seg"));
    // Its agent may run, and delete a file that is done with.
    segments.filter_map(|segment| segment.metadata().ok()).map(|meta| meta.len()).sum()
}

/// Unix milliseconds of a server's readings since `from_s`, as a client of the running hub gets them.
#[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970 fit")]
pub(crate) fn times_in_answers(hub: &HubProcess, token: &str, server_id: usize, from_s: i64) -> Vec<i64> {
    let query = format!("id={server_id}&metric=uptime&from={from_s}&step=raw&format=csv");
    let answer = hub.get(&format!("/api/v1/server/history?{query}"), token);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let time_ms = |line: &str| {
        let seconds: f64 = line.split(',').next().and_then(|time| time.parse().ok()).expect("a time");
        (seconds * 1000.0).round() as i64
    };
    answer.text().lines().skip(1).map(time_ms).collect()
}

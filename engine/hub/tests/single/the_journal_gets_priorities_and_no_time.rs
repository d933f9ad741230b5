//! Standard error that `JOURNAL_STREAM` names gets lines with a priority, and no time and no colours. A name of another
//! stream changes nothing.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::hub::HUB;
use crate::hub::agent_process::program;

/// What the program logs on a stream socket, as systemd gives one, up to the line with `last` in it. `JOURNAL_STREAM`
/// has that device, and that inode or another one.
fn logged(mut command: Command, is_named: bool, last: &str) -> Vec<String> {
    let (ours, theirs) = UnixStream::pair().expect("sockets");
    ours.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let theirs = OwnedFd::from(theirs);
    let about = File::from(theirs.try_clone().expect("a descriptor")).metadata().expect("a socket");
    let inode = if is_named { about.ino() } else { about.ino() + 1 };
    command.env("JOURNAL_STREAM", format!("{}:{inode}", about.dev()));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::from(theirs)).spawn().expect("the program");
    // It holds the other end too.
    drop(command);
    let mut lines = Vec::new();
    for line in BufReader::new(ours).lines() {
        lines.push(line.expect("text, in time"));
        if lines.last().is_some_and(|line| line.contains(last)) {
            break;
        }
    }
    let _gone_already = child.kill();
    child.wait().expect("own child");
    assert!(lines.last().is_some_and(|line| line.contains(last)), "{lines:#?}");
    lines
}

fn hub_in(data: &Path) -> Command {
    let mut command = Command::new(HUB);
    command.arg("--data").arg(data).args(["serve", "--http", "127.0.0.1:0", "--quic", "127.0.0.1:0", "--log", "debug"]);
    command
}

/// Nothing listens at this port.
fn agent() -> Command {
    let mut command = Command::new(program());
    let fingerprint = "0".repeat(64);
    command.args(["--hub", "127.0.0.1:1", "--fingerprint", &fingerprint, "--credential", "c", "--log", "debug"]);
    command
}

fn has_priority(line: &str) -> bool {
    ["<3>", "<4>", "<6>", "<7>"].iter().any(|priority| line.starts_with(priority))
}

/// A time begins with the year.
fn has_time(line: &str) -> bool {
    line.starts_with("20")
}

#[test]
fn the_journal_gets_priorities_and_no_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let lines = logged(hub_in(&folder.path().join("a")), true, "ready http=");
    assert!(lines.iter().all(|line| has_priority(line) && !line.contains('\x1b')), "{lines:#?}");
    assert!(lines.last().is_some_and(|line| line.starts_with("<6>ready http=\"http://127.0.0.1:")), "{lines:#?}");
    let lines = logged(agent(), true, "no connection");
    assert!(lines.iter().all(|line| has_priority(line) && !line.contains('\x1b')), "{lines:#?}");
    assert!(lines.last().is_some_and(|line| line.starts_with("<4>no connection")), "{lines:#?}");
}

#[test]
fn a_stream_that_is_not_the_journals_gets_the_time() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let of_hub = logged(hub_in(&folder.path().join("a")), false, "ready http=");
    for lines in [of_hub, logged(agent(), false, "no connection")] {
        assert!(lines.iter().all(|line| has_time(line) && !line.contains('\x1b')), "{lines:#?}");
    }
}

//! A hub reads its configuration again at SIGHUP and at `windfire reload`. A valid file is in force at once, without a
//! lost report; keys that need a restart are named each time. A file that is not valid changes nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::hub::{HUB, quick_backoff, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_bench::tally;

/// A hub with a configuration file.
struct Reloaded {
    hub: HubProcess,
    file: PathBuf,
}

impl Reloaded {
    fn write(&self, bytes: &[u8]) {
        let draft = self.file.with_extension("new");
        fs::write(&draft, bytes).expect("written");
        fs::rename(&draft, &self.file).expect("renamed");
    }

    /// Lines of the log about reloads.
    fn answers(&self) -> Vec<String> {
        let is_answer = |line: &String| line.contains("configuration reloaded") || line.contains("nothing has changed");
        self.hub.log().into_iter().filter(is_answer).collect()
    }

    /// Sends the signal, and gives the line that the log then has.
    fn hang_up(&self) -> String {
        let before = self.answers().len();
        kill_process(Pid::from_raw(self.hub.pid().cast_signed()).expect("a process"), Signal::HUP).expect("own child");
        wait_until("the log has an answer", || self.answers().len() > before);
        self.answers().pop().expect("an answer")
    }

    /// Asks with the command line: the answer, or the error.
    fn ask(&self) -> Result<Value, String> {
        let output = self.hub.cli(&["reload", "--json"]);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(serde_json::from_slice(&output.stdout).expect("JSON"))
        } else {
            Err(text(&output.stderr))
        }
    }

    /// What is in force, as a client sees it: whether there are guests, and the header of CORS.
    fn seen(&self) -> (bool, Option<String>) {
        let answer = self.hub.request("GET", "/api/v1/session", &[], b"").expect("an answer");
        let session: Value = serde_json::from_str(&answer.text()).expect("JSON");
        let cors = answer.header("access-control-allow-origin").map(str::to_owned);
        (session["result"]["guests"].as_bool().expect("a truth"), cors)
    }
}

fn list(value: &Value) -> Vec<&str> {
    value.as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

/// Each with the keys that differ from the one before: applied, and in need of a restart.
const VALID: [(&str, &[&str], &[&str]); 20] = [
    ("guests = false", &["guests"], &[]),
    ("guests = true", &["guests"], &[]),
    ("", &[], &[]),
    ("log = \"debug\"", &["log"], &[]),
    ("log = \"info\"\noffline_after_s = 60", &["log", "offline_after_s"], &[]),
    ("offline_after_s = 60\nreport_interval_s = 2", &["report_interval_s"], &[]),
    ("offline_after_s = 60\nreport_interval_s = 2\nsamples_per_frame = 5", &["samples_per_frame"], &[]),
    ("", &["offline_after_s", "report_interval_s", "samples_per_frame"], &[]),
    ("cors_origin = \"https://a.example\"", &["cors_origin"], &[]),
    ("cors_origin = \"https://b.example\"\nguests = false", &["cors_origin", "guests"], &[]),
    ("", &["cors_origin", "guests"], &[]),
    ("raw_retention_days = 8", &["raw_retention_days"], &[]),
    (
        "minute_retention_days = 61\nquarter_retention_days = 731",
        &["minute_retention_days", "quarter_retention_days", "raw_retention_days"],
        &[],
    ),
    ("history_gib_max = 5", &["history_gib_max", "minute_retention_days", "quarter_retention_days"], &[]),
    ("agents_address = \"hub.example\"", &["agents_address", "history_gib_max"], &[]),
    ("group_wait_s = 1\ngroup_interval_s = 5", &["agents_address", "group_interval_s", "group_wait_s"], &[]),
    (
        "sessions_max = 7\ncommit_interval_ms = 30",
        &["group_interval_s", "group_wait_s"],
        &["commit_interval_ms", "sessions_max"],
    ),
    // They are not in force, so they are told again.
    ("sessions_max = 7\ncommit_interval_ms = 30\nguests = false", &["guests"], &["commit_interval_ms", "sessions_max"]),
    ("http = \"127.0.0.1:1\"\nalert_grace_s = 7", &["guests"], &["alert_grace_s"]),
    ("# A hub with its defaults.", &[], &[]),
];

/// Each with a word that its error must have. All of them would let no guests in.
const INVALID: [(&str, &str); 14] = [
    ("gusets = true", "guests"),
    ("offline_after_s = 3", "not within 5 to 3600"),
    ("commit_interval_ms = 0", "not within 1 to 1000"),
    ("raw_retention_days = -1", "whole number"),
    ("log = \"loud\"", "loud"),
    ("offline_after_s = \"60\"", "whole number"),
    ("report_interval_s = 60", "twice as long"),
    ("https_cert = \"cert.pem\"", "go together"),
    ("https_key = \"key.pem\"", "go together"),
    ("https_cert = \"cert.pem\"\nhttps_key = \"key.pem\"", "https = true"),
    ("country_db = \"/nowhere/countries.mmdb\"", "country_db"),
    ("country_db = \"/dev/null\"", "country_db"),
    ("agents_address = \"https://hub.example\"", "web address"),
    ("cors_origin = \"https://ü\\u0000.example\"", "cors_origin"),
];

/// Files that are no configuration at all, each with a word of its error.
fn odd_files(folder: &Path) -> Vec<(PathBuf, &'static str)> {
    let (fifo, long, nul, text, half) =
        (folder.join("fifo"), folder.join("long"), folder.join("nul"), folder.join("text"), folder.join("half"));
    assert!(Command::new("mkfifo").arg(&fifo).status().expect("mkfifo").success());
    fs::write(&long, vec![b'#'; 10_000_000]).expect("written");
    fs::write(&nul, b"guests = false\n\0").expect("written");
    fs::write(&text, b"guests = \xff").expect("written");
    fs::write(&half, b"guests = fal").expect("written");
    let absent = folder.join("absent");
    vec![
        (fifo, "regular file"),
        (long, "more than"),
        (nul, "windfire.toml"),
        (text, "UTF-8"),
        (half, "windfire.toml"),
        (absent, "name the right one"),
    ]
}

#[test]
fn a_reload_applies_all_of_a_valid_file_or_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("windfire.toml");
    fs::write(&file, "").expect("written");
    let file_text = file.to_str().expect("UTF-8").to_owned();
    let mut hub = HubProcess::new(HUB.as_ref(), &folder.path().join("data"), &["--config", &file_text]);
    let credentials = hub.make_servers(10, "");
    hub.start();
    let options = SwarmOptions {
        interval: Duration::from_millis(20),
        backoff: quick_backoff(),
        ack_each_report: true,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials, options);
    wait_until("reports are taken", || hub.metric("windfire_reports_durable_total") > 50.0);
    let reloaded = Reloaded { hub, file };

    let mut longest = Duration::ZERO;
    for (number, (text, applied, needs_restart)) in VALID.iter().enumerate() {
        reloaded.write(text.as_bytes());
        let begun = Instant::now();
        if number % 2 == 0 {
            let answer = reloaded.ask().expect("a valid file");
            assert_eq!(list(&answer["applied"]), *applied, "{text}");
            assert_eq!(list(&answer["needs_restart"]), *needs_restart, "{text}");
        } else {
            let line = reloaded.hang_up();
            assert!(line.contains(&format!("applied=\"{}\"", applied.join(", "))), "{text}: {line}");
            assert!(line.contains(&format!("needs_restart=\"{}\"", needs_restart.join(", "))), "{text}: {line}");
        }
        longest = longest.max(begun.elapsed());
        let origin = text.split('"').nth(1).filter(|_| text.starts_with("cors_origin")).map(str::to_owned);
        assert_eq!(reloaded.seen(), (!text.contains("guests = false"), origin), "{text}");
        if text.starts_with("agents_address") {
            let made = reloaded.hub.cli(&["enrol-token", "add", "--uses", "1"]);
            let words = String::from_utf8_lossy(&made.stdout).into_owned();
            assert!(words.contains("--hub hub.example:"), "the command line has the new address: {words}");
        }
    }
    tally!("{} valid files, each in force after {longest:?} at most", VALID.len());

    let before = reloaded.seen();
    assert_eq!(before, (true, None));
    let mut refused = 0;
    for (number, (text, word)) in INVALID.iter().enumerate() {
        reloaded.write(format!("guests = false\n{text}\n").as_bytes());
        let words = if number % 2 == 0 { reloaded.ask().expect_err("not valid") } else { reloaded.hang_up() };
        assert!(words.contains(word), "{text}: {words}");
        assert_eq!(reloaded.seen(), before, "{text}");
        refused += 1;
    }
    for (file, word) in odd_files(folder.path()) {
        let _moved_or_absent = fs::remove_file(&reloaded.file);
        let _stays_absent = fs::rename(&file, &reloaded.file);
        // A FIFO would hold up whoever reads it.
        let line = reloaded.hang_up();
        assert!(line.contains("nothing has changed") && line.contains(word), "{}: {line}", file.display());
        assert_eq!(reloaded.seen(), before, "{}", file.display());
        refused += 1;
    }
    assert_eq!(refused, 20);
    reloaded.write(b"guests = false");
    assert_eq!(list(&reloaded.ask().expect("valid again")["applied"]), ["guests"]);

    let accounts = swarm.settle();
    let Reloaded { mut hub, .. } = reloaded;
    assert!(hub.terminate().success());
    let output = hub.cli(&["reload"]);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && words.contains("no hub runs"), "{words}");
    let (lost, doubled) = hub.check_history(accounts.iter().map(|account| account.pushed));
    assert_eq!((lost, doubled), (0, 0), "no reload cost a report");
}

//! What `doctor --json` prints, held to its schema.

use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use windfire_bench::hub_process::HubProcess;

/// The whole line: no other key, and none is missing.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    pub(crate) program: String,
    version: String,
    pub(crate) verdict: Verdict,
    pub(crate) findings: Vec<Finding>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    pub(crate) check: String,
    pub(crate) verdict: Verdict,
    pub(crate) seen: String,
    pub(crate) remedy: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Ok,
    Info,
    Warn,
    Bad,
}

impl Report {
    /// Reads what a doctor printed, and checks what the schema cannot say: the exit code and the worst judgement are
    /// those of the findings, and there is a remedy exactly where something is wrong.
    pub(crate) fn of(output: &Output) -> Self {
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(text.lines().count(), 1, "one line: {text}{errors}");
        let report: Self = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let worst = report.findings.iter().map(|finding| finding.verdict).max().expect("a finding");
        let code = match worst {
            Verdict::Ok | Verdict::Info => 0,
            Verdict::Warn => 1,
            Verdict::Bad => 2,
        };
        assert_eq!((report.verdict, output.status.code()), (worst, Some(code)), "{text}");
        assert_eq!(report.version, env!("CARGO_PKG_VERSION"));
        for finding in &report.findings {
            let is_name = finding.check.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(is_name && !finding.check.is_empty() && !finding.seen.is_empty(), "{finding:?}");
            assert_eq!(finding.remedy.is_empty(), finding.verdict < Verdict::Warn, "{finding:?}");
        }
        report
    }

    /// The one finding of a check.
    pub(crate) fn finding(&self, check: &str) -> &Finding {
        let mut found = self.findings.iter().filter(|finding| finding.check == check);
        let first = found.next().unwrap_or_else(|| panic!("no check {check}: {self:#?}"));
        assert!(found.next().is_none(), "{check} is there twice: {self:#?}");
        first
    }

    /// The checks with that judgement.
    pub(crate) fn with(&self, verdict: Verdict) -> Vec<&str> {
        let found = self.findings.iter().filter(|finding| finding.verdict == verdict);
        found.map(|finding| finding.check.as_str()).collect()
    }
}

/// The doctor of a hub, with the addresses that this hub has.
pub(crate) fn of_hub(hub: &HubProcess, more: &[&str]) -> Report {
    let (http, quic) = (hub.http().to_string(), hub.quic().to_string());
    Report::of(&hub.cli(&[&["doctor", "--json", "--http", &http, "--quic", &quic][..], more].concat()))
}

/// Runs a command that has no variables of this program but those given.
pub(crate) fn run(command: &mut Command) -> Output {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("WINDFIRE_")) {
        if !command.get_envs().any(|(own, _)| own == name) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).output().expect("the program")
}

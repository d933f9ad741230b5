//! Findings of `windfire doctor` and `windfire-agent doctor`: what was seen, how that is judged, and what to do.
//!
//! It is a separate package because both programs show findings alike, and the agent knows nothing else of the engine.
//! It depends on nothing: its JSON is a list of texts.

use std::fmt::Write;

/// Characters of each text of a finding that are shown: names of servers and errors of the system are foreign texts.
pub const TEXT_CHARS_MAX: usize = 1000;

/// How a finding is judged, the mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It was checked, and is well.
    Ok,
    /// It is not judged.
    Info,
    /// It works, and may not work some day, or not well.
    Warn,
    /// It does not work.
    Bad,
}

impl Verdict {
    /// The word that is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// One line: what a check has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The check's name: lower-case letters and `_`.
    pub check: &'static str,
    /// The judgement.
    pub verdict: Verdict,
    /// What was seen. Never a secret.
    pub seen: String,
    /// What to do. Empty if there is nothing to do.
    pub remedy: String,
}

impl Finding {
    /// It is well.
    pub fn ok(check: &'static str, seen: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, seen: seen.into(), remedy: String::new() }
    }

    /// It is not judged.
    pub fn info(check: &'static str, seen: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Info, seen: seen.into(), remedy: String::new() }
    }

    /// It may not work some day, or not well.
    pub fn warn(check: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, seen: seen.into(), remedy: remedy.into() }
    }

    /// It does not work.
    pub fn bad(check: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Bad, seen: seen.into(), remedy: remedy.into() }
    }
}

/// The worst of all judgements.
pub fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
}

/// The exit code of the program: 0, 1 after a warning, 2 after something bad.
pub fn exit_code(findings: &[Finding]) -> u8 {
    match worst(findings) {
        Verdict::Ok | Verdict::Info => 0,
        Verdict::Warn => 1,
        Verdict::Bad => 2,
    }
}

/// One line for each finding, for a person. Characters that move the cursor or change the direction of writing are
/// escaped.
pub fn text(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let mut line = format!("{:<4}  {}: ", finding.verdict.name(), finding.check);
        plain(&finding.seen, &mut line);
        if !finding.remedy.is_empty() {
            line.push_str(": ");
            plain(&finding.remedy, &mut line);
        }
        line
    };
    findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// One line of JSON, for a script: the program and its version, the worst judgement, and all findings.
pub fn json(program: &str, version: &str, findings: &[Finding]) -> String {
    let mut out = String::from("{\"program\":");
    quote(program, &mut out);
    out.push_str(",\"version\":");
    quote(version, &mut out);
    out.push_str(",\"verdict\":");
    quote(worst(findings).name(), &mut out);
    out.push_str(",\"findings\":[");
    for (number, finding) in findings.iter().enumerate() {
        out.push_str(if number == 0 { "{\"check\":" } else { ",{\"check\":" });
        quote(finding.check, &mut out);
        out.push_str(",\"verdict\":");
        quote(finding.verdict.name(), &mut out);
        out.push_str(",\"seen\":");
        quote(&finding.seen, &mut out);
        out.push_str(",\"remedy\":");
        quote(&finding.remedy, &mut out);
        out.push('}');
    }
    out.push_str("]}");
    out
}

fn plain(text: &str, out: &mut String) {
    for char in text.chars().take(TEXT_CHARS_MAX) {
        if is_active(char) {
            let _into_a_string = write!(out, "{}", char.escape_unicode());
        } else {
            out.push(char);
        }
    }
}

/// A text in quotes, as JSON has it.
fn quote(text: &str, out: &mut String) {
    out.push('"');
    for char in text.chars().take(TEXT_CHARS_MAX) {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // All of them are below U+10000, so one escape is enough.
            char if is_active(char) => {
                let _into_a_string = write!(out, "\\u{:04x}", u32::from(char));
            }
            char => out.push(char),
        }
    }
    out.push('"');
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and marks of the direction of writing.
fn is_active(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Finding> {
        vec![
            Finding::ok("folder", "mode 700"),
            Finding::info("hub", "does not run"),
            Finding::warn("free_space", "12 days", "add a disk"),
            Finding::bad("format", "is corrupt", "restore a backup"),
        ]
    }

    #[test]
    fn the_worst_finding_is_the_exit_code() {
        let all = all();
        for (count, code, verdict) in [(0, 0, "ok"), (1, 0, "ok"), (2, 0, "info"), (3, 1, "warn"), (4, 2, "bad")] {
            assert_eq!((exit_code(&all[..count]), worst(&all[..count]).name()), (code, verdict), "{count} findings");
        }
        let bad_first: Vec<Finding> = all.into_iter().rev().collect();
        assert_eq!(exit_code(&bad_first), 2);
    }

    #[test]
    fn a_finding_is_one_line() {
        let lines = "ok    folder: mode 700\ninfo  hub: does not run\nwarn  free_space: 12 days: add a disk\n\
                     bad   format: is corrupt: restore a backup";
        assert_eq!(text(&all()), lines);
        let foreign = [Finding::warn("servers", "web\n\x1b[2J\u{202e}é", "look")];
        assert_eq!(text(&foreign), "warn  servers: web\\u{a}\\u{1b}[2J\\u{202e}é: look");
    }

    #[test]
    fn json_has_every_text_and_no_raw_control_character() {
        let found = [Finding::bad("a", "\"q\" \\ \n\u{2028}é東", "r"), Finding::ok("b", "")];
        let expected = "{\"program\":\"p\",\"version\":\"1\",\"verdict\":\"bad\",\"findings\":[\
                        {\"check\":\"a\",\"verdict\":\"bad\",\"seen\":\"\\\"q\\\" \\\\ \\u000a\\u2028é東\",\
                        \"remedy\":\"r\"},\
                        {\"check\":\"b\",\"verdict\":\"ok\",\"seen\":\"\",\"remedy\":\"\"}]}";
        assert_eq!(json("p", "1", &found), expected);
        let none = "{\"program\":\"p\",\"version\":\"1\",\"verdict\":\"ok\",\"findings\":[]}";
        assert_eq!(json("p", "1", &[]), none);
    }

    #[test]
    fn a_foreign_text_is_cut() {
        let long = [Finding::info("a", "é".repeat(TEXT_CHARS_MAX + 1))];
        assert_eq!(text(&long).chars().filter(|char| *char == 'é').count(), TEXT_CHARS_MAX);
        assert_eq!(json("p", "1", &long).chars().filter(|char| *char == 'é').count(), TEXT_CHARS_MAX);
    }
}

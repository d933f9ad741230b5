//! The formats that an operator can choose.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The format of the process's log. There is one log, as there is one standard error.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// How lines of the log are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people, and for the journal.
    Text,
    /// One JSON object per line.
    Json,
}

/// Sets the format of all further lines.
pub fn set_format(format: LogFormat) {
    IS_JSON.store(format == LogFormat::Json, Ordering::Relaxed);
}

/// The format of the log's lines. Text until another one is set.
pub fn current_format() -> LogFormat {
    if IS_JSON.load(Ordering::Relaxed) { LogFormat::Json } else { LogFormat::Text }
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is = |format: Self| text.eq_ignore_ascii_case(format.name());
        let found = [Self::Text, Self::Json].into_iter().find(|format| is(*format));
        found.ok_or_else(|| format!("{text:?} must be one of text, json"))
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl LogFormat {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_one_of_those_there_are() {
        for format in [LogFormat::Text, LogFormat::Json] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        assert_eq!("JSON".parse(), Ok(LogFormat::Json));
        for wrong in ["", "jsonl", "text json"] {
            assert!(wrong.parse::<LogFormat>().expect_err(wrong).contains("text, json"), "{wrong:?}");
        }
    }
}

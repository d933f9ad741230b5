//! Lines of the log: text for people, text for systemd's journal, and JSON. The hub and the agent share it.
//!
//! ```text
//! event ──► Lines ──► Line (bounded, escaped) ──► standard error
//!             └── text or JSON, as set_format says; the journal, a terminal or neither, as standard error is
//! ```
//!
//! Values come from agents, receivers of messages and file names. They are escaped, so that a value is never a second
//! line, a colour or a priority, and a line has at most [`LINE_BYTES_MAX`] bytes.

mod event;
mod format;
mod json;
mod line;
mod message;
mod stream;
mod text;

use std::io::Write;

pub use event::Lines;
pub use format::{LogFormat, current_format, set_format};
pub use line::LINE_BYTES_MAX;

/// Writes an error for which the process ends as a line of JSON, whatever the log's filter is. Returns `false`, and
/// writes nothing, if the log is text: then the error is for the caller to print.
pub fn write_error(error: &dyn std::fmt::Display) -> bool {
    let is_json = current_format() == LogFormat::Json;
    if is_json {
        // The log's reader may be gone.
        let _unread = std::io::stderr().write_all(json::error_line(error).as_bytes());
    }
    is_json
}

/// Makes a panic a line of the log as well, if the log is JSON. Its reader could not read the usual report.
pub fn write_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !write_error(panic) {
            report(panic);
        }
    }));
}

//! Lines of JSON: one flat object with `ts`, `level` and `msg`, then the event's fields.

use std::borrow::Cow;
use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::line::{Escape, Line};
use crate::message::{MESSAGE, message};

/// Keys that every line may have. A field with such a name gets an underscore at its end.
const OWN_KEYS: [&str; 5] = ["ts", "level", "msg", "span", "cut"];
/// Digits of the longest number.
const NUMBER_BYTES_MAX: usize = 48;

/// The line of an event.
pub(crate) fn line(event: &Event<'_>, spans: &str) -> String {
    let mut line = begun(*event.metadata().level());
    message(event, &mut |words| line.put(Escape::Json, words));
    line.push("\"");
    if !spans.is_empty() {
        text(&mut line, "span", format_args!("{spans}"));
    }
    event.record(&mut Fields(&mut line));
    ended(line)
}

/// The line of an error that no event has.
pub(crate) fn error_line(error: &dyn fmt::Display) -> String {
    let mut line = begun(Level::ERROR);
    line.put(Escape::Json, format_args!("{error}"));
    line.push("\"");
    ended(line)
}

/// A line up to its message.
fn begun(level: Level) -> Line {
    let mut line = Line::default();
    line.push("{\"ts\":\"");
    // RFC 3339 in UTC.
    let _into_a_string = SystemTime.format_time(&mut Writer::new(line.as_write()));
    line.push("\",\"level\":\"");
    line.push(name(level));
    line.push("\",\"msg\":\"");
    line
}

fn ended(mut line: Line) -> String {
    if line.is_cut() {
        line.push(",\"cut\":true");
    }
    line.push("}\n");
    line.into_text()
}

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The key of a field.
fn key_of(field: &Field) -> Cow<'static, str> {
    let name = field.name().strip_prefix("r#").unwrap_or(field.name());
    // Names are of programs, most of them of other crates.
    let is_plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-' | '.');
    if OWN_KEYS.contains(&name) {
        Cow::Owned(format!("{name}_"))
    } else if name.chars().all(is_plain) {
        Cow::Borrowed(name)
    } else {
        Cow::Owned(name.chars().filter(|char| is_plain(*char)).collect())
    }
}

/// Writes a key and what is around it.
fn key(line: &mut Line, key: &str) {
    line.push(",\"");
    line.push(key);
    line.push("\":");
}

fn text(line: &mut Line, name: &str, value: fmt::Arguments<'_>) {
    if line.has_room(name, 0) {
        key(line, name);
        line.push("\"");
        line.put(Escape::Json, value);
        line.push("\"");
    }
}

fn number(line: &mut Line, name: &str, value: fmt::Arguments<'_>) {
    if line.has_room(name, NUMBER_BYTES_MAX) {
        key(line, name);
        line.put(Escape::Json, value);
    }
}

/// Writes all fields but the message.
struct Fields<'a>(&'a mut Line);

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            number(self.0, &key_of(field), format_args!("{value:?}"));
        } else {
            text(self.0, &key_of(field), format_args!("{value}"));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        number(self.0, &key_of(field), format_args!("{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        number(self.0, &key_of(field), format_args!("{value}"));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        number(self.0, &key_of(field), format_args!("{value}"));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        number(self.0, &key_of(field), format_args!("{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        number(self.0, &key_of(field), format_args!("{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != MESSAGE {
            text(self.0, &key_of(field), format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != MESSAGE {
            text(self.0, &key_of(field), format_args!("{value:?}"));
        }
    }
}

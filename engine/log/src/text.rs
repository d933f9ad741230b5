//! Lines of text: the time and the level, or the journal's priority; then the message and the event's fields.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::line::{Escape, Line};
use crate::message::{MESSAGE, message};
use crate::stream::Stream;

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";
const ITALIC: &str = "\x1b[3m";
/// What a line ends with that was longer than it may be.
const CUT: &str = " (cut)";

/// The line of an event.
pub(crate) fn line(stream: Stream, event: &Event<'_>, spans: &str) -> String {
    let (mut line, level) = (Line::default(), *event.metadata().level());
    let has_colours = stream == Stream::Terminal;
    if stream == Stream::Journal {
        line.push(priority(level));
    } else {
        coloured(&mut line, has_colours, DIM, |line| {
            let _into_a_string = SystemTime.format_time(&mut Writer::new(line.as_write()));
        });
        line.push(" ");
        coloured(&mut line, has_colours, colour(level), |line| line.push(name(level)));
        line.push(" ");
    }
    if !spans.is_empty() {
        line.put(Escape::Text, format_args!("{spans}: "));
    }
    message(event, &mut |words| line.put(Escape::Text, words));
    event.record(&mut Fields { line: &mut line, has_colours });
    if line.is_cut() {
        line.push(CUT);
    }
    line.push("\n");
    line.into_text()
}

/// What systemd reads at the beginning of a line, as `sd-daemon(3)` has it.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

fn name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => " WARN",
        Level::INFO => " INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG => "\x1b[34m",
        Level::TRACE => "\x1b[35m",
    }
}

fn coloured(line: &mut Line, has_colours: bool, colour: &str, write: impl FnOnce(&mut Line)) {
    if has_colours {
        line.push(colour);
    }
    write(line);
    if has_colours {
        line.push(RESET);
    }
}

/// Writes all fields but the message.
struct Fields<'a> {
    line: &'a mut Line,
    has_colours: bool,
}

impl Visit for Fields<'_> {
    /// Texts have quotes, so that blanks inside them are seen. Numbers and truths have none.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        if name == MESSAGE || !self.line.has_room(name, 0) {
            return;
        }
        self.line.push(" ");
        coloured(self.line, self.has_colours, ITALIC, |line| line.push(name.strip_prefix("r#").unwrap_or(name)));
        coloured(self.line, self.has_colours, DIM, |line| line.push("="));
        self.line.put(Escape::Text, format_args!("{value:?}"));
    }
}

//! Turns an event into a line.

use std::fmt::{self, Write};

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

use crate::format::{LogFormat, current_format};
use crate::stream::Stream;
use crate::{json, text};

/// Writes events as lines, for `tracing_subscriber`.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    stream: Stream,
    format: fn() -> LogFormat,
}

impl Lines {
    /// Lines for standard error as it is now, in the format that [`set_format`](crate::set_format) sets.
    #[must_use]
    pub fn of_stderr() -> Self {
        Self { stream: Stream::of_stderr(), format: current_format }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let spans = spans(context);
        let line = match (self.format)() {
            LogFormat::Json => json::line(event, &spans),
            LogFormat::Text => text::line(self.stream, event, &spans),
        };
        writer.write_str(&line)
    }
}

/// The spans around an event, as `outer{field=1}:inner`. Empty without spans.
fn spans<S, N>(context: &FmtContext<'_, S, N>) -> String
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    let mut spans = String::new();
    for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
        if !spans.is_empty() {
            spans.push(':');
        }
        spans.push_str(span.name());
        if let Some(fields) = span.extensions().get::<FormattedFields<N>>()
            && !fields.fields.is_empty()
        {
            let _into_a_string = write!(spans, "{{{}}}", fields.fields);
        }
    }
    spans
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;

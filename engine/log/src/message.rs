//! The message of an event, apart from its fields.

use std::fmt;

use tracing::Event;
use tracing::field::{Field, Visit};

/// The field that macros of `tracing` put the message in.
pub(crate) const MESSAGE: &str = "message";

/// Hands on the message of an event.
pub(crate) fn message(event: &Event<'_>, put: &mut dyn FnMut(fmt::Arguments<'_>)) {
    event.record(&mut Message(put));
}

struct Message<'a>(&'a mut dyn FnMut(fmt::Arguments<'_>));

impl Visit for Message<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == MESSAGE {
            (self.0)(format_args!("{value}"));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            (self.0)(format_args!("{value:?}"));
        }
    }
}

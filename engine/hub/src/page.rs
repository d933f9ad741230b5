//! The page of metrics, in Prometheus' text format.

use std::fmt::Write;

use windfire_engine::counters::Counter;

/// The page as far as it is written.
pub(crate) struct Page(pub(crate) String);

impl Page {
    /// What a metric means, before its lines.
    pub(crate) fn head(&mut self, name: &str, help: &str, kind: &str) {
        let _infallible = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    /// A value.
    pub(crate) fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        let _infallible = writeln!(self.0, "{name} {value}");
    }

    /// A metric with one value, which goes up and down.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: usize) {
        self.head(name, help, "gauge");
        self.line(name, value);
    }

    /// A metric with one value, which only goes up.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: &Counter) {
        self.head(name, help, "counter");
        self.line(name, value.get());
    }
}

//! Reads this machine's numbers, and nothing else: files under `/proc` and `/sys`, and system calls that only ask.
//!
//! A reading never waits: what may not answer (file systems, sensors) is asked [apart], and its newest answer is taken.

#[cfg(target_os = "linux")]
mod apart;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod portable;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use windfire_wire::limits::{DEVICE_NAME_BYTES_MAX, DEVICES_MAX, HOST_TEXT_BYTES_MAX, TEMPERATURE_NAME_BYTES_MAX};
use windfire_wire::{Host, Report};

#[cfg(target_os = "linux")]
use linux::Machine;
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use linux::is_transfers;
#[cfg(not(target_os = "linux"))]
use portable::Machine;

/// Time between two words about values that cannot be.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(3600);

/// What is read beside v0's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CollectorOptions {
    /// Temperature sensors; off by default, as in v0.
    pub temperatures: bool,
    /// GPUs; off by default, as in v0.
    pub gpu: bool,
    /// Public addresses to report, `v4/v6`; empty lets the hub use the connection's address.
    pub ip: String,
    /// File that keeps transfers over a restart of the agent; without one they begin with what the interfaces show then.
    pub transfers: Option<PathBuf>,
}

/// Why this machine cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("this machine's {what} cannot be read: {error}")]
pub struct CollectorError {
    what: &'static str,
    error: String,
}

/// Reads this machine's numbers.
pub struct Collector {
    ip: String,
    machine: Machine,
    /// Values left out because they cannot be: told so far, and when.
    told: (u64, Option<Instant>),
}

impl Collector {
    /// A collector of this machine.
    ///
    /// # Errors
    /// The system does not give what every reading needs.
    pub fn new(options: CollectorOptions) -> Result<Self, CollectorError> {
        let machine = Machine::new(&options)?;
        Ok(Self { ip: options.ip, machine, told: (0, None) })
    }

    /// A reading, with the agent's clock at Unix `time_ms`.
    pub fn read(&mut self, time_ms: i64) -> Report {
        let now = Instant::now();
        let mut report = Report { time_ms, ..self.machine.read(now) };
        report.cpu = hundredths(report.cpu.clamp(0.0, 100.0));
        report.gpu = hundredths(report.gpu.clamp(0.0, 100.0));
        for load in [&mut report.load1, &mut report.load5, &mut report.load15] {
            *load = finite(*load);
        }
        for sensor in &mut report.temperatures {
            cut(&mut sensor.name, TEMPERATURE_NAME_BYTES_MAX);
            sensor.celsius = hundredths(sensor.celsius);
        }
        self.tell_impossible(now);
        report
    }

    /// The machine's facts, with the agent's clock at Unix `now_s`.
    pub fn host(&mut self, now_s: i64) -> Host {
        let mut host = self.machine.host(now_s);
        for list in [&mut host.cpu, &mut host.gpu] {
            list.truncate(DEVICES_MAX);
            list.iter_mut().for_each(|text| cut(text, DEVICE_NAME_BYTES_MAX));
        }
        for text in [&mut host.platform, &mut host.platform_version, &mut host.arch, &mut host.virtualization] {
            cut(text, HOST_TEXT_BYTES_MAX);
        }
        Host { ip: self.ip.clone(), version: env!("CARGO_PKG_VERSION").to_owned(), ..host }
    }

    fn tell_impossible(&mut self, now: Instant) {
        let (told, at) = self.told;
        let (count, last) = self.machine.impossible();
        if count > told && at.is_none_or(|at| now.duration_since(at) >= COMPLAINT_INTERVAL) {
            tracing::warn!(count, last, "values that cannot be were left out");
            self.told = (count, Some(now));
        }
    }
}

/// v0's text for each processor model: clients take the number out of it.
fn processors(models: impl IntoIterator<Item = String>, is_virtual: bool) -> Vec<String> {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for model in models {
        match counted.iter_mut().find(|(known, _)| *known == model) {
            Some((_, count)) => *count += 1,
            None => counted.push((model, 1)),
        }
    }
    let kind = if is_virtual { "Virtual" } else { "Physical" };
    counted.into_iter().map(|(model, count)| format!("{model} {count} {kind} Core")).collect()
}

/// Rounded to 0.01: the noise below costs more on the wire and on disk than everything else in a report.
fn hundredths(number: f64) -> f64 {
    finite((number * 100.0).round() / 100.0)
}

fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

fn cut(text: &mut String, bytes_max: usize) {
    text.truncate(text.floor_char_boundary(bytes_max));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_told_as_v0_told_them() {
        let models = || ["A".to_owned(), "B".to_owned(), "A".to_owned()];
        assert_eq!(processors(models(), false), ["A 2 Physical Core", "B 1 Physical Core"]);
        assert_eq!(processors(models(), true), ["A 2 Virtual Core", "B 1 Virtual Core"]);
    }
}

//! Reads this machine's numbers, and does nothing else: it reads files under `/proc`, `/sys` and `/etc`, and makes
//! read-only system calls.
//!
//! A reading never waits: calls that may not return (to file systems, sensors) are made [apart], and their newest
//! answer is taken.

#[cfg(target_os = "linux")]
mod apart;
#[cfg(target_os = "linux")]
mod linux;
mod options;
#[cfg(not(target_os = "linux"))]
mod portable;
mod processors;

use std::path::Path;
use std::time::{Duration, Instant};

use windfire_wire::limits::{DEVICE_NAME_BYTES_MAX, DEVICES_MAX, HOST_TEXT_BYTES_MAX, TEMPERATURE_NAME_BYTES_MAX};
use windfire_wire::{Host, Report};

#[cfg(target_os = "linux")]
use linux::Machine;
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use linux::is_transfers;
pub use options::{CollectorError, CollectorOptions};
#[cfg(not(target_os = "linux"))]
use portable::Machine;

/// Time between two log lines about impossible values.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(3600);

/// Reads this machine's numbers.
pub struct Collector {
    ip: String,
    machine: Machine,
    /// Impossible values that were left out: the count logged so far, and when.
    told: (u64, Option<Instant>),
}

impl Collector {
    /// Checks that the host whose root is mounted at `host_root` can be read.
    ///
    /// # Errors
    /// It is not mounted there, or this is not Linux.
    pub fn check(host_root: &Path) -> Result<(), CollectorError> {
        Machine::check(host_root)
    }

    /// A collector of this machine.
    ///
    /// # Errors
    /// The system does not give the values that every reading needs.
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

    /// Files of every machine that could not be read so far, each with the reason. Values from them are 0.
    pub fn unread(&self) -> Vec<(&'static str, String)> {
        self.machine.unread()
    }

    fn tell_impossible(&mut self, now: Instant) {
        let (told, at) = self.told;
        let (count, last) = self.machine.impossible();
        if count > told && at.is_none_or(|at| now.duration_since(at) >= COMPLAINT_INTERVAL) {
            tracing::warn!(count, last, "impossible values were left out");
            self.told = (count, Some(now));
        }
    }
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

//! One complete set of readings. [`crate::delta`] makes it small.

use crate::error::WireError;
use crate::limits::{TEMPERATURE_NAME_BYTES_MAX, TEMPERATURES_MAX};

/// One set of readings as the agent took it. Units as in v0 (contract 1.4).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Unix milliseconds by the agent's clock.
    pub time_ms: i64,
    /// Processor use, percent 0–100.
    pub cpu: f64,
    /// Bytes.
    pub mem_used: u64,
    /// Bytes.
    pub swap_used: u64,
    /// Bytes.
    pub disk_used: u64,
    /// Bytes received since the machine's start.
    pub net_in_transfer: u64,
    /// Bytes sent since the machine's start.
    pub net_out_transfer: u64,
    /// Bytes per second.
    pub net_in_speed: u64,
    /// Bytes per second.
    pub net_out_speed: u64,
    /// Seconds since the machine's start.
    pub uptime_s: u64,
    /// Load average over 1 minute.
    pub load1: f64,
    /// Load average over 5 minutes.
    pub load5: f64,
    /// Load average over 15 minutes.
    pub load15: f64,
    /// TCP sockets.
    pub tcp_conn_count: u64,
    /// UDP sockets.
    pub udp_conn_count: u64,
    /// Processes.
    pub process_count: u64,
    /// Sensors, in the agent's order.
    pub temperatures: Vec<Temperature>,
    /// GPU use, percent 0–100; the mean when there are several.
    pub gpu: f64,
}

/// One sensor's reading.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Temperature {
    /// The sensor's name.
    pub name: String,
    /// Degrees Celsius.
    pub celsius: f64,
}

impl Report {
    /// Refuses values that the wire cannot carry: a number that is not finite, too many sensors, a sensor's name too
    /// long.
    pub fn check(&self) -> Result<(), WireError> {
        let floats = [
            ("cpu", self.cpu),
            ("load1", self.load1),
            ("load5", self.load5),
            ("load15", self.load15),
            ("gpu", self.gpu),
        ];
        let sensors = self.temperatures.iter().map(|sensor| ("temperature", sensor.celsius));
        if let Some((what, _)) = floats.into_iter().chain(sensors).find(|(_, number)| !number.is_finite()) {
            return Err(WireError::NonFinite { what });
        }
        if self.temperatures.len() > TEMPERATURES_MAX {
            let found = self.temperatures.len() as u64;
            return Err(WireError::TooLong { what: "temperatures", found, max: TEMPERATURES_MAX });
        }
        match self.temperatures.iter().find(|sensor| sensor.name.len() > TEMPERATURE_NAME_BYTES_MAX) {
            None => Ok(()),
            Some(sensor) => Err(WireError::TooLong {
                what: "temperature name",
                found: sensor.name.len() as u64,
                max: TEMPERATURE_NAME_BYTES_MAX,
            }),
        }
    }
}

/// Bytes per second between two readings of a counter, rounded down; 0 when the counter was reset or no time passed.
///
/// Agents compute their speeds with this very function, so that a speed costs nothing on the wire.
pub fn bytes_per_second(before: u64, after: u64, elapsed_ms: i64) -> u64 {
    match (after.checked_sub(before), u128::try_from(elapsed_ms)) {
        (Some(bytes), Ok(elapsed)) if elapsed > 0 => {
            u64::try_from(u128::from(bytes) * 1000 / elapsed).unwrap_or(u64::MAX)
        }
        _ => 0,
    }
}

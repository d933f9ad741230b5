//! A report as its difference from the report before it on the same stream.
//!
//! A stream is reliable and ordered, so both ends hold the same previous report and only what changed is sent. The
//! first report of a stream differs from an all-zero one. Everything is exact: integers differ by wrapping subtraction,
//! floats go as hundredths where that is bit-exact and as their eight bytes where it is not.
//!
//! ```text
//! mask      u32   which of the fields below are present, bit by bit
//! raw       u8    only with RAW_FLOATS: which present floats are raw
//! scalar    i64   (or f64 when raw), for each present scalar in the order of its bit
//! names     list  only with SENSOR_NAMES: the new sensor names
//! values    i64 × sensors, or f64 × sensors with RAW_SENSORS; only with SENSOR_VALUES
//! ```

use crate::body::{BodyReader, BodyWriter};
use crate::error::WireError;
use crate::limits::{TEMPERATURE_NAME_BYTES_MAX, TEMPERATURES_MAX};
use crate::report::{Report, Temperature, bytes_per_second};

/// Scalars in the order of their bits. Those that change most come first, so that a usual mask is below 2¹⁶ and costs 3
/// bytes.
const TIME: usize = 0;
const CPU: usize = 1;
const MEM_USED: usize = 2;
const DISK_USED: usize = 3;
const NET_IN_TRANSFER: usize = 4;
const NET_OUT_TRANSFER: usize = 5;
const PROCESS_COUNT: usize = 6;
const TCP_CONN_COUNT: usize = 7;
const LOAD1: usize = 8;
const LOAD5: usize = 9;
const LOAD15: usize = 10;
const UDP_CONN_COUNT: usize = 11;
const UPTIME: usize = 12;
const SWAP_USED: usize = 13;
const NET_IN_SPEED: usize = 14;
const NET_OUT_SPEED: usize = 15;
const GPU: usize = 16;
const SCALARS: usize = 17;

const NAMES: [&str; SCALARS] = [
    "time",
    "cpu",
    "mem_used",
    "disk_used",
    "net_in_transfer",
    "net_out_transfer",
    "process_count",
    "tcp_conn_count",
    "load1",
    "load5",
    "load15",
    "udp_conn_count",
    "uptime",
    "swap_used",
    "net_in_speed",
    "net_out_speed",
    "gpu",
];

/// The floats among the scalars, in the order of their bits in `raw`.
const FLOATS: [usize; 5] = [CPU, LOAD1, LOAD5, LOAD15, GPU];

const RAW_FLOATS: u32 = 1 << 17;
const SENSOR_VALUES: u32 = 1 << 18;
const SENSOR_NAMES: u32 = 1 << 19;
const RAW_SENSORS: u32 = 1 << 20;
const KNOWN_BITS: u32 = (1 << 21) - 1;

/// A report as its difference from the one before. Only [`ReportChain`] can create one or read it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ReportDelta {
    mask: u32,
    raw: u8,
    /// Differences; a raw float's bits.
    scalars: [i64; SCALARS],
    sensor_names: Vec<String>,
    sensor_values: Vec<i64>,
}

impl ReportDelta {
    /// An upper bound of the bytes that [`ReportDelta::encode`] writes, cheap to compute.
    pub fn encoded_bytes_max(&self) -> usize {
        let scalars = self.mask.count_ones() as usize * 9;
        let names: usize = self.sensor_names.iter().map(|name| name.len() + 9).sum();
        6 + scalars + 9 + names + self.sensor_values.len() * 9
    }

    pub(crate) fn encode(&self, out: &mut BodyWriter<'_>) -> Result<(), WireError> {
        out.value(self.mask)?;
        if self.mask & RAW_FLOATS != 0 {
            out.value(self.raw)?;
        }
        for (scalar, value) in self.scalars.iter().enumerate().filter(|(scalar, _)| self.mask & (1 << scalar) != 0) {
            if self.is_raw(scalar) {
                out.finite(NAMES[scalar], float_of_bits(*value))?;
            } else {
                out.value(*value)?;
            }
        }
        if self.mask & SENSOR_NAMES != 0 {
            out.texts("temperature name", &self.sensor_names, TEMPERATURES_MAX, TEMPERATURE_NAME_BYTES_MAX)?;
        }
        if self.mask & SENSOR_VALUES != 0 {
            out.length("temperatures", self.sensor_values.len(), TEMPERATURES_MAX)?;
            for value in &self.sensor_values {
                if self.mask & RAW_SENSORS != 0 {
                    out.finite("temperature", float_of_bits(*value))?;
                } else {
                    out.value(*value)?;
                }
            }
        }
        Ok(())
    }

    /// Replaces this delta by the one that is read, in the same memory.
    pub(crate) fn decode(&mut self, body: &mut BodyReader<'_>) -> Result<(), WireError> {
        let mask = body.u32("report mask")?;
        if mask & !KNOWN_BITS != 0 {
            return Err(WireError::Unknown { what: "report mask", found: u64::from(mask) });
        }
        (self.mask, self.raw, self.scalars) = (mask, 0, [0; SCALARS]);
        self.sensor_names.clear();
        self.sensor_values.clear();
        if mask & RAW_FLOATS != 0 {
            self.raw = body.u8("report raw floats")?;
            if self.raw >> FLOATS.len() != 0 {
                return Err(WireError::Unknown { what: "report raw floats", found: u64::from(self.raw) });
            }
        }
        for (scalar, name) in NAMES.iter().enumerate().filter(|(scalar, _)| mask & (1 << scalar) != 0) {
            self.scalars[scalar] =
                if self.is_raw(scalar) { bits_of_float(body.finite(name)?) } else { body.i64(name)? };
        }
        if mask & SENSOR_NAMES != 0 {
            self.sensor_names = body.texts("temperature name", TEMPERATURES_MAX, TEMPERATURE_NAME_BYTES_MAX)?;
        }
        if mask & SENSOR_VALUES != 0 {
            let sensors = body.length("temperatures", TEMPERATURES_MAX)?;
            for _ in 0..sensors {
                self.sensor_values.push(match mask & RAW_SENSORS {
                    0 => body.i64("temperature")?,
                    _ => bits_of_float(body.finite("temperature")?),
                });
            }
        }
        Ok(())
    }

    fn is_raw(&self, scalar: usize) -> bool {
        FLOATS.iter().position(|float| *float == scalar).is_some_and(|bit| self.raw & (1 << bit) != 0)
    }

    fn set(&mut self, scalar: usize, difference: i64) {
        if difference != 0 {
            self.mask |= 1 << scalar;
            self.scalars[scalar] = difference;
        }
    }

    fn set_float(&mut self, scalar: usize, before: f64, after: f64) {
        if before.to_bits() == after.to_bits() {
            return;
        }
        self.mask |= 1 << scalar;
        match hundredths(after) {
            Some(hundredths_after) => {
                self.scalars[scalar] = hundredths_after - hundredths(before).unwrap_or(0);
            }
            None => {
                let bit = FLOATS.iter().position(|float| *float == scalar).unwrap_or(0);
                self.raw |= 1 << bit;
                self.mask |= RAW_FLOATS;
                self.scalars[scalar] = bits_of_float(after);
            }
        }
    }

    fn float(&self, scalar: usize, before: f64) -> Result<f64, WireError> {
        if self.mask & (1 << scalar) == 0 {
            Ok(before)
        } else if self.is_raw(scalar) {
            Ok(float_of_bits(self.scalars[scalar]))
        } else {
            float_of_difference(NAMES[scalar], before, self.scalars[scalar])
        }
    }
}

/// The previous report of a stream. Both ends hold the same one.
#[derive(Debug, Clone, Default)]
pub struct ReportChain {
    previous: Report,
    /// Milliseconds between the two reports before, which is also the most likely next step.
    step_ms: i64,
}

impl ReportChain {
    /// A chain before its first report.
    pub fn new() -> Self {
        Self::default()
    }

    /// The difference of `report` from the previous one. After that, `report` is the previous one. On an error (see
    /// [`Report::check`]) the chain is as it was.
    pub fn shrink(&mut self, report: &Report) -> Result<ReportDelta, WireError> {
        report.check()?;
        let before = &self.previous;
        let elapsed_ms = report.time_ms.wrapping_sub(before.time_ms);
        let mut delta = ReportDelta::default();
        delta.set(TIME, elapsed_ms.wrapping_sub(self.step_ms));
        delta.set_float(CPU, before.cpu, report.cpu);
        delta.set(MEM_USED, difference(before.mem_used, report.mem_used));
        delta.set(SWAP_USED, difference(before.swap_used, report.swap_used));
        delta.set(DISK_USED, difference(before.disk_used, report.disk_used));
        delta.set(NET_IN_TRANSFER, difference(before.net_in_transfer, report.net_in_transfer));
        delta.set(NET_OUT_TRANSFER, difference(before.net_out_transfer, report.net_out_transfer));
        let speed = bytes_per_second(before.net_in_transfer, report.net_in_transfer, elapsed_ms);
        delta.set(NET_IN_SPEED, difference(speed, report.net_in_speed));
        let speed = bytes_per_second(before.net_out_transfer, report.net_out_transfer, elapsed_ms);
        delta.set(NET_OUT_SPEED, difference(speed, report.net_out_speed));
        delta.set(UPTIME, difference(expected_uptime_s(before, report.time_ms), report.uptime_s));
        delta.set_float(LOAD1, before.load1, report.load1);
        delta.set_float(LOAD5, before.load5, report.load5);
        delta.set_float(LOAD15, before.load15, report.load15);
        delta.set(TCP_CONN_COUNT, difference(before.tcp_conn_count, report.tcp_conn_count));
        delta.set(UDP_CONN_COUNT, difference(before.udp_conn_count, report.udp_conn_count));
        delta.set(PROCESS_COUNT, difference(before.process_count, report.process_count));
        delta.set_float(GPU, before.gpu, report.gpu);
        shrink_sensors(&mut delta, &before.temperatures, &report.temperatures);
        self.advance(report.clone(), elapsed_ms);
        Ok(delta)
    }

    /// The report that [`ReportChain::shrink`] turned into `delta`. After that, it is the previous one. On an error the
    /// chain is as it was, and its stream cannot continue.
    pub fn grow(&mut self, delta: &ReportDelta) -> Result<Report, WireError> {
        let before = &self.previous;
        let elapsed_ms = self.step_ms.wrapping_add(delta.scalars[TIME]);
        let time_ms = before.time_ms.wrapping_add(elapsed_ms);
        let integer = |scalar: usize, base: u64| base.wrapping_add_signed(delta.scalars[scalar]);
        let net_in_transfer = integer(NET_IN_TRANSFER, before.net_in_transfer);
        let net_out_transfer = integer(NET_OUT_TRANSFER, before.net_out_transfer);
        let speed_in = bytes_per_second(before.net_in_transfer, net_in_transfer, elapsed_ms);
        let speed_out = bytes_per_second(before.net_out_transfer, net_out_transfer, elapsed_ms);
        let report = Report {
            time_ms,
            cpu: delta.float(CPU, before.cpu)?,
            mem_used: integer(MEM_USED, before.mem_used),
            swap_used: integer(SWAP_USED, before.swap_used),
            disk_used: integer(DISK_USED, before.disk_used),
            net_in_transfer,
            net_out_transfer,
            net_in_speed: integer(NET_IN_SPEED, speed_in),
            net_out_speed: integer(NET_OUT_SPEED, speed_out),
            uptime_s: integer(UPTIME, expected_uptime_s(before, time_ms)),
            load1: delta.float(LOAD1, before.load1)?,
            load5: delta.float(LOAD5, before.load5)?,
            load15: delta.float(LOAD15, before.load15)?,
            tcp_conn_count: integer(TCP_CONN_COUNT, before.tcp_conn_count),
            udp_conn_count: integer(UDP_CONN_COUNT, before.udp_conn_count),
            process_count: integer(PROCESS_COUNT, before.process_count),
            temperatures: grow_sensors(delta, &before.temperatures)?,
            gpu: delta.float(GPU, before.gpu)?,
        };
        self.advance(report.clone(), elapsed_ms);
        Ok(report)
    }

    fn advance(&mut self, report: Report, elapsed_ms: i64) {
        // The step from the all-zero report is the time itself, which does not predict the next one.
        self.step_ms = if self.previous.time_ms == 0 { 0 } else { elapsed_ms };
        self.previous = report;
    }
}

fn shrink_sensors(delta: &mut ReportDelta, before: &[Temperature], after: &[Temperature]) {
    let same_names =
        before.len() == after.len() && before.iter().zip(after).all(|(before, after)| before.name == after.name);
    if !same_names {
        delta.mask |= SENSOR_NAMES;
        delta.sensor_names = after.iter().map(|sensor| sensor.name.clone()).collect();
    }
    let base = |index: usize| if same_names { before[index].celsius } else { 0.0 };
    let changed = after.iter().enumerate().any(|(index, sensor)| sensor.celsius.to_bits() != base(index).to_bits());
    if !changed {
        return;
    }
    delta.mask |= SENSOR_VALUES;
    let exact: Option<Vec<i64>> = after.iter().map(|sensor| hundredths(sensor.celsius)).collect();
    delta.sensor_values = match exact {
        Some(values) => {
            values.into_iter().enumerate().map(|(index, value)| value - hundredths(base(index)).unwrap_or(0)).collect()
        }
        None => {
            delta.mask |= RAW_SENSORS;
            after.iter().map(|sensor| bits_of_float(sensor.celsius)).collect()
        }
    };
}

fn grow_sensors(delta: &ReportDelta, before: &[Temperature]) -> Result<Vec<Temperature>, WireError> {
    let mut sensors: Vec<Temperature> = if delta.mask & SENSOR_NAMES == 0 {
        before.to_vec()
    } else {
        let named = |name: &String| Temperature { name: name.clone(), celsius: 0.0 };
        delta.sensor_names.iter().map(named).collect()
    };
    if delta.mask & SENSOR_VALUES == 0 {
        return Ok(sensors);
    }
    if delta.sensor_values.len() != sensors.len() {
        return Err(WireError::OutOfRange { what: "number of temperatures" });
    }
    for (sensor, value) in sensors.iter_mut().zip(&delta.sensor_values) {
        sensor.celsius = match delta.mask & RAW_SENSORS {
            0 => float_of_difference("temperature", sensor.celsius, *value)?,
            _ => float_of_bits(*value),
        };
    }
    Ok(sensors)
}

fn difference(base: u64, value: u64) -> i64 {
    value.wrapping_sub(base).cast_signed()
}

fn expected_uptime_s(before: &Report, time_ms: i64) -> u64 {
    let elapsed_s = (time_ms.div_euclid(1000)).wrapping_sub(before.time_ms.div_euclid(1000));
    before.uptime_s.wrapping_add_signed(elapsed_s)
}

/// Whole hundredths, when they give back the very same bits.
fn hundredths(number: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0; // 2⁵³: integers up to here are exact as f64
    let scaled = (number * 100.0).round();
    #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2⁵³, or not used")]
    let integer = scaled as i64;
    // Compared after the way back through the integer, which has no negative zero.
    let exact = scaled.abs() <= EXACT_MAX && (integer as f64 / 100.0).to_bits() == number.to_bits();
    exact.then_some(integer)
}

fn float_of_difference(what: &'static str, before: f64, difference: i64) -> Result<f64, WireError> {
    let total = hundredths(before).unwrap_or(0).checked_add(difference).ok_or(WireError::OutOfRange { what })?;
    Ok(total as f64 / 100.0)
}

fn bits_of_float(number: f64) -> i64 {
    number.to_bits().cast_signed()
}

fn float_of_bits(bits: i64) -> f64 {
    f64::from_bits(bits.cast_unsigned())
}

//! A sample as the engine keeps it: plain numbers, ready for columns.

use std::sync::Arc;

use windfire_wire::limits::TEMPERATURES_MAX;
use windfire_wire::{Report, Temperature};

/// One set of readings. Units as in [`Report`], of which this is the engine's own copy: the wire may change without it.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "each field is that of windfire_wire::Report")]
pub struct Sample {
    pub time_ms: i64,
    pub cpu: f64,
    pub mem_used: u64,
    pub swap_used: u64,
    pub disk_used: u64,
    pub net_in_transfer: u64,
    pub net_out_transfer: u64,
    pub net_in_speed: u64,
    pub net_out_speed: u64,
    pub uptime_s: u64,
    pub load1: f64,
    pub load5: f64,
    pub load15: f64,
    pub tcp_conn_count: u64,
    pub udp_conn_count: u64,
    pub process_count: u64,
    pub gpu: f64,
    /// Shared, because most servers have none and readers copy samples.
    pub temperatures: Option<Arc<[Temperature]>>,
}

impl From<Report> for Sample {
    fn from(report: Report) -> Self {
        Self {
            time_ms: report.time_ms,
            cpu: report.cpu,
            mem_used: report.mem_used,
            swap_used: report.swap_used,
            disk_used: report.disk_used,
            net_in_transfer: report.net_in_transfer,
            net_out_transfer: report.net_out_transfer,
            net_in_speed: report.net_in_speed,
            net_out_speed: report.net_out_speed,
            uptime_s: report.uptime_s,
            load1: report.load1,
            load5: report.load5,
            load15: report.load15,
            tcp_conn_count: report.tcp_conn_count,
            udp_conn_count: report.udp_conn_count,
            process_count: report.process_count,
            gpu: report.gpu,
            temperatures: (!report.temperatures.is_empty()).then(|| report.temperatures.into()),
        }
    }
}

/// Whether two lists of sensors have the same names in the same order.
pub(crate) fn has_same_names(old: &[Temperature], new: &[Temperature]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.name == new.name)
}

/// Which sensors have a different value than before: one bit each, the first in the lowest bit of the first byte.
/// The lists have the same names.
pub(crate) fn changed_sensors(old: &[Temperature], new: &[Temperature]) -> [u8; TEMPERATURES_MAX / 8] {
    let mut changed = [0; TEMPERATURES_MAX / 8];
    for (index, (old, new)) in old.iter().zip(new).enumerate() {
        let is_changed = old.celsius.to_bits() != new.celsius.to_bits();
        if let Some(byte) = changed.get_mut(index / 8) {
            *byte |= u8::from(is_changed) << (index % 8);
        }
    }
    changed
}

/// Whether the sensor of that number is among the changed ones.
pub(crate) fn is_changed(changed: &[u8], index: usize) -> bool {
    changed.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Bytes of the bits of so many sensors.
pub(crate) const fn changed_bytes(sensors: usize) -> usize {
    sensors.div_ceil(8)
}

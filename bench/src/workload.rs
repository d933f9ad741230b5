//! Readings of a real, busy machine, replayed by every simulated server from a place of its own.

use windfire_wire::report::bytes_per_second;
use windfire_wire::{Host, Report};

/// 652 seconds of a busy machine, 15 numbers a second.
const TRACE: &str = include_str!("../data/trace.csv");

/// The parsed trace.
#[derive(Debug)]
pub struct Trace {
    rows: Vec<[f64; 15]>,
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}

impl Trace {
    /// The trace that lies beside this crate.
    ///
    /// # Panics
    /// When the file is not what it was.
    pub fn new() -> Self {
        let row = |line: &str| {
            let values: Vec<f64> = line.split(',').map(|value| value.parse().expect("a number")).collect();
            values.try_into().expect("15 columns")
        };
        Self { rows: TRACE.lines().skip(1).map(row).collect() }
    }
}

/// One simulated server: the trace from an offset, at a scale, with counters that never go back.
#[derive(Debug, Clone)]
pub struct Machine {
    at: usize,
    scale: f64,
    before: Report,
    uptime_s: u64,
}

impl Machine {
    /// A machine that differs from others by `seed`.
    pub fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            at: random.usize(0..10_000),
            scale: 0.5 + random.f64() * 3.0,
            before: Report::default(),
            uptime_s: random.u64(1000..10_000_000),
        }
    }

    /// The next reading, at `time_ms`.
    pub fn next(&mut self, trace: &Trace, time_ms: i64) -> Report {
        let row = &trace.rows[self.at % trace.rows.len()];
        let earlier = &trace.rows[(self.at + trace.rows.len() - 1) % trace.rows.len()];
        self.at += 1;
        self.uptime_s += 1;
        let scaled = |column: usize| (row[column] * self.scale) as u64;
        let grown =
            |column: usize, before: u64| before + ((row[column] - earlier[column]).max(0.0) * self.scale) as u64;
        let net_in_transfer = grown(4, self.before.net_in_transfer);
        let net_out_transfer = grown(5, self.before.net_out_transfer);
        let elapsed_ms = time_ms - self.before.time_ms;
        let report = Report {
            time_ms,
            cpu: (row[0] * 100.0).round() / 100.0,
            mem_used: scaled(1) & !4095,
            swap_used: scaled(2),
            disk_used: scaled(3) & !4095,
            net_in_transfer,
            net_out_transfer,
            net_in_speed: bytes_per_second(self.before.net_in_transfer, net_in_transfer, elapsed_ms),
            net_out_speed: bytes_per_second(self.before.net_out_transfer, net_out_transfer, elapsed_ms),
            uptime_s: self.uptime_s,
            load1: row[9],
            load5: row[10],
            load15: row[11],
            tcp_conn_count: row[12] as u64,
            udp_conn_count: row[13] as u64,
            process_count: row[14] as u64,
            ..Report::default()
        };
        self.before = report.clone();
        report
    }
}

/// Facts of a simulated server.
pub fn host(number: usize) -> Host {
    Host {
        platform: "debian".to_owned(),
        platform_version: "12.7".to_owned(),
        cpu: vec!["AMD EPYC 7763 64-Core Processor 2 Virtual Core".to_owned()],
        mem_total: 8 << 30,
        disk_total: 80 << 30,
        swap_total: 0,
        arch: "x86_64".to_owned(),
        virtualization: "kvm".to_owned(),
        boot_time_s: 1_790_000_000 + number as u64,
        ip: format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        gpu: Vec::new(),
    }
}

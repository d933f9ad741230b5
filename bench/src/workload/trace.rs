//! Readings of a real, busy machine, which every simulated server replays from another offset.

use windfire_wire::Report;
use windfire_wire::report::bytes_per_second;

use super::{jitter, late_ms};

/// 652 seconds of a busy machine, 15 numbers per second.
const TRACE: &str = include_str!("../../data/trace.csv");

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
    /// The built-in trace.
    ///
    /// # Panics
    /// When the file is damaged.
    pub fn new() -> Self {
        Self::parse(TRACE).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Reads a trace of the same form: a line of names, then one line per second with 15 numbers.
    ///
    /// # Errors
    /// The number of the first line that is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let row = |(number, line): (usize, &str)| {
            let values: Result<Vec<f64>, _> = line.split(',').map(|value| value.trim().parse::<f64>()).collect();
            let values = values.map_err(|error| format!("line {}: {error}", number + 2))?;
            let found = values.len();
            values.try_into().map_err(|_| format!("line {}: {found} numbers instead of 15", number + 2))
        };
        let rows: Vec<[f64; 15]> = text.lines().skip(1).enumerate().map(row).collect::<Result<_, String>>()?;
        if rows.is_empty() { Err("a trace without a line of numbers".to_owned()) } else { Ok(Self { rows }) }
    }
}

/// One simulated server: the trace from an offset, with its own scales, and with its own noise on every number that the
/// trace changes. So each number changes about as often as in the measurements of the peers, and no second of one
/// server predicts another's, nor its own next lap. Counters never go back.
#[derive(Debug, Clone)]
pub struct Machine {
    random: fastrand::Rng,
    at: usize,
    scales: [f64; 15],
    /// Random walks on top of the scaled trace, for the columns that wander.
    walks: [f64; 15],
    before: Report,
}

const MEM_USED: usize = 1;
const SWAP_USED: usize = 2;
const DISK_USED: usize = 3;
const TCP_CONN: usize = 12;
const PAGE_BYTES: f64 = 4096.0;

impl Machine {
    /// A machine that differs from others by `seed`.
    pub fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let before = Report { uptime_s: random.u64(1000..10_000_000), ..Report::default() };
        Self {
            at: random.usize(0..10_000),
            scales: std::array::from_fn(|_| 0.5 + random.f64()),
            walks: [0.0; 15],
            before,
            random,
        }
    }

    /// Seconds since its start, as of its last reading.
    pub fn uptime_s(&self) -> u64 {
        self.before.uptime_s
    }

    /// The next reading, due at `time_ms`.
    pub fn next(&mut self, trace: &Trace, time_ms: i64) -> Report {
        let time_ms = time_ms + late_ms(&mut self.random);
        let now = self.at % trace.rows.len();
        let (row, earlier) = (&trace.rows[now], &trace.rows[(now + trace.rows.len() - 1) % trace.rows.len()]);
        self.at += 1;
        let net_in_transfer = self.grown(row, earlier, 4, self.before.net_in_transfer);
        let net_out_transfer = self.grown(row, earlier, 5, self.before.net_out_transfer);
        let elapsed_ms = time_ms - self.before.time_ms;
        let report = Report {
            time_ms,
            // Downwards where the trace is at its limit, so that it changes there as well.
            cpu: hundredths((row[0] * (1.0 - self.random.f64() * 0.03)).clamp(0.0, 100.0)),
            mem_used: self.pages(row, earlier, MEM_USED),
            swap_used: self.pages(row, earlier, SWAP_USED),
            disk_used: self.pages(row, earlier, DISK_USED),
            net_in_transfer,
            net_out_transfer,
            net_in_speed: bytes_per_second(self.before.net_in_transfer, net_in_transfer, elapsed_ms),
            net_out_speed: bytes_per_second(self.before.net_out_transfer, net_out_transfer, elapsed_ms),
            uptime_s: self.before.uptime_s + 1,
            load1: self.load(row, earlier, 9),
            load5: self.load(row, earlier, 10),
            load15: self.load(row, earlier, 11),
            tcp_conn_count: self.count(row, earlier, TCP_CONN),
            udp_conn_count: self.count(row, earlier, 13),
            process_count: self.count(row, earlier, 14),
            ..Report::default()
        };
        self.before = report.clone();
        report
    }

    /// A counter that grows as the trace does, each second by a tenth more or less, and by a few hundred bytes more:
    /// the trace's machine had none of the small traffic that a watched server has every second.
    fn grown(&mut self, row: &[f64; 15], earlier: &[f64; 15], column: usize, before: u64) -> u64 {
        let step = (row[column] - earlier[column]).max(0.0) * self.scales[column];
        let small = (5.5 + jitter(&mut self.random, 1.5)).exp() * self.scales[column];
        before + (step * (1.0 + jitter(&mut self.random, 0.1)) + small) as u64
    }

    /// Bytes in whole pages, with a walk of a few pages wherever the trace changes.
    fn pages(&mut self, row: &[f64; 15], earlier: &[f64; 15], column: usize) -> u64 {
        if row[column] != earlier[column] {
            self.walks[column] += jitter(&mut self.random, 40.0);
        }
        (row[column] * self.scales[column] / PAGE_BYTES + self.walks[column]).max(0.0) as u64 * 4096
    }

    /// A load average, a few hundredths off wherever the trace changes.
    fn load(&mut self, row: &[f64; 15], earlier: &[f64; 15], column: usize) -> f64 {
        if row[column] != earlier[column] {
            self.walks[column] = jitter(&mut self.random, 0.04);
        }
        hundredths((row[column] * self.scales[column] + self.walks[column]).max(0.0))
    }

    /// A small number, with a walk wherever the trace changes.
    fn count(&mut self, row: &[f64; 15], earlier: &[f64; 15], column: usize) -> u64 {
        if row[column] != earlier[column] || self.random.u32(0..4) == 0 && column == TCP_CONN {
            self.walks[column] = (self.walks[column] + jitter(&mut self.random, 2.0)).clamp(-20.0, 20.0);
        }
        (row[column] * self.scales[column] + self.walks[column]).max(0.0) as u64
    }
}

fn hundredths(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

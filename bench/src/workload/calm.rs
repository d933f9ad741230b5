//! A calm machine, generated: the calmer of the two fleets that sizes are measured on.

use windfire_wire::Report;
use windfire_wire::report::bytes_per_second;

use super::{jitter, late_ms};

/// Clock ticks per second and processor, the unit of processor time.
const TICKS_PER_CORE: f64 = 100.0;
const CORES: f64 = 4.0;
const PAGE_BYTES: u64 = 4096;
/// The kernel's load averages are fixed point with 11 bits, advanced every five seconds.
const LOAD_ONE: f64 = 2048.0;
const LOAD_EVERY_S: u64 = 5;

/// One generated machine.
#[derive(Debug, Clone)]
pub struct CalmMachine {
    random: fastrand::Rng,
    seconds: u64,
    /// Mean processor use, 0–1, wandering.
    busy: f64,
    mem_pages: f64,
    disk_pages: f64,
    /// Logarithm of the bytes per second to which traffic returns, and of the present ones.
    traffic: [(f64, f64); 2],
    loads: [f64; 3],
    before: Report,
}

impl CalmMachine {
    /// A machine that differs from others by `seed`.
    pub fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let before = Report {
            uptime_s: random.u64(10_000..20_000_000),
            tcp_conn_count: random.u64(10..200),
            udp_conn_count: random.u64(2..12),
            process_count: random.u64(80..300),
            net_in_transfer: random.u64(1 << 30..1 << 44),
            net_out_transfer: random.u64(1 << 30..1 << 44),
            swap_used: random.u64(0..100_000) * PAGE_BYTES,
            ..Report::default()
        };
        Self {
            seconds: random.u64(0..LOAD_EVERY_S),
            busy: random.f64() * 0.3,
            mem_pages: 200_000.0 + random.f64() * 1_500_000.0,
            disk_pages: 2_000_000.0 + random.f64() * 8_000_000.0,
            traffic: std::array::from_fn(|_| {
                let usual = 7.0 + random.f64() * 4.0;
                (usual, usual)
            }),
            loads: [0.3; 3],
            before,
            random,
        }
    }

    /// The next reading, one second after the last, due at `time_ms`.
    pub fn next(&mut self, time_ms: i64) -> Report {
        let random = &mut self.random;
        let time_ms = time_ms + late_ms(random);
        self.seconds += 1;
        self.busy = (self.busy + jitter(random, 0.02)).clamp(0.005, 0.9);
        let ticks = (self.busy * CORES * TICKS_PER_CORE * (1.0 + jitter(random, 0.4))).round();
        let cpu = (ticks / (CORES * TICKS_PER_CORE) * 10_000.0).round().clamp(0.0, 10_000.0) / 100.0;
        self.mem_pages += jitter(random, 300.0);
        if random.u32(0..3) == 0 {
            self.disk_pages += random.f64() * 12.0;
        }
        if self.seconds.is_multiple_of(LOAD_EVERY_S) {
            let running = (self.busy * CORES + jitter(random, 1.0)).round().max(0.0);
            for (load, keep) in self.loads.iter_mut().zip([1884.0, 2014.0, 2037.0]) {
                *load =
                    ((*load * LOAD_ONE * keep + running * LOAD_ONE * (LOAD_ONE - keep)) / LOAD_ONE).floor() / LOAD_ONE;
            }
        }
        let mut grow = |counter: u64, (usual, traffic): &mut (f64, f64)| {
            *traffic += (*usual - *traffic) * 0.02 + jitter(random, 0.2);
            counter + (*traffic + jitter(random, 1.5)).exp() as u64
        };
        let net_in_transfer = grow(self.before.net_in_transfer, &mut self.traffic[0]);
        let net_out_transfer = grow(self.before.net_out_transfer, &mut self.traffic[1]);
        let elapsed_ms = time_ms - self.before.time_ms;
        let mut walk = |value: u64, one_in: u32| match random.u32(0..one_in * 2) {
            0 => value + 1,
            1 => value.saturating_sub(1),
            _ => value,
        };
        let [load1, load5, load15] = self.loads.map(|load| (load * 100.0).round() / 100.0);
        self.before = Report {
            time_ms,
            cpu,
            mem_used: self.mem_pages as u64 * PAGE_BYTES,
            disk_used: self.disk_pages as u64 * PAGE_BYTES,
            net_in_transfer,
            net_out_transfer,
            net_in_speed: bytes_per_second(self.before.net_in_transfer, net_in_transfer, elapsed_ms),
            net_out_speed: bytes_per_second(self.before.net_out_transfer, net_out_transfer, elapsed_ms),
            uptime_s: self.before.uptime_s + 1,
            load1,
            load5,
            load15,
            tcp_conn_count: walk(self.before.tcp_conn_count, 3),
            udp_conn_count: walk(self.before.udp_conn_count, 30),
            process_count: walk(self.before.process_count, 10),
            ..self.before.clone()
        };
        self.before.clone()
    }
}

//! Reports of simulated servers: a busy machine's readings with noise ([`Machine`]), or generated ones of a calm
//! machine ([`CalmMachine`]).

mod calm;
mod trace;

pub use calm::CalmMachine;
pub use trace::{Machine, Trace};

use windfire_wire::Host;

/// When the next reading is really taken: agents' timers are a millisecond or two late.
fn late_ms(random: &mut fastrand::Rng) -> i64 {
    match random.u32(0..100) {
        0..70 => 0,
        70..93 => 1,
        93..98 => 2,
        _ => random.i64(3..12),
    }
}

/// A number around zero that is mostly small: the difference of two uniform ones.
fn jitter(random: &mut fastrand::Rng, reach: f64) -> f64 {
    (random.f64() - random.f64()) * reach
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

//! Golden blocks: bytes that some released hub may have written. They are kept for ever; a block that does not read back
//! means that history on somebody's disk is lost. Bytes of a new version get a file of their own beside them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use windfire_engine::block::{Block, Effort, Run};
use windfire_engine::sample::Sample;
use windfire_wire::Temperature;

/// Reports of every temper: noise, resets, a clock that steps back, gaps in the numbers, sensors that come and go,
/// extremes.
fn run() -> Run {
    let mut run = Run::default();
    let mut noise = 1u64;
    for row in 0..200u64 {
        noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let late_ms = if row.is_multiple_of(7) { 3 } else { 0 };
        let sensors: Arc<[Temperature]> =
            [Temperature { name: "cpu".to_owned(), celsius: 40.5 + (row % 9) as f64 }].into();
        let sample = Sample {
            time_ms: 1_790_000_000_000 + row.cast_signed() * 1000 + late_ms - if row > 150 { 60_000 } else { 0 },
            cpu: (noise >> 50) as f64 / 100.0,
            mem_used: 4096 * (1000 + row * 3 + (noise >> 60)),
            swap_used: 0,
            disk_used: if row == 77 { u64::MAX } else { 1 << 40 },
            net_in_transfer: if row < 100 { row * 5000 } else { (row - 100) * 5000 },
            net_out_transfer: noise >> 20,
            net_in_speed: 5000,
            net_out_speed: noise >> 55,
            uptime_s: 1000 + row,
            load1: if row == 3 { -0.0 } else { 0.1 + 0.2 * (row % 3) as f64 },
            load5: f64::MIN_POSITIVE / 2.0,
            load15: 1.25,
            tcp_conn_count: row / 50,
            udp_conn_count: 2,
            process_count: 100 + (noise >> 62),
            gpu: 0.0,
            temperatures: (row % 40 > 5).then_some(sensors),
        };
        run.push(1 + row + if row > 120 { 10 } else { 0 }, &sample);
    }
    run
}

#[test]
fn blocks_of_every_version_are_read() {
    for (name, effort) in [("reports-v1-quick", Effort::Quick), ("reports-v1-dense", Effort::Dense)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.block"));
        if std::env::var_os("WRITE_GOLDEN").is_some() && !path.exists() {
            fs::write(&path, run().encode(7, effort)).expect("written");
        }
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let block = Block::read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (found, wanted) = (block.run().expect("a sound block"), run());
        assert!(found == wanted, "{name} does not give back what went in");
        let bits = |run: &Run| run.reports().map(|(_, sample)| sample.load1.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&found), bits(&wanted), "{name}: the sign of a zero");
    }
}

//! The size of history on disk, per field, compared with Gorilla and zstd for the same reports.

use std::collections::BTreeMap;
use std::fmt::Write;

use windfire_engine::Options;
use windfire_engine::block::{Block, Effort, Run, column_name};
use windfire_engine::metric::Metric;
use windfire_engine::sample::Sample;
use windfire_wire::Report;

use crate::fast::FastFleet;
use crate::workload::{CalmMachine, Machine, Trace};

/// The simulated fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fleet {
    /// The busy machine of the trace, perturbed.
    Trace,
    /// A calm machine, generated.
    Calm,
}

/// Numbers of a report that count as data points: those of the trace. Its time, its sequence number and the GPU are
/// stored as well and are part of the bytes.
const POINTS_PER_REPORT: usize = 15;

/// Bytes by column, and in all.
#[derive(Debug, Default)]
struct Sizes {
    columns: BTreeMap<&'static str, usize>,
    total: usize,
}

/// Generates a fleet and prints the size of its history, by length of block.
///
/// # Panics
/// When a decoded block differs from its input.
pub fn table(fleet: Fleet, servers: usize, seconds: usize, block_rows: &[usize]) -> String {
    let trace = Trace::new();
    let mut ours: Vec<Sizes> = block_rows.iter().map(|_| Sizes::default()).collect();
    let mut quick = 0;
    let (mut gorilla, mut zstd_rows) = (0, 0);
    for server in 0..servers {
        let samples = samples(fleet, &trace, server as u64, seconds);
        for (rows, sizes) in block_rows.iter().zip(&mut ours) {
            for (part, first) in samples.chunks(*rows).zip((1u64..).step_by(*rows)) {
                measure(server as u64 + 1, first, part, sizes);
            }
        }
        for (part, first) in samples.chunks(block_rows[0]).zip((1u64..).step_by(block_rows[0])) {
            quick += run_of(first, part).encode(server as u64 + 1, Effort::Quick).len();
        }
        gorilla += gorilla_bytes(&samples);
        zstd_rows += samples.chunks(block_rows[0]).map(zstd_row_bytes).sum::<usize>();
    }
    let points = (servers * seconds * POINTS_PER_REPORT) as f64;
    let reports = (servers * seconds) as f64;
    let mut text = String::new();
    let _infallible = writeln!(
        text,
        "{fleet:?} fleet: {servers} servers × {seconds} s, {points} data points; \
         bits per report by column, bytes per data point"
    );
    let heads: Vec<String> = block_rows.iter().map(|rows| format!("{rows:>8} rows")).collect();
    let _infallible = writeln!(text, "{:<18}{}", "", heads.join(""));
    for column in ours[0].columns.keys() {
        let cells = ours.iter().map(|sizes| format!("{:>13.2}", sizes.columns[column] as f64 * 8.0 / reports));
        let _infallible = writeln!(text, "{column:<18}{}", cells.collect::<String>());
    }
    let cells = ours.iter().map(|sizes| format!("{:>13.3}", sizes.total as f64 / points));
    let _infallible = writeln!(text, "{:<18}{}", "bytes/point", cells.collect::<String>());
    let rows = block_rows[0];
    let _infallible = writeln!(text, "first seal, {rows} rows: {:.3}", quick as f64 / points);
    let _infallible = writeln!(text, "Gorilla, whole length: {:.3}", gorilla as f64 / points);
    let _infallible = writeln!(text, "rows, zstd level 3, {rows} rows: {:.3}", zstd_rows as f64 / points);
    text
}

/// Puts a fleet's reports through an engine, lets upkeep pack them, and prints the size of the store: every byte of the
/// family of reports, with keys and the files' own tables.
///
/// # Panics
/// When the store fails.
pub fn stored(fleet: Fleet, servers: usize, seconds: usize) -> String {
    const REPORTS_PER_COMMIT: usize = 120;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut running = FastFleet::open(folder.path(), servers, Options::default(), START_MS);
    let trace = Trace::new();
    let all: Vec<Vec<Report>> = (0..servers).map(|server| reports(fleet, &trace, server as u64, seconds)).collect();
    let mut taken = 0;
    while taken < seconds {
        taken = (taken + REPORTS_PER_COMMIT).min(seconds);
        let now_ms = START_MS + taken as i64 * 1000;
        running.run(now_ms, &mut |server, sequence| {
            let row = usize::try_from(sequence - 1).ok().filter(|row| *row < taken)?;
            all[server].get(row).cloned()
        });
    }
    // Long enough after for the last hour, and not yet for a day.
    for minutes in [12, 90] {
        running.upkeep(START_MS + seconds as i64 * 1000 + minutes * 60_000);
    }
    running.engine.history().compact().expect("a healthy store");
    let usage =
        running.engine.history().usage(&running.engine.history().retention(), START_MS).expect("a healthy store");
    let points = (servers * seconds * POINTS_PER_REPORT) as f64;
    format!("stored, packed by the hour, everything counted: {:.3} bytes/point", usage[0].bytes as f64 / points)
}

/// Unix milliseconds of the first reports: a whole hour.
const START_MS: i64 = 1_790_035_200_000;

/// Reports of one server of a fleet, as the engine keeps them.
pub fn samples(fleet: Fleet, trace: &Trace, seed: u64, seconds: usize) -> Vec<Sample> {
    reports(fleet, trace, seed, seconds).into_iter().map(Sample::from).collect()
}

fn reports(fleet: Fleet, trace: &Trace, seed: u64, seconds: usize) -> Vec<Report> {
    let times = (0..seconds as i64).map(|second| START_MS + second * 1000 + (seed as i64 * 7919) % 1000);
    match fleet {
        Fleet::Trace => {
            let mut machine = Machine::new(seed);
            times.map(|time| machine.next(trace, time)).collect()
        }
        Fleet::Calm => {
            let mut machine = CalmMachine::new(seed);
            times.map(|time| machine.next(time)).collect()
        }
    }
}

/// The run of these samples, numbered from `first`.
pub fn run_of(first: u64, samples: &[Sample]) -> Run {
    let mut run = Run::default();
    (first..).zip(samples).for_each(|(sequence, sample)| run.push(sequence, sample));
    run
}

fn measure(server_id: u64, first: u64, samples: &[Sample], sizes: &mut Sizes) {
    let run = run_of(first, samples);
    let bytes = run.encode(server_id, Effort::Dense);
    let block = Block::read(&bytes).expect("just encoded");
    assert!(block.run().expect("just encoded") == run, "a block that does not give back its reports");
    let mut rest = bytes.len();
    for (id, column_bytes) in block.column_bytes() {
        *sizes.columns.entry(column_name(id)).or_default() += column_bytes;
        rest -= column_bytes;
    }
    *sizes.columns.entry("~ header").or_default() += rest;
    sizes.total += bytes.len();
}

/// Bytes of Gorilla's encoding (times as differences of differences, values as XOR with the previous one) of the 15
/// numbers as floats, each with the report's time, which is written once.
fn gorilla_bytes(samples: &[Sample]) -> usize {
    let mut bits = 0;
    let (mut before_ms, mut before_step) = (0, 0);
    for sample in samples {
        let step = sample.time_ms - before_ms;
        bits += match step - before_step {
            0 => 1,
            -63..=64 => 9,
            -255..=256 => 12,
            -2047..=2048 => 16,
            _ => 36,
        };
        (before_ms, before_step) = (sample.time_ms, step);
    }
    for metric in &Metric::ALL[..POINTS_PER_REPORT] {
        let is_float = metric.kind() == windfire_engine::metric::Kind::Float;
        let (mut before, mut leading, mut trailing) = (0u64, 65, 65);
        for sample in samples {
            let value = metric.bits_of(sample).unwrap_or_default();
            let value = if is_float { value } else { (value as f64).to_bits() };
            let xor = value ^ before;
            before = value;
            bits += if xor == 0 {
                1
            } else if xor.leading_zeros() >= leading && xor.trailing_zeros() >= trailing {
                2 + (64 - leading - trailing) as usize
            } else {
                (leading, trailing) = (xor.leading_zeros().min(31), xor.trailing_zeros());
                2 + 5 + 6 + (64 - leading - trailing) as usize
            };
        }
    }
    bits.div_ceil(8)
}

/// Bytes of the reports one after another, eight bytes per number, through zstd.
fn zstd_row_bytes(samples: &[Sample]) -> usize {
    let mut rows = Vec::with_capacity(samples.len() * 128);
    for sample in samples {
        rows.extend_from_slice(&sample.time_ms.to_le_bytes());
        for metric in &Metric::ALL[..POINTS_PER_REPORT] {
            rows.extend_from_slice(&metric.bits_of(sample).unwrap_or_default().to_le_bytes());
        }
    }
    zstd::bulk::compress(&rows, 3).map_or(rows.len(), |compressed| compressed.len())
}

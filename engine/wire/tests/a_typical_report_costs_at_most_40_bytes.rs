//! The trace of a real, busy machine, one report a second, each in a frame of its own.

use windfire_wire::report::bytes_per_second;
use windfire_wire::{Report, ReportChain, Reports, Up, encode_up};

const TRACE: &str = include_str!("../../../bench/data/trace.csv");
const GOAL_BYTES: usize = 40;

#[test]
fn a_typical_report_costs_at_most_40_bytes() {
    let (mut chain, mut before, mut sizes) = (ReportChain::new(), Report::default(), Vec::new());
    for (row, line) in TRACE.lines().skip(1).enumerate() {
        let values: Vec<f64> = line.split(',').map(|value| value.parse().expect("a number")).collect();
        #[expect(clippy::cast_possible_truncation, reason = "whole numbers in the trace")]
        let integer = |column: usize| values[column] as u64;
        // Agents wake some milliseconds late, by other amounts each time.
        let time_ms = 1_790_000_000_000 + 1000 * row as i64 + (row as i64 * 7919) % 4;
        let elapsed_ms = time_ms - before.time_ms;
        let report = Report {
            time_ms,
            cpu: (values[0] * 100.0).round() / 100.0,
            mem_used: integer(1),
            swap_used: integer(2),
            disk_used: integer(3),
            net_in_transfer: integer(4),
            net_out_transfer: integer(5),
            net_in_speed: bytes_per_second(before.net_in_transfer, integer(4), elapsed_ms),
            net_out_speed: bytes_per_second(before.net_out_transfer, integer(5), elapsed_ms),
            uptime_s: integer(8),
            load1: values[9],
            load5: values[10],
            load15: values[11],
            tcp_conn_count: integer(12),
            udp_conn_count: integer(13),
            process_count: integer(14),
            ..Report::default()
        };
        let delta = chain.shrink(&report).expect("finite");
        let mut bytes = Vec::new();
        let frame = Reports { first_sequence: 2_000_000 + row as u64, ack_now: false, reports: vec![delta] };
        encode_up(&Up::Reports(frame), &mut bytes).expect("within limits");
        sizes.push(bytes.len() - 4);
        before = report;
    }
    let steady = &mut sizes[2..];
    steady.sort_unstable();
    let mean = steady.iter().sum::<usize>() as f64 / steady.len() as f64;
    let median = steady[steady.len() / 2];
    println!("frame body: mean {mean:.1}, median {median}, max {} bytes", steady[steady.len() - 1]);
    assert!(median <= GOAL_BYTES, "median {median}");
    assert!(mean <= GOAL_BYTES as f64, "mean {mean}");
}

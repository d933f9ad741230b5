//! Hours or a month of a calm fleet, generated in fast time into a separate store.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use windfire_engine::history::{Retention, Upkeep};
use windfire_engine::{Engine, Options};

use crate::clock::unix_ms;
use crate::fast::FastFleet;
use crate::hub_process::usage_of;
use crate::workload::CalmMachine;

/// Reports of each server between two commits.
const REPORTS_PER_COMMIT: i64 = 120;
/// Milliseconds for which every server is offline once per day, each at its own time.
const OUTAGE_MS: i64 = 20 * 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The history to generate.
#[derive(Debug, Clone, Copy)]
pub struct Month {
    /// Servers.
    pub servers: usize,
    /// Hours until `end_ms`.
    pub hours: i64,
    /// Milliseconds between two reports of one server.
    pub interval_ms: i64,
    /// Unix milliseconds.
    pub end_ms: i64,
    /// The retention while it is generated.
    pub retention: Retention,
    /// How far the clock of upkeep is behind, milliseconds: work that became due since is left to the next process.
    pub upkeep_lag_ms: i64,
}

impl Month {
    /// Hours that end now, with upkeep up to date and the default retention.
    pub fn until_now(servers: usize, hours: i64, interval_ms: i64) -> Self {
        Self { servers, hours, interval_ms, end_ms: unix_ms(), retention: Retention::default(), upkeep_lag_ms: 0 }
    }
}

/// Generates it, and returns a text about its cost.
///
/// # Panics
/// When the store refuses valid input.
pub fn make(folder: &Path, month: Month) -> String {
    let start_ms = month.end_ms - month.hours * HOUR_MS;
    let options = Options { retention: month.retention, ..Options::default() };
    let mut fleet = FastFleet::open(folder, month.servers, options, start_ms);
    let mut machines: Vec<(CalmMachine, i64)> =
        (0..month.servers).map(|server| (CalmMachine::new(server as u64), start_ms)).collect();
    let (started, mut reports, mut done) = (Instant::now(), 0u64, Upkeep::default());
    let cpu_before_s = usage_of(std::process::id()).cpu_s();
    let (mut now_ms, mut making_s, mut upkeep_s) = (start_ms, 0.0, 0.0);
    while now_ms < month.end_ms {
        now_ms = (now_ms + REPORTS_PER_COMMIT * month.interval_ms).min(month.end_ms);
        let began = Instant::now();
        fleet.commit(now_ms, &mut |server, _| {
            let (machine, next_ms) = &mut machines[server];
            let outage_ms = start_ms + (server as i64 * 7_777_777) % DAY_MS;
            while (*next_ms - outage_ms).rem_euclid(DAY_MS) < OUTAGE_MS {
                *next_ms += month.interval_ms;
            }
            if *next_ms >= now_ms {
                return None;
            }
            reports += 1;
            let report = machine.next(*next_ms);
            *next_ms += month.interval_ms;
            Some(report)
        });
        making_s += began.elapsed().as_secs_f64();
        let began = Instant::now();
        let upkeep = fleet.upkeep(now_ms - month.upkeep_lag_ms);
        upkeep_s += began.elapsed().as_secs_f64();
        done.heads_sealed += upkeep.heads_sealed;
        done.hours_packed += upkeep.hours_packed;
        done.days_packed += upkeep.days_packed;
        done.expired_reports += upkeep.expired_reports;
    }
    let cpu_s = usage_of(std::process::id()).cpu_s() - cpu_before_s;
    let mut text = String::new();
    let _infallible = writeln!(
        text,
        "{} servers × {} h, a report every {} ms: {reports} reports in {:.1} s, {cpu_s:.1} s of CPU",
        month.servers,
        month.hours,
        month.interval_ms,
        started.elapsed().as_secs_f64()
    );
    let _infallible = writeln!(
        text,
        "of it making and taking {making_s:.1} s ({:.2} µs per report), upkeep {upkeep_s:.1} s ({:.2} µs per report)",
        making_s * 1e6 / reports as f64,
        upkeep_s * 1e6 / reports as f64
    );
    let _infallible = writeln!(
        text,
        "{} heads sealed, {} hours and {} days packed, {} reports too old on arrival",
        done.heads_sealed, done.hours_packed, done.days_packed, done.expired_reports
    );
    text.push_str(&usage(&fleet.engine, month.end_ms));
    text
}

/// Tiers of a store, after their files are merged.
///
/// # Panics
/// When the store fails.
pub fn usage(engine: &Engine, now_ms: i64) -> String {
    engine.history().compact().expect("a healthy store");
    let mut text = String::new();
    for tier in engine.history().usage(&engine.history().retention(), now_ms).expect("a healthy store") {
        let per_row = tier.bytes_per_row.unwrap_or_default();
        let _infallible =
            writeln!(text, "tier {:<4} {:>12} bytes, {per_row:.2} bytes per row", tier.tier.name(), tier.bytes);
    }
    text
}

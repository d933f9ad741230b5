//! Simulated fleets: real outboxes, real sessions and a real engine with its store, driven by one seed and a clock that is
//! made here. Connections, disks, clocks and processes fail as the seed has it, and what is in history at the end is compared
//! with what truly happened. `docs/testing.md` says how to use it.
//!
//! Each step of a run: time passes (`time`), things go wrong (`trouble`), agents act, bytes arrive (`traffic`), the hub commits and looks
//! after its history (`world`). At the end everything works again (`calm`) and is checked (`check`) against the `model`.
//! `cluster` is the same for several hubs that follow simulated streams.

mod agent;
mod arguments;
mod calm;
mod change;
mod check;
mod cluster;
mod faults;
mod hub;
mod journal;
mod liar;
mod model;
mod moments;
mod network;
mod power;
mod random;
mod run;
mod shrink;
mod time;
mod traffic;
mod trouble;
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use windfire_engine::FailPoint;

use crate::arguments::{Arguments, USAGE};
use crate::faults::Fault;
use crate::journal::Counts;
use crate::moments::{AT_START, while_running};
use crate::run::{Failure, Plan, keep_panics, run};
use crate::shrink::shrink;

/// Seeds after which a line is printed.
const SEEDS_PER_LINE: u64 = 100;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let arguments = match Arguments::read(words.into_iter()) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("sim: {error}");
            return ExitCode::from(2);
        }
    };
    keep_panics();
    let is_well = match arguments.seed {
        Some(seed) => one(&arguments, seed),
        None => many(&arguments),
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn plan(arguments: &Arguments, seed: u64) -> Plan {
    let (steps, without) = (arguments.steps, arguments.without.clone());
    Plan { seed, steps, without, is_cluster: arguments.is_cluster }
}

/// Runs one seed twice. Whether both runs are the same, and well.
fn one(arguments: &Arguments, seed: u64) -> bool {
    let plan = plan(arguments, seed);
    let outcome = run(&plan, arguments.prints);
    println!("sim: seed {seed}, journal {:016x}", outcome.hash);
    let again = run(&plan, false);
    if again.hash != outcome.hash {
        println!("sim: seed {seed} is not the same twice: the second journal is {:016x}", again.hash);
        return false;
    }
    print_counts(&outcome.counts);
    match outcome.failure {
        None => true,
        Some(failure) => {
            report(&plan, failure);
            false
        }
    }
}

/// What all threads have found.
#[derive(Default)]
struct Found {
    runs: u64,
    counts: Counts,
    hashes: BTreeMap<u64, u64>,
    failures: Vec<(Plan, Failure)>,
}

/// Runs many seeds. Whether all are well.
fn many(arguments: &Arguments) -> bool {
    let (next, found) = (AtomicU64::new(0), Mutex::new(Found::default()));
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= arguments.seeds {
                        return;
                    }
                    let plan = plan(arguments, arguments.from + number);
                    let outcome = run(&plan, false);
                    let mut found = found.lock().expect("no thread panics with it");
                    found.runs += 1;
                    found.hashes.insert(plan.seed, outcome.hash);
                    for (what, times) in outcome.counts {
                        *found.counts.entry(what).or_default() += times;
                    }
                    if let Some(failure) = outcome.failure {
                        println!("sim: seed {} fails: {}", plan.seed, failure.what);
                        found.failures.push((plan, failure));
                    }
                    if found.runs.is_multiple_of(SEEDS_PER_LINE) {
                        println!("sim: {} seeds, {} failures", found.runs, found.failures.len());
                    }
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no thread panics with it");
    print_counts(&found.counts);
    print_missed(&found.counts, arguments.is_cluster);
    let hash = found.hashes.values().fold(0u64, |hash, one| hash.rotate_left(5) ^ one);
    println!(
        "sim: {} seeds from {}, {} failures, journals {hash:016x}",
        found.runs,
        arguments.from,
        found.failures.len()
    );
    found.failures.sort_by_key(|(plan, _)| plan.seed);
    let is_well = found.failures.is_empty();
    // One is enough to work on.
    if let Some((plan, failure)) = found.failures.into_iter().next() {
        report(&plan, failure);
    }
    is_well
}

fn print_counts(counts: &Counts) {
    for (what, times) in counts {
        println!("{times:>12} {what}");
    }
}

/// Names the points at which no hub has died. With enough seeds there are none.
fn print_missed(counts: &Counts, is_cluster: bool) {
    // A simulated cluster has no changes of the registry, no writes that fail and no backups.
    let is_met = |point: &FailPoint| {
        use FailPoint::{BackupBegun, ChangeEncoded, ChangeWritten, RetryEncoded, RetryWritten};
        let never = [ChangeEncoded, ChangeWritten, RetryEncoded, RetryWritten];
        !is_cluster || *point < BackupBegun && !never.contains(point)
    };
    let points = AT_START.into_iter().chain(while_running()).filter(is_met).map(FailPoint::name);
    let missed: Vec<&str> = points.filter(|name| !counts.contains_key(format!("deaths at {name}").as_str())).collect();
    if !missed.is_empty() {
        println!("sim: no hub died at {}", missed.join(", "));
    }
}

/// Tells of a failure, and of the smallest one like it.
fn report(plan: &Plan, failure: Failure) {
    println!("sim: seed {} fails at step {}: {}", plan.seed, failure.steps, failure.what);
    failure.lines.iter().for_each(|line| println!("  {line}"));
    println!("sim: again with\n  {}", line_of(plan));
    let (smallest, failure) = shrink(plan, failure);
    println!("sim: the smallest that was found: {}", failure.what);
    failure.lines.iter().for_each(|line| println!("  {line}"));
    println!("sim: again with\n  {}", line_of(&smallest));
}

/// The line that runs it.
fn line_of(plan: &Plan) -> String {
    let without: Vec<&str> = plan.without.iter().map(|fault: &Fault| fault.name()).collect();
    let without = if without.is_empty() { String::new() } else { format!(" --without {}", without.join(",")) };
    let cluster = if plan.is_cluster { "--cluster " } else { "" };
    format!("make sim SEED={} SIM='{cluster}--steps {}{without}'", plan.seed, plan.steps)
}

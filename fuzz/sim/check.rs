//! Looks into history and compares it with what truly happened.

use std::collections::{BTreeMap, BTreeSet};

use windfire_engine::history::{HistoryQuery, Step, Tier};
use windfire_engine::metric::{Metric, Number};
use windfire_engine::sample::Sample;
use windfire_engine::summary::Aggregate;
use windfire_engine::{Engine, Selection};

use crate::hub::{MINUTE_DAYS, QUARTER_DAYS};
use crate::model::{DAY_MS, HOUR_MS, Hour, Model, Row};

/// Times on either side of which nothing of a run lies.
const AROUND_MS: i64 = 400 * DAY_MS;

/// Everything of a server that history has, by sequence number.
fn rows(engine: &Engine, model: &Model, server: usize, id: u64, now_ms: i64) -> Result<Hour, String> {
    let (mut rows, mut numbers, mut wrong) = (Hour::new(), BTreeSet::new(), None);
    let mut visit = |sequence: u64, sample: &Sample| {
        let row = Row { number: sample.mem_used, time_ms: sample.time_ms };
        let is_of_server = model.made(row.number).is_some_and(|made| made.server == server);
        let sent = model.report(row.number, row.time_ms).filter(|_| is_of_server);
        if sent.map(Sample::from).as_ref() != Some(sample) {
            wrong
                .get_or_insert(format!("history has a report that was never made, at sequence {sequence}: {sample:?}"));
        }
        if let Some(other) = rows.insert(sequence, row) {
            wrong.get_or_insert(format!("sequence {sequence} is in history twice: {other:?} and {row:?}"));
        }
        if !numbers.insert(row.number) {
            wrong.get_or_insert(format!("report {} is in history twice, again at sequence {sequence}", row.number));
        }
    };
    let read = engine.history().reports(id, now_ms - AROUND_MS, now_ms + AROUND_MS, &mut visit);
    read.map_err(|error| format!("history cannot be read: {error}"))?;
    wrong.map_or(Ok(rows), |wrong| Err(format!("server {server}: {wrong}")))
}

/// The oldest hour of reports that is kept.
fn floor(engine: &Engine, now_ms: i64) -> i64 {
    let (from_ms, to_ms) = (now_ms - AROUND_MS, now_ms + AROUND_MS);
    let query = HistoryQuery { metrics: Vec::new(), from_ms, to_ms, step: Step::Raw, points_max: 1 };
    engine.history().plan(&query).from_ms.div_euclid(HOUR_MS)
}

/// Every acknowledged report that cannot have expired is in history, once; nothing else is that was not sent; the latest status
/// is the newest report. Notes what it saw. How many reports there are.
pub(crate) fn reports(engine: &Engine, model: &mut Model, ids: &[u64], now_ms: i64) -> Result<u64, String> {
    model.floor = model.floor.max(floor(engine, now_ms));
    let (kept_from, mut count) = (model.kept_from(), 0);
    for (server, id) in ids.iter().enumerate() {
        let rows = rows(engine, model, server, *id, now_ms)?;
        count += rows.len() as u64;
        latest(engine, &rows, *id, kept_from).map_err(|wrong| format!("server {server}: {wrong}"))?;
        let found: BTreeMap<u64, i64> = rows.values().map(|row| (row.number, row.time_ms)).collect();
        for (number, made) in model.all_of(server).filter(|(_, made)| made.is_acked) {
            match (found.get(&number), made.placed_ms) {
                (Some(time_ms), Some(placed_ms)) if *time_ms != placed_ms => {
                    return Err(format!("report {number} of server {server} moved from {placed_ms} to {time_ms}"));
                }
                (None, placed_ms) if !model.may_miss(made) => {
                    return Err(format!(
                        "report {number} of server {server} was acknowledged and is not in history; seen at {placed_ms:?}"
                    ));
                }
                _ => {}
            }
        }
        note(model, server, &rows, &found);
    }
    Ok(count)
}

/// The latest status is the newest report.
fn latest(engine: &Engine, rows: &Hour, id: u64, kept_from: i64) -> Result<(), String> {
    let Some(view) = engine.snapshot(Selection::Ids(&[id])).into_iter().next() else {
        return Err("it is gone".to_owned());
    };
    let shown = Row { number: view.latest.sample.mem_used, time_ms: view.latest.sample.time_ms };
    match rows.last_key_value() {
        Some((_, newest)) if *newest == shown => Ok(()),
        // It may have been too old for history.
        _ if shown.number > 0 && shown.time_ms.div_euclid(HOUR_MS) < kept_from => Ok(()),
        None if shown.number == 0 => Ok(()),
        newest => Err(format!("the latest status is {shown:?}, the newest report {newest:?}")),
    }
}

fn note(model: &mut Model, server: usize, rows: &Hour, found: &BTreeMap<u64, i64>) {
    let made: Vec<(u64, bool)> = model.all_of(server).map(|(number, made)| (number, made.is_acked)).collect();
    for (number, is_acked) in made {
        let seen_ms = found.get(&number).copied();
        if let Some(made) = model.made_mut(number).filter(|_| seen_ms.is_some() || !is_acked) {
            made.placed_ms = seen_ms;
        }
    }
    let floor = model.floor.max(model.kept_from());
    let oldest = model.hours.range((server, floor)..=(server, floor.saturating_add(1)));
    let known: BTreeSet<u64> = oldest.flat_map(|(_, rows)| rows.keys().copied()).collect();
    model.hours.retain(|(of, hour), _| *of != server || *hour < floor);
    for (sequence, row) in rows {
        let hour = row.time_ms.div_euclid(HOUR_MS);
        if hour < floor || hour <= floor.saturating_add(1) && !known.contains(sequence) {
            // It came when its hour had expired, or was about to: it may still be in a head by then.
            model.late.insert(hour);
        }
        if hour >= floor {
            model.hours.entry((server, hour)).or_default().insert(*sequence, *row);
        }
    }
}

/// No block is corrupt, no report is there twice.
pub(crate) fn blocks(engine: &Engine) -> Result<(), String> {
    let verified = engine.history().verify().map_err(|error| format!("history cannot be verified: {error}"))?;
    if verified.corrupt_blocks > 0 || verified.doubled > 0 {
        return Err(format!("verify finds {} doubled reports, and corrupt: {:?}", verified.doubled, verified.corrupt));
    }
    Ok(())
}

/// Minutes and quarters are what the reports say that were in history when it was last looked at. How many values there are.
pub(crate) fn tiers(engine: &Engine, model: &Model, ids: &[u64]) -> Result<u64, String> {
    let mut count = 0;
    for (server, id) in ids.iter().enumerate() {
        let of_server = || model.hours.range((server, i64::MIN)..=(server, i64::MAX));
        let days: BTreeSet<i64> = of_server().map(|((_, hour), _)| hour.div_euclid(24)).collect();
        for day in days {
            let of_day = of_server().filter(|((_, hour), _)| hour.div_euclid(24) == day);
            let rows: Vec<Row> = of_day.flat_map(|(_, rows)| rows.values().copied()).collect();
            for (tier, days) in [(Tier::Minute, MINUTE_DAYS), (Tier::Quarter, QUARTER_DAYS)] {
                if !model.day_is_kept(day, days) {
                    continue;
                }
                count += tier_of_day(engine, model, *id, day, tier, &rows)
                    .map_err(|wrong| format!("server {server}, {}: {wrong}", tier.name()))?;
            }
        }
    }
    Ok(count)
}

const ASKED: [(Metric, Aggregate); 5] = [
    (Metric::MemUsed, Aggregate::Mean),
    (Metric::MemUsed, Aggregate::Min),
    (Metric::MemUsed, Aggregate::Max),
    (Metric::Cpu, Aggregate::Max),
    (Metric::Load1, Aggregate::Mean),
];

fn tier_of_day(engine: &Engine, model: &Model, id: u64, day: i64, tier: Tier, rows: &[Row]) -> Result<u64, String> {
    let (from_ms, step_ms) = (day * DAY_MS, tier.row_ms());
    let query = HistoryQuery {
        metrics: ASKED.to_vec(),
        from_ms,
        to_ms: from_ms + DAY_MS,
        step: Step::Ms(step_ms),
        points_max: 2_000,
    };
    let plan = engine.history().plan(&query);
    if (plan.tier, plan.step_ms, plan.from_ms) != (tier, step_ms, from_ms) {
        // It has expired.
        return Ok(0);
    }
    let series = engine.history().series(id, &plan).map_err(|error| error.to_string())?.ok_or("it is gone")?;
    let mut buckets: BTreeMap<i64, Vec<Sample>> = BTreeMap::new();
    for row in rows {
        let sample = model.report(row.number, row.time_ms).map(Sample::from).ok_or("no such report")?;
        buckets.entry(row.time_ms.div_euclid(step_ms) * step_ms).or_default().push(sample);
    }
    let mut count = 0;
    for series in series {
        for (at_ms, found) in &series.points {
            if model.late.contains(&at_ms.div_euclid(HOUR_MS)) {
                continue;
            }
            let of_bucket = buckets.get(at_ms).map(Vec::as_slice).unwrap_or_default();
            let (wanted, found) = (naive(of_bucket, series.metric, series.aggregate), found.map(Number::as_f64));
            let is_same = match (wanted, found) {
                (None, None) => true,
                // Reports that came when their hour had expired are in heads for a while, and not in answers of reports.
                (None, Some(_)) if at_ms.div_euclid(HOUR_MS) < model.floor.max(model.kept_from()) => true,
                (Some(wanted), Some(found)) => (wanted - found).abs() <= wanted.abs() * 1e-9,
                _ => false,
            };
            if !is_same {
                let what = (series.metric.name(), series.aggregate.name());
                return Err(format!("{what:?} at {at_ms} is {found:?}, and {wanted:?} by the reports"));
            }
            count += u64::from(found.is_some());
        }
    }
    Ok(count)
}

/// What a query should say.
fn naive(samples: &[Sample], metric: Metric, aggregate: Aggregate) -> Option<f64> {
    let values: Vec<f64> = samples.iter().filter_map(|sample| metric.number_of(sample)).map(Number::as_f64).collect();
    match aggregate {
        Aggregate::Min => values.iter().copied().reduce(f64::min),
        Aggregate::Max => values.iter().copied().reduce(f64::max),
        _ => (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64),
    }
}

/// A backup has every report that was acknowledged before it was taken and could not have expired then.
pub(crate) fn backup(engine: &Engine, model: &Model, ids: &[u64], backup: &Backup) -> Result<(), String> {
    let mut found = BTreeSet::new();
    for (server, id) in ids.iter().enumerate() {
        let rows = rows(engine, model, server, *id, backup.now_ms).map_err(|wrong| format!("the backup: {wrong}"))?;
        found.extend(rows.values().map(|row| row.number));
    }
    match backup.reports.iter().find(|number| !found.contains(number)) {
        None => blocks(engine).map_err(|wrong| format!("the backup: {wrong}")),
        Some(number) => Err(format!("report {number} was acknowledged before the backup and is not in it")),
    }
}

/// What was true when a backup was taken.
#[derive(Debug)]
pub(crate) struct Backup {
    /// The hub's time.
    pub(crate) now_ms: i64,
    /// Reports that must be in it.
    pub(crate) reports: Vec<u64>,
}

impl Backup {
    /// What a backup that is taken now must have.
    pub(crate) fn now(model: &Model, now_ms: i64) -> Self {
        let kept_from = model.kept_from().max(model.floor);
        let is_kept = |number: &u64| {
            let placed_ms = model.made(*number).and_then(|made| made.placed_ms);
            placed_ms.is_some_and(|placed_ms| placed_ms.div_euclid(HOUR_MS) >= kept_from)
        };
        Self { now_ms, reports: model.all_acked().into_iter().filter(is_kept).collect() }
    }
}

//! The command line's requests about history: its size, a check, its rows.

use std::io::Write;

use windfire_engine::Selection;
use windfire_engine::history::{Retention, Verified};

use super::rollback;
use super::{Hub, StorageAnswer, TierLine, VerifiedAnswer};
use crate::folder::explain;

/// Numbers of a report that count as data points: Nezha's fifteen.
const POINTS_PER_REPORT: f64 = 15.0;
const DAY_MS: f64 = 86_400_000.0;

pub(super) fn storage(
    hub: &Hub<'_>,
    raw_days: Option<u32>,
    minute_days: Option<u32>,
    quarter_days: Option<u32>,
) -> Result<StorageAnswer, String> {
    let present = hub.engine.history().retention();
    let asked = Retention {
        raw_days: raw_days.unwrap_or(present.raw_days),
        minute_days: minute_days.unwrap_or(present.minute_days),
        quarter_days: quarter_days.unwrap_or(present.quarter_days),
        ..present
    };
    let usage = hub.engine.history().usage(&asked, hub.now_ms).map_err(|error| error.to_string())?;
    let servers = hub.engine.registry().server_count();
    let days = [asked.raw_days, asked.minute_days, asked.quarter_days];
    let line = |(usage, days): (&windfire_engine::history::TierUsage, u32)| {
        let rows_a_day = usage.row_interval_ms.map(|interval_ms| DAY_MS / interval_ms);
        let forecast = usage.bytes_per_row.zip(rows_a_day);
        TierLine {
            tier: usage.tier.name().to_owned(),
            days,
            bytes: usage.bytes,
            oldest: usage.oldest_ms.map(|ms| ms.div_euclid(1000)),
            bytes_per_row: usage.bytes_per_row,
            bytes_per_data_point: usage
                .bytes_per_row
                .filter(|_| usage.tier.row_ms() == 0)
                .map(|bytes| bytes / POINTS_PER_REPORT),
            forecast_bytes: forecast.map(|(bytes, rows)| whole(bytes * rows * f64::from(days) * servers as f64)),
            freed_bytes: usage.freed_bytes,
        }
    };
    let tiers: Vec<TierLine> = usage.iter().zip(days).map(line).collect();
    Ok(StorageAnswer {
        servers,
        bytes: tiers.iter().map(|tier| tier.bytes).sum(),
        forecast_bytes: tiers.iter().map(|tier| tier.forecast_bytes).sum(),
        freed_bytes: tiers.iter().map(|tier| tier.freed_bytes).sum(),
        bytes_max: asked.disk_bytes_max,
        expiry_behind_s: hub.engine.clock().state().expiry_behind_ms / 1000,
        rollback: rollback::line(hub.data),
        tiers,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "a forecast; what is too large becomes the largest")]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}

pub(super) fn verify(hub: &Hub<'_>) -> Result<VerifiedAnswer, String> {
    let mut answer = hub.engine.history().verify().map(verified_answer).map_err(|error| explain(&error))?;
    // What is kept for a rollback has to be sound on the day it is needed.
    if let Err(error) = windfire_engine::check_rollback(hub.data) {
        answer.corrupt_blocks += 1;
        answer.corrupt.push(error.to_string());
    }
    Ok(answer)
}

pub(super) fn verified_answer(verified: Verified) -> VerifiedAnswer {
    VerifiedAnswer {
        blocks: verified.blocks,
        rows: verified.rows,
        bytes: verified.bytes,
        doubled: verified.doubled,
        corrupt_blocks: verified.corrupt_blocks,
        corrupt: verified.corrupt,
    }
}

pub(super) fn export(
    hub: &Hub<'_>,
    (from, to): (&str, &str),
    ids: &[u64],
    tag: Option<&str>,
    is_csv: bool,
    out: &mut dyn Write,
) -> Result<u64, String> {
    let range_ms = windfire_api::parse_range(from, to, hub.now_ms)?;
    if let Some(progress) = hub.engine.history().catch_up() {
        let percent = progress.percent();
        return Err(format!(
            "the hub has started and reads its log ({percent} %): reports would be missing; export again in a minute"
        ));
    }
    let servers = hub.engine.snapshot(Selection::All);
    if let Some(id) = ids.iter().find(|id| servers.iter().all(|view| view.record.id != **id)) {
        return Err(format!("no server has id {id}: \"windfire server list\" shows all of them"));
    }
    let selection = match tag {
        Some(tag) if servers.iter().all(|view| view.record.tag != tag) => {
            return Err(format!("no server has tag {tag:?}: \"windfire server list\" shows all of them"));
        }
        Some(tag) => Selection::Tag(tag),
        None if ids.is_empty() => Selection::All,
        None => Selection::Ids(ids),
    };
    drop(servers);
    windfire_api::export(hub.engine, selection, range_ms, is_csv, out).map_err(|error| error.to_string())
}

//! Series over time, of servers and of groups.

use std::sync::Arc;

use windfire_engine::history::{HistoryQuery, Otherwise, Plan, Step};
use windfire_engine::limits::{POINTS_MAX, RAW_RANGE_DAYS_MAX};
use windfire_engine::sample::Sample;
use windfire_engine::server::ServerRecord;

use super::total::Group;
use super::{AskedRange, RANGE_USUAL_MS, io_error, noted, seconds};
use crate::answer::Answer;
use crate::limits::GROUP_VALUES_MAX;
use crate::render::history::{Format, HistoryWriter};
use crate::request::{ApiRequest, ApiResult};

/// Bytes of a point in memory and, once, as text.
const POINT_BYTES: usize = 24;
/// The same of a group's, with its sum and count.
const GROUP_POINT_BYTES: usize = 40;
/// Milliseconds of one server's reports that are read between two checks whether the client still reads, if all are
/// written.
const EVERY_REPORT_PART_MS: i64 = RANGE_USUAL_MS;

/// `GET /api/v1/server/history`
pub(super) fn history(request: &ApiRequest<'_>) -> ApiResult {
    let AskedRange { from_ms, to_ms, notes: mut of_range } = request.range(RANGE_USUAL_MS)?;
    of_range.extend(request.catch_up_note());
    let (step, points_max) = request.step()?;
    let metrics = request.metrics()?;
    let format = request.format()?;
    let mut query = HistoryQuery { metrics, from_ms, to_ms, step, points_max };
    let group_of: fn(&ServerRecord) -> String = match request.query.given("group") {
        None => return Ok(series(request, &query, format, of_range)),
        Some("all") => |_| String::new(),
        Some("tag") => |server| server.tag.clone(),
        Some(other) => return Err(format!("group {other:?} must be one of all, tag").into()),
    };
    if query.step == Step::Raw {
        return Err("step raw has no totals: reports of different servers come at different moments".to_owned().into());
    }
    let mut plan = request.engine.history().plan(&query);
    if query.step == Step::Auto && plan.step_ms < GROUP_STEP_MIN_MS {
        // Totals need common points.
        query.step = Step::Ms(GROUP_STEP_MIN_MS);
        plan = request.engine.history().plan(&query);
    }
    let servers = request.records();
    let tags: std::collections::BTreeSet<String> = servers.iter().map(|server| group_of(server)).collect();
    let points = points(&plan);
    let values = tags.len().saturating_mul(query.metrics.len()).saturating_mul(points);
    if values > GROUP_VALUES_MAX {
        return Err(
            format!("{} groups of {points} points are too many at once: choose a larger step", tags.len()).into()
        );
    }
    let engine = Arc::clone(request.engine);
    let notes = notes(&query, &plan, of_range);
    let bytes = values * GROUP_POINT_BYTES + series_bytes(&query, &plan);
    Ok(noted(
        &notes.clone(),
        request.stream(format.content_type(), bytes, move |out| {
            let mut groups: std::collections::BTreeMap<String, Group> = std::collections::BTreeMap::new();
            for server in &servers {
                let series = engine.history().series(server.id, &plan).map_err(io_error)?.unwrap_or_default();
                groups.entry(group_of(server)).or_default().add(series);
            }
            let mut writer = HistoryWriter::begin(out, format, &plan)?;
            for (name, group) in &groups {
                writer.group(name, group)?;
            }
            writer.end(&notes)
        }),
    ))
}

/// Minimum distance of the points of totals, milliseconds: servers report once per second, each at its own moment.
const GROUP_STEP_MIN_MS: i64 = 10_000;

fn series(request: &ApiRequest<'_>, query: &HistoryQuery, format: Format, of_range: Vec<String>) -> Answer {
    let plan = request.engine.history().plan(query);
    let notes = notes(query, &plan, of_range);
    // An answer that is written line by line holds almost no memory, however long it is.
    let is_every = query.step == Step::Raw && plan.step_ms == 0 && format != Format::Json;
    let answer = if is_every {
        every_report(request, plan, format)
    } else {
        whole_series(request, query, plan, format, notes.clone())
    };
    noted(&notes, answer)
}

/// One series after the other, each held as a whole.
fn whole_series(
    request: &ApiRequest<'_>,
    query: &HistoryQuery,
    plan: Plan,
    format: Format,
    mut notes: Vec<String>,
) -> Answer {
    let (engine, servers) = (Arc::clone(request.engine), request.records());
    let is_raw_asked = query.step == Step::Raw;
    request.stream(format.content_type(), series_bytes(query, &plan), move |out| {
        let mut writer = HistoryWriter::begin(out, format, &plan)?;
        let mut too_long = 0usize;
        for server in servers {
            // A server that was removed in the meantime has no series.
            let all = engine.history().series(server.id, &plan).map_err(io_error)?.unwrap_or_default();
            too_long += usize::from(plan.step_ms == 0 && all.first().is_some_and(|series| series.step_ms != 0));
            all.iter().try_for_each(|series| writer.series(&server, series))?;
        }
        if is_raw_asked && too_long > 0 {
            notes.push(format!(
                "servers with more than {POINTS_MAX} reports in the range, which are shown in steps instead: {too_long}; \
                 format=csv and format=ndjson have every report of any range"
            ));
        }
        writer.end(&notes)
    })
}

/// Report by report, as they are read.
fn every_report(request: &ApiRequest<'_>, plan: Plan, format: Format) -> Answer {
    let (engine, servers) = (Arc::clone(request.engine), request.records());
    request.stream(format.content_type(), 0, move |out| {
        let mut writer = HistoryWriter::begin(out, format, &plan)?;
        for server in servers {
            let mut from_ms = plan.from_ms;
            while from_ms < plan.to_ms {
                let to_ms = plan.to_ms.min(from_ms.saturating_add(EVERY_REPORT_PART_MS));
                let mut written = Ok(());
                let visit = &mut |_: u64, sample: &Sample| {
                    if written.is_ok() {
                        written = writer.report(&server, sample, &plan.metrics);
                    }
                };
                engine.history().reports(server.id, from_ms, to_ms, visit).map_err(io_error)?;
                written?;
                from_ms = to_ms;
            }
        }
        writer.end(&[])
    })
}

/// Maximum of points of a series, as far as the plan tells.
fn points(plan: &Plan) -> usize {
    match plan.step_ms {
        // Every second one may come after a gap, which is one more point.
        0 => plan.points_max.saturating_add(plan.points_max / 2),
        step_ms => usize::try_from((plan.to_ms - plan.from_ms) / step_ms).unwrap_or(usize::MAX).saturating_add(2),
    }
}

/// Bytes of one server's series while they are written.
pub(super) fn series_bytes(query: &HistoryQuery, plan: &Plan) -> usize {
    points(plan).saturating_mul(query.metrics.len() + 1).saturating_mul(POINT_BYTES)
}

/// Differences between the request and the plan, after those of the range.
fn notes(query: &HistoryQuery, plan: &Plan, mut notes: Vec<String>) -> Vec<String> {
    if let Some(otherwise) = plan.otherwise {
        let asked = match query.step {
            Step::Ms(asked_ms) => format!("{} s", seconds(asked_ms)),
            Step::Raw => "raw".to_owned(),
            Step::Auto => "auto".to_owned(),
        };
        let why = match otherwise {
            Otherwise::Points => {
                format!("the range has more than {POINTS_MAX} such steps; ask for a shorter range or a longer step")
            }
            Otherwise::NotKept { from_ms } => {
                format!("history for such steps is kept from {} on; ask from then on", seconds(from_ms))
            }
            Otherwise::Range { days_max } => {
                format!(
                    "such steps cover {days_max} days at most; ask for a shorter range, or steps of whole {}",
                    if days_max == RAW_RANGE_DAYS_MAX { "minutes" } else { "quarters of an hour" }
                )
            }
            Otherwise::Growth => "increase and rate can only be computed over an interval".to_owned(),
        };
        notes.push(format!("step is {} s, not {asked}: {why}", seconds(plan.step_ms)));
    }
    if plan.from_ms > query.from_ms {
        let what = if plan.step_ms == 0 { "no earlier report is kept" } else { "nothing earlier is kept" };
        notes.push(format!("from is {}: {what}", seconds(plan.from_ms)));
    }
    notes
}

//! Metrics as Nezha v2 answers them.

use std::sync::Arc;

use windfire_engine::Selection;
use windfire_engine::history::{HistoryQuery, Step};
use windfire_engine::limits::POINTS_MAX;
use windfire_engine::metric::Metric;
use windfire_engine::summary::Aggregate;

use super::series::series_bytes;
use super::{RANGE_USUAL_MS, io_error, noted};
use crate::answer::Answer;
use crate::render;
use crate::render::history::Format;
use crate::request::ApiRequest;

/// `GET /api/v1/server/:id/metrics` as Nezha v2 answers it: one server, one metric, three periods.
pub(super) fn v2_metrics(request: &ApiRequest<'_>) -> Answer {
    try_v2_metrics(request, request.number).unwrap_or_else(|wrong| Answer::json(200, render::history::v2_error(&wrong)))
}

fn try_v2_metrics(request: &ApiRequest<'_>, server_id: u64) -> Result<Answer, String> {
    let server = request.engine.snapshot(Selection::Ids(&[server_id])).into_iter().next();
    let server = server.filter(|server| request.viewer.sees(&server.record)).ok_or("server not found")?;
    let name = request.query.given("metric").ok_or("metric is missing")?;
    let metric = V2_METRICS.iter().find(|(found, _)| *found == name).copied();
    let (name, metric) = metric
        .ok_or_else(|| format!("metric {name:?} must be one of {}", V2_METRICS.map(|(name, _)| name).join(", ")))?;
    let (range_ms, step_ms) = match request.query.given("period").unwrap_or("1d") {
        "1d" => (RANGE_USUAL_MS, 30_000),
        "7d" => (7 * RANGE_USUAL_MS, 30 * 60_000),
        "30d" => (30 * RANGE_USUAL_MS, 2 * 3_600_000),
        other => return Err(format!("period {other:?} must be one of 1d, 7d, 30d")),
    };
    let aggregate = if metric == Metric::Uptime { Aggregate::Last } else { Aggregate::usual(metric) };
    let query = HistoryQuery {
        metrics: vec![(metric, aggregate)],
        from_ms: request.caller.now_ms - range_ms,
        to_ms: request.caller.now_ms,
        step: Step::Ms(step_ms),
        points_max: POINTS_MAX,
    };
    let plan = request.engine.history().plan(&query);
    let engine = Arc::clone(request.engine);
    // The whole text is rendered at once, from at most some thousands of points.
    let bytes = series_bytes(&query, &plan).saturating_mul(2);
    let answer = request.stream(Format::Json.content_type(), bytes, move |out| {
        let series = engine.history().series(server_id, &plan).map_err(io_error)?;
        let points = series.unwrap_or_default().into_iter().next().map_or(Vec::new(), |series| series.points);
        out.write_all(&render::history::v2_metrics(&server.record, name, &points))
    });
    Ok(noted(request.catch_up_note().as_slice(), answer))
}

/// Names of Nezha v2's metrics.
pub(super) const V2_METRICS: [(&str, Metric); 17] = [
    ("cpu", Metric::Cpu),
    ("memory", Metric::MemUsed),
    ("swap", Metric::SwapUsed),
    ("disk", Metric::DiskUsed),
    ("net_in_speed", Metric::NetInSpeed),
    ("net_out_speed", Metric::NetOutSpeed),
    ("net_in_transfer", Metric::NetInTransfer),
    ("net_out_transfer", Metric::NetOutTransfer),
    ("load1", Metric::Load1),
    ("load5", Metric::Load5),
    ("load15", Metric::Load15),
    ("tcp_conn", Metric::TcpConnCount),
    ("udp_conn", Metric::UdpConnCount),
    ("process_count", Metric::ProcessCount),
    ("temperature", Metric::Temperature),
    ("uptime", Metric::Uptime),
    ("gpu", Metric::Gpu),
];

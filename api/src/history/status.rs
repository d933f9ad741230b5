//! Answers from the newest reports, from minutes and from facts: `top`, `uptime`, `facts`.

use std::sync::Arc;

use windfire_engine::ServerView;
use windfire_engine::metric::Number;

use super::{AskedRange, FACTS_RANGE_USUAL_MS, RANGE_USUAL_MS, io_error, noted};
use crate::answer::Answer;
use crate::limits::TOP_MAX;
use crate::render;
use crate::render::history::Format;
use crate::request::{ApiRequest, ApiResult};

/// Default number of servers of `top`.
const TOP_USUAL: usize = 10;
/// Seconds after its last report from which a server's values are outdated.
const STALE_S: i64 = 60;

/// `GET /api/v1/server/top`
pub(super) fn top(request: &ApiRequest<'_>) -> ApiResult {
    let metrics = request.metrics()?;
    let [(metric, _)] = metrics[..] else { return Err("metric must be a single one".to_owned().into()) };
    let count = request.number("n", TOP_USUAL, TOP_MAX)?;
    let now_s = request.caller.now_ms.div_euclid(1000);
    let value = |server: ServerView| {
        let is_fresh = server.latest.reported_within(STALE_S, now_s);
        let number = metric.number_of(&server.latest.sample).filter(|_| is_fresh)?;
        Some((server, number))
    };
    let mut servers: Vec<(ServerView, Number)> = request.servers().into_iter().filter_map(value).collect();
    // The sort is stable: equal servers stay in the order of their ids.
    servers.sort_by(|(_, a), (_, b)| b.as_f64().total_cmp(&a.as_f64()));
    servers.truncate(count);
    Ok(Answer::json(200, render::history::top(metric, &servers)))
}

/// `GET /api/v1/server/uptime`
pub(super) fn uptime(request: &ApiRequest<'_>) -> ApiResult {
    let AskedRange { from_ms, to_ms, mut notes } = request.range(RANGE_USUAL_MS)?;
    notes.extend(request.catch_up_note());
    let (engine, servers) = (Arc::clone(request.engine), request.records());
    let answer = request.stream(Format::Json.content_type(), 0, move |out| {
        out.write_all(render::history::LIST_HEAD)?;
        let mut is_first = true;
        for server in servers {
            if let Some(uptime) = engine.history().uptime(server.id, from_ms, to_ms).map_err(io_error)? {
                out.write_all(&render::history::uptime(&server, &uptime, is_first))?;
                is_first = false;
            }
        }
        out.write_all(render::history::LIST_TAIL)
    });
    Ok(noted(&notes, answer))
}

/// `GET /api/v1/server/facts`
pub(super) fn facts(request: &ApiRequest<'_>) -> ApiResult {
    let AskedRange { from_ms, to_ms, notes } = request.range(FACTS_RANGE_USUAL_MS)?;
    let (engine, servers) = (Arc::clone(request.engine), request.records());
    let answer = request.stream(Format::Json.content_type(), 0, move |out| {
        out.write_all(render::history::LIST_HEAD)?;
        for (index, server) in servers.iter().enumerate() {
            out.write_all(&render::history::facts_head(server, index == 0))?;
            let mut next_ms = Some(from_ms);
            while let Some(from_here_ms) = next_ms {
                let page = engine.history().facts_changes(server.id, from_here_ms, to_ms).map_err(io_error)?;
                out.write_all(&render::history::facts(&page.changes, from_here_ms == from_ms))?;
                next_ms = page.next_from_ms;
            }
            out.write_all(render::history::FACTS_TAIL)?;
        }
        out.write_all(render::history::LIST_TAIL)
    });
    Ok(noted(&notes, answer))
}

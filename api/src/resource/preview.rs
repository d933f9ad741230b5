//! What a rule of alerts would have done in the last day.

use std::sync::Arc;

use serde_json::json;
use windfire_engine::alert::PreviewFiring;

use super::rule::wanted;
use crate::history::{io_error, noted};
use crate::operation::{MANAGE, Operation};
use crate::request::{ApiRequest, ApiResult};
use crate::schema::{Schemas, envelope, flag, integer, list, maybe, object, text};

/// Bytes that the answer takes while it is computed: a firing of each server that is looked at, by estimate.
const PREVIEW_BYTES: usize = 256 * 1024;

pub(crate) const OPERATIONS: [Operation; 1] = [Operation {
    name: "PreviewRule",
    answered_by: preview,
    path: "/api/v1/alert/rule/preview",
    method: "POST",
    body: Some("AddRule"),
    about: "What a rule would have done in the last day, by history. It is not created",
    answer: "Preview",
    ..MANAGE
}];

fn preview(request: &ApiRequest<'_>) -> ApiResult {
    let rule = wanted(request)?.into_rule(0, request.now_s());
    rule.check()?;
    let (engine, now_ms) = (Arc::clone(request.engine), request.caller.now_ms);
    let notes: Vec<String> = request.catch_up_note().into_iter().collect();
    // It reads up to a thousand days of reports, so it computes where answers from history do.
    let answer = request.stream("application/json; charset=utf-8", PREVIEW_BYTES, move |out| {
        let preview = engine.alerts().preview(&rule, now_ms).map_err(io_error)?;
        let line = |firing: &PreviewFiring| {
            json!({
                "server": firing.server_id,
                "name": firing.name,
                "times": firing.times,
                "total_s": firing.total_s,
                "first": firing.first_ms.div_euclid(1000),
                "worst": firing.worst,
            })
        };
        let result = json!({
            "servers": preview.servers_looked,
            "server_days": preview.servers_looked,
            "cut": preview.is_cut,
            "firings": preview.firings.iter().map(line).collect::<Vec<_>>(),
        });
        out.write_all(json!({"code": 0, "message": "success", "result": result}).to_string().as_bytes())
    });
    Ok(noted(&notes, answer))
}

/// Schemas of its answers.
pub(crate) fn schemas() -> Schemas {
    let firing = json!({
        "server": integer(), "name": text(), "times": integer(), "total_s": integer(), "first": integer(),
        "worst": maybe("number"),
    });
    let preview = json!({
        "servers": integer(), "server_days": integer(), "cut": flag(), "firings": list(object(firing)),
    });
    vec![("Preview", envelope(object(preview)))]
}

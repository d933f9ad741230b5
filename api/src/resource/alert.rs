//! Alerts, and what happened to them.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use windfire_engine::Engine;
use windfire_engine::alert::AlertView;
use windfire_engine::alert::journal::{AlertEvent, EventKind};
use windfire_engine::alert::rule::Severity;
use windfire_engine::alert::state::{AlertFilter, AlertState};
use windfire_engine::token::Scope;

use crate::history::{RANGE_USUAL_MS, io_error, noted};
use crate::limits::{ALERT_EVENTS_MAX, ALERT_EVENTS_USUAL};
use crate::operation::{Access, FROM, ID, Kind, MANAGE, Operation, TAG, TO, in_path, parameter};
use crate::query::distinct_ids;
use crate::render::history::{LIST_HEAD, LIST_TAIL};
use crate::request::{ApiError, ApiRequest, ApiResult, success};
use crate::schema::{Schemas, envelope, flag, integer, list, maybe, number, object, one_of, text};
use crate::viewer::Viewer;

/// Bytes that an alert takes while it is answered, by estimate.
const ALERT_BYTES: usize = 512;

pub(crate) const OPERATIONS: [Operation; 3] = [
    Operation {
        name: "Alerts",
        answered_by: show,
        path: "/api/v1/alert",
        access: Access::Scope(Scope::Read),
        about: "Alerts: rules for servers, and for the hub, that are not ok",
        parameters: &[
            parameter("state", Kind::OneOf(|| AlertState::ALL.map(AlertState::name).to_vec()), "In this state"),
            parameter(TAG.name, TAG.kind, "Of servers of exactly this tag"),
            parameter("severity", Kind::OneOf(|| Severity::ALL.map(Severity::name).to_vec()), "Of this severity"),
        ],
        answer: "Alerts",
        ..MANAGE
    },
    Operation {
        name: "AlertLog",
        answered_by: show_log,
        path: "/api/v1/alert/log",
        access: Access::Scope(Scope::Read),
        about: "What happened to alerts, the newest first",
        parameters: &[
            FROM,
            TO,
            parameter(ID.name, ID.kind, "Of these servers by id, separated by commas; 0 is the hub"),
            parameter("limit", Kind::Number(1, 10_000), "Rows, the newest ones; default: 1000"),
        ],
        answer: "AlertLog",
        ..MANAGE
    },
    Operation {
        name: "AcknowledgeAlert",
        answered_by: acknowledge,
        path: "/api/v1/alert/{rule}/{server}/acknowledge",
        method: "POST",
        about: "Notes that somebody knows of an alert that fires: it is not repeated",
        parameters: &[in_path("rule", "The rule's id"), in_path("server", "The server's id; 0 is the hub")],
        ..MANAGE
    },
];

fn show(request: &ApiRequest<'_>) -> ApiResult {
    let filter = AlertFilter {
        state: named(request, "state", AlertState::ALL.map(AlertState::name), AlertState::named)?,
        tag: request.query.given("tag").map(str::to_owned),
        severity: named(request, "severity", Severity::ALL.map(Severity::name), Severity::named)?,
    };
    let (engine, viewer, now_ms) = (Arc::clone(request.engine), request.viewer.clone(), request.caller.now_ms);
    let count: usize = engine.alerts().counts().iter().sum();
    // There may be as many as servers, which one thread cannot write for one client while others wait.
    Ok(request.stream("application/json; charset=utf-8", count.saturating_mul(ALERT_BYTES), move |out| {
        let alerts = engine.alerts().list(&filter, now_ms).into_iter();
        write_list(out, alerts.filter(|view| is_seen(&viewer, view)).map(|view| alert(&view)))
    }))
}

fn show_log(request: &ApiRequest<'_>) -> ApiResult {
    let range = request.range(RANGE_USUAL_MS)?;
    let max = request.number("limit", ALERT_EVENTS_USUAL, ALERT_EVENTS_MAX)?;
    let ids: Option<HashSet<u64>> = request.query.given("id").map(|text| distinct_ids(text).into_iter().collect());
    let (engine, viewer) = (Arc::clone(request.engine), request.viewer.clone());
    let answer = request.stream("application/json; charset=utf-8", max * ALERT_BYTES, move |out| {
        let is_wanted =
            |id: u64| ids.as_ref().is_none_or(|ids| ids.contains(&id)) && is_server_seen(&engine, &viewer, id);
        // With what happens at this moment.
        let to_ms = range.to_ms.saturating_add(1);
        let events = engine.alerts().log(range.from_ms, to_ms, &is_wanted, max).map_err(io_error)?;
        write_list(out, events.iter().map(event))
    });
    Ok(noted(&range.notes, answer))
}

fn acknowledge(request: &ApiRequest<'_>) -> ApiResult {
    let (rule, server, by) = (request.number, request.second_number, request.viewer.name());
    request.engine.alerts().acknowledge(rule, server, by, request.caller.now_ms)?;
    Ok(success(()))
}

/// The value of a parameter that has one of these names.
fn named<T, const N: usize>(
    request: &ApiRequest<'_>,
    parameter: &str,
    names: [&str; N],
    read: fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let Some(text) = request.query.given(parameter) else { return Ok(None) };
    let wrong = || ApiError::new(400, format!("{parameter} {text:?} must be one of {}", names.join(", ")));
    read(text).ok_or_else(wrong).map(Some)
}

/// A viewer who is limited to tags sees no alerts of the hub.
fn is_seen(viewer: &Viewer, view: &AlertView) -> bool {
    view.server.as_ref().map_or(viewer.sees_all(), |server| viewer.sees(server))
}

/// Whether the viewer sees what happened to the server of that id, or to the hub. One who sees all sees that of removed
/// servers too.
fn is_server_seen(engine: &Engine, viewer: &Viewer, id: u64) -> bool {
    viewer.sees_all() || engine.registry().server(id).is_some_and(|server| viewer.sees(&server))
}

fn write_list(out: &mut dyn Write, entries: impl Iterator<Item = impl Serialize>) -> io::Result<()> {
    out.write_all(LIST_HEAD)?;
    for (index, entry) in entries.enumerate() {
        if index > 0 {
            out.write_all(b",")?;
        }
        serde_json::to_writer(&mut *out, &entry)?;
    }
    out.write_all(LIST_TAIL)
}

fn alert(view: &AlertView) -> Value {
    let AlertView { alert, rule, server, is_silenced, is_suppressed } = view;
    let unit = rule.when.first().map_or("", |condition| condition.measure.unit());
    json!({
        "rule": rule.id,
        "rule_name": rule.name,
        "server": alert.server_id,
        "server_name": server.as_ref().map_or("", |record| record.name.as_str()),
        "tag": server.as_ref().map_or("", |record| record.tag.as_str()),
        "severity": rule.severity.name(),
        "state": alert.state.name(),
        "since": seconds(alert.since_ms),
        "fired": alert.fired_ms.map(seconds),
        "value": alert.value,
        "first_value": alert.first_value,
        "worst_value": alert.worst_value,
        "unit": unit,
        "frozen_since": alert.frozen_since_ms.map(seconds),
        "silenced": is_silenced,
        "suppressed": is_suppressed,
        "acknowledged_by": alert.acknowledged_by,
        "times_notified": alert.times_notified,
    })
}

fn event(event: &AlertEvent) -> Value {
    json!({
        "time": event.time_ms as f64 / 1000.0,
        "rule": event.rule_id,
        "rule_name": event.rule_name,
        "server": event.server_id,
        "server_name": event.server_name,
        "severity": event.severity.name(),
        "what": event.what.name(),
        "value": event.value,
        "note": event.note,
    })
}

/// Unix seconds.
fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1000)
}

/// Schemas of its answers.
pub(crate) fn schemas() -> Schemas {
    let severity = || one_of(&Severity::ALL.map(Severity::name));
    let alert = json!({
        "rule": integer(), "rule_name": text(), "server": integer(), "server_name": text(), "tag": text(),
        "severity": severity(), "state": one_of(&AlertState::ALL.map(AlertState::name)), "since": integer(),
        "fired": maybe("integer"), "value": maybe("number"), "first_value": maybe("number"),
        "worst_value": maybe("number"), "unit": text(), "frozen_since": maybe("integer"), "silenced": flag(),
        "suppressed": flag(), "acknowledged_by": maybe("string"), "times_notified": integer(),
    });
    let event = json!({
        "time": number(), "rule": integer(), "rule_name": text(), "server": integer(), "server_name": text(),
        "severity": severity(), "what": one_of(&EventKind::ALL.map(EventKind::name)), "value": maybe("number"),
        "note": text(),
    });
    vec![("Alerts", envelope(list(object(alert)))), ("AlertLog", envelope(list(object(event))))]
}

//! The operations that answer from history.

use serde_json::json;
use windfire_engine::metric::Metric;
use windfire_engine::summary::Aggregate;

use super::series::history;
use super::status::{facts, top, uptime};
use super::v2::{V2_METRICS, v2_metrics};
use crate::admission::Work;
use crate::operation::{Access, FROM, ID, ID_IN_PATH, Kind, Operation, Parameter, READ, TAG, TO, parameter};
use crate::schema::{Schemas, envelope, integer, list, number, object, text};

pub(crate) const OPERATIONS: [Operation; 5] = [
    Operation {
        name: "History",
        answered_by: history,
        access: Access::Guests,
        path: "/api/v1/server/history",
        about: "Series over time, one for each server and metric, or totals of groups",
        parameters: &[
            ID,
            TAG,
            Parameter {
                is_required: true,
                ..parameter("metric", Kind::SomeOf(metric_names), "Metrics of each server, separated by commas")
            },
            FROM,
            TO,
            parameter("step", Kind::Text, "Distance of points: seconds, 5m, 1h, `raw` for every report, `auto`"),
            parameter(
                "agg",
                Kind::OneOf(aggregate_names),
                "Aggregate of each step: counters have last, rate, increase; others mean, min, max, last",
            ),
            parameter(
                "points",
                Kind::Number(1, 20_000),
                "Maximum of points of a series, if the hub chooses the step; default: 2000",
            ),
            parameter("group", Kind::OneOf(|| vec!["all", "tag"]), "Totals of all servers, or of each tag's servers"),
            parameter("format", Kind::OneOf(|| vec!["json", "csv", "ndjson"]), "Default: json"),
        ],
        answer: "History",
        ..READ
    },
    Operation {
        name: "Top",
        answered_by: top,
        work: Work::Whole,
        access: Access::Guests,
        path: "/api/v1/server/top",
        about: "Servers with the highest value now, of those that reported in the last minute",
        parameters: &[
            Parameter {
                is_required: true,
                ..parameter("metric", Kind::OneOf(metric_names), "The metric that is compared")
            },
            parameter("n", Kind::Number(1, 1000), "How many servers; default: 10"),
            ID,
            TAG,
        ],
        answer: "Top",
        ..READ
    },
    Operation {
        name: "Uptime",
        answered_by: uptime,
        access: Access::Guests,
        path: "/api/v1/server/uptime",
        about: "Availability by the minute, from the reports themselves",
        parameters: &[ID, TAG, FROM, TO],
        answer: "Uptime",
        ..READ
    },
    Operation {
        name: "Facts",
        answered_by: facts,
        path: "/api/v1/server/facts",
        about: "Facts of servers, each time they changed: boot time, agent version, hardware, address",
        parameters: &[ID, TAG, Parameter { about: "As for history. Default: 30 days before `to`", ..FROM }, TO],
        answer: "Facts",
        ..READ
    },
    Operation {
        name: "V2Metrics",
        answered_by: |request| Ok(v2_metrics(request)),
        access: Access::Guests,
        ignores_unknown: true,
        path: "/api/v1/server/{id}/metrics",
        about: "One metric of one server, as Nezha v2 answers it",
        parameters: &[
            ID_IN_PATH,
            Parameter { is_required: true, ..parameter("metric", Kind::OneOf(v2_names), "Nezha v2's name") },
            parameter(
                "period",
                Kind::OneOf(|| vec!["1d", "7d", "30d"]),
                "Default: 1d. The points are 30 s, 30 min or 2 h apart",
            ),
        ],
        answer: "V2Metrics",
        ..READ
    },
];

fn metric_names() -> Vec<&'static str> {
    Metric::ALL.map(Metric::name).to_vec()
}

fn aggregate_names() -> Vec<&'static str> {
    Aggregate::ALL.map(Aggregate::name).to_vec()
}

fn v2_names() -> Vec<&'static str> {
    V2_METRICS.map(|(name, _)| name).to_vec()
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let maybe_number = || json!({"type": ["number", "null"]});
    let mut series = object(json!({
        "tag": text(), "metric": text(), "unit": text(), "agg": text(), "tier": text(), "step": number(),
        "times": list(number()), "values": list(maybe_number()),
    }));
    for (only_servers, only_groups) in [("id", "total"), ("name", "servers")] {
        series["properties"][only_servers] = if only_servers == "id" { integer() } else { text() };
        series["properties"][only_groups] = if only_groups == "total" { text() } else { list(integer()) };
    }
    let change = json!({
        "time": number(), "boot_time": integer(), "mem_total": integer(), "disk_total": integer(), "swap_total": integer(),
        "agent_version": text(), "platform": text(), "platform_version": text(), "arch": text(), "virtualization": text(),
        "address": text(), "country": text(), "cpu": list(text()), "gpu": list(text()),
    });
    vec![
        (
            "History",
            object(json!({
                "code": {"const": 0}, "message": text(), "from": number(), "to": number(), "tier": text(), "step": number(),
                "result": list(series), "notes": list(text()),
            })),
        ),
        (
            "Top",
            object(json!({
                "code": {"const": 0}, "message": text(), "metric": text(), "unit": text(),
                "result": list(object(json!({
                    "id": integer(), "name": text(), "tag": text(), "last_active": integer(), "value": number(),
                }))),
            })),
        ),
        (
            "Uptime",
            envelope(list(object(json!({
                "id": integer(), "name": text(), "tag": text(), "from": number(), "to": number(), "minutes": integer(),
                "up_minutes": integer(), "availability": maybe_number(), "outages": integer(),
                "longest_outage_minutes": integer(), "reports": integer(),
            })))),
        ),
        (
            "Facts",
            envelope(list(object(json!({
                "id": integer(), "name": text(), "tag": text(), "changes": list(object(change)),
            })))),
        ),
        (
            "V2Metrics",
            json!({"anyOf": [
                object(json!({
                    "success": {"const": true},
                    "data": object(json!({
                        "server_id": integer(), "server_name": text(), "metric": text(),
                        "data_points": list(object(json!({"ts": integer(), "value": number()}))),
                    })),
                })),
                object(json!({"success": {"const": false}, "error": text()})),
            ]}),
        ),
    ]
}

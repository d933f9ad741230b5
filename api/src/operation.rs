//! The routes as a table: the router, the page at `/` and the OpenAPI document are all made of it.

use windfire_engine::metric::Metric;
use windfire_engine::summary::Aggregate;
use windfire_engine::token::Scope;

use crate::history::V2_METRICS;

/// Which code answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Front,
    OpenApi,
    List,
    Details,
    History,
    Top,
    Uptime,
    Facts,
    V2Metrics,
    Register,
}

/// What a parameter may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// Unsigned integers, split at commas.
    Ids,
    /// One of these.
    OneOf(fn() -> Vec<&'static str>),
    /// Some of these, split at commas.
    SomeOf(fn() -> Vec<&'static str>),
    /// A whole number within these bounds.
    Number(u64, u64),
}

/// A parameter of a query, or of the path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) is_in_path: bool,
    pub(crate) is_required: bool,
    pub(crate) kind: Kind,
    pub(crate) about: &'static str,
}

/// A path and what it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) route: Route,
    /// As OpenAPI writes it: `{id}` stands for a number.
    pub(crate) path: &'static str,
    /// The methods, as in the header `Allow`.
    pub(crate) allow: &'static str,
    /// Who may; `None` for anyone.
    pub(crate) scope: Option<Scope>,
    pub(crate) about: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// Name of the answer's schema.
    pub(crate) answer: &'static str,
}

const fn parameter(name: &'static str, kind: Kind, about: &'static str) -> Parameter {
    Parameter { name, is_in_path: false, is_required: false, kind, about }
}

const ID: Parameter = parameter("id", Kind::Ids, "Servers by id, split at commas, in that order");
const TAG: Parameter = parameter("tag", Kind::Text, "Servers of exactly this tag; wins over id");
const FROM: Parameter =
    parameter("from", Kind::Text, "Unix seconds, RFC 3339, or before now (-24h). A day before `to` unless given");
const TO: Parameter = parameter("to", Kind::Text, "As `from`. Now unless given");

fn metric_names() -> Vec<&'static str> {
    Metric::ALL.map(Metric::name).to_vec()
}

fn aggregate_names() -> Vec<&'static str> {
    Aggregate::ALL.map(Aggregate::name).to_vec()
}

fn v2_names() -> Vec<&'static str> {
    V2_METRICS.map(|(name, _)| name).to_vec()
}

const GET: &str = "GET, HEAD";

/// Every route. `/healthz`, `/readyz` and `/metrics` are the hub's own.
pub(crate) const OPERATIONS: [Operation; 10] = [
    Operation {
        route: Route::Front,
        path: "/",
        allow: GET,
        scope: None,
        about: "What runs here, as text",
        parameters: &[],
        answer: "Text",
    },
    Operation {
        route: Route::OpenApi,
        path: "/openapi.json",
        allow: GET,
        scope: None,
        about: "This document",
        parameters: &[],
        answer: "OpenApi",
    },
    Operation {
        route: Route::List,
        path: "/api/v1/server/list",
        allow: GET,
        scope: Some(Scope::Read),
        about: "Servers, as Nezha v0 lists them",
        parameters: &[TAG],
        answer: "ServerList",
    },
    Operation {
        route: Route::Details,
        path: "/api/v1/server/details",
        allow: GET,
        scope: Some(Scope::Read),
        about: "Servers with host and status, as Nezha v0 shows them",
        parameters: &[ID, TAG],
        answer: "ServerDetails",
    },
    Operation {
        route: Route::History,
        path: "/api/v1/server/history",
        allow: GET,
        scope: Some(Scope::Read),
        about: "Series over time, one for each server and metric, or totals of groups",
        parameters: &[
            ID,
            TAG,
            Parameter {
                is_required: true,
                ..parameter("metric", Kind::SomeOf(metric_names), "What of each server, split at commas")
            },
            FROM,
            TO,
            parameter("step", Kind::Text, "Distance of points: seconds, 5m, 1h, `raw` for every report, `auto`"),
            parameter(
                "agg",
                Kind::OneOf(aggregate_names),
                "What of each step: counters have last, rate, increase; others mean, min, max, last",
            ),
            parameter(
                "points",
                Kind::Number(1, 20_000),
                "Points of a series at most, where the step is chosen; 2000 unless given",
            ),
            parameter("group", Kind::OneOf(|| vec!["all", "tag"]), "Totals of all servers, or of those of each tag"),
            parameter("format", Kind::OneOf(|| vec!["json", "csv", "ndjson"]), "json unless given"),
        ],
        answer: "History",
    },
    Operation {
        route: Route::Top,
        path: "/api/v1/server/top",
        allow: GET,
        scope: Some(Scope::Read),
        about: "Servers with the highest value now; those that reported in the last minute",
        parameters: &[
            Parameter { is_required: true, ..parameter("metric", Kind::OneOf(metric_names), "By what") },
            parameter("n", Kind::Number(1, 1000), "How many; 10 unless given"),
            ID,
            TAG,
        ],
        answer: "Top",
    },
    Operation {
        route: Route::Uptime,
        path: "/api/v1/server/uptime",
        allow: GET,
        scope: Some(Scope::Read),
        about: "Availability by the minute, from the reports themselves",
        parameters: &[ID, TAG, FROM, TO],
        answer: "Uptime",
    },
    Operation {
        route: Route::Facts,
        path: "/api/v1/server/facts",
        allow: GET,
        scope: Some(Scope::Read),
        about: "What servers said of themselves, whenever it changed: boot time, agent version, hardware, address",
        parameters: &[ID, TAG, Parameter { about: "As for history. 30 days before `to` unless given", ..FROM }, TO],
        answer: "Facts",
    },
    Operation {
        route: Route::V2Metrics,
        path: "/api/v1/server/{id}/metrics",
        allow: GET,
        scope: Some(Scope::Read),
        about: "One metric of one server, as Nezha v2 answers it",
        parameters: &[
            Parameter {
                name: "id",
                is_in_path: true,
                is_required: true,
                kind: Kind::Number(0, u64::MAX),
                about: "The server",
            },
            Parameter { is_required: true, ..parameter("metric", Kind::OneOf(v2_names), "Nezha v2's name") },
            parameter(
                "period",
                Kind::OneOf(|| vec!["1d", "7d", "30d"]),
                "1d unless given: points of 30 s, 30 min, 2 h",
            ),
        ],
        answer: "V2Metrics",
    },
    Operation {
        route: Route::Register,
        path: "/api/v1/server/register",
        allow: "POST",
        scope: Some(Scope::Register),
        about: "Makes a server, as Nezha v0 does",
        parameters: &[parameter("simple", Kind::Text, "`true` or `1` for the secret alone")],
        answer: "Registered",
    },
];

impl Operation {
    /// The operation at that path, and the number in the path where it has one.
    pub(crate) fn of_path(path: &str) -> Option<(&'static Self, u64)> {
        OPERATIONS.iter().find_map(|operation| match operation.path.split_once("{id}") {
            None => (operation.path == path).then_some((operation, 0)),
            Some((before, after)) => {
                let number = path.strip_prefix(before)?.strip_suffix(after)?;
                let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
                Some((operation, number.parse().ok().filter(|_| is_number)?))
            }
        })
    }

    /// Whether it answers to that method.
    pub(crate) fn answers_to(&self, method: &http::Method) -> bool {
        self.allow.split(", ").any(|allowed| allowed == method.as_str())
    }
}

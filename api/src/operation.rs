//! The routes as a table: the router, the page at `/` and the OpenAPI document are all made of it.

use windfire_engine::metric::Metric;
use windfire_engine::summary::Aggregate;
use windfire_engine::token::Scope;

use crate::history::V2_METRICS;
use crate::query::Query;

/// Which code answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    OpenApi,
    List,
    Details,
    History,
    Top,
    Uptime,
    Facts,
    V2Metrics,
    Register,
    Stream,
    Panel(PanelRoute),
}

/// What the panel asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PanelRoute {
    Session,
    SignIn,
    SignOut,
    OwnPassword,
    Tokens,
    AddToken,
    RemoveToken,
    Servers,
    AddServer,
    EditServer,
    RemoveServer,
    RotateCredential,
    ChangeServers,
    EnrolTokens,
    AddEnrolToken,
    RemoveEnrolToken,
    Users,
    AddUser,
    EditUser,
    RemoveUser,
    Hub,
}

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anyone at all.
    Anyone,
    /// Guests, where the operator allows them, and whoever may read.
    Guests,
    /// A token with that scope, or a login whose role has it.
    Scope(Scope),
    /// A login; no token.
    Login,
    /// An administrator's login; no token.
    AdminLogin,
}

/// How somebody who may not ask is told. Nezha v0's own routes keep its way; there is one other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// HTTP 200 with code 403 in the body, as in Nezha v0.
    InBody,
    /// HTTP 401 or 403.
    InStatus,
}

/// What a parameter may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// Unsigned integers, split at commas; what is none is passed over.
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

/// A path, a method and what they do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    pub(crate) route: Route,
    /// As OpenAPI writes it: `{id}` stands for a number.
    pub(crate) path: &'static str,
    /// The method. GET answers to HEAD as well.
    pub(crate) method: &'static str,
    /// Who may.
    pub(crate) access: Access,
    /// How others are told.
    pub(crate) refusal: Refusal,
    /// Whether parameters that it does not take are passed over, as in Nezha, and not refused.
    pub(crate) ignores_unknown: bool,
    /// Name of the body's schema, when it takes one.
    pub(crate) body: Option<&'static str>,
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

/// What an operation of the API is unless said otherwise.
const READ: Operation = Operation {
    route: Route::OpenApi,
    path: "",
    method: "GET",
    access: Access::Scope(Scope::Read),
    refusal: Refusal::InStatus,
    ignores_unknown: false,
    body: None,
    about: "",
    parameters: &[],
    answer: "",
};

/// The same where Nezha had the route before.
const NEZHA: Operation = Operation { refusal: Refusal::InBody, ignores_unknown: true, ..READ };

/// What an operation of the panel is unless said otherwise.
const MANAGE: Operation = Operation { access: Access::Scope(Scope::Admin), answer: "Done", ..READ };

const ID_IN_PATH: Parameter =
    Parameter { name: "id", is_in_path: true, is_required: true, kind: Kind::Number(0, u64::MAX), about: "Which one" };

/// Every route. `/healthz`, `/readyz` and `/metrics` are the hub's own.
pub(crate) const OPERATIONS: [Operation; 31] = [
    Operation {
        route: Route::OpenApi,
        path: "/openapi.json",
        access: Access::Anyone,
        about: "This document",
        answer: "OpenApi",
        ..READ
    },
    Operation {
        route: Route::List,
        path: "/api/v1/server/list",
        about: "Servers, as Nezha v0 lists them",
        parameters: &[TAG],
        answer: "ServerList",
        ..NEZHA
    },
    Operation {
        route: Route::Details,
        path: "/api/v1/server/details",
        about: "Servers with host and status, as Nezha v0 shows them",
        parameters: &[ID, TAG],
        answer: "ServerDetails",
        ..NEZHA
    },
    Operation {
        route: Route::History,
        access: Access::Guests,
        path: "/api/v1/server/history",
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
        ..READ
    },
    Operation {
        route: Route::Top,
        access: Access::Guests,
        path: "/api/v1/server/top",
        about: "Servers with the highest value now; those that reported in the last minute",
        parameters: &[
            Parameter { is_required: true, ..parameter("metric", Kind::OneOf(metric_names), "By what") },
            parameter("n", Kind::Number(1, 1000), "How many; 10 unless given"),
            ID,
            TAG,
        ],
        answer: "Top",
        ..READ
    },
    Operation {
        route: Route::Uptime,
        access: Access::Guests,
        path: "/api/v1/server/uptime",
        about: "Availability by the minute, from the reports themselves",
        parameters: &[ID, TAG, FROM, TO],
        answer: "Uptime",
        ..READ
    },
    Operation {
        route: Route::Facts,
        path: "/api/v1/server/facts",
        about: "What servers said of themselves, whenever it changed: boot time, agent version, hardware, address",
        parameters: &[ID, TAG, Parameter { about: "As for history. 30 days before `to` unless given", ..FROM }, TO],
        answer: "Facts",
        ..READ
    },
    Operation {
        route: Route::V2Metrics,
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
                "1d unless given: points of 30 s, 30 min, 2 h",
            ),
        ],
        answer: "V2Metrics",
        ..READ
    },
    Operation {
        route: Route::Register,
        path: "/api/v1/server/register",
        method: "POST",
        access: Access::Scope(Scope::Register),
        body: Some("Register"),
        about: "Makes a server, as Nezha v0 does",
        parameters: &[parameter("simple", Kind::Text, "`true` or `1` for the secret alone")],
        answer: "Registered",
        ..NEZHA
    },
    Operation {
        route: Route::Stream,
        path: "/api/v1/server/stream",
        access: Access::Guests,
        about: "Server-sent events: all servers, then every second what changed",
        parameters: &[
            ID,
            TAG,
            parameter("last_event_id", Kind::Text, "Goes on after that event, as the header Last-Event-ID does"),
        ],
        answer: "Stream",
        ..READ
    },
    Operation {
        route: Route::Panel(PanelRoute::Session),
        path: "/api/v1/session",
        access: Access::Anyone,
        about: "Who is signed in",
        answer: "Session",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::SignIn),
        path: "/api/v1/session",
        method: "POST",
        access: Access::Anyone,
        body: Some("SignIn"),
        about: "Signs in to the panel and sets its cookie",
        answer: "Session",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::SignOut),
        path: "/api/v1/session",
        method: "DELETE",
        access: Access::Login,
        about: "Signs out",
        parameters: &[parameter("all", Kind::OneOf(|| vec!["true", "false"]), "`true` for every browser of this user")],
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::OwnPassword),
        path: "/api/v1/session/password",
        method: "PUT",
        access: Access::Login,
        body: Some("OwnPassword"),
        about: "Changes the own password; other logins of this user end",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::Tokens),
        path: "/api/v1/token",
        access: Access::AdminLogin,
        about: "API tokens, without their texts",
        answer: "Tokens",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::AddToken),
        path: "/api/v1/token",
        method: "POST",
        access: Access::AdminLogin,
        body: Some("AddToken"),
        about: "Makes an API token; its text is in this answer and nowhere else",
        answer: "NewToken",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::RemoveToken),
        path: "/api/v1/token/{id}",
        method: "DELETE",
        access: Access::AdminLogin,
        about: "Removes an API token, effective at once",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::Servers),
        path: "/api/v1/manage/server",
        about: "Servers as they are managed",
        answer: "Servers",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::AddServer),
        path: "/api/v1/manage/server",
        method: "POST",
        body: Some("AddServer"),
        about: "Makes a server; its credential is in this answer and nowhere else",
        answer: "Credential",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::EditServer),
        path: "/api/v1/manage/server/{id}",
        method: "PATCH",
        body: Some("EditServer"),
        about: "Changes what is given; refused when `version` is given and the server has another one by now",
        parameters: &[ID_IN_PATH],
        answer: "Edited",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::RemoveServer),
        path: "/api/v1/manage/server/{id}",
        method: "DELETE",
        about: "Removes a server",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::RotateCredential),
        path: "/api/v1/manage/server/{id}/credential",
        method: "POST",
        about: "Gives a server a new credential; its agent with the old one is refused",
        parameters: &[ID_IN_PATH],
        answer: "Credential",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::ChangeServers),
        path: "/api/v1/manage/server/bulk",
        method: "POST",
        body: Some("ChangeServers"),
        about: "Gives many servers a tag, or removes them: all or none",
        answer: "Changed",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::EnrolTokens),
        path: "/api/v1/enrol-token",
        about: "Enrolment tokens, without their texts",
        answer: "EnrolTokens",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::AddEnrolToken),
        path: "/api/v1/enrol-token",
        method: "POST",
        body: Some("AddEnrolToken"),
        about: "Makes an enrolment token; its text is in this answer and nowhere else",
        answer: "NewToken",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::RemoveEnrolToken),
        path: "/api/v1/enrol-token/{id}",
        method: "DELETE",
        about: "Removes an enrolment token; servers made with it stay",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::Users),
        path: "/api/v1/user",
        access: Access::AdminLogin,
        about: "Users of the panel",
        answer: "Users",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::AddUser),
        path: "/api/v1/user",
        method: "POST",
        access: Access::AdminLogin,
        body: Some("AddUser"),
        about: "Makes a user of the panel",
        answer: "Added",
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::EditUser),
        path: "/api/v1/user/{id}",
        method: "PATCH",
        access: Access::AdminLogin,
        body: Some("EditUser"),
        about: "Changes role or password; the logins of this user end",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::RemoveUser),
        path: "/api/v1/user/{id}",
        method: "DELETE",
        access: Access::AdminLogin,
        about: "Removes a user of the panel",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        route: Route::Panel(PanelRoute::Hub),
        path: "/api/v1/hub",
        about: "Where agents reach the hub, its fingerprint, and how its clock does",
        answer: "Hub",
        ..MANAGE
    },
];

/// What a path and a method lead to.
pub(crate) enum Found {
    /// An operation, and the number in the path where it has one.
    Operation(&'static Operation, u64),
    /// The path has other methods only; for the header `Allow`.
    OtherMethods(String),
    /// No such path.
    Nothing,
}

impl Operation {
    /// The operation of that path and method.
    pub(crate) fn find(path: &str, method: &http::Method) -> Found {
        let of_path = || OPERATIONS.iter().filter_map(|operation| Some((operation, operation.number_in(path)?)));
        if let Some((operation, number)) = of_path().find(|(operation, _)| operation.answers_to(method)) {
            return Found::Operation(operation, number);
        }
        let methods: Vec<&str> = of_path().flat_map(|(operation, _)| operation.methods()).copied().collect();
        if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods.join(", ")) }
    }

    /// Whether the query is one that this operation takes.
    pub(crate) fn check(&self, query: &Query) -> Result<(), String> {
        if self.ignores_unknown {
            return Ok(());
        }
        let names: Vec<&str> = self.parameters.iter().filter(|one| !one.is_in_path).map(|one| one.name).collect();
        query.check(&names)
    }

    /// The number in the path, 0 where it has none; `None` for another path.
    fn number_in(&self, path: &str) -> Option<u64> {
        match self.path.split_once("{id}") {
            None => (self.path == path).then_some(0),
            Some((before, after)) => {
                let number = path.strip_prefix(before)?.strip_suffix(after)?;
                let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
                number.parse().ok().filter(|_| is_number)
            }
        }
    }

    fn methods(&self) -> &'static [&'static str] {
        match self.method {
            "GET" => &["GET", "HEAD"],
            "POST" => &["POST"],
            "PUT" => &["PUT"],
            "PATCH" => &["PATCH"],
            _ => &["DELETE"],
        }
    }

    fn answers_to(&self, method: &http::Method) -> bool {
        self.methods().contains(&method.as_str())
    }
}

/// Whether answering that request may wait for the disk or for a password's hash: to be done where others do not wait.
pub fn may_wait(method: &http::Method) -> bool {
    !matches!(*method, http::Method::GET | http::Method::HEAD | http::Method::OPTIONS)
}

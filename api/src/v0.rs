//! Nezha v0's own routes: its servers as it lists and shows them, and `register`.

use serde_json::json;
use windfire_engine::Selection;
use windfire_engine::token::Scope;

use crate::admission::Work;
use crate::answer::Answer;
use crate::operation::{Access, ID, Kind, NEZHA, Operation, TAG, parameter};
use crate::query::ids;
use crate::register::register;
use crate::render;
use crate::request::ApiRequest;
use crate::schema::{Schemas, envelope, integer, list, number, object, text};

pub(crate) const OPERATIONS: [Operation; 3] = [
    Operation {
        name: "List",
        answered_by: |request| Ok(list_servers(request)),
        work: Work::Whole,
        path: "/api/v1/server/list",
        about: "Servers, as Nezha v0 lists them",
        parameters: &[TAG],
        answer: "ServerList",
        ..NEZHA
    },
    Operation {
        name: "Details",
        answered_by: |request| Ok(details(request)),
        work: Work::Whole,
        path: "/api/v1/server/details",
        about: "Servers with host and status, as Nezha v0 shows them",
        parameters: &[ID, TAG],
        answer: "ServerDetails",
        ..NEZHA
    },
    Operation {
        name: "Register",
        answered_by: |request| Ok(register(request)),
        path: "/api/v1/server/register",
        method: "POST",
        access: Access::Scope(Scope::Register),
        body: Some("Register"),
        about: "Creates a server, as Nezha v0 does",
        parameters: &[parameter("simple", Kind::Text, "`true` or `1` for only the secret")],
        answer: "Registered",
        ..NEZHA
    },
];

fn list_servers(request: &ApiRequest<'_>) -> Answer {
    let tag = request.query.given("tag").map_or(Selection::All, Selection::Tag);
    Answer::json(200, render::list(request.viewer, &request.engine.snapshot(tag)))
}

fn details(request: &ApiRequest<'_>) -> Answer {
    let ids = request.query.given("id").map(ids);
    // If both are given, v0's code lets the tag win, against its own documentation.
    let selection = match (request.query.given("tag"), &ids) {
        (Some(tag), _) => Selection::Tag(tag),
        (None, Some(ids)) => Selection::Ids(ids),
        (None, None) => Selection::All,
    };
    let cached = || Answer::ready(&request.api.details, request.engine, request.request.headers());
    let cached = if request.viewer.sees_all() && selection == Selection::All { cached() } else { None };
    cached.unwrap_or_else(|| Answer::json(200, render::details(request.viewer, &request.engine.snapshot(selection))))
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let texts = || json!({"type": ["array", "null"], "items": {"type": "string"}});
    let server = json!({
        "id": integer(), "name": text(), "tag": text(), "last_active": integer(),
        "ipv4": text(), "ipv6": text(), "valid_ip": text(), "display_index": integer(), "hide_for_guest": {"type": "boolean"},
    });
    let mut detailed = server.clone();
    detailed["host"] = object(json!({
        "Platform": text(), "PlatformVersion": text(), "CPU": texts(), "MemTotal": integer(), "DiskTotal": integer(),
        "SwapTotal": integer(), "Arch": text(), "Virtualization": text(), "BootTime": integer(), "CountryCode": text(),
        "Version": text(), "GPU": texts(),
    }));
    detailed["status"] = object(json!({
        "CPU": number(), "MemUsed": integer(), "SwapUsed": integer(), "DiskUsed": integer(), "NetInTransfer": integer(),
        "NetOutTransfer": integer(), "NetInSpeed": integer(), "NetOutSpeed": integer(), "Uptime": integer(),
        "Load1": number(), "Load5": number(), "Load15": number(), "TcpConnCount": integer(), "UdpConnCount": integer(),
        "ProcessCount": integer(), "Temperatures": {"type": ["array", "null"]}, "GPU": number(),
    }));
    vec![
        ("Refused", object(json!({"code": {"const": 403}, "message": text()}))),
        ("Register", json!({"type": "object"})),
        (
            "Registered",
            json!({"anyOf": [
                object(json!({"code": {"const": 200}, "message": text(), "secret": text(), "id": integer()})),
                text(),
            ]}),
        ),
        ("ServerList", envelope(list(object(server)))),
        ("ServerDetails", envelope(list(object(detailed)))),
    ]
}

//! Shapes of answers and bodies, by name.
#![expect(clippy::needless_pass_by_value, reason = "shapes are nested as they are written")]

use serde_json::{Value, json};
use windfire_engine::limits::{
    NAME_CHARS_MAX, NOTE_CHARS_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN, TAGS_PER_TOKEN_MAX, USER_NAME_CHARS_MAX,
};
use windfire_engine::token::Scope;
use windfire_engine::user::Role;

use crate::panel::SERVERS_PER_CHANGE_MAX;

/// Every shape.
pub(super) fn all() -> Value {
    let maybe_number = || json!({"type": ["number", "null"]});
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
    let mut all = json!({
        "OpenApi": {"type": "object"},
        "Error": object(json!({"code": integer(), "message": text()})),
        "Refused": object(json!({"code": {"const": 403}, "message": text()})),
        "Register": {"type": "object"},
        "Registered": {"anyOf": [
            object(json!({"code": {"const": 200}, "message": text(), "secret": text(), "id": integer()})),
            text(),
        ]},
        "ServerList": envelope(list(object(server))),
        "ServerDetails": envelope(list(object(detailed))),
        "History": object(json!({
            "code": {"const": 0}, "message": text(), "from": number(), "to": number(), "tier": text(), "step": number(),
            "result": list(series), "notes": list(text()),
        })),
        "Top": object(json!({
            "code": {"const": 0}, "message": text(), "metric": text(), "unit": text(),
            "result": list(object(json!({
                "id": integer(), "name": text(), "tag": text(), "last_active": integer(), "value": number(),
            }))),
        })),
        "Uptime": envelope(list(object(json!({
            "id": integer(), "name": text(), "tag": text(), "from": number(), "to": number(), "minutes": integer(),
            "up_minutes": integer(), "availability": maybe_number(), "outages": integer(),
            "longest_outage_minutes": integer(), "reports": integer(),
        })))),
        "Facts": envelope(list(object(json!({
            "id": integer(), "name": text(), "tag": text(), "changes": list(object(change)),
        })))),
        "V2Metrics": {"anyOf": [
            object(json!({
                "success": {"const": true},
                "data": object(json!({
                    "server_id": integer(), "server_name": text(), "metric": text(),
                    "data_points": list(object(json!({"ts": integer(), "value": number()}))),
                })),
            })),
            object(json!({"success": {"const": false}, "error": text()})),
        ]},
    });
    for (name, shape) in panel_answers().into_iter().chain(bodies()) {
        all[name] = shape;
    }
    all
}

fn object(properties: Value) -> Value {
    let required: Vec<String> = properties.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    json!({"type": "object", "properties": properties, "required": required})
}

fn envelope(result: Value) -> Value {
    object(json!({"code": integer(), "message": text(), "result": result}))
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn integer() -> Value {
    json!({"type": "integer"})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn number() -> Value {
    json!({"type": "number"})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn maybe(kind: &str) -> Value {
    json!({"type": [kind, "null"]})
}

/// What the panel is answered.
fn panel_answers() -> Vec<(&'static str, Value)> {
    let session = json!({
        "user": maybe("string"), "role": maybe("string"), "csrf": maybe("string"), "guests": flag(), "version": text(),
    });
    let token = json!({
        "id": integer(), "note": text(), "scopes": list(text()), "tags": list(text()), "created": integer(),
        "expires": maybe("integer"), "last_used": maybe("integer"),
    });
    let server = json!({
        "id": integer(), "name": text(), "tag": text(), "note": text(), "display_index": integer(),
        "hide_for_guest": flag(), "country": text(), "created": integer(), "last_active": maybe("integer"),
        "address": text(), "version": text(), "clock_skew_ms": maybe("integer"),
    });
    let enrol_token = json!({
        "id": integer(), "note": text(), "tag": text(), "uses_left": maybe("integer"), "created": integer(),
        "expires": maybe("integer"),
    });
    let user = json!({"id": integer(), "name": text(), "role": text(), "created": integer()});
    let hub = json!({"agents_address": text(), "fingerprint": text(), "version": text(), "clock_ahead_ms": integer()});
    vec![
        ("Text", text()),
        ("Stream", text()),
        ("Done", envelope(json!({"type": "null"}))),
        ("Session", envelope(object(session))),
        ("Tokens", envelope(list(object(token)))),
        ("NewToken", envelope(object(json!({"id": integer(), "token": text()})))),
        ("Servers", envelope(list(object(server)))),
        ("Credential", envelope(object(json!({"id": integer(), "credential": text()})))),
        ("Edited", envelope(object(json!({"version": text()})))),
        ("Changed", envelope(object(json!({"changed": integer()})))),
        ("EnrolTokens", envelope(list(object(enrol_token)))),
        ("Users", envelope(list(object(user)))),
        ("Added", envelope(object(json!({"id": integer()})))),
        ("Hub", envelope(object(hub))),
    ]
}

/// What bodies hold. What is not required may be left out; unknown keys are refused.
fn bodies() -> Vec<(&'static str, Value)> {
    let body = |properties: Value, required: &[&str]| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let short = || json!({"type": "string", "maxLength": NAME_CHARS_MAX});
    let name = || json!({"type": "string", "maxLength": NAME_CHARS_MAX, "pattern": "[^ ]"});
    let note = || json!({"type": "string", "maxLength": NOTE_CHARS_MAX});
    let whole = || json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX});
    let natural = || json!({"type": "integer", "minimum": 0, "maximum": u64::MAX});
    let country = || json!({"type": "string", "pattern": "^([a-z][a-z])?$"});
    let password = || json!({"type": "string", "minLength": PASSWORD_CHARS_MIN, "maxLength": PASSWORD_CHARS_MAX});
    let role = || json!({"type": "string", "enum": Role::ALL.map(Role::name)});
    let nullable = |mut shape: Value| {
        shape["type"] = json!([shape["type"], "null"]);
        if let Some(names) = shape.get_mut("enum").and_then(Value::as_array_mut) {
            names.push(Value::Null);
        }
        shape
    };
    let expires = || json!({"type": ["integer", "null"], "minimum": 0, "maximum": i64::MAX});
    let tags = json!({"type": "array", "items": short(), "maxItems": TAGS_PER_TOKEN_MAX});
    let scopes = json!({"type": ["array", "null"], "items": {"enum": Scope::ALL.map(Scope::name)}, "minItems": 1});
    let ids = json!({"type": "array", "items": natural(), "maxItems": SERVERS_PER_CHANGE_MAX});
    let user_name = json!({"type": "string", "pattern": format!("^[A-Za-z0-9_.@-]{{1,{USER_NAME_CHARS_MAX}}}$")});
    let server = |name: Value, flag: Value, whole: Value| {
        let country = if flag["type"].is_array() { nullable(country()) } else { country() };
        let (short, note) =
            if flag["type"].is_array() { (nullable(short()), nullable(note())) } else { (short(), note()) };
        json!({
            "name": name, "tag": short, "note": note, "display_index": whole, "hide_for_guest": flag, "country": country,
        })
    };
    let mut edit = server(nullable(name()), nullable(flag()), nullable(whole()));
    edit["version"] = json!({"type": ["string", "null"], "pattern": "^[0-9a-f]{16}$"});
    vec![
        ("SignIn", body(json!({"user": text(), "password": text()}), &["user", "password"])),
        ("OwnPassword", body(json!({"old": text(), "new": password()}), &["old", "new"])),
        ("AddToken", body(json!({"note": note(), "scopes": scopes, "tags": tags, "expires": expires()}), &["note"])),
        ("AddServer", body(server(name(), flag(), whole()), &["name"])),
        ("EditServer", body(edit, &[])),
        (
            "ChangeServers",
            json!({"oneOf": [
                body(json!({"ids": ids, "tag": short()}), &["ids", "tag"]),
                body(json!({"ids": ids, "remove": {"const": true}}), &["ids", "remove"]),
            ]}),
        ),
        (
            "AddEnrolToken",
            body(json!({"note": note(), "tag": short(), "uses": nullable(natural()), "expires": expires()}), &[]),
        ),
        (
            "AddUser",
            body(json!({"name": user_name, "password": password(), "role": role()}), &["name", "password", "role"]),
        ),
        ("EditUser", body(json!({"role": nullable(role()), "password": nullable(password())}), &[])),
    ]
}

//! Watched servers, as administrators manage them.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use windfire_engine::error::IssuedCredential;
use windfire_engine::server::{NewServer, ServerEdit};
use windfire_engine::{Selection, ServerView};

use crate::admission::Work;
use crate::answer::Answer;
use crate::limits::SERVERS_PER_CHANGE_MAX;
use crate::operation::{ID_IN_PATH, MANAGE, Operation};
use crate::request::{ApiError, ApiRequest, ApiResult, success};
use crate::schema::{
    Schemas, body, envelope, flag, integer, list, maybe, natural, note, nullable, object, short, text,
};
use crate::whole_number::WholeNumber;

pub(crate) const OPERATIONS: [Operation; 6] = [
    Operation {
        name: "Servers",
        answered_by: |request| Ok(show(request)),
        work: Work::Whole,
        path: "/api/v1/manage/server",
        about: "Servers with their settings",
        answer: "Servers",
        ..MANAGE
    },
    Operation {
        name: "AddServer",
        answered_by: add,
        path: "/api/v1/manage/server",
        method: "POST",
        body: Some("AddServer"),
        about: "Creates a server. Only this answer has its credential",
        answer: "Credential",
        ..MANAGE
    },
    Operation {
        name: "EditServer",
        answered_by: edit,
        path: "/api/v1/manage/server/{id}",
        method: "PATCH",
        body: Some("EditServer"),
        about: "Changes the given settings. Refused if `version` is given and the server now has another one",
        parameters: &[ID_IN_PATH],
        answer: "Edited",
        ..MANAGE
    },
    Operation {
        name: "RemoveServer",
        answered_by: remove,
        path: "/api/v1/manage/server/{id}",
        method: "DELETE",
        about: "Removes a server",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        name: "RotateCredential",
        answered_by: rotate_credential,
        path: "/api/v1/manage/server/{id}/credential",
        method: "POST",
        about: "Gives a server a new credential. Its agent with the old one is refused",
        parameters: &[ID_IN_PATH],
        answer: "Credential",
        ..MANAGE
    },
    Operation {
        name: "ChangeServers",
        answered_by: change,
        path: "/api/v1/manage/server/bulk",
        method: "POST",
        body: Some("ChangeServers"),
        about: "Gives many servers a tag, or removes them. Changes all or none",
        answer: "Changed",
        ..MANAGE
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddServer {
    name: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    display_index: WholeNumber<i64>,
    #[serde(default)]
    hide_for_guest: bool,
    #[serde(default)]
    country: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditServer {
    version: Option<Version>,
    name: Option<String>,
    tag: Option<String>,
    note: Option<String>,
    display_index: Option<WholeNumber<i64>>,
    hide_for_guest: Option<bool>,
    country: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeServers {
    ids: Vec<WholeNumber<u64>>,
    tag: Option<String>,
    #[serde(default)]
    remove: bool,
}

/// A server's version as text, because it is larger than the numbers of JavaScript.
struct Version(u64);

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let version = u64::from_str_radix(&text, 16).ok().filter(|_| is_hex);
        version.map(Self).ok_or_else(|| serde::de::Error::custom("version is not 16 hexadecimal digits"))
    }
}

fn is_blank(name: &str) -> bool {
    name.bytes().all(|byte| byte == b' ')
}

fn version_text(version: u64) -> String {
    format!("{version:016x}")
}

fn show(request: &ApiRequest<'_>) -> Answer {
    let seen = request.engine.snapshot(Selection::All).into_iter().filter(|server| request.viewer.sees(&server.record));
    let line = |server: ServerView| {
        let record = &server.record;
        json!({
            "id": record.id,
            "name": record.name,
            "tag": record.tag,
            "note": record.note,
            "display_index": record.display_index,
            "hide_for_guest": record.hide_for_guest,
            "country": record.country,
            "created": record.created_s,
            "last_active": server.latest.last_active_s(),
            "address": server.latest.facts.address,
            "clock_skew_ms": request.engine.clock_skew_ms(record.id),
            "version": version_text(record.version()),
        })
    };
    success(seen.map(line).collect::<Vec<_>>())
}

fn add(request: &ApiRequest<'_>) -> ApiResult {
    let AddServer { name, tag, note, display_index, hide_for_guest, country } = request.body()?;
    if is_blank(&name) {
        return Err(ApiError::new(400, "name is empty: a server needs one"));
    }
    let new = NewServer { name, tag, note, display_index: display_index.0, hide_for_guest, country };
    Ok(issued(&request.engine.registry().add_server(new, request.now_s())?))
}

fn edit(request: &ApiRequest<'_>) -> ApiResult {
    let EditServer { version, name, tag, note, display_index, hide_for_guest, country } = request.body()?;
    if name.as_deref().is_some_and(is_blank) {
        return Err(ApiError::new(400, "name is empty: a server needs one"));
    }
    let version = version.map(|Version(version)| version);
    let display_index = display_index.map(|WholeNumber(index)| index);
    let edit = ServerEdit { version, name, tag, note, display_index, hide_for_guest, country };
    let record = request.engine.registry().edit_server(request.number, edit)?;
    Ok(success(json!({"version": version_text(record.version())})))
}

fn remove(request: &ApiRequest<'_>) -> ApiResult {
    request.engine.registry().remove_servers(&[request.number])?;
    Ok(success(()))
}

fn rotate_credential(request: &ApiRequest<'_>) -> ApiResult {
    Ok(issued(&request.engine.registry().rotate_credential(request.number)?))
}

fn change(request: &ApiRequest<'_>) -> ApiResult {
    let ChangeServers { ids, tag, remove } = request.body()?;
    let mut ids: Vec<u64> = ids.into_iter().map(|WholeNumber(id)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > SERVERS_PER_CHANGE_MAX {
        return Err(ApiError::new(
            400,
            format!("{} ids are too many at once: {SERVERS_PER_CHANGE_MAX} at most", ids.len()),
        ));
    }
    match (tag, remove) {
        (Some(tag), false) => request.engine.registry().retag_servers(&ids, &tag)?,
        (None, true) => request.engine.registry().remove_servers(&ids)?,
        _ => return Err(ApiError::new(400, "the body must have either tag or remove: true")),
    }
    Ok(success(json!({"changed": ids.len()})))
}

fn issued(made: &IssuedCredential) -> Answer {
    success(json!({"id": made.id, "credential": made.credential}))
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let server = json!({
        "id": integer(), "name": text(), "tag": text(), "note": text(), "display_index": integer(),
        "hide_for_guest": flag(), "country": text(), "created": integer(), "last_active": maybe("integer"),
        "address": text(), "version": text(), "clock_skew_ms": maybe("integer"),
    });
    let ids = json!({"type": "array", "items": natural(), "maxItems": SERVERS_PER_CHANGE_MAX});
    let mut edit = fields(&nullable);
    edit["version"] = json!({"type": ["string", "null"], "pattern": "^[0-9a-f]{16}$"});
    vec![
        ("Servers", envelope(list(object(server)))),
        ("Credential", envelope(object(json!({"id": integer(), "credential": text()})))),
        ("Edited", envelope(object(json!({"version": text()})))),
        ("Changed", envelope(object(json!({"changed": integer()})))),
        ("AddServer", body(fields(&|shape| shape), &["name"])),
        ("EditServer", body(edit, &[])),
        (
            "ChangeServers",
            json!({"oneOf": [
                body(json!({"ids": ids, "tag": short()}), &["ids", "tag"]),
                body(json!({"ids": ids, "remove": {"const": true}}), &["ids", "remove"]),
            ]}),
        ),
    ]
}

/// The settings of a server, each schema wrapped by `like`.
fn fields(like: &dyn Fn(Value) -> Value) -> Value {
    let name = json!({"type": "string", "maxLength": short()["maxLength"], "pattern": "[^ ]"});
    let whole = json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX});
    let country = json!({"type": "string", "pattern": "^([a-z][a-z])?$"});
    json!({
        "name": like(name), "tag": like(short()), "note": like(note()), "display_index": like(whole),
        "hide_for_guest": like(flag()), "country": like(country),
    })
}

//! Servers, tokens and users as administrators manage them.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use windfire_engine::Selection;
use windfire_engine::error::Credentialed;
use windfire_engine::server::{NewServer, ServerEdit};
use windfire_engine::token::{NewToken, Scope, Scopes};
use windfire_engine::user::{PasswordHash, Role, UserEdit};

use super::whole::Whole;
use super::{Asked, Done, Wrong, success};
use crate::answer::Answer;

/// Servers that one request changes: their ids fit into a body of 64 KiB.
pub(crate) const SERVERS_PER_CHANGE_MAX: usize = 2_500;

// API tokens

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddToken {
    note: String,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    tags: Vec<String>,
    /// Unix seconds.
    #[serde(default)]
    expires: Option<Whole<i64>>,
}

pub(super) fn tokens(asked: &Asked<'_>) -> Answer {
    let line = |token: windfire_engine::token::Token| {
        json!({
            "id": token.id,
            "note": token.note,
            "scopes": token.scopes.iter().map(Scope::name).collect::<Vec<_>>(),
            "tags": *token.tags,
            "created": token.created_s,
            "expires": token.expires_s,
            "last_used": token.last_used_s,
        })
    };
    success(asked.engine.registry().tokens().into_iter().map(line).collect::<Vec<_>>())
}

pub(super) fn add_token(asked: &Asked<'_>) -> Done {
    let AddToken { note, scopes, tags, expires } = asked.body()?;
    let scope = |name: &String| {
        let all = Scope::ALL.map(Scope::name).join(", ");
        Scope::named(name).ok_or_else(|| Wrong::new(400, format!("scope {name:?} is none of {all}")))
    };
    let scopes = match scopes {
        None => Scopes::V0,
        Some(names) if names.is_empty() => return Err(Wrong::new(400, "a token needs a scope: read, register, admin")),
        Some(names) => Scopes::of(names.iter().map(scope).collect::<Result<Vec<_>, _>>()?),
    };
    let new = NewToken { text: None, note, scopes, tags, expires_s: in_future(asked, expires)? };
    let (id, token) = asked.engine.registry().add_token(new, asked.now_s())?;
    Ok(success(json!({"id": id, "token": token})))
}

pub(super) fn remove_token(asked: &Asked<'_>) -> Done {
    asked.engine.registry().remove_token(asked.number)?;
    Ok(success(()))
}

fn in_future(asked: &Asked<'_>, expires: Option<Whole<i64>>) -> Result<Option<i64>, Wrong> {
    match expires.map(|Whole(expires_s)| expires_s) {
        Some(expires_s) if expires_s <= asked.now_s() => {
            Err(Wrong::new(409, format!("expires ({expires_s}) is not in the future")))
        }
        other => Ok(other),
    }
}

// Servers

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddServer {
    name: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    display_index: Whole<i64>,
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
    display_index: Option<Whole<i64>>,
    hide_for_guest: Option<bool>,
    country: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangeServers {
    ids: Vec<Whole<u64>>,
    tag: Option<String>,
    #[serde(default)]
    remove: bool,
}

/// A server's version as text: more than the numbers of scripts in a browser hold.
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

pub(super) fn servers(asked: &Asked<'_>) -> Answer {
    let seen = asked.engine.snapshot(Selection::All).into_iter().filter(|server| asked.viewer.sees(&server.record));
    let line = |server: windfire_engine::ServerView| {
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
            "clock_skew_ms": asked.engine.clock_skew_ms(record.id),
            "version": version_text(record.version()),
        })
    };
    success(seen.map(line).collect::<Vec<_>>())
}

pub(super) fn add_server(asked: &Asked<'_>) -> Done {
    let AddServer { name, tag, note, display_index, hide_for_guest, country } = asked.body()?;
    if is_blank(&name) {
        return Err(Wrong::new(400, "name is empty: a server needs one"));
    }
    let new = NewServer { name, tag, note, display_index: display_index.0, hide_for_guest, country };
    Ok(credentialed(&asked.engine.registry().add_server(new, asked.now_s())?))
}

pub(super) fn edit_server(asked: &Asked<'_>) -> Done {
    let EditServer { version, name, tag, note, display_index, hide_for_guest, country } = asked.body()?;
    if name.as_deref().is_some_and(is_blank) {
        return Err(Wrong::new(400, "name is empty: a server needs one"));
    }
    let version = version.map(|Version(version)| version);
    let display_index = display_index.map(|Whole(index)| index);
    let edit = ServerEdit { version, name, tag, note, display_index, hide_for_guest, country };
    let record = asked.engine.registry().edit_server(asked.number, edit)?;
    Ok(success(json!({"version": version_text(record.version())})))
}

pub(super) fn remove_server(asked: &Asked<'_>) -> Done {
    asked.engine.registry().remove_servers(&[asked.number])?;
    Ok(success(()))
}

pub(super) fn rotate_credential(asked: &Asked<'_>) -> Done {
    Ok(credentialed(&asked.engine.registry().rotate_credential(asked.number)?))
}

pub(super) fn change_servers(asked: &Asked<'_>) -> Done {
    let ChangeServers { ids, tag, remove } = asked.body()?;
    let mut ids: Vec<u64> = ids.into_iter().map(|Whole(id)| id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > SERVERS_PER_CHANGE_MAX {
        return Err(Wrong::new(
            400,
            format!("{} ids are too many at once: {SERVERS_PER_CHANGE_MAX} at most", ids.len()),
        ));
    }
    match (tag, remove) {
        (Some(tag), false) => asked.engine.registry().retag_servers(&ids, &tag)?,
        (None, true) => asked.engine.registry().remove_servers(&ids)?,
        _ => return Err(Wrong::new(400, "say either tag or remove: true")),
    }
    Ok(success(json!({"changed": ids.len()})))
}

fn credentialed(made: &Credentialed) -> Answer {
    success(json!({"id": made.id, "credential": made.credential}))
}

// Enrolment tokens

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddEnrolToken {
    #[serde(default)]
    note: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    uses: Option<Whole<u64>>,
    /// Unix seconds.
    #[serde(default)]
    expires: Option<Whole<i64>>,
}

pub(super) fn enrol_tokens(asked: &Asked<'_>) -> Answer {
    let line = |token: windfire_engine::token::EnrolToken| {
        json!({
            "id": token.id,
            "note": token.note,
            "tag": token.tag,
            "uses_left": token.uses_left,
            "created": token.created_s,
            "expires": token.expires_s,
        })
    };
    success(asked.engine.registry().enrol_tokens().into_iter().map(line).collect::<Vec<_>>())
}

pub(super) fn add_enrol_token(asked: &Asked<'_>) -> Done {
    let AddEnrolToken { note, tag, uses, expires } = asked.body()?;
    let expires_s = in_future(asked, expires)?;
    let (id, token) =
        asked.engine.registry().add_enrol_token(note, tag, uses.map(|Whole(uses)| uses), expires_s, asked.now_s())?;
    Ok(success(json!({"id": id, "token": token})))
}

pub(super) fn remove_enrol_token(asked: &Asked<'_>) -> Done {
    asked.engine.registry().remove_enrol_token(asked.number)?;
    Ok(success(()))
}

// Users

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddUser {
    name: String,
    password: String,
    role: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditUser {
    role: Option<String>,
    password: Option<String>,
}

pub(super) fn users(asked: &Asked<'_>) -> Answer {
    let line = |user: windfire_engine::user::User| -> Value {
        json!({"id": user.id, "name": user.name, "role": user.role.name(), "created": user.created_s})
    };
    success(asked.engine.registry().users().into_iter().map(line).collect::<Vec<_>>())
}

pub(super) fn add_user(asked: &Asked<'_>) -> Done {
    let AddUser { name, password, role } = asked.body()?;
    let role = role_named(&role)?;
    let password = PasswordHash::of(&password).map_err(|wrong| Wrong::new(400, wrong))?;
    let id = asked.engine.registry().add_user(name, role, password, asked.now_s())?;
    Ok(success(json!({"id": id})))
}

pub(super) fn edit_user(asked: &Asked<'_>) -> Done {
    let EditUser { role, password } = asked.body()?;
    let role = role.map(|role| role_named(&role)).transpose()?;
    let password = password.map(|password| PasswordHash::of(&password)).transpose();
    let password = password.map_err(|wrong| Wrong::new(400, wrong))?;
    let own_cookie = asked.viewer.login().filter(|(user, _)| user.id == asked.number).map(|(_, cookie)| cookie);
    asked.engine.registry().edit_user(asked.number, UserEdit { role, password }, own_cookie)?;
    Ok(success(()))
}

pub(super) fn remove_user(asked: &Asked<'_>) -> Done {
    asked.engine.registry().remove_user(asked.number)?;
    Ok(success(()))
}

fn role_named(name: &str) -> Result<Role, Wrong> {
    let all = Role::ALL.map(Role::name).join(", ");
    Role::named(name).ok_or_else(|| Wrong::new(400, format!("role {name:?} is none of {all}")))
}

// The hub

pub(super) fn hub(asked: &Asked<'_>) -> Answer {
    let agents = &asked.api.agents;
    // Unless told, the name by which this browser reached the hub is how agents reach it, most likely.
    let address = agents.address.clone().unwrap_or_else(|| {
        let host = asked.request.headers().get(http::header::HOST).and_then(|value| value.to_str().ok());
        let host = host.unwrap_or("localhost");
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        format!("{name}:{}", agents.port)
    });
    let version = env!("CARGO_PKG_VERSION");
    // Not 0 only while the machine's clock is not believed.
    let clock_ahead_ms = asked.engine.clock().state().wall_ahead_ms;
    success(json!({
        "agents_address": address,
        "fingerprint": agents.fingerprint,
        "version": version,
        "clock_ahead_ms": clock_ahead_ms,
    }))
}

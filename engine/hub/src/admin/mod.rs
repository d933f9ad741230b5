//! Requests of the command line to a hub. If the hub runs, they go over a local socket. If not, they are carried out on
//! the store. Requests that the API has go to the API.

mod backup;
mod backup_list;
mod client;
mod cluster;
mod first;
mod hand_over;
mod history;
mod invitation;
mod parcel;
mod request;
mod rollback;
mod socket;

use std::io::Write;
use std::path::Path;

use http::header::CONTENT_TYPE;
use serde_json::Value;
use windfire_api::{Agents, Api};
use windfire_engine::secret::new_password;
use windfire_engine::user::{PasswordHash, Role, User, UserEdit};
use windfire_outbound::check_templates;

use crate::limits::USERS_NAMED_MAX;

pub(crate) use backup::{check_is_new, fill, is_a_hub_now, restore, salvage};
pub(crate) use client::{ask, ask_running};
use first::ADMINISTRATOR;
pub(crate) use first::{begin_rules, make_administrator};
pub(crate) use hand_over::{HandOver, NotHandedOver};
pub(crate) use parcel::{PARCEL_PATH, ParcelError, receive};
pub(crate) use request::{
    AgentsLine, Hub, Invited, ReloadFn, Reloaded, Request, Response, Running, StorageAnswer, TierLine, VerifiedAnswer,
};
pub(crate) use rollback::{describe_upgrade, rollback};
pub(crate) use socket::{Answering, Meanwhile, bind, check_path, is_answered, serve, unbind};

const DAY_S: i64 = 86_400;

/// Carries out a request. An export writes its rows to `out`; any other answer is the result.
pub(crate) fn execute(hub: &Hub<'_>, request: Request, out: &mut dyn Write) -> Response {
    let done = match request {
        Request::Storage { raw_days, minute_days, quarter_days, drop_rollback } => {
            let dropped = if drop_rollback { rollback::remove(hub.data) } else { Ok(()) };
            dropped.and_then(|()| history::storage(hub, raw_days, minute_days, quarter_days)).map(Response::Storage)
        }
        Request::Backup { folder } => backup::backup(hub, &folder).map(|()| Response::Done),
        Request::Verify => history::verify(hub).map(Response::Verified),
        Request::Export { from, to, ids, tag, is_csv } => {
            history::export(hub, (&from, &to), &ids, tag.as_deref(), is_csv, out).map(|_| Response::Done)
        }
        Request::Password { user, is_new } => password(hub, user, is_new),
        Request::Reload => match &hub.running {
            Some(running) => (running.reload)().map(Response::Reloaded),
            None => Err(no_hub_to_reload(hub.data)),
        },
        Request::Cluster => cluster::status(hub).map(Response::Cluster),
        Request::Invite => cluster::invite(hub).map(Response::Invited),
        Request::Api { method, path, body, expires_days, lasts_minutes } => {
            call(hub, &method, &path, body, (expires_days, lasts_minutes))
        }
    };
    done.unwrap_or_else(Response::Failed)
}

/// Asks the API. The ends are in days and in minutes from now.
fn call(
    hub: &Hub<'_>,
    method: &str,
    path: &str,
    mut body: Option<Value>,
    (expires_days, lasts_minutes): (Option<u32>, Option<u32>),
) -> Result<Response, String> {
    let now_s = hub.now_ms.div_euclid(1000);
    if let (Some(body), Some(days)) = (&mut body, expires_days) {
        body["expires"] = now_s.saturating_add(i64::from(days) * DAY_S).into();
    }
    if let (Some(body), Some(minutes)) = (&mut body, lasts_minutes) {
        body["to"] = now_s.saturating_add(i64::from(minutes) * 60).into();
    }
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = http::Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
    let request = request.body(body.into()).map_err(|error| format!("{method} {path}: {error}"))?;
    let api = Api { agents: hub.agents.clone(), check_templates, ..Api::default() };
    let response = windfire_api::handle_local(&api, hub.engine, &request, hub.now_ms);
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().map_err(|error| format!("{method} {path}: {error}"))?;
    let body = serde_json::from_slice(&bytes).map_err(|error| format!("{method} {path}: {error}"))?;
    let Agents { address, port, fingerprint } = hub.agents.clone();
    Ok(Response::Api { status, body, agents: AgentsLine { address, port, fingerprint } })
}

/// A hub that does not run has nothing in force.
fn no_hub_to_reload(data: &Path) -> String {
    format!("no hub runs on data folder {}: it reads its configuration when it starts", data.display())
}

/// Gives a user a random password.
fn password(hub: &Hub<'_>, user: String, is_new: bool) -> Result<Response, String> {
    let registry = hub.engine.registry();
    let (password, users) = (new_password(), registry.users());
    let hash = PasswordHash::of(&password)?;
    match registry.user(&user) {
        Some(_) if is_new => {
            return Err(format!("user {user:?} exists already: leave --new out for a new password"));
        }
        Some(found) => registry.edit_user(found.id, UserEdit { password: Some(hash), role: None }, None),
        None if is_new || (users.is_empty() && user == ADMINISTRATOR) => {
            registry.add_user(user.clone(), Role::Admin, hash, hub.now_ms.div_euclid(1000)).map(|_| ())
        }
        None => return Err(no_user(&user, &users)),
    }
    .map_err(|error| error.to_string())?;
    if user == ADMINISTRATOR {
        first::forget(hub.first_password_file, hub.data);
    }
    Ok(Response::Password { user, password })
}

fn no_user(user: &str, users: &[User]) -> String {
    let names: Vec<&str> = users.iter().take(USERS_NAMED_MAX).map(|user| user.name.as_str()).collect();
    let more = if users.len() > names.len() { ", …" } else { "" };
    let there = if names.is_empty() {
        "there is none yet".to_owned()
    } else {
        format!("there are: {}{more}", names.join(", "))
    };
    format!("there is no user {user:?}; {there}. --new creates one of this name, as an administrator")
}

//! What the command line may ask of a hub, running or not: the same requests, over a local socket or on the store itself.

mod backup;
mod first;
mod history;
mod socket;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use windfire_api::Agents;
use windfire_engine::error::ChangeError;
use windfire_engine::secret::new_password;
use windfire_engine::server::{NewServer, ServerEdit};
use windfire_engine::token::{NewToken, Scope, Scopes};
use windfire_engine::user::{PasswordHash, Role, User, UserEdit};
use windfire_engine::{Engine, Selection};

use crate::limits::USERS_NAMED_MAX;

pub(crate) use backup::{is_a_hub_now, restore, salvage};
use first::ADMINISTRATOR;
pub(crate) use first::make_administrator;
pub(crate) use history::{StorageAnswer, TierLine, VerifiedAnswer};
pub(crate) use socket::{Meanwhile, ask, bind, check_path, is_answered, serve};

/// A request. One line of JSON on the socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Request {
    ServerAdd {
        name: String,
        tag: String,
        note: String,
        display_index: i64,
        hide_for_guest: bool,
        country: String,
    },
    ServerEdit {
        id: u64,
        name: Option<String>,
        tag: Option<String>,
        note: Option<String>,
        display_index: Option<i64>,
        hide_for_guest: Option<bool>,
        country: Option<String>,
    },
    ServerRotate {
        id: u64,
    },
    ServerRemove {
        id: u64,
    },
    ServerList,
    TokenAdd {
        note: String,
        token: Option<String>,
        scopes: Vec<String>,
        tags: Vec<String>,
        /// Days from the hub's now on: the clock of whoever asks may be another.
        expires_days: Option<u32>,
    },
    TokenRemove {
        id: u64,
    },
    TokenList,
    EnrolTokenAdd {
        note: String,
        tag: String,
        uses: Option<u64>,
        expires_days: Option<u32>,
    },
    EnrolTokenRemove {
        id: u64,
    },
    EnrolTokenList,
    Password {
        user: String,
        /// Makes the user, as an administrator.
        #[serde(default)]
        is_new: bool,
    },
    UserList,
    Storage {
        raw_days: Option<u32>,
        minute_days: Option<u32>,
        quarter_days: Option<u32>,
    },
    Backup {
        folder: PathBuf,
    },
    Verify,
    /// Answered with [`Response::Rows`], then the rows until the end.
    Export {
        from: String,
        to: String,
        ids: Vec<u64>,
        tag: Option<String>,
        is_csv: bool,
    },
}

/// An answer. One line of JSON on the socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Response {
    Done,
    Credential {
        id: u64,
        credential: String,
        /// An older hub does not say.
        #[serde(default)]
        agents: Option<AgentsLine>,
    },
    Token {
        id: u64,
        token: String,
        /// For a token that agents enrol with.
        #[serde(default)]
        agents: Option<AgentsLine>,
    },
    Servers(Vec<ServerLine>),
    Tokens(Vec<TokenLine>),
    EnrolTokens(Vec<EnrolTokenLine>),
    Password {
        user: String,
        password: String,
    },
    Users(Vec<UserLine>),
    Storage(StorageAnswer),
    Verified(VerifiedAnswer),
    /// Rows follow.
    Rows,
    Failed(String),
}

/// How agents reach the hub.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AgentsLine {
    /// Host and port, when the operator gave them.
    pub(crate) address: Option<String>,
    pub(crate) port: u16,
    /// Empty when there is no certificate yet.
    pub(crate) fingerprint: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServerLine {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) tag: String,
    pub(crate) note: String,
    pub(crate) display_index: i64,
    pub(crate) hide_for_guest: bool,
    pub(crate) country: String,
    /// Unix seconds of the newest report; none yet when absent.
    pub(crate) last_active: Option<i64>,
    pub(crate) address: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TokenLine {
    pub(crate) id: u64,
    pub(crate) note: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) created: i64,
    pub(crate) expires: Option<i64>,
    pub(crate) last_used: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EnrolTokenLine {
    pub(crate) id: u64,
    pub(crate) note: String,
    pub(crate) tag: String,
    pub(crate) uses_left: Option<u64>,
    pub(crate) created: i64,
    pub(crate) expires: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UserLine {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) role: String,
    pub(crate) created: i64,
}

/// What a request works on.
pub(crate) struct Hub<'a> {
    pub(crate) engine: &'a Engine,
    /// The data folder.
    pub(crate) data: &'a Path,
    /// How agents reach it.
    pub(crate) agents: &'a Agents,
    /// Unix milliseconds.
    pub(crate) now_ms: i64,
}

/// Does what is asked. An export writes its rows to `out`; what else is answered is the result.
pub(crate) fn execute(hub: &Hub<'_>, request: Request, out: &mut dyn Write) -> Response {
    let done = match request {
        Request::Storage { raw_days, minute_days, quarter_days } => {
            history::storage(hub, raw_days, minute_days, quarter_days).map(Response::Storage)
        }
        Request::Backup { folder } => backup::backup(hub, &folder).map(|()| Response::Done),
        Request::Verify => history::verify(hub).map(Response::Verified),
        Request::Export { from, to, ids, tag, is_csv } => {
            history::export(hub, (&from, &to), &ids, tag.as_deref(), is_csv, out).map(|_| Response::Done)
        }
        other => change(hub, other, hub.now_ms.div_euclid(1000)).map_err(|error| explain(&error)),
    };
    done.unwrap_or_else(Response::Failed)
}

/// An error with what to do on the command line.
fn explain(error: &ChangeError) -> String {
    let remedy = match error {
        ChangeError::NoServer { .. } => ": \"windfire server list\" shows those there are",
        ChangeError::NoToken { what: "API token", .. } => ": \"windfire token list\" shows those there are",
        ChangeError::NoToken { .. } => ": \"windfire enrol-token list\" shows those there are",
        ChangeError::Exists { what: "API token" } => ": it goes on as it is, or \"windfire token remove\" it first",
        _ => "",
    };
    format!("{error}{remedy}")
}

fn change(hub: &Hub<'_>, request: Request, now_s: i64) -> Result<Response, ChangeError> {
    let engine = hub.engine;
    let agents = || {
        let Agents { address, port, fingerprint } = hub.agents.clone();
        Some(AgentsLine { address, port, fingerprint })
    };
    Ok(match request {
        Request::Storage { .. } | Request::Backup { .. } | Request::Verify | Request::Export { .. } => Response::Done,
        Request::ServerAdd { name, .. } | Request::ServerEdit { name: Some(name), .. } if name.trim().is_empty() => {
            Response::Failed(
                "a server's name is what people see of it, and this one is empty: give another --name".to_owned(),
            )
        }
        Request::ServerEdit {
            name: None,
            tag: None,
            note: None,
            display_index: None,
            hide_for_guest: None,
            country: None,
            ..
        } => Response::Failed(
            "nothing to change: give --name, --tag, --note, --display-index, --hide-for-guest or --country".to_owned(),
        ),
        Request::ServerAdd { name, tag, note, display_index, hide_for_guest, country } => {
            let new = NewServer { name, tag, note, display_index, hide_for_guest, country };
            let made = engine.registry().add_server(new, now_s)?;
            Response::Credential { id: made.id, credential: made.credential, agents: agents() }
        }
        Request::ServerEdit { id, name, tag, note, display_index, hide_for_guest, country } => {
            let version = None;
            engine
                .registry()
                .edit_server(id, ServerEdit { version, name, tag, note, display_index, hide_for_guest, country })?;
            Response::Done
        }
        Request::ServerRotate { id } => {
            let made = engine.registry().rotate_credential(id)?;
            Response::Credential { id: made.id, credential: made.credential, agents: agents() }
        }
        Request::ServerRemove { id } => {
            engine.registry().remove_servers(&[id])?;
            Response::Done
        }
        Request::ServerList => Response::Servers(server_lines(engine)),
        Request::TokenAdd { note, .. } if note.trim().is_empty() => Response::Failed(
            "a token's note says what it is for, and this one is empty: give another --note".to_owned(),
        ),
        Request::TokenAdd { note, token, scopes, tags, expires_days } => {
            let expires_s = in_days(expires_days, now_s);
            let scopes = match scopes.as_slice() {
                [] => Scopes::V0,
                names => Scopes::of(names.iter().filter_map(|name| Scope::named(name))),
            };
            let (id, token) =
                engine.registry().add_token(NewToken { text: token, note, scopes, tags, expires_s }, now_s)?;
            Response::Token { id, token, agents: None }
        }
        Request::TokenRemove { id } => {
            engine.registry().remove_token(id)?;
            Response::Done
        }
        Request::TokenList => Response::Tokens(token_lines(engine)),
        Request::EnrolTokenAdd { note, tag, uses, expires_days } => {
            let (id, token) =
                engine.registry().add_enrol_token(note, tag, uses, in_days(expires_days, now_s), now_s)?;
            Response::Token { id, token, agents: agents() }
        }
        Request::EnrolTokenRemove { id } => {
            engine.registry().remove_enrol_token(id)?;
            Response::Done
        }
        Request::Password { user, is_new } => {
            let password = new_password();
            // Nobody chose it, so nothing about it can be refused.
            let Ok(hash) = PasswordHash::of(&password) else { return Ok(Response::Failed("no password".to_owned())) };
            let users = engine.registry().users();
            match engine.registry().user(&user) {
                Some(_) if is_new => {
                    return Ok(Response::Failed(format!(
                        "user {user:?} exists already: leave --new out for a new password"
                    )));
                }
                Some(found) => {
                    engine.registry().edit_user(found.id, UserEdit { password: Some(hash), role: None }, None)?;
                }
                None if is_new || (users.is_empty() && user == ADMINISTRATOR) => {
                    engine.registry().add_user(user.clone(), Role::Admin, hash, now_s)?;
                }
                None => return Ok(Response::Failed(no_user(&user, &users))),
            }
            Response::Password { user, password }
        }
        Request::UserList => Response::Users(user_lines(engine)),
        Request::EnrolTokenList => Response::EnrolTokens(enrol_token_lines(engine)),
    })
}

fn no_user(user: &str, users: &[User]) -> String {
    let names: Vec<&str> = users.iter().take(USERS_NAMED_MAX).map(|user| user.name.as_str()).collect();
    let more = if users.len() > names.len() { ", …" } else { "" };
    let there = if names.is_empty() {
        "there is none yet".to_owned()
    } else {
        format!("there are: {}{more}", names.join(", "))
    };
    format!("there is no user {user:?}; {there}. With --new one of this name is made, as an administrator")
}

fn in_days(days: Option<u32>, now_s: i64) -> Option<i64> {
    days.map(|days| now_s.saturating_add(i64::from(days) * 86_400))
}

fn server_lines(engine: &Engine) -> Vec<ServerLine> {
    let line = |view: windfire_engine::ServerView| ServerLine {
        id: view.record.id,
        name: view.record.name.clone(),
        tag: view.record.tag.clone(),
        note: view.record.note.clone(),
        display_index: view.record.display_index,
        hide_for_guest: view.record.hide_for_guest,
        country: view.record.country.clone(),
        last_active: view.latest.last_active_s(),
        address: view.latest.facts.address.clone(),
    };
    engine.snapshot(Selection::All).into_iter().map(line).collect()
}

fn token_lines(engine: &Engine) -> Vec<TokenLine> {
    let line = |token: windfire_engine::token::Token| TokenLine {
        id: token.id,
        note: token.note,
        scopes: token.scopes.iter().map(|scope| scope.name().to_owned()).collect(),
        tags: token.tags.to_vec(),
        created: token.created_s,
        expires: token.expires_s,
        last_used: token.last_used_s,
    };
    engine.registry().tokens().into_iter().map(line).collect()
}

fn user_lines(engine: &Engine) -> Vec<UserLine> {
    let line = |user: User| UserLine {
        id: user.id,
        name: user.name,
        role: user.role.name().to_owned(),
        created: user.created_s,
    };
    engine.registry().users().into_iter().map(line).collect()
}

fn enrol_token_lines(engine: &Engine) -> Vec<EnrolTokenLine> {
    let line = |token: windfire_engine::token::EnrolToken| EnrolTokenLine {
        id: token.id,
        note: token.note,
        tag: token.tag,
        uses_left: token.uses_left,
        created: token.created_s,
        expires: token.expires_s,
    };
    engine.registry().enrol_tokens().into_iter().map(line).collect()
}

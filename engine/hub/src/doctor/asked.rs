//! What a running hub says through its admin socket.

use std::path::Path;

use serde_json::Value;

use crate::admin::{AgentsLine, Request, Response, StorageAnswer, ask_running};

/// Whether a hub runs on the data folder, and what it says.
pub(super) enum Asked {
    /// None runs.
    Stopped,
    /// There is a socket, but no answer that can be used. The reason.
    Silent(String),
    Answers(Box<Facts>),
}

/// What a hub says of itself. A part that could not be asked for has the reason.
pub(super) struct Facts {
    pub(super) version: String,
    /// UDP port at which it takes agents.
    pub(super) agents_port: u16,
    /// Milliseconds that the machine's clock is ahead of the time that the hub trusts.
    pub(super) clock_ahead_ms: i64,
    pub(super) storage: Result<StorageAnswer, String>,
    /// Servers as administrators see them.
    pub(super) servers: Result<Vec<Value>, String>,
    /// Servers with the facts that their agents told.
    pub(super) details: Result<Vec<Value>, String>,
    pub(super) channels: Result<Vec<Value>, String>,
}

impl Asked {
    pub(super) fn facts(&self) -> Option<&Facts> {
        match self {
            Self::Answers(facts) => Some(facts),
            Self::Stopped | Self::Silent(_) => None,
        }
    }
}

/// Asks the hub of a data folder.
pub(super) fn ask(data: &Path) -> Asked {
    let (hub, agents) = match api(data, "/api/v1/hub") {
        Ok(Some(answer)) => answer,
        Ok(None) => return Asked::Stopped,
        Err(error) => return Asked::Silent(error),
    };
    Asked::Answers(Box::new(Facts {
        version: hub["version"].as_str().unwrap_or_default().to_owned(),
        agents_port: agents.port,
        clock_ahead_ms: hub["clock_ahead_ms"].as_i64().unwrap_or_default(),
        storage: storage(data),
        servers: list(data, "/api/v1/manage/server"),
        details: list(data, "/api/v1/server/details"),
        channels: list(data, "/api/v1/alert/channel"),
    }))
}

/// The result of a path of the API. `None` if no hub runs.
fn api(data: &Path, path: &str) -> Result<Option<(Value, AgentsLine)>, String> {
    let (method, path) = ("GET".to_owned(), path.to_owned());
    let request = Request::Api { method, path, body: None, expires_days: None, lasts_minutes: None };
    match ask_running(data, &request)? {
        None => Ok(None),
        Some(Response::Api { status: 200, mut body, agents }) => {
            Ok(Some((body.get_mut("result").map(Value::take).unwrap_or_default(), agents)))
        }
        Some(Response::Api { status, .. }) => Err(format!("the hub answers with HTTP status {status}")),
        Some(Response::Failed(error)) => Err(error),
        Some(_) => Err(unexpected()),
    }
}

fn list(data: &Path, path: &str) -> Result<Vec<Value>, String> {
    match api(data, path)? {
        Some((Value::Array(values), _)) => Ok(values),
        Some(_) => Err(unexpected()),
        None => Err(gone()),
    }
}

fn storage(data: &Path) -> Result<StorageAnswer, String> {
    let request = Request::Storage { raw_days: None, minute_days: None, quarter_days: None, drop_rollback: false };
    match ask_running(data, &request)? {
        Some(Response::Storage(storage)) => Ok(storage),
        Some(Response::Failed(error)) => Err(error),
        Some(_) => Err(unexpected()),
        None => Err(gone()),
    }
}

fn unexpected() -> String {
    "the hub gave another answer than was asked for: is it another version?".to_owned()
}

fn gone() -> String {
    "the hub has ended".to_owned()
}

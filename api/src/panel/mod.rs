//! What the panel asks for: sign-in, tokens, servers, users. Each answer is an envelope with a `result`; what was wrong is
//! said with the HTTP status and a message.

mod manage;
mod session;
mod sign_in;
mod whole;

use std::sync::Arc;

use http::Request;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use windfire_engine::Engine;
use windfire_engine::error::ChangeError;

use crate::answer::Answer;
use crate::operation::PanelRoute;
use crate::query::Query;
use crate::render;
use crate::routes::{Api, Caller};
use crate::viewer::Viewer;

pub(crate) use manage::SERVERS_PER_CHANGE_MAX;
pub use sign_in::SignInLimit;

/// What every answer here needs.
pub(crate) struct Asked<'a> {
    pub(crate) api: &'a Api,
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) viewer: &'a Viewer,
    pub(crate) query: &'a Query,
    pub(crate) request: &'a Request<bytes::Bytes>,
    pub(crate) caller: Caller,
    /// The number in the path.
    pub(crate) number: u64,
}

impl Asked<'_> {
    fn now_s(&self) -> i64 {
        self.caller.now_s()
    }

    /// The body as JSON. A browser cannot send this content type from another site's form.
    fn body<T: DeserializeOwned>(&self) -> Result<T, Wrong> {
        let content_type = self.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(Wrong::new(415, "the body must be application/json, and the Content-Type say so"));
        }
        // A list of values in the order of the keys would do for serde.
        if self.request.body().trim_ascii_start().first() != Some(&b'{') {
            return Err(Wrong::new(400, "the body is not what this path takes: it must be a JSON object"));
        }
        serde_json::from_slice(self.request.body())
            .map_err(|error| Wrong::new(400, format!("the body is not what this path takes: {error}")))
    }
}

/// Why something was not done.
pub(crate) struct Wrong {
    status: u16,
    message: String,
    retry_after_s: Option<u64>,
}

impl Wrong {
    fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after_s: None }
    }

    /// The answer that says so.
    pub(crate) fn into_answer(self) -> Answer {
        let answer = Answer::json(self.status, render::error(self.status, &self.message)).not_kept();
        match self.retry_after_s {
            Some(seconds) => answer.with(http::header::RETRY_AFTER, &seconds.to_string()),
            None => answer,
        }
    }
}

impl From<ChangeError> for Wrong {
    fn from(error: ChangeError) -> Self {
        let status = match &error {
            ChangeError::NoServer { .. }
            | ChangeError::NoToken { .. }
            | ChangeError::NoUser { .. }
            | ChangeError::NoUserNamed { .. } => 404,
            ChangeError::Exists { .. }
            | ChangeError::Changed { .. }
            | ChangeError::LastAdmin
            | ChangeError::AdminWithTags => 409,
            ChangeError::TooLong { .. }
            | ChangeError::BadCountry { .. }
            | ChangeError::BadTokenText { .. }
            | ChangeError::BadUserName { .. } => 400,
            ChangeError::Full { .. } => 409,
            ChangeError::Store(_) => 503,
        };
        Self::new(status, error.to_string())
    }
}

type Done = Result<Answer, Wrong>;

fn success(result: impl Serialize) -> Answer {
    let envelope: Value = json!({"code": 0, "message": "success", "result": result});
    Answer::json(200, envelope.to_string().into_bytes()).not_kept()
}

/// Does what is asked.
pub(crate) fn answer(route: PanelRoute, asked: &Asked<'_>) -> Answer {
    let done = match route {
        PanelRoute::Session => Ok(session::show(asked)),
        PanelRoute::SignIn => session::sign_in(asked),
        PanelRoute::SignOut => session::sign_out(asked),
        PanelRoute::OwnPassword => session::change_password(asked),
        PanelRoute::Tokens => Ok(manage::tokens(asked)),
        PanelRoute::AddToken => manage::add_token(asked),
        PanelRoute::RemoveToken => manage::remove_token(asked),
        PanelRoute::Servers => Ok(manage::servers(asked)),
        PanelRoute::AddServer => manage::add_server(asked),
        PanelRoute::EditServer => manage::edit_server(asked),
        PanelRoute::RemoveServer => manage::remove_server(asked),
        PanelRoute::RotateCredential => manage::rotate_credential(asked),
        PanelRoute::ChangeServers => manage::change_servers(asked),
        PanelRoute::EnrolTokens => Ok(manage::enrol_tokens(asked)),
        PanelRoute::AddEnrolToken => manage::add_enrol_token(asked),
        PanelRoute::RemoveEnrolToken => manage::remove_enrol_token(asked),
        PanelRoute::Users => Ok(manage::users(asked)),
        PanelRoute::AddUser => manage::add_user(asked),
        PanelRoute::EditUser => manage::edit_user(asked),
        PanelRoute::RemoveUser => manage::remove_user(asked),
        PanelRoute::Hub => Ok(manage::hub(asked)),
    };
    done.unwrap_or_else(Wrong::into_answer)
}

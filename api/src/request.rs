//! A request that may be answered, with functions to read it. It ends with an answer, or with an error that has an HTTP
//! status and a message.

use std::sync::Arc;

use http::Request;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use windfire_engine::Engine;
use windfire_engine::error::ChangeError;

use crate::admission::Admission;
use crate::answer::Answer;
use crate::context::{Api, Caller};
use crate::query::Query;
use crate::render;
use crate::viewer::Viewer;
use crate::whole_number::WholeNumber;

/// A request that may be answered, and the state that every answer needs.
pub(crate) struct ApiRequest<'a> {
    pub(crate) admission: &'a dyn Admission,
    pub(crate) api: &'a Api,
    pub(crate) engine: &'a Arc<Engine>,
    pub(crate) viewer: &'a Viewer,
    pub(crate) query: &'a Query,
    pub(crate) request: &'a Request<bytes::Bytes>,
    pub(crate) caller: Caller,
    /// The number in the path.
    pub(crate) number: u64,
    /// The one after it.
    pub(crate) second_number: u64,
}

impl ApiRequest<'_> {
    pub(crate) fn now_s(&self) -> i64 {
        self.caller.now_s()
    }

    /// The body as JSON. A browser cannot send this content type from another site's form.
    pub(crate) fn body<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        let content_type = self.request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case("application/json") {
            return Err(ApiError::new(415, "the body must be JSON, with the header Content-Type: application/json"));
        }
        // serde would also take a list of values in the order of the keys.
        if self.request.body().trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::new(400, "this path does not take such a body: it must be a JSON object"));
        }
        serde_json::from_slice(self.request.body())
            .map_err(|error| ApiError::new(400, format!("this path does not take such a body: {error}")))
    }

    /// Checks a time at which something ends, in Unix seconds.
    ///
    /// # Errors
    /// The time is not in the future.
    pub(crate) fn in_future(&self, expires: Option<WholeNumber<i64>>) -> Result<Option<i64>, ApiError> {
        match expires.map(|WholeNumber(expires_s)| expires_s) {
            Some(expires_s) if expires_s <= self.now_s() => {
                Err(ApiError::new(409, format!("expires ({expires_s}) is not in the future")))
            }
            other => Ok(other),
        }
    }
}

/// Why a request was not carried out.
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) retry_after_s: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), retry_after_s: None }
    }

    /// The answer with this status and message.
    pub(crate) fn into_answer(self) -> Answer {
        let answer = Answer::json(self.status, render::error(self.status, &self.message)).no_store();
        match self.retry_after_s {
            Some(seconds) => answer.with(http::header::RETRY_AFTER, &seconds.to_string()),
            None => answer,
        }
    }
}

impl From<ChangeError> for ApiError {
    fn from(error: ChangeError) -> Self {
        let status = match &error {
            ChangeError::NoServer { .. }
            | ChangeError::NoSuch { .. }
            | ChangeError::NoUser { .. }
            | ChangeError::NoUserNamed { .. } => 404,
            ChangeError::Exists { .. }
            | ChangeError::Changed { .. }
            | ChangeError::LastAdmin
            | ChangeError::BuiltIn { .. }
            | ChangeError::ChannelInUse { .. }
            | ChangeError::AdminWithTags => 409,
            ChangeError::TooLong { .. }
            | ChangeError::BadField { .. }
            | ChangeError::BadCountry { .. }
            | ChangeError::BadTokenText { .. }
            | ChangeError::BadUserName { .. }
            | ChangeError::TooLarge { .. } => 400,
            ChangeError::Full { .. } | ChangeError::Overtaken => 409,
            ChangeError::Store(_) | ChangeError::Undecided => 503,
        };
        Self::new(status, error.to_string())
    }
}

pub(crate) type ApiResult = Result<Answer, ApiError>;

/// An envelope with that result.
pub(crate) fn success(result: impl Serialize) -> Answer {
    let envelope: Value = json!({"code": 0, "message": "success", "result": result});
    Answer::json(200, envelope.to_string().into_bytes()).no_store()
}

/// A message about an error in a request.
impl From<String> for ApiError {
    fn from(message: String) -> Self {
        Self::new(400, message)
    }
}

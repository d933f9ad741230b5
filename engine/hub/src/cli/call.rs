//! What each verb asks of the hub: a request of the API, or one that only the command line has.

use serde_json::{Map, Value, json};

use super::show::Shown;
use super::{AdminVerb, EnrolTokenVerb, Output, ServerVerb, TokenVerb};
use crate::admin::Request;

/// A request, and how its answer is shown.
pub(crate) struct Call {
    pub(crate) request: Request,
    pub(crate) shown: Shown,
    pub(crate) output: Output,
}

const SERVERS: &str = "/api/v1/manage/server";
const TOKENS: &str = "/api/v1/token";
const ENROL_TOKENS: &str = "/api/v1/enrol-token";
const USERS: &str = "/api/v1/user";

impl Call {
    /// One that the API does not have.
    pub(crate) fn of_hub(request: Request, output: Output) -> Self {
        Self { request, shown: Shown::Done, output }
    }

    fn new(method: &str, path: String, body: Option<Value>, shown: Shown, output: Output) -> Self {
        Self { request: Request::Api { method: method.to_owned(), path, body, expires_days: None }, shown, output }
    }

    fn list(path: &str, shown: Shown, output: Output) -> Self {
        Self::new("GET", path.to_owned(), None, shown, output)
    }

    fn add(path: &str, body: Value, shown: Shown, output: Output) -> Self {
        Self::new("POST", path.to_owned(), Some(body), shown, output)
    }

    fn remove(path: &str, id: u64, shown: Shown, output: Output) -> Self {
        Self::new("DELETE", format!("{path}/{id}"), None, shown, output)
    }

    fn ending_in(mut self, days: Option<u32>) -> Self {
        if let Request::Api { expires_days, .. } = &mut self.request {
            *expires_days = days;
        }
        self
    }
}

/// A body with the keys that have a value.
fn given<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    let pairs = pairs.into_iter().filter(|(_, value)| !value.is_null());
    Value::Object(pairs.map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>())
}

impl AdminVerb {
    pub(crate) fn into_call(self) -> Call {
        match self {
            Self::Password { user, new, output } => Call::of_hub(Request::Password { user, is_new: new }, output),
            Self::Users { output } => Call::list(USERS, Shown::Users, output),
        }
    }
}

impl ServerVerb {
    /// # Errors
    /// Options that make no request.
    pub(crate) fn into_call(self) -> Result<Call, String> {
        let named = |name: &str| match name.trim() {
            "" => {
                Err("a server's name is what people see of it, and this one is empty: give another --name".to_owned())
            }
            _ => Ok(()),
        };
        Ok(match self {
            Self::Add { name, tag, note, display_index, hide_for_guest, country, output } => {
                named(&name)?;
                let body = json!({
                    "name": name, "tag": tag, "note": note, "display_index": display_index,
                    "hide_for_guest": hide_for_guest, "country": country,
                });
                Call::add(SERVERS, body, Shown::Credential, output)
            }
            Self::List { output } => Call::list(SERVERS, Shown::Servers, output),
            Self::Edit { id, name, tag, note, display_index, hide_for_guest, country, output } => {
                name.as_deref().map_or(Ok(()), named)?;
                let body = given([
                    ("name", json!(name)),
                    ("tag", json!(tag)),
                    ("note", json!(note)),
                    ("display_index", json!(display_index)),
                    ("hide_for_guest", json!(hide_for_guest)),
                    ("country", json!(country)),
                ]);
                if body.as_object().is_none_or(Map::is_empty) {
                    return Err(
                        "nothing to change: give --name, --tag, --note, --display-index, --hide-for-guest or --country"
                            .to_owned(),
                    );
                }
                Call::new("PATCH", format!("{SERVERS}/{id}"), Some(body), Shown::OfServer, output)
            }
            Self::Rotate { id, output } => {
                Call::new("POST", format!("{SERVERS}/{id}/credential"), None, Shown::Credential, output)
            }
            Self::Remove { id, output } => Call::remove(SERVERS, id, Shown::OfServer, output),
        })
    }
}

impl TokenVerb {
    /// # Errors
    /// Options that make no request.
    pub(crate) fn into_call(self) -> Result<Call, String> {
        Ok(match self {
            Self::Add { note, .. } if note.trim().is_empty() => {
                return Err("a token's note says what it is for, and this one is empty: give another --note".to_owned());
            }
            Self::Add { note, token, scopes, tags, expires_days, output } => {
                let scopes = Some(scopes).filter(|scopes| !scopes.is_empty());
                let body = given([
                    ("note", json!(note)),
                    ("token", json!(token)),
                    ("scopes", json!(scopes)),
                    ("tags", json!(tags)),
                ]);
                Call::add(TOKENS, body, Shown::Token, output).ending_in(expires_days)
            }
            Self::List { output } => Call::list(TOKENS, Shown::Tokens, output),
            Self::Remove { id, output } => Call::remove(TOKENS, id, Shown::OfToken, output),
        })
    }
}

impl EnrolTokenVerb {
    pub(crate) fn into_call(self) -> Call {
        match self {
            Self::Add { note, tag, uses, expires_days, output } => {
                let body = given([("note", json!(note)), ("tag", json!(tag)), ("uses", json!(uses))]);
                Call::add(ENROL_TOKENS, body, Shown::EnrolToken, output).ending_in(expires_days)
            }
            Self::List { output } => Call::list(ENROL_TOKENS, Shown::EnrolTokens, output),
            Self::Remove { id, output } => Call::remove(ENROL_TOKENS, id, Shown::OfEnrolToken, output),
        }
    }
}

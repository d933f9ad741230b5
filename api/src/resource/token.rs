//! API tokens.

use serde::Deserialize;
use serde_json::json;
use windfire_engine::limits::TAGS_PER_TOKEN_MAX;
use windfire_engine::token::{NewToken, Scope, Scopes, Token};

use crate::admission::Work;
use crate::answer::Answer;
use crate::operation::{Access, ID_IN_PATH, MANAGE, Operation};
use crate::request::{ApiError, ApiRequest, ApiResult, success};
use crate::schema::{self, Schemas, body, envelope, expires, integer, list, maybe, object, short, text};
use crate::whole_number::WholeNumber;

pub(crate) const OPERATIONS: [Operation; 3] = [
    Operation {
        name: "Tokens",
        answered_by: |request| Ok(show(request)),
        work: Work::Whole,
        path: "/api/v1/token",
        access: Access::AdminLogin,
        about: "API tokens, without their texts",
        answer: "Tokens",
        ..MANAGE
    },
    Operation {
        name: "AddToken",
        answered_by: add,
        path: "/api/v1/token",
        method: "POST",
        access: Access::AdminLogin,
        body: Some("AddToken"),
        about: "Creates an API token. Only this answer has its text",
        answer: "NewToken",
        ..MANAGE
    },
    Operation {
        name: "RemoveToken",
        answered_by: remove,
        path: "/api/v1/token/{id}",
        method: "DELETE",
        access: Access::AdminLogin,
        about: "Removes an API token, effective at once",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
];

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
    expires: Option<WholeNumber<i64>>,
    /// A token from another program that stays in use.
    #[serde(default)]
    token: Option<String>,
}

fn show(request: &ApiRequest<'_>) -> Answer {
    let line = |token: Token| {
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
    success(request.engine.registry().tokens().into_iter().map(line).collect::<Vec<_>>())
}

fn add(request: &ApiRequest<'_>) -> ApiResult {
    let AddToken { note, scopes, tags, expires, token } = request.body()?;
    let scope = |name: &String| {
        let all = Scope::ALL.map(Scope::name).join(", ");
        Scope::named(name).ok_or_else(|| ApiError::new(400, format!("scope {name:?} must be one of {all}")))
    };
    if token.is_some() && !request.viewer.is_local() {
        return Err(ApiError::new(400, "token: only the command line can import the text of a token"));
    }
    let scopes = match scopes {
        None => Scopes::V0,
        Some(names) if names.is_empty() => {
            return Err(ApiError::new(400, "a token needs a scope: read, register, admin"));
        }
        Some(names) => Scopes::of(names.iter().map(scope).collect::<Result<Vec<_>, _>>()?),
    };
    let new = NewToken { text: token, note, scopes, tags, expires_s: request.in_future(expires)? };
    let (id, token) = request.engine.registry().add_token(new, request.now_s())?;
    Ok(success(json!({"id": id, "token": token})))
}

fn remove(request: &ApiRequest<'_>) -> ApiResult {
    request.engine.registry().remove_token(request.number)?;
    Ok(success(()))
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let token = json!({
        "id": integer(), "note": text(), "scopes": list(text()), "tags": list(text()), "created": integer(),
        "expires": maybe("integer"), "last_used": maybe("integer"),
    });
    let tags = json!({"type": "array", "items": short(), "maxItems": TAGS_PER_TOKEN_MAX});
    let scopes = json!({"type": ["array", "null"], "items": {"enum": Scope::ALL.map(Scope::name)}, "minItems": 1});
    vec![
        ("Tokens", envelope(list(object(token)))),
        ("NewToken", envelope(object(json!({"id": integer(), "token": text()})))),
        (
            "AddToken",
            body(json!({"note": schema::note(), "scopes": scopes, "tags": tags, "expires": expires()}), &["note"]),
        ),
    ]
}

//! Enrolment tokens.

use serde::Deserialize;
use serde_json::json;
use windfire_engine::token::EnrolToken;

use crate::admission::Work;
use crate::answer::Answer;
use crate::operation::{ID_IN_PATH, MANAGE, Operation};
use crate::request::{ApiRequest, ApiResult, success};
use crate::schema::{
    self, Schemas, body, envelope, expires, integer, list, maybe, natural, nullable, object, short, text,
};
use crate::whole_number::WholeNumber;

pub(crate) const OPERATIONS: [Operation; 3] = [
    Operation {
        name: "EnrolTokens",
        answered_by: |request| Ok(show(request)),
        work: Work::Whole,
        path: "/api/v1/enrol-token",
        about: "Enrolment tokens, without their texts",
        answer: "EnrolTokens",
        ..MANAGE
    },
    Operation {
        name: "AddEnrolToken",
        answered_by: add,
        path: "/api/v1/enrol-token",
        method: "POST",
        body: Some("AddEnrolToken"),
        about: "Creates an enrolment token. Only this answer has its text",
        answer: "NewToken",
        ..MANAGE
    },
    Operation {
        name: "RemoveEnrolToken",
        answered_by: remove,
        path: "/api/v1/enrol-token/{id}",
        method: "DELETE",
        about: "Removes an enrolment token. Servers created with it stay",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddEnrolToken {
    #[serde(default)]
    note: String,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    uses: Option<WholeNumber<u64>>,
    /// Unix seconds.
    #[serde(default)]
    expires: Option<WholeNumber<i64>>,
}

fn show(request: &ApiRequest<'_>) -> Answer {
    let line = |token: EnrolToken| {
        json!({
            "id": token.id,
            "note": token.note,
            "tag": token.tag,
            "uses_left": token.uses_left,
            "created": token.created_s,
            "expires": token.expires_s,
        })
    };
    success(request.engine.registry().enrol_tokens().into_iter().map(line).collect::<Vec<_>>())
}

fn add(request: &ApiRequest<'_>) -> ApiResult {
    let AddEnrolToken { note, tag, uses, expires } = request.body()?;
    let expires_s = request.in_future(expires)?;
    let (id, token) = request.engine.registry().add_enrol_token(
        note,
        tag,
        uses.map(|WholeNumber(uses)| uses),
        expires_s,
        request.now_s(),
    )?;
    Ok(success(json!({"id": id, "token": token})))
}

fn remove(request: &ApiRequest<'_>) -> ApiResult {
    request.engine.registry().remove_enrol_token(request.number)?;
    Ok(success(()))
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let token = json!({
        "id": integer(), "note": text(), "tag": text(), "uses_left": maybe("integer"), "created": integer(),
        "expires": maybe("integer"),
    });
    let add = json!({
        "note": schema::note(), "tag": short(), "uses": nullable(natural()), "expires": expires(),
    });
    vec![("EnrolTokens", envelope(list(object(token)))), ("AddEnrolToken", body(add, &[]))]
}

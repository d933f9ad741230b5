//! Every operation of the API, and the document that describes them. A new resource is a line in each list.

use std::sync::LazyLock;

use crate::answer::Answer;
use crate::operation::{Access, Operation, READ};
use crate::resource::{enrol_token, hub, server, session, token, user};
use crate::schema::Schemas;
use crate::{history, openapi, stream, v0};

/// Every operation, resource by resource. `/healthz`, `/readyz` and `/metrics` are the hub's own.
static TABLES: [&[Operation]; 10] = [
    &[OPEN_API_OPERATION],
    &v0::OPERATIONS,
    &history::OPERATIONS,
    &stream::OPERATIONS,
    &session::OPERATIONS,
    &token::OPERATIONS,
    &server::OPERATIONS,
    &enrol_token::OPERATIONS,
    &user::OPERATIONS,
    &hub::OPERATIONS,
];

/// Shapes of all that they take and answer.
const SHAPES: [fn() -> Schemas; 9] = [
    openapi::schemas,
    v0::schemas,
    history::schemas,
    session::schemas,
    token::schemas,
    server::schemas,
    enrol_token::schemas,
    user::schemas,
    hub::schemas,
];

const OPEN_API_OPERATION: Operation = Operation {
    name: "OpenApi",
    answered_by: |_| Ok(Answer::whole(200, "application/json; charset=utf-8", OPEN_API.as_slice())),
    path: "/openapi.json",
    access: Access::Anyone,
    about: "This document",
    answer: "OpenApi",
    ..READ
};

/// Made once: it is large, anybody may ask for it, and it is always the same.
static OPEN_API: LazyLock<Vec<u8>> =
    LazyLock::new(|| openapi::document(operations(), SHAPES.iter().flat_map(|shapes| shapes()).collect()));

pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> + Clone {
    TABLES.iter().flat_map(|table| table.iter())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_operation_is_described_and_every_reference_leads_somewhere() {
        let document: Value = serde_json::from_slice(&OPEN_API).expect("JSON");
        for operation in operations() {
            let described = &document["paths"][operation.path][operation.method.to_ascii_lowercase()];
            assert_eq!(described["parameters"].as_array().map(Vec::len), Some(operation.parameters.len()));
            for name in std::iter::once(operation.answer).chain(operation.body) {
                assert!(document["components"]["schemas"][name].is_object(), "{name}");
            }
        }
    }
}

//! Every operation of the API, and the document that describes them.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::answer::Answer;
use crate::base_path::BasePath;
use crate::operation::{Access, Operation, READ, Section};
use crate::resource::RESOURCES;
use crate::{history, openapi, stream, v0};

/// The API's operations besides its resources. `/healthz`, `/readyz` and `/metrics` are the hub's own.
const SECTIONS: [Section; 4] = [
    Section { operations: &[OPEN_API_OPERATION], schemas: openapi::schemas },
    Section { operations: &v0::OPERATIONS, schemas: v0::schemas },
    Section { operations: &history::OPERATIONS, schemas: history::schemas },
    Section { operations: &stream::OPERATIONS, schemas: Vec::new },
];

static OPERATIONS: LazyLock<Vec<&Operation>> =
    LazyLock::new(|| sections().flat_map(|section| section.operations).collect());

const OPEN_API_OPERATION: Operation = Operation {
    name: "OpenApi",
    answered_by: |request| Ok(show_document(&request.api.base_path)),
    path: "/openapi.json",
    access: Access::Anyone,
    about: "This document",
    answer: "OpenApi",
    ..READ
};

/// Built once: it is large, all clients may ask for it, and it is always the same.
static OPEN_API: LazyLock<Vec<u8>> =
    LazyLock::new(|| openapi::document(operations(), sections().flat_map(|section| (section.schemas)()).collect()));

fn show_document(base_path: &BasePath) -> Answer {
    let document = if base_path.is_root() {
        Cow::Borrowed(OPEN_API.as_slice())
    } else {
        Cow::Owned(openapi::below(base_path.prefix(), &OPEN_API))
    };
    Answer::whole(200, "application/json; charset=utf-8", document)
}

pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> + Clone {
    OPERATIONS.iter().copied()
}

fn sections() -> impl Iterator<Item = Section> {
    SECTIONS.into_iter().chain(RESOURCES)
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
    #[test]
    fn a_hub_below_a_path_has_the_same_document_with_its_server() {
        let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON");
        let (mut found, usual) = (parse(&openapi::below("/tools/windfire", &OPEN_API)), parse(&OPEN_API));
        assert_eq!(usual.get("servers"), None, "the default of OpenAPI is the root");
        let servers = found.as_object_mut().and_then(|keys| keys.remove("servers"));
        assert_eq!(servers, Some(serde_json::json!([{"url": "/tools/windfire"}])));
        assert_eq!(found, usual);
    }
}

//! The OpenAPI document, built from the table of operations.

use serde_json::{Map, Value, json};

use crate::operation::{Access, Kind, Operation, Parameter, RefusalStyle};
use crate::schema::{Schemas, envelope, integer, object, text};

/// The document of these operations and shapes.
pub(crate) fn document(operations: impl Iterator<Item = &'static Operation>, shapes: Schemas) -> Vec<u8> {
    let mut paths = Map::new();
    for operation in operations {
        let methods = paths.entry(operation.path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(operation.method.to_ascii_lowercase(), describe(operation));
        }
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Windfire",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A fleet of servers: their settings, their latest status and their history.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "The API token alone, or after the word Bearer",
                },
                "login": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "nezha-dashboard",
                    "description": "The cookie of the panel, under the name that the operator chose",
                },
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRF-Token",
                    "description": "With the cookie, for changes: `csrf` of the session",
                },
            },
            "schemas": Map::from_iter(shapes.into_iter().map(|(name, shape)| (name.to_owned(), shape))),
        },
    });
    document.to_string().into_bytes()
}

/// A document as above, for an API whose paths begin after `prefix`. A document without servers is about the root.
pub(crate) fn below(prefix: &str, document: &[u8]) -> Vec<u8> {
    let servers = json!({"servers": [{"url": prefix}]}).to_string();
    // Both are objects with keys, and the document is large: it is joined, and not read again.
    let first = servers.strip_suffix('}').unwrap_or_default();
    [first.as_bytes(), &b","[..], document.strip_prefix(b"{").unwrap_or_default()].concat()
}

fn describe(operation: &Operation) -> Value {
    let mut described = json!({
        "summary": operation.about,
        "operationId": operation.name,
        "parameters": operation.parameters.iter().map(parameter).collect::<Vec<_>>(),
        "responses": responses(operation),
        "security": security(operation),
    });
    if let Some(body) = operation.body {
        described["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": reference(body)}}});
    }
    described
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn responses(operation: &Operation) -> Value {
    let content_type = if operation.answer == "Stream" { "text/event-stream" } else { "application/json" };
    let is_refused_in_body = operation.refusal == RefusalStyle::InBody && operation.access != Access::Anyone;
    let schema = if is_refused_in_body {
        // An unauthorised request is answered with status 200, as in Nezha v0.
        json!({"anyOf": [reference(operation.answer), reference("Refused")]})
    } else {
        reference(operation.answer)
    };
    let mut content = Map::new();
    content.insert(content_type.to_owned(), json!({"schema": schema}));
    if operation.answer == "History" {
        content.insert("text/csv".to_owned(), json!({"schema": {"type": "string"}}));
        content.insert("application/x-ndjson".to_owned(), json!({"schema": {"type": "string"}}));
    }
    let mut answers = Map::new();
    answers.insert("200".to_owned(), json!({"description": operation.about, "content": content}));
    if operation.method != "GET" {
        let content = json!({"text/plain": {"schema": reference("Text")}});
        answers.insert("413".to_owned(), json!({"description": "The body is too long", "content": content}));
    }
    let mut error = |status: u16, about: &str| {
        let content = json!({"application/json": {"schema": reference("Error")}});
        answers.insert(status.to_string(), json!({"description": about, "content": content}));
    };
    let is_ours = operation.refusal == RefusalStyle::InStatus;
    if !operation.ignores_unknown || !operation.parameters.is_empty() || operation.body.is_some() {
        error(400, "The request has an error. The message names it");
    }
    if is_ours && operation.access != Access::Anyone {
        error(401, "Not signed in, or the session has ended");
    }
    if is_ours && operation.method != "GET" {
        error(403, "Not allowed, sent by another site's page, or without the header X-CSRF-Token");
        error(409, "Not possible in the present state. The message says why");
        error(503, "The change could not be written to disk");
    } else if is_ours && operation.access != Access::Anyone {
        error(403, "Not allowed");
    }
    if operation.path.contains('{') {
        error(404, "Nothing has this id");
    }
    if operation.body == Some("ChangeServers") {
        error(404, "One of the servers does not exist");
    }
    if is_ours && operation.body.is_some() {
        error(415, "The body is not application/json");
    }
    if operation.body == Some("SignIn") {
        error(401, "User or password is wrong");
        error(429, "Too many tries: wait for the seconds in the header Retry-After");
    }
    answers.into()
}

fn security(operation: &Operation) -> Value {
    let is_change = operation.method != "GET" && operation.refusal == RefusalStyle::InStatus;
    let login = if is_change { json!({"login": [], "csrf": []}) } else { json!({"login": []}) };
    match operation.access {
        Access::Anyone => json!([]),
        Access::Guests => json!([{}, {"token": []}, login]),
        Access::Scope(_) => json!([{"token": []}, login]),
        Access::Login | Access::AdminLogin => json!([login]),
    }
}

fn parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Ids => json!({"type": "array", "items": {"type": "integer", "minimum": 0}}),
        Kind::OneOf(names) => json!({"type": "string", "enum": names()}),
        Kind::SomeOf(names) => json!({"type": "array", "minItems": 1, "items": {"type": "string", "enum": names()}}),
        Kind::Number(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
    };
    let is_list = matches!(parameter.kind, Kind::Ids | Kind::SomeOf(_));
    let mut described = json!({
        "name": parameter.name,
        "in": if parameter.is_in_path { "path" } else { "query" },
        "required": parameter.is_required,
        "description": parameter.about,
        "schema": schema,
    });
    if is_list {
        described["style"] = json!("form");
        described["explode"] = json!(false);
    }
    described
}

/// Schemas of answers that every operation may give.
pub(crate) fn schemas() -> Schemas {
    vec![
        ("OpenApi", json!({"type": "object"})),
        ("Error", object(json!({"code": integer(), "message": text()}))),
        ("Text", text()),
        ("Stream", text()),
        ("Done", envelope(json!({"type": "null"}))),
    ]
}

//! Shapes of JSON, as OpenAPI writes them.
#![expect(clippy::needless_pass_by_value, reason = "shapes are nested as they are written")]

use serde_json::{Value, json};
use windfire_engine::limits::{NAME_CHARS_MAX, NOTE_CHARS_MAX, PASSWORD_CHARS_MAX, PASSWORD_CHARS_MIN};

/// Shapes by name.
pub(crate) type Schemas = Vec<(&'static str, Value)>;

pub(crate) fn object(properties: Value) -> Value {
    let required: Vec<String> = properties.as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
    json!({"type": "object", "properties": properties, "required": required})
}

pub(crate) fn envelope(result: Value) -> Value {
    object(json!({"code": integer(), "message": text(), "result": result}))
}

pub(crate) fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

pub(crate) fn integer() -> Value {
    json!({"type": "integer"})
}

pub(crate) fn text() -> Value {
    json!({"type": "string"})
}

pub(crate) fn number() -> Value {
    json!({"type": "number"})
}

pub(crate) fn flag() -> Value {
    json!({"type": "boolean"})
}

pub(crate) fn maybe(kind: &str) -> Value {
    json!({"type": [kind, "null"]})
}

/// A body with these keys. Keys that are not required may be left out. Unknown keys are refused.
pub(crate) fn body(properties: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// The same, or null.
pub(crate) fn nullable(mut shape: Value) -> Value {
    shape["type"] = json!([shape["type"], "null"]);
    if let Some(names) = shape.get_mut("enum").and_then(Value::as_array_mut) {
        names.push(Value::Null);
    }
    shape
}

/// A list with so many of these.
pub(crate) fn some(items: Value, min: usize, max: usize) -> Value {
    json!({"type": "array", "items": items, "minItems": min, "maxItems": max})
}

/// A text that is one of these.
pub(crate) fn one_of(names: &[&str]) -> Value {
    json!({"type": "string", "enum": names})
}

/// A whole number from 0 on.
pub(crate) fn at_most(max: u32) -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": max})
}

/// A name that is more than blanks.
pub(crate) fn name() -> Value {
    json!({"type": "string", "maxLength": NAME_CHARS_MAX, "pattern": "[^ ]"})
}

/// A name or a tag.
pub(crate) fn short() -> Value {
    json!({"type": "string", "maxLength": NAME_CHARS_MAX})
}

pub(crate) fn note() -> Value {
    json!({"type": "string", "maxLength": NOTE_CHARS_MAX})
}

pub(crate) fn password() -> Value {
    json!({"type": "string", "minLength": PASSWORD_CHARS_MIN, "maxLength": PASSWORD_CHARS_MAX})
}

pub(crate) fn natural() -> Value {
    json!({"type": "integer", "minimum": 0, "maximum": u64::MAX})
}

/// Unix seconds at which something ends, or null.
pub(crate) fn expires() -> Value {
    json!({"type": ["integer", "null"], "minimum": 0, "maximum": i64::MAX})
}

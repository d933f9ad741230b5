//! The envelope around a result (contract 1.3, 1.8, 1.10).

use super::json::JsonWriter;

/// An answer without a result: `{"code":…,"message":…}`.
pub(crate) fn error(code: u16, message: &str) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(message.len() + 32);
    code_and_message(&mut json, code, message);
    json.raw("}");
    json.into_bytes()
}

/// The answer to an unauthorised request. Clients test the body's code. The HTTP status is 200 (contract fact 1).
pub(crate) fn refused(message: &str) -> Vec<u8> {
    error(403, message)
}

/// A registered server.
pub(crate) fn registered(id: u64, secret: &str) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(128);
    code_and_message(&mut json, 200, "Server created successfully");
    json.raw(",\"secret\":");
    json.string(secret);
    json.raw(",\"id\":");
    json.integer(id);
    json.raw("}");
    json.into_bytes()
}

/// A registered server in short: its secret alone.
pub(crate) fn registered_simple(secret: &str) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(64);
    json.string(secret);
    json.into_bytes()
}

/// A server that was not registered.
pub(crate) fn register_failed(code: u16, message: &str) -> Vec<u8> {
    let mut json = JsonWriter::with_capacity(message.len() + 48);
    code_and_message(&mut json, code, message);
    json.raw(",\"secret\":\"\"}");
    json.into_bytes()
}

fn code_and_message(json: &mut JsonWriter, code: u16, message: &str) {
    json.raw("{\"code\":");
    json.integer(code);
    json.raw(",\"message\":");
    json.string(message);
}

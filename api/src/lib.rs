//! Nezha v0's JSON over HTTP. [`handle`] is a plain function over the engine; the hub's hyper server calls it.
//!
//! Reading order: `routes` (which path answers what), `viewer` (who is asking), `query` (Go's rules for parameters),
//! `render` (the JSON, and the only place that knows its names), `register`, `answer` (ETag, compression, headers).

mod answer;
mod query;
mod register;
pub mod render;
mod routes;
mod viewer;

pub use routes::{Api, Caller, handle};
pub use viewer::Viewer;

/// Parses a query string by Go's rules, for the fuzzer.
#[doc(hidden)]
pub fn parse_query(query: &str) -> Vec<(String, String)> {
    query::Query::parse(query).into_pairs()
}

/// Parses the body of `register`, for the fuzzer.
#[doc(hidden)]
pub fn parse_register(body: &[u8]) -> bool {
    register::parse(body).is_some()
}

//! Nezha v0's JSON over HTTP. [`handle`] is a plain function over the engine; the hub's hyper server calls it.
//!
//! Reading order: `operation` (the paths), `routes` (who answers them), `viewer` (who is asking), `csrf`, `query` (Go's rules
//! for parameters), `path`, `admission` (whether there is room), `render` (Nezha's JSON and history's, and the only place that knows their names), `history`, `details` (the fleet, kept ready), `register`,
//! `live` (the stream), `panel` (what its page asks for), `pages` (the page itself), `openapi`, `answer` (ETag, compression,
//! headers), `body`.

mod admission;
mod answer;
mod body;
mod csrf;
mod details;
mod history;
pub mod live;
mod openapi;
mod operation;
mod pages;
mod panel;
pub mod path;
mod query;
mod register;
pub mod render;
mod routes;
mod viewer;
mod when;

pub use admission::{Admission, Busy, Unbounded, Work};
pub use answer::{busy, failed};
pub use body::{Body, PIECE_BYTES, Producer, Streamed};
pub use details::Details;
pub use history::{export, parse_range};
pub use operation::may_wait;
pub use panel::SignInLimit;
pub use routes::{Agents, Api, Caller, handle, handle_if};
pub use viewer::{Audience, Viewer};

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

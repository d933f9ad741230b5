//! Nezha v0's JSON over HTTP. [`handle`] is a plain function over the engine; the hub's hyper server calls it.
//!
//! Reading order: `table` (every operation), `routes` (finds one, identifies the viewer), `viewer`, `csrf`, `query`
//! (Go's rules for parameters), `path`, `base_path` and `outside`, `admission` (whether there is room), `request` (the
//! handlers' input, and their errors), `v0` (Nezha's routes), `resource` (the panel's resources, one file each),
//! `history`, `stream` and `live`, `render` (Nezha's JSON and history's), `details` (the cached fleet), `pages` (the page
//! itself), `openapi`, `answer` (ETag, compression, headers), `body`.

mod admission;
mod answer;
mod base_path;
mod body;
mod cluster;
mod context;
mod csrf;
mod details;
mod history;
mod limits;
pub mod live;
mod object;
mod openapi;
mod operation;
mod outside;
mod pages;
pub mod path;
mod query;
mod register;
pub mod render;
mod request;
mod resource;
mod routes;
mod schema;
mod sign_in_limit;
mod stream;
mod table;
mod time_arguments;
mod v0;
mod viewer;
mod whole_number;

pub use admission::{Admission, Busy, Unbounded, Work};
pub use answer::{busy, failed};
pub use base_path::BasePath;
pub use body::{Body, PIECE_BYTES, Producer, Streamed};
pub use cluster::{Cluster, ClusterBroker, ClusterHub, ClusterPartition, ClusterState};
pub use context::{Agents, Api, Caller, Tries};
pub use details::DetailsCache;
pub use history::{NOTE, export, parse_range};
pub use operation::is_blocking;
pub use outside::answer_outside;
pub use routes::{handle, handle_if, handle_local};
pub use sign_in_limit::SignInLimit;
pub use viewer::{Audience, Owner, Viewer};

/// Writes a text and a number as JSON, one after the other, for the fuzzer.
#[doc(hidden)]
pub fn write_json(text: &str, number: f64) -> (String, String) {
    let mut texts = render::json::JsonWriter::with_capacity(text.len() + 2);
    texts.string(text);
    let mut numbers = render::json::JsonWriter::with_capacity(32);
    numbers.float(number);
    (texts.into_text(), numbers.into_text())
}

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

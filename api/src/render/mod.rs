//! The JSON: names, order and shapes, and nothing else in the project knows them.

mod address;
mod envelope;
pub(crate) mod history;
mod json;
mod server;

pub use server::{details, list};

pub(crate) use envelope::{error, refused, register_failed, registered, registered_simple};

//! The JSON: names, order and shapes. No other module knows them.

mod address;
mod envelope;
pub(crate) mod history;
pub(crate) mod json;
mod server;
pub(crate) mod websocket;

pub(crate) use server::{DETAILS_HEAD, DETAILS_TAIL, details_entry};
pub use server::{details, list};

pub(crate) use envelope::{error, refused, register_failed, registered, registered_simple};

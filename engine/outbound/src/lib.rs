//! Messages out: what the engine has to tell, put into words and sent over HTTP and SMTP.
//!
//! [`Outbound::send`] is one exchange with one receiver. It decides nothing: which messages there are, and when one is
//! sent, is the engine's queue. [`next_try_ms`] says when a message that was not sent is tried again.

#![warn(missing_docs)]

mod alertmanager;
mod answer;
mod client;
mod colour;
mod discord;
mod email;
mod error;
mod facts;
mod fit;
pub mod limits;
mod nezha;
mod ntfy;
mod outbound;
mod retry;
#[doc(hidden)]
pub mod samples;
mod saved;
mod secrets;
mod shape;
mod slack;
mod stream;
mod style;
mod telegram;
mod template;
mod tls;
mod webhook;
mod words;
mod written;

pub use error::{Retry, SendError};
pub use facts::{Facts, ShownAlert};
pub use outbound::Outbound;
pub use retry::next_try_ms;
pub use saved::check_templates;
#[doc(hidden)]
pub use written::{Written, write};

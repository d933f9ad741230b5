//! Alerts: what people set up to be told, and what they are told. No clock and no network: times are handed in.
//!
//! A [`rule::Rule`] says which [`measure::Measure`] of which servers is bad, and to which [`channel::Channel`] that is
//! told. A [`silence::Silence`] says when it is not.
//!
//! A pass (`pass`) judges every server by the rules about it (`roster`) and takes each alert on (`machine`). The hub's own
//! silence is no server's (`guard`). What it finds becomes one write of alerts, of [`notice::Notice`]s to channels
//! (`queue`) and of rows of the log ([`journal`]), which `book` makes visible afterwards. [`Alerts`] is the front; `deliver`
//! is its part for whoever sends.
//!
//! In a cluster a pass proposes what it has found to the registry's stream (`share`), and each hub gets it from there
//! (`follow`).

mod address;
mod book;
mod change;
pub mod channel;
mod deliver;
mod entry;
mod follow;
mod front;
mod guard;
pub mod journal;
mod machine;
pub mod measure;
pub mod notice;
mod pass;
pub mod preset;
mod preview;
mod queue;
mod rate;
mod roster;
pub mod rule;
mod share;
pub mod silence;
pub mod state;
mod surplus;
#[cfg(test)]
mod tests;
mod zone;

pub(crate) use book::AlertBook;
pub use book::ChannelHealth;
pub(crate) use change::AlertChange;
pub use deliver::{DueNotice, SendFailure};
pub(crate) use front::Parts;
pub use front::{AlertView, Alerts, Passed};
pub use guard::{ISOLATION_MS, ISOLATION_SERVERS_MIN, LEAP_MS, Outside};
pub use preview::{Preview, PreviewFiring};

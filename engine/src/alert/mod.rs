//! Alerts: what people set up to be told, and the checks of it. No clock, no network and no disk: times are handed in.
//!
//! A [`rule::Rule`] says which [`measure::Measure`] of which servers is bad, and to which [`channel::Channel`] that is
//! told. A [`silence::Silence`] says when it is not.

mod address;
pub mod channel;
pub mod journal;
pub mod measure;
pub mod notice;
pub mod preset;
pub mod rule;
pub mod silence;
pub mod state;
mod zone;

//! A hub that is one of several: what it publishes to the streams of its cluster, and what it takes from them.
//!
//! ```text
//! listener ─► engine.next_message ─► Publisher ─► (brokers) ─► Follower ─► engine.follow ─► listener: Welcome, acks
//! ```
//! `docs/decisions/cluster.md` has the reasons.

mod entry;
mod figures;
mod follow;
mod init;
mod membership;
mod publish;
mod state;
mod thread;

pub(crate) use entry::{Entry, enter};
pub(crate) use figures::render;
pub(crate) use init::init;
pub(crate) use membership::FILE as MEMBERSHIP_FILE;
pub(crate) use state::State;
pub(crate) use thread::{ClusterThread, Offered};

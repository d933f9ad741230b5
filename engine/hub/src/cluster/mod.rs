//! A hub that is one of several: what it publishes to the streams of its cluster, and what it takes from them.
//!
//! ```text
//! listener ─► engine.next_message ─► Publisher ─► (brokers) ─► Follower ─► engine.follow ─► listener: Welcome, acks
//! ```
//! Changes of the registry take the way of `ledger` and come back by `registry`. `docs/decisions/cluster.md` has the
//! reasons.

mod alerts;
mod answer;
mod copies;
mod entry;
mod figures;
mod follow;
mod init;
mod join;
mod judge;
mod lag;
mod leave;
mod ledger;
mod membership;
mod publish;
mod registry;
mod remote;
mod shown;
mod state;
mod thread;

pub(crate) use entry::{Entry, enter};
pub(crate) use figures::render;
pub(crate) use init::init;
pub(crate) use join::{Source, join};
pub(crate) use leave::leave;
pub(crate) use membership::{FILE as MEMBERSHIP_FILE, is_member};
pub(crate) use registry::await_registry;
pub(crate) use state::State;
pub(crate) use thread::{ClusterThread, Offered};

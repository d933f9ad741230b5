//! Agents over QUIC: accept, advance, close. Only this module of the hub uses QUIC.
//!
//! [`Sockets`] are the port, one for each [`listener`]. A listener is one thread with its own share of the agents.

mod connection_id;
mod conversation;
mod deadlines;
mod lane;
mod listener;
mod mailbox;
mod places;
mod refusals;
mod socket;
mod transport;

use std::sync::Arc;

use tokio::sync::watch;
use windfire_engine::Engine;

use crate::clock::Clock;
use crate::cluster::Offered;
use crate::counters::Counters;
use crate::enroller::Enrolments;
use crate::threads::Stop;
pub(crate) use places::Places;
pub(crate) use refusals::Refusals;
pub(crate) use socket::Sockets;

/// The state that all conversations share.
#[derive(Clone)]
pub(crate) struct Ingest {
    pub(crate) engine: Arc<Engine>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Clock,
    pub(crate) sessions_max: usize,
    pub(crate) places: Arc<Places>,
    pub(crate) enrolments: Enrolments,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) committed: watch::Receiver<u64>,
    /// What the hub's cluster is told. `None` for a hub that is alone.
    pub(crate) offered: Option<Offered>,
    pub(crate) stop: Stop,
}

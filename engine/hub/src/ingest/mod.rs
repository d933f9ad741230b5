//! Agents over QUIC: accept, advance, let go. The only place in the hub that knows QUIC.
//!
//! [`Sockets`] are the port, one for each [`listener`]; a listener is one thread with its own share of the agents.

mod connection_id;
mod conversation;
mod deadlines;
mod listener;
mod refusals;
mod socket;
mod transport;

use std::sync::Arc;

use rustls::ServerConfig;
use tokio::sync::watch;
use windfire_engine::Engine;

use crate::clock::Clock;
use crate::counters::Counters;
use crate::enroller::Enrolments;
use crate::threads::Stop;
use listener::Listener;
pub(crate) use refusals::Refusals;
pub(crate) use socket::Sockets;
use transport::Transport;

/// What every conversation shares.
#[derive(Clone)]
pub(crate) struct Ingest {
    pub(crate) engine: Arc<Engine>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Clock,
    pub(crate) sessions_max: usize,
    pub(crate) enrolments: Enrolments,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) committed: watch::Receiver<u64>,
    pub(crate) stop: Stop,
}

/// One listener's part, before it has a runtime.
pub(crate) struct Lane {
    ingest: Ingest,
    transport: Transport,
    socket: std::net::UdpSocket,
    lane: u8,
    lanes: u8,
}

impl Ingest {
    /// A part for each socket.
    pub(crate) fn lanes(self, sockets: Sockets, tls: ServerConfig, reset_key: &[u8]) -> Result<Vec<Lane>, String> {
        let transport = Transport::new(tls, reset_key)?;
        let lanes = u8::try_from(sockets.0.len()).unwrap_or(u8::MAX);
        let lane = |(lane, socket)| Lane { ingest: self.clone(), transport: transport.clone(), socket, lane, lanes };
        Ok((0..lanes).zip(sockets.0).map(lane).collect())
    }
}

impl Lane {
    /// Takes agents until stopped. Must run within a runtime.
    pub(crate) async fn listen(self) -> Result<(), String> {
        Listener::new(self.ingest, self.socket, &self.transport, self.lane, self.lanes)?.run().await
    }
}

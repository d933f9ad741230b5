//! A listener's part, before it has a runtime.

use rustls::ServerConfig;

use super::listener::Listener;
use super::transport::Transport;
use super::{Ingest, Sockets};
use crate::pulse::Pulse;

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
    pub(crate) async fn listen(self, pulse: &Pulse) -> Result<(), String> {
        Listener::new(self.ingest, self.socket, &self.transport, self.lane, self.lanes)?.run(pulse).await
    }
}

//! Agents over QUIC: accept, converse, let go. The only place in the hub that knows QUIC.

mod conversation;
mod transport;

use std::net::SocketAddr;
use std::sync::Arc;

use quinn::{Incoming, VarInt};
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio::time::timeout;
use windfire_engine::Engine;

use crate::limits::{HANDSHAKES_MAX, HELLO_TIMEOUT, STOP_TIMEOUT, UNPROVEN_HANDSHAKES_MAX};
use crate::metrics::Metrics;
use crate::serve::Clock;

/// What every conversation shares.
#[derive(Clone)]
pub(crate) struct Ingest {
    pub(crate) engine: Arc<Engine>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Clock,
    pub(crate) sessions_max: usize,
    pub(crate) committed: watch::Receiver<u64>,
    pub(crate) stop: watch::Receiver<bool>,
}

/// The bound socket, before anything is accepted.
pub(crate) struct Socket(std::net::UdpSocket);

impl Socket {
    /// Binds the address.
    pub(crate) fn bind(address: SocketAddr, buffer_bytes: usize) -> Result<Self, String> {
        transport::bind(address, buffer_bytes).map(Self).map_err(|error| {
            format!(
                "address {address} for agents (--quic) cannot be used: {error}: stop what uses it, or choose another"
            )
        })
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.0.local_addr().ok()
    }
}

impl Ingest {
    /// Accepts agents until stopped, then says goodbye to all. Must run within a runtime.
    pub(crate) async fn run(self, socket: Socket, tls: ServerConfig, reset_key: &[u8]) -> Result<(), String> {
        let endpoint = transport::endpoint(socket.0, tls, reset_key)?;
        let mut stop = self.stop.clone();
        loop {
            tokio::select! {
                incoming = endpoint.accept() => match incoming {
                    Some(incoming) => self.admit(incoming),
                    None => return Err("the socket for agents is gone".to_owned()),
                },
                _ = stop.wait_for(|stop| *stop) => break,
            }
        }
        // Sessions end by themselves now; whoever comes later hears nothing and tries again.
        endpoint.set_server_config(None);
        let _in_time = timeout(STOP_TIMEOUT, endpoint.wait_idle()).await;
        endpoint.close(VarInt::from_u32(0), b"stopping");
        Ok(())
    }

    fn admit(&self, incoming: Incoming) {
        let handshakes = self.metrics.handshakes.get();
        if handshakes >= HANDSHAKES_MAX {
            incoming.refuse();
        } else if handshakes >= UNPROVEN_HANDSHAKES_MAX && !incoming.remote_address_validated() && incoming.may_retry()
        {
            if let Err(error) = incoming.retry() {
                tracing::debug!(%error, "no retry");
            }
        } else {
            tokio::spawn(self.clone().converse(incoming));
        }
    }

    async fn converse(self, incoming: Incoming) {
        let connection = {
            let _handshake = self.metrics.handshakes.enter();
            let Ok(connecting) = incoming.accept() else { return };
            match timeout(HELLO_TIMEOUT, connecting).await {
                Ok(Ok(connection)) => connection,
                Ok(Err(error)) => return tracing::debug!(%error, "no handshake"),
                Err(_) => return tracing::debug!("no handshake in time"),
            }
        };
        let _session = self.metrics.sessions.enter();
        let is_full = self.metrics.sessions.get() > self.sessions_max;
        conversation::run(&self, &connection, is_full).await;
        connection.close(VarInt::from_u32(0), b"");
    }
}

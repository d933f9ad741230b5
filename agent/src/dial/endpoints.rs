//! Which hub the agent trusts, and how QUIC is tuned.

use std::net::UdpSocket;
use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{
    AckFrequencyConfig, ClientConfig, Endpoint, EndpointConfig, IdleTimeout, TokioRuntime, TransportConfig, VarInt,
};

use crate::limits::{IDLE_TIMEOUT, KEEP_ALIVE};
use crate::trust::{Tls, Trust};

/// Creates connections: which hub is trusted, and how QUIC is tuned. Shared by all links of a process.
#[derive(Clone)]
pub struct Endpoints {
    pub(super) trust: Trust,
    transport: Arc<TransportConfig>,
    /// A socket that all links share, instead of one for each connection.
    pub(super) shared_v4: Option<Endpoint>,
}

impl Endpoints {
    /// Each connection gets its own socket.
    ///
    /// # Errors
    /// TLS cannot be set up.
    pub fn new(trust: Trust) -> Result<Self, rustls::Error> {
        let endpoints = Self { trust, transport: Arc::new(tuned()), shared_v4: None };
        endpoints.config()?;
        Ok(endpoints)
    }

    /// Over a bound IPv4 socket of the caller's, for processes with so many links that its buffers matter. Must be
    /// called within a runtime.
    ///
    /// # Errors
    /// TLS cannot be set up, or the socket cannot be used.
    pub fn over(trust: Trust, socket: UdpSocket) -> Result<Self, rustls::Error> {
        let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        Ok(Self { shared_v4: Some(endpoint), ..Self::new(trust)? })
    }

    /// The configuration of one attempt, which remembers only the certificate that this attempt saw.
    pub(super) fn config(&self) -> Result<(ClientConfig, Tls), rustls::Error> {
        let tls = Tls::new(&self.trust)?;
        let quic = QuicClientConfig::try_from(Arc::clone(&tls.config))
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(quic));
        config.transport_config(Arc::clone(&self.transport));
        Ok((config, tls))
    }
}

fn tuned() -> TransportConfig {
    let mut acks = AckFrequencyConfig::default();
    // The hub answers each packet at once: a timer for each, there and here, would cost more than it saves.
    acks.ack_eliciting_threshold(VarInt::from_u32(0));
    let mut transport = TransportConfig::default();
    transport
        .ack_frequency_config(Some(acks))
        .max_idle_timeout(IdleTimeout::try_from(IDLE_TIMEOUT).ok())
        .keep_alive_interval(Some(KEEP_ALIVE))
        // The agent opens one stream. No other stream is accepted.
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        // Acks and refusals are a few bytes.
        .stream_receive_window(VarInt::from_u32(4 * 1024))
        .receive_window(VarInt::from_u32(8 * 1024))
        .send_window(256 * 1024)
        .initial_mtu(1200)
        .mtu_discovery_config(None)
        .allow_spin(false)
        .datagram_receive_buffer_size(None);
    transport
}

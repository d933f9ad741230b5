//! QUIC tuned for many small, long sessions (figures in `docs/decisions/transport.md`).

use std::sync::Arc;

use quinn_proto::crypto::rustls::QuicServerConfig;
use quinn_proto::{Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TransportConfig, VarInt};
use ring::rand::SystemRandom;

use super::connection_id::LaneIds;
use crate::limits::{IDLE_TIMEOUT, RESET_INTERVAL, SEND_WINDOW_BYTES, STRANGER_WINDOW_BYTES, STREAM_WINDOW_BYTES};

/// The configuration of all listeners' endpoints.
#[derive(Clone)]
pub(super) struct Transport {
    server: Arc<ServerConfig>,
    reset_key: Arc<ring::hmac::Key>,
    id_key: u64,
}

impl Transport {
    pub(super) fn new(tls: rustls::ServerConfig, reset_key: &[u8]) -> Result<Self, String> {
        let quic = QuicServerConfig::try_from(tls).map_err(|error| format!("TLS for agents: {error}"))?;
        let mut server = ServerConfig::with_crypto(Arc::new(quic));
        server.transport_config(Arc::new(tuned()));
        let reset_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, reset_key);
        let id_key = ring::hmac::sign(&reset_key, b"connection ids");
        let id_key = id_key.as_ref().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Ok(Self { server: Arc::new(server), reset_key: Arc::new(reset_key), id_key })
    }

    /// The endpoint of one of `lanes` listeners.
    pub(super) fn endpoint(&self, lane: u8, lanes: u8) -> Endpoint {
        let mut config = EndpointConfig::new(Arc::clone(&self.reset_key) as _);
        config.min_reset_interval(RESET_INTERVAL);
        let key = self.id_key;
        config.cid_generator(move || Box::new(LaneIds { key, lane, lanes, random: SystemRandom::new() }));
        Endpoint::new(Arc::new(config), Some(Arc::clone(&self.server)), false, None)
    }
}

fn tuned() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(IdleTimeout::try_from(IDLE_TIMEOUT).ok())
        // A session has only one stream. More would be memory that an agent may claim.
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        // Wider when the agent is welcome.
        .receive_window(VarInt::from_u32(STRANGER_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .send_fairness(false)
        .initial_mtu(1200)
        .mtu_discovery_config(None)
        .allow_spin(false)
        .datagram_receive_buffer_size(None);
    transport
}

//! QUIC tuned for many small, long sessions (figures in `docs/decisions/transport.md`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig, VarInt};
use quinn_proto::HashedConnectionIdGenerator;
use socket2::{Domain, Protocol, Socket, Type};

use crate::limits::{CONNECTION_WINDOW_BYTES, IDLE_TIMEOUT, SEND_WINDOW_BYTES, STREAM_WINDOW_BYTES};

pub(super) fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // An unspecified IPv6 address serves both families.
        socket.set_only_v6(false)?;
    }
    // The system may grant less; that costs packets in a storm, not correctness.
    socket.set_recv_buffer_size(buffer_bytes)?;
    socket.set_send_buffer_size(buffer_bytes)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    let granted = socket.recv_buffer_size()?;
    if granted < buffer_bytes {
        tracing::info!(
            granted,
            wanted = buffer_bytes,
            "the system grants a smaller UDP buffer: raise net.core.rmem_max for large fleets"
        );
    }
    Ok(socket.into())
}

pub(super) fn endpoint(
    socket: std::net::UdpSocket,
    tls: rustls::ServerConfig,
    reset_key: &[u8],
) -> Result<Endpoint, String> {
    let quic = QuicServerConfig::try_from(tls).map_err(|error| format!("TLS for agents: {error}"))?;
    let mut server = ServerConfig::with_crypto(Arc::new(quic));
    server.transport_config(Arc::new(transport()));
    let reset_key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, reset_key);
    // A hub that forgot its connections answers only packets whose connection id it could have given out, so these ids
    // must be recognised over a restart too: otherwise agents of a killed hub would wait out their timeout.
    let id_key = ring::hmac::sign(&reset_key, b"connection ids");
    let id_key = id_key.as_ref().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let mut config = EndpointConfig::new(Arc::new(reset_key));
    config.cid_generator(move || Box::new(HashedConnectionIdGenerator::from_key(id_key)));
    Endpoint::new(config, Some(server), socket, Arc::new(TokioRuntime))
        .map_err(|error| format!("the socket for agents cannot be used: {error}"))
}

fn transport() -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_idle_timeout(IdleTimeout::try_from(IDLE_TIMEOUT).ok())
        // One stream is all a session has; more would be memory that an agent may claim.
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(SEND_WINDOW_BYTES)
        .send_fairness(false)
        .initial_mtu(1200)
        .mtu_discovery_config(None)
        .allow_spin(false)
        .datagram_receive_buffer_size(None);
    transport
}

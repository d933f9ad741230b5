//! The agents' UDP port: one socket for each listener, all on the same address.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Type};

use super::connection_id::steer;
use crate::limits::LISTENERS_MAX;
use crate::unbound;

/// The bound sockets, before anything is accepted. The n-th gets the packets of the n-th lane of connection ids.
pub(crate) struct Sockets(pub(super) Vec<std::net::UdpSocket>);

impl Sockets {
    /// Binds the address, with a socket for each of `listeners`, or one where the system cannot tell packets apart.
    pub(crate) fn bind(address: SocketAddr, buffer_bytes: usize, listeners: usize) -> Result<Self, String> {
        let bound = match listeners.clamp(1, LISTENERS_MAX) {
            1 => bind(address, false).map(|socket| vec![socket]),
            listeners => bind_all(address, listeners),
        };
        let sockets = bound.and_then(|sockets| {
            sockets.iter().try_for_each(|socket| enlarge(socket, buffer_bytes))?;
            Ok(sockets.into_iter().map(Into::into).collect())
        });
        sockets.map(Self).map_err(|error| unbound::explain(address, "agents", "--quic", &error))
    }

    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.0.first()?.local_addr().ok()
    }
}

fn bind(address: SocketAddr, is_shared: bool) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // An unspecified IPv6 address serves both families.
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_port(is_shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn bind_all(address: SocketAddr, listeners: usize) -> io::Result<Vec<socket2::Socket>> {
    // With a shared port, a second hub could bind it too, unnoticed. So the first try is without sharing.
    let alone = bind(address, false)?;
    let address = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    let first = bind(address, true)?;
    let lanes = u8::try_from(listeners).unwrap_or(u8::MAX);
    if let Err(error) = steer(&first, lanes) {
        // Without it an agent whose address changes would reach the wrong listener, so there is only one.
        tracing::info!(%error, "the system does not let connection ids choose the socket: agents share one thread");
        return Ok(vec![first]);
    }
    let mut sockets = vec![first];
    for _ in 1..listeners {
        sockets.push(bind(address, true)?);
    }
    Ok(sockets)
}

fn enlarge(socket: &socket2::Socket, buffer_bytes: usize) -> io::Result<()> {
    // The system may grant less, or refuse. That costs packets in a storm, but no correctness.
    let _as_it_was = socket.set_recv_buffer_size(buffer_bytes);
    let _as_it_was = socket.set_send_buffer_size(buffer_bytes);
    force(socket, buffer_bytes);
    let granted = socket.recv_buffer_size()?;
    if granted < buffer_bytes {
        tracing::info!(
            granted,
            wanted = buffer_bytes,
            "the system grants a smaller UDP buffer: raise net.core.rmem_max for large fleets"
        );
    }
    Ok(())
}

/// Exceeds the system's limit, if this process may.
#[cfg(target_os = "linux")]
fn force(socket: &socket2::Socket, buffer_bytes: usize) {
    use nix::sys::socket::setsockopt;
    use nix::sys::socket::sockopt::{RcvBufForce, SndBufForce};
    let _only_for_administrators = setsockopt(socket, RcvBufForce, &buffer_bytes);
    let _only_for_administrators = setsockopt(socket, SndBufForce, &buffer_bytes);
}

/// Other systems do not allow it.
#[cfg(not(target_os = "linux"))]
fn force(_: &socket2::Socket, _: usize) {}

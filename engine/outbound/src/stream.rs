//! A connection to another machine, of which only so many bytes are read.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::error::Failure;
use crate::limits::CONNECT_MAX;

/// Connects to the first address of a host that answers, and reads at most so many bytes from there.
pub(crate) async fn connect(host: &str, port: u16, bytes_max: usize) -> Result<Bounded<TcpStream>, Failure> {
    let addresses = lookup_host((host, port)).await;
    let addresses = addresses.map_err(|error| Failure::later(format!("{host} is not found: {error}")))?;
    let mut reason = "it has no address".to_owned();
    for peer in addresses {
        match timeout(CONNECT_MAX, TcpStream::connect(peer)).await {
            Ok(Ok(stream)) => return Ok(Bounded { stream, left: bytes_max, peer }),
            Ok(Err(error)) => reason = format!("{peer}: {error}"),
            Err(_) => reason = format!("{peer} does not answer"),
        }
    }
    Err(Failure::later(format!("no connection to {host}:{port}: {reason}")))
}

/// A stream of which only so many bytes are read: a receiver may send without end.
#[derive(Debug)]
pub(crate) struct Bounded<S> {
    stream: S,
    left: usize,
    peer: SocketAddr,
}

impl<S> Bounded<S> {
    /// The machine that it goes to.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// A stream to that machine, of which at most so many bytes are read.
    pub(crate) fn new(stream: S, peer: SocketAddr, bytes_max: usize) -> Self {
        Self { stream, left: bytes_max, peer }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the other side does not come to an end")));
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        let read = into.filled().len().saturating_sub(before);
        self.left = self.left.saturating_sub(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> AsyncTokioStream for Bounded<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

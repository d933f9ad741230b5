//! Bodies that are made while they are sent: by a thread that may wait for the disk, piece by piece, no faster than the
//! client reads.
//!
//! ```text
//! admitted ──► waits for a permit ──► computes ──► pieces that wait ──► the client
//!                     ▲                  │ they are as many as may
//!                     └── gives it back ◄┘
//! ```
//! A permit is for computing. Whoever waits for a slow client gives it to others.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use windfire_api::{Body, Busy, PIECE_BYTES, Streamed, Viewer, busy, failed};

use super::Http;
use super::budget::Held;
use super::connections::Connection;
use crate::limits::PIECES_WAITING_MAX;

/// Starts making the body. The first piece is there when this returns, or all of it: what fails before is an answer of its
/// own.
///
/// # Errors
/// The answer when it failed, or when the client seems to have left meanwhile.
pub(super) async fn start(
    http: &Arc<Http>,
    connection: &Connection,
    streamed: Streamed,
    held: Vec<Held>,
) -> Result<BoxBody<Bytes, io::Error>, Response<Body>> {
    tokio::select! {
        begun = begin(http, streamed, Arc::new(held)) => begun,
        () = connection.left() => Err(busy(Busy::Hub)),
    }
}

async fn begin(
    http: &Arc<Http>,
    Streamed { produce, viewer }: Streamed,
    held: Arc<Vec<Held>>,
) -> Result<BoxBody<Bytes, io::Error>, Response<Body>> {
    let (sender, mut pieces) = mpsc::channel(PIECES_WAITING_MAX);
    let room = Arc::clone(&http.history_room);
    let permit = Arc::clone(&room).acquire_owned().await.ok();
    let ended = Arc::new(OnceLock::new());
    let (http, end, runtime) = (Arc::clone(http), Arc::clone(&ended), Handle::current());
    let also_held = Arc::clone(&held);
    tokio::task::spawn_blocking(move || {
        let _held = also_held;
        let mut pieces = Pieces { http, viewer, sender, piece: Vec::new(), runtime, room, permit };
        let made = produce(&mut pieces).and_then(|()| pieces.finish());
        if let Err(error) = &made
            && !matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::PermissionDenied)
        {
            tracing::error!(%error, "an answer from history broke off");
        }
        // Before the sender is dropped, which says that this is the end.
        let _only_one = end.set(made.is_ok());
    });
    let first = pieces.recv().await;
    if first.is_none() && ended.get() != Some(&true) {
        return Err(failed("history cannot be read at present: ask again in a moment, and see the hub's log"));
    }
    Ok(Receiver { first, pieces, ended, _held: held }.boxed())
}

/// Gathers what is written into pieces, and waits for the reader with each.
struct Pieces {
    http: Arc<Http>,
    viewer: Viewer,
    sender: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
    runtime: Handle,
    room: Arc<Semaphore>,
    /// Held while computing.
    permit: Option<OwnedSemaphorePermit>,
}

impl Pieces {
    /// The next piece is there. It takes its place among those that wait; when there is none, somebody else may compute.
    fn send(&mut self) -> io::Result<()> {
        let now_s = (self.http.clock)().div_euclid(1000);
        if !self.viewer.is_still_valid(&self.http.engine, now_s) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        match self.sender.try_send(Bytes::from(std::mem::take(&mut self.piece))) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(gone()),
            Err(mpsc::error::TrySendError::Full(piece)) => {
                self.permit = None;
                // The socket has a deadline: when it ends, so does the receiver.
                self.runtime.block_on(self.sender.send(piece)).map_err(|_| gone())
            }
        }
    }

    /// Goes on computing, once there is room again.
    fn go_on(&mut self) -> io::Result<()> {
        if self.permit.is_none() {
            self.permit = self.runtime.block_on(async {
                tokio::select! {
                    permit = Arc::clone(&self.room).acquire_owned() => permit.ok(),
                    () = self.sender.closed() => None,
                }
            });
        }
        if self.permit.is_some() { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    /// Sends what is left.
    fn finish(&mut self) -> io::Result<()> {
        if self.piece.is_empty() { Ok(()) } else { self.send() }
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.send()?;
            self.go_on()?;
        }
        Ok(taken)
    }

    /// Nothing: pieces are sent when they are full, and at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The pieces as hyper takes them. When no more come and it was not all, the connection breaks off: a client must not take
/// half an answer for a whole one.
struct Receiver {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Bytes>,
    /// Whether it was all, once it has ended.
    ended: Arc<OnceLock<bool>>,
    _held: Arc<Vec<Held>>,
}

impl hyper::body::Body for Receiver {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None if self.ended.get() == Some(&true) => None,
            None => Some(Err(io::Error::other("the answer broke off"))),
        })
    }
}

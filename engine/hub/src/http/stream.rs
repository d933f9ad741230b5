//! Bodies that are made while they are sent: by a thread that may wait for the disk, piece by piece, no faster than the
//! client reads.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use windfire_api::{PIECE_BYTES, Producer};

use crate::limits::{PIECE_TIMEOUT, PIECES_WAITING_MAX};

/// Starts making the body, once there is room for one more.
pub(super) async fn start(produce: Producer, room: Arc<Semaphore>) -> BoxBody<Bytes, io::Error> {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING_MAX);
    // Never closed.
    let permit = room.acquire_owned().await;
    let runtime = Handle::current();
    let is_whole = Arc::new(AtomicBool::new(false));
    let done = Arc::clone(&is_whole);
    tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let mut pieces = Pieces { sender, piece: Vec::new(), runtime };
        match produce(&mut pieces).and_then(|()| pieces.flush()) {
            Ok(()) => done.store(true, Ordering::Release),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => tracing::error!(%error, "an answer from history broke off"),
        }
    });
    Receiver { pieces: receiver, is_whole }.boxed()
}

/// Gathers what is written into pieces, and waits for the reader with each.
struct Pieces {
    sender: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
    runtime: Handle,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.flush()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        // A reader that stands still must not hold the room of others.
        let sent = self.runtime.block_on(timeout(PIECE_TIMEOUT, self.sender.send(piece)));
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// The pieces as hyper takes them. When no more come and it was not all, the connection breaks off: a client must not take
/// half an answer for a whole one.
struct Receiver {
    pieces: mpsc::Receiver<Bytes>,
    is_whole: Arc<AtomicBool>,
}

impl hyper::body::Body for Receiver {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(piece) => Some(Ok(Frame::data(piece))),
            None if self.is_whole.load(Ordering::Acquire) => None,
            None => Some(Err(io::Error::other("the answer broke off"))),
        })
    }
}

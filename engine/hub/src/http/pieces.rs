//! A body of ready pieces, passed to hyper without joining them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::budget::Held;
use super::connections::Answering;

/// The pieces that hyper has not taken yet.
pub(super) struct Pieces {
    pieces: std::vec::IntoIter<Bytes>,
    left: u64,
    /// Held by the last piece: hyper has taken it long before the client has.
    held: Option<(Held, Answering)>,
}

impl Pieces {
    pub(super) fn new(pieces: Vec<Bytes>, held: Option<(Held, Answering)>) -> Self {
        Self { left: pieces.iter().map(|piece| piece.len() as u64).sum(), pieces: pieces.into_iter(), held }
    }
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.next();
        self.left -= piece.as_ref().map_or(0, |piece| piece.len() as u64);
        let is_last = self.pieces.as_slice().is_empty();
        let piece = match (piece, if is_last { self.held.take() } else { None }) {
            (Some(bytes), Some(held)) => Some(Bytes::from_owner(Last { bytes, _held: held })),
            (piece, _) => piece,
        };
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.as_slice().is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The last piece, and the shares that it holds until the client has taken it.
struct Last {
    bytes: Bytes,
    _held: (Held, Answering),
}

impl AsRef<[u8]> for Last {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

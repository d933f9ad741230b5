//! The body of an answer: ready bytes, or bytes that are computed while they are sent.

use std::io::{self, Write};

use bytes::Bytes;

use crate::live::Subscription;
use crate::viewer::Viewer;

/// Bytes of one piece of a streamed body: large enough that handing it over costs little, small enough to hold a few
/// for each slow reader.
pub const PIECE_BYTES: usize = 64 * 1024;

/// Computes a body. It writes until it is done, or until the writer fails because the client is gone.
pub type Producer = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + Send>;

/// A body that is computed while it is sent, which may take minutes.
pub struct Streamed {
    /// Computes it. Must run where it may wait for the disk and for the reader.
    pub produce: Producer,
    /// The viewer, whose rights are checked again on the way.
    pub viewer: Viewer,
}

/// The body of an answer.
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// All of it, in order. Many answers share their pieces.
    Pieces(Vec<Bytes>),
    /// Computes it.
    Stream(Streamed),
    /// Changes, for as long as the client reads them.
    Live(Box<Subscription>),
    /// Documents every two seconds over a WebSocket, for that viewer.
    WebSocket(Box<Viewer>),
}

impl Body {
    /// All of it, computed at once.
    ///
    /// # Errors
    /// The producer's.
    pub fn collect(self) -> io::Result<Bytes> {
        match self {
            Self::Whole(bytes) => Ok(bytes),
            Self::Pieces(pieces) => Ok(pieces.concat().into()),
            Self::Stream(streamed) => {
                let mut bytes = Vec::new();
                (streamed.produce)(&mut bytes)?;
                Ok(bytes.into())
            }
            Self::Live(_) | Self::WebSocket(_) => Err(io::Error::other("this body has no end")),
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole(bytes) => formatter.debug_tuple("Whole").field(&bytes.len()).finish(),
            Self::Pieces(pieces) => formatter.debug_tuple("Pieces").field(&pieces.len()).finish(),
            Self::Stream(_) => formatter.write_str("Stream"),
            Self::Live(_) => formatter.write_str("Live"),
            Self::WebSocket(_) => formatter.write_str("WebSocket"),
        }
    }
}

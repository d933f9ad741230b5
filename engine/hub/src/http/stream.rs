//! Bodies that are computed while they are sent: by a thread that may wait for the disk, piece by piece, no faster than
//! the client reads.
//!
//! ```text
//! admitted ──► waits for a permit ──► computes ──► pieces that wait ──► the client
//!                     ▲                  │ their number is bounded
//!                     └── gives it back ◄┘
//! ```
//! A permit is for computing. An answer that waits for a slow client gives its permit to others.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use windfire_api::{Body, Busy, PIECE_BYTES, Streamed, Viewer, busy, failed};

use super::Http;
use super::budget::Held;
use super::connections::Connection;
use crate::limits::PIECES_WAITING_MAX;

/// Starts computing the body. This returns with the first piece, or with all of it: an earlier failure gets its own
/// answer. But if the client closed its sending side long ago, the answer begins before its first piece. Then the
/// system of a client that is gone refuses it, and a client that still waits continues to wait.
///
/// # Errors
/// The answer if it failed, or if the client has left.
pub(super) async fn start(
    http: &Arc<Http>,
    connection: &Arc<Connection>,
    streamed: Streamed,
    held: Vec<Held>,
) -> Result<BoxBody<Bytes, io::Error>, Response<Body>> {
    let answering = connection.answering();
    let mut beginning: Beginning = Box::pin(begin(Arc::clone(http), streamed, Arc::new(held)));
    let body = tokio::select! {
        begun = &mut beginning => begun?.boxed(),
        () = connection.broke() => return Err(busy(Busy::Hub)),
        () = connection.stayed_silent() => Late::Beginning(Mutex::new(beginning)).boxed(),
    };
    let until_its_end = move |frame: Frame<Bytes>| {
        let _answering = &answering;
        frame
    };
    Ok(body.map_frame(until_its_end).boxed())
}

/// The future of a body, or of an answer that replaces it.
type Beginning = Pin<Box<dyn Future<Output = Result<Receiver, Response<Body>>> + Send>>;

async fn begin(
    http: Arc<Http>,
    Streamed { produce, viewer }: Streamed,
    held: Arc<Vec<Held>>,
) -> Result<Receiver, Response<Body>> {
    let (sender, mut pieces) = mpsc::channel(PIECES_WAITING_MAX);
    let room = Arc::clone(&http.history_room);
    let permit = Arc::clone(&room).acquire_owned().await.ok();
    let ended = Arc::new(OnceLock::new());
    let (end, runtime) = (Arc::clone(&ended), Handle::current());
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
        // This must happen before the sender is dropped, which tells the end.
        let _only_one = end.set(made.is_ok());
    });
    let first = pieces.recv().await;
    if first.is_none() && ended.get() != Some(&true) {
        return Err(failed("history cannot be read at present: ask again in a moment, and see the hub's log"));
    }
    Ok(Receiver { first, pieces, ended, _held: held })
}

/// A body whose head was sent before its first piece. The lock is never contended: it only makes the future one that
/// threads may share.
enum Late {
    Beginning(Mutex<Beginning>),
    Begun(Receiver),
}

impl hyper::body::Body for Late {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Self::Beginning(beginning) = &mut *self {
            match ready!(beginning.get_mut().as_mut().poll(context)) {
                Ok(receiver) => *self = Self::Begun(receiver),
                Err(_) => return Poll::Ready(Some(Err(io::Error::other("the answer failed after its head was sent")))),
            }
        }
        match &mut *self {
            Self::Begun(receiver) => Pin::new(receiver).poll_frame(context),
            Self::Beginning(_) => Poll::Pending,
        }
    }
}

/// Gathers the written bytes into pieces, and waits for the reader with each.
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
    /// Sends a piece, which takes one of the places for waiting pieces. If there is no place, the permit goes to
    /// others.
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

    /// Continues computing, once there is room again.
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

    /// Sends the remaining bytes.
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

    /// Does nothing: pieces are sent when they are full, and at the end.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The pieces as hyper takes them. If no more come and the answer is incomplete, the connection is broken off: a client
/// must not take half an answer for a whole one.
struct Receiver {
    first: Option<Bytes>,
    pieces: mpsc::Receiver<Bytes>,
    /// Whether the answer is complete, once it has ended.
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

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use tempfile::TempDir;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;
    use windfire_api::live::Live;
    use windfire_api::{Api, Producer};
    use windfire_engine::token::NewToken;
    use windfire_engine::{Engine, Options};

    use super::*;
    use crate::admin::HandOver;
    use crate::http::Shares;
    use crate::http::connections::{Connections, Slot};
    use crate::limits::{HISTORY_ANSWERS_MAX, HTTP_HALF_CLOSED_TIMEOUT};
    use crate::memory::Budgets;
    use crate::proxies::TrustedProxies;
    use crate::swap::Swap;

    fn http() -> (TempDir, Arc<Http>) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Engine::open(folder.path(), Options::default()).expect("a new store");
        let http = Http {
            api: Arc::new(Swap::new(Api::default())),
            live: Arc::new(Live::new(1, 30)),
            engine: Arc::new(engine),
            counters: Arc::default(),
            proxies: Arc::new(Swap::new(TrustedProxies::default())),
            hsts: Arc::new(Swap::new(None)),
            clock: Arc::new(|| 1_000_000),
            shares: Shares::of(&Budgets::of(1 << 30)),
            history_room: Arc::new(Semaphore::new(HISTORY_ANSWERS_MAX)),
            change_room: Arc::new(Semaphore::new(1)),
            hand_over: HandOver::new(folder.path().to_owned()),
            ticks: watch::channel(0).1,
        };
        (folder, Arc::new(http))
    }

    async fn begin_as(http: &Arc<Http>, viewer: Viewer, produce: Producer) -> Result<BoxBody<Bytes, io::Error>, u16> {
        let begun = begin(Arc::clone(http), Streamed { produce, viewer }, Arc::default()).await;
        begun.map(BodyExt::boxed).map_err(|instead| instead.status().as_u16())
    }

    async fn begin_with(http: &Arc<Http>, produce: Producer) -> Result<BoxBody<Bytes, io::Error>, u16> {
        begin_as(http, Viewer::guest(), produce).await
    }

    /// The bytes of so many pieces, and one more.
    fn pieces(count: usize) -> Producer {
        Box::new(move |out| out.write_all(&vec![7; count * PIECE_BYTES + 1]))
    }

    #[tokio::test]
    async fn what_fails_before_its_first_byte_is_an_answer_of_its_own() {
        let (_folder, http) = http();
        let fails: Producer = Box::new(|_| Err(io::Error::other("the store is closed")));
        assert_eq!(begin_with(&http, fails).await.map(drop), Err(503));
        let fails: Producer = Box::new(|out| {
            out.write_all(b"half a piece")?;
            Err(io::Error::other("the store is closed"))
        });
        assert_eq!(begin_with(&http, fails).await.map(drop), Err(503), "nothing of it was sent");
        let fails: Producer = Box::new(|out| {
            out.write_all(&[7; PIECE_BYTES])?;
            Err(io::Error::other("the store is closed"))
        });
        let begun = begin_with(&http, fails).await.expect("it began");
        assert!(begun.collect().await.is_err(), "half an answer is not taken for a whole one");
        let nothing = begin_with(&http, Box::new(|_| Ok(()))).await.expect("it began");
        assert!(nothing.collect().await.expect("whole").to_bytes().is_empty());
        let whole = begin_with(&http, pieces(20)).await.expect("it began");
        assert_eq!(whole.collect().await.expect("whole").to_bytes().len(), 20 * PIECE_BYTES + 1);
    }

    /// A connection whose client has sent nothing, and closed its half.
    async fn half_closed() -> (TcpStream, Arc<TcpStream>, Slot) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
        let (ours, peer) = listener.accept().await.expect("a client");
        client.shutdown().await.expect("half closed");
        let ours = Arc::new(ours);
        let slot = Connections::new(1, Arc::default()).enter(peer.ip(), Arc::downgrade(&ours)).await;
        (client, ours, slot)
    }

    #[tokio::test]
    async fn a_client_that_has_said_all_waits_for_its_answer_as_long_as_it_takes() {
        let (_folder, http) = http();
        let (_client, _ours, slot) = half_closed().await;
        let streamed = || Streamed { produce: pieces(3), viewer: Viewer::guest() };
        tokio::time::pause();
        // No permit is free for longer than the hub waits for any client otherwise.
        let all = u32::try_from(HISTORY_ANSWERS_MAX).expect("few");
        let busy = Arc::clone(&http.history_room).acquire_many_owned(all).await.expect("free");
        let before = tokio::time::Instant::now();
        let late = start(&http, &slot.connection, streamed(), Vec::new()).await.expect("it begins");
        assert!(before.elapsed() >= HTTP_HALF_CLOSED_TIMEOUT, "so that a client that is gone refuses it");
        tokio::time::resume();
        let reading = tokio::spawn(late.collect());
        drop(busy);
        assert_eq!(reading.await.expect("ended").expect("whole").to_bytes().len(), 3 * PIECE_BYTES + 1);
        // An answer that fails after its head was sent breaks off.
        tokio::time::pause();
        let busy = Arc::clone(&http.history_room).acquire_many_owned(all).await.expect("free");
        let fails: Producer = Box::new(|_| Err(io::Error::other("the store is closed")));
        let streamed = Streamed { produce: fails, viewer: Viewer::guest() };
        let late = start(&http, &slot.connection, streamed, Vec::new()).await.expect("it begins");
        tokio::time::resume();
        drop(busy);
        assert!(late.collect().await.is_err(), "half an answer is not taken for a whole one");
    }

    #[tokio::test]
    async fn answers_that_nobody_reads_let_others_compute() {
        let (_folder, http) = http();
        let mut unread = Vec::new();
        for _ in 0..HISTORY_ANSWERS_MAX * 2 {
            unread.push(begin_with(&http, pieces(PIECES_WAITING_MAX * 4)).await.expect("it began"));
        }
        for body in unread {
            let read = body.collect().await.expect("whole").to_bytes();
            assert_eq!(read.len(), PIECES_WAITING_MAX * 4 * PIECE_BYTES + 1);
        }
        let all = u32::try_from(HISTORY_ANSWERS_MAX).expect("few");
        drop(http.history_room.acquire_many(all).await.expect("every permit is given back"));
    }

    #[tokio::test]
    async fn whoever_makes_an_answer_learns_that_its_reader_is_gone() {
        let (_folder, http) = http();
        let (sender, ended) = channel();
        let produce: Producer = Box::new(move |out| {
            let ended = out.write_all(&vec![7; 100 * PIECE_BYTES]);
            sender.send(ended.as_ref().err().map(io::Error::kind)).expect("the test waits");
            ended
        });
        drop(begin_with(&http, produce).await.expect("it began"));
        let ended = tokio::task::spawn_blocking(move || ended.recv()).await.expect("no panic");
        assert_eq!(ended.expect("it ended"), Some(io::ErrorKind::BrokenPipe));
    }

    #[tokio::test]
    async fn an_answer_breaks_off_when_its_token_is_removed() {
        let (_folder, http) = http();
        let (id, token) = http.engine.registry().add_token(NewToken::of_v0("a script"), 0).expect("room");
        let mut headers = http::HeaderMap::new();
        headers.insert("authorization", token.parse().expect("a header"));
        let viewer = Viewer::of_token(&http.engine, &headers, 1000).expect("valid");
        let body = begin_as(&http, viewer, pieces(100)).await.expect("it began");
        http.engine.registry().remove_token(id).expect("there");
        assert!(body.collect().await.is_err());
    }
}

//! Sends the live stream: it is advanced once per second for all, and sent to each subscriber as fast as it reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use windfire_api::live::{self, Live, Subscription, TooMany};
use windfire_engine::Engine;

use super::Http;
use super::budget::Held;
use super::connections::{Answering, Connection};
use crate::clock::Clock;
use crate::limits::{LIVE_INTERVAL, LIVE_KEEP_ALIVE, live_read_timeout};
use crate::threads::{Phase, Stop};

/// Advances the stream until stopped. The ticks end with it, and so does every stream.
pub(crate) async fn run(live: Arc<Live>, engine: Arc<Engine>, clock: Clock, ticks: watch::Sender<u64>, mut stop: Stop) {
    let mut seconds = interval(LIVE_INTERVAL);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            () = stop.reached(Phase::Draining) => return,
        }
        let (live, engine, now_s) = (Arc::clone(&live), Arc::clone(&engine), clock().div_euclid(1000));
        // Comparing every server takes milliseconds, in which other requests are answered.
        let advanced = tokio::task::spawn_blocking(move || live.advance(&engine, now_s)).await;
        if let Err(error) = advanced {
            tracing::error!(%error, "the live stream was not advanced");
        }
        ticks.send_modify(|tick| *tick += 1);
    }
}

/// Starts a stream.
///
/// # Errors
/// There is no room for its stream key.
pub(super) fn start(
    http: &Arc<Http>,
    connection: Arc<Connection>,
    subscription: Subscription,
    held: (Vec<Held>, Answering),
) -> Result<BoxBody<Bytes, io::Error>, TooMany> {
    http.live.join(&http.engine, &subscription.key, (http.clock)().div_euclid(1000))?;
    // At most one event waits here. A subscriber that reads too slowly gets a new snapshot, not a queue.
    let (sender, receiver) = mpsc::channel(1);
    let feed = Feed { http: Arc::clone(http), connection, subscription, sender, _held: held };
    tokio::spawn(feed.run());
    Ok(Receiver(receiver).boxed())
}

struct Feed {
    http: Arc<Http>,
    connection: Arc<Connection>,
    subscription: Subscription,
    sender: mpsc::Sender<Bytes>,
    /// Its share of the allowed streams, and its connection's sign that an answer is under way.
    _held: (Vec<Held>, Answering),
}

impl Feed {
    async fn run(self) {
        let Self { http, connection, subscription, sender, _held } = self;
        let mut ticks = http.ticks.clone();
        let _counted = http.counters.live_streams.enter();
        let mut outlet = Outlet { sender, on_way: [0, 0], said_at: Instant::now() };
        let is_compressed = subscription.is_compressed;
        let preamble = live::preamble(is_compressed);
        if !preamble.is_empty() && !outlet.send(preamble).await {
            return;
        }
        let mut silent = std::pin::pin!(connection.fell_silent());
        let mut is_silent = false;
        let mut position = http.live.position(subscription.last_event_id.as_deref());
        loop {
            let now_s = (http.clock)().div_euclid(1000);
            if !subscription.is_still_allowed(&http.api.current(), &http.engine, now_s) {
                return;
            }
            let key = &subscription.key;
            // The body ends when there is no room: the page automatically tries again.
            let Ok(next) = http.live.next(&http.engine, key, position, is_compressed, now_s) else { return };
            if let Some((bytes, at)) = next {
                position = Some(at);
                if !outlet.send(bytes).await {
                    return;
                }
                continue;
            }
            tokio::select! {
                changed = ticks.changed() => if changed.is_err() { return },
                () = outlet.sender.closed() => return,
                () = connection.broke() => return,
                // The client has closed its sending side, or it is gone. If it is gone, its system refuses the bytes
                // sent now.
                () = &mut silent, if !is_silent => {
                    is_silent = true;
                    if !outlet.send(live::keep_alive(is_compressed)).await {
                        return;
                    }
                }
                // A tick comes every second, so this counts from the last event that was sent.
                () = sleep_until(outlet.said_at + LIVE_KEEP_ALIVE) => if !outlet.send(live::keep_alive(is_compressed)).await { return },
            }
        }
    }
}

/// Sends events, as fast as they are read.
struct Outlet {
    sender: mpsc::Sender<Bytes>,
    /// Bytes of the last two: one is being sent, and the other waits.
    on_way: [usize; 2],
    /// When the last of them was taken.
    said_at: Instant,
}

impl Outlet {
    /// Sends when the client has taken the event before the last. `false` when the client is gone, or reads too slowly.
    async fn send(&mut self, bytes: Bytes) -> bool {
        let [first, second] = self.on_way;
        self.on_way = [second, bytes.len()];
        let sent = timeout(live_read_timeout(first + second), self.sender.send(bytes)).await;
        self.said_at = Instant::now();
        matches!(sent, Ok(Ok(())))
    }
}

struct Receiver(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Receiver {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

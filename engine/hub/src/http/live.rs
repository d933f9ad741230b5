//! The live stream on its way out: advanced once a second for all, sent to each as fast as it reads.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use windfire_api::live::{self, Live, Watching};
use windfire_engine::Engine;

use super::Http;
use crate::limits::{LIVE_INTERVAL, LIVE_KEEP_ALIVE, LIVE_READ_TIMEOUT};
use crate::serve::Clock;

/// Advances the stream until stopped; the ticks end with it, and so does every stream.
pub(crate) async fn run(
    live: Arc<Live>,
    engine: Arc<Engine>,
    clock: Clock,
    ticks: watch::Sender<u64>,
    mut stop: watch::Receiver<bool>,
) {
    let mut seconds = interval(LIVE_INTERVAL);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = seconds.tick() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let (live, engine, now_s) = (Arc::clone(&live), Arc::clone(&engine), clock().div_euclid(1000));
        // A look at every server takes milliseconds, in which others' requests are answered.
        let advanced = tokio::task::spawn_blocking(move || live.advance(&engine, now_s)).await;
        if let Err(error) = advanced {
            tracing::error!(%error, "the live stream was not advanced");
        }
        ticks.send_modify(|tick| *tick += 1);
    }
}

/// Starts a stream.
pub(super) fn start(http: &Arc<Http>, watching: Watching) -> BoxBody<Bytes, io::Error> {
    // One event at most waits here; who reads slower than events come gets a fresh snapshot, not a queue.
    let (sender, receiver) = mpsc::channel(1);
    let feed = Feed { http: Arc::clone(http), watching, sender };
    tokio::spawn(feed.run());
    Receiver(receiver).boxed()
}

struct Feed {
    http: Arc<Http>,
    watching: Watching,
    sender: mpsc::Sender<Bytes>,
}

impl Feed {
    async fn run(self) {
        let Self { http, watching, sender } = self;
        let mut ticks = http.ticks.clone();
        let _counted = http.metrics.live_streams.enter();
        let send = |bytes: Bytes| async { matches!(timeout(LIVE_READ_TIMEOUT, sender.send(bytes)).await, Ok(Ok(()))) };
        let is_compressed = watching.is_compressed;
        let preamble = live::preamble(is_compressed);
        if !preamble.is_empty() && !send(preamble).await {
            return;
        }
        let mut position = http.live.position(watching.last_event_id.as_deref());
        loop {
            let now_s = (http.clock)().div_euclid(1000);
            if !watching.is_still_allowed(&http.engine, now_s) {
                return;
            }
            let kind = &watching.kind;
            // The body ends when there is no room: the page tries again by itself.
            let Ok(next) = http.live.next(&http.engine, kind, position, is_compressed, now_s) else { return };
            if let Some((bytes, at)) = next {
                position = Some(at);
                if !send(bytes).await {
                    return;
                }
                continue;
            }
            tokio::select! {
                changed = ticks.changed() => if changed.is_err() { return },
                () = sender.closed() => return,
                () = tokio::time::sleep(LIVE_KEEP_ALIVE) => if !send(live::keep_alive(is_compressed)).await { return },
            }
        }
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

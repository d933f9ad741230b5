//! `/ws` as Nezha v0 had it: a document every two seconds, a ping with every fourth.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use windfire_api::Audience;

use super::Http;
use crate::limits::{LIVE_READ_TIMEOUT, WEBSOCKET_INTERVAL, WEBSOCKET_MESSAGE_BYTES_MAX};

/// Documents between two pings.
const DOCUMENTS_PER_PING: u64 = 4;

/// Sends documents until the client goes, or stands still for too long, or the hub stops.
pub(super) async fn run(http: Arc<Http>, upgrade: OnUpgrade, audience: Audience) {
    let Ok(upgraded) = upgrade.await else { return };
    let _counted = http.metrics.live_streams.enter();
    // What clients say is not listened to, but for the end.
    let config = WebSocketConfig::default()
        .max_message_size(Some(WEBSOCKET_MESSAGE_BYTES_MAX))
        .max_frame_size(Some(WEBSOCKET_MESSAGE_BYTES_MAX));
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let (mut out, mut from) = socket.split();
    let mut turns = interval(WEBSOCKET_INTERVAL);
    // Who reads slowly gets the newest document when there is room for one, not those in between.
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = http.ticks.clone();
    let mut sent = 0u64;
    loop {
        tokio::select! {
            _ = turns.tick() => {}
            said = from.next() => match said {
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            // The sender is gone when the hub stops.
            gone = async { while ticks.changed().await.is_ok() {} } => return gone,
        }
        let document = http.live.document(&http.engine, &audience, (http.clock)());
        sent += 1;
        let documents = std::iter::once(Message::Text(document));
        let pings = sent.is_multiple_of(DOCUMENTS_PER_PING).then(|| Message::Ping(bytes::Bytes::new()));
        for message in documents.chain(pings) {
            if !matches!(timeout(LIVE_READ_TIMEOUT, out.send(message)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

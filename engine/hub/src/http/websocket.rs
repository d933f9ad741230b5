//! `/ws` as Nezha v0 had it: a document every two seconds, a ping with every fourth.

use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use windfire_api::Viewer;

use super::Http;
use super::budget::Held;
use super::connections::Connection;
use crate::limits::{LAST_WORD_TIMEOUT, LIVE_READ_TIMEOUT, WEBSOCKET_INTERVAL, WEBSOCKET_MESSAGE_BYTES_MAX};

/// Documents between two pings.
const DOCUMENTS_PER_PING: u64 = 4;

/// Sends documents until the client goes, or stands still for too long, or may not see them any more, or the hub stops.
/// `held` is its share of the streams there may be.
pub(super) async fn run(
    http: Arc<Http>,
    connection: Arc<Connection>,
    upgrade: OnUpgrade,
    viewer: Viewer,
    held: Vec<Held>,
) {
    let _held = held;
    tokio::select! {
        () = converse(&http, upgrade, &viewer) => {}
        () = connection.evicted() => {}
    }
}

async fn converse(http: &Http, upgrade: OnUpgrade, viewer: &Viewer) {
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
        let now_ms = (http.clock)();
        if !viewer.is_still_valid(&http.engine, now_ms.div_euclid(1000)) {
            let reason = "what let you in does not any more: sign in again, or send another token".into();
            let last_word = Message::Close(Some(CloseFrame { code: CloseCode::Policy, reason }));
            let said = timeout(LAST_WORD_TIMEOUT, async {
                let _sent = out.send(last_word).await;
                // The client answers; closed before, the socket might not deliver it.
                while let Some(Ok(_)) = from.next().await {}
            });
            let _in_time = said.await;
            return;
        }
        sent += 1;
        // Where slow readers hold all the room, there is one again with the next turn.
        let documents = http.live.document(&http.engine, viewer, now_ms).into_iter().map(Message::Text);
        let pings = sent.is_multiple_of(DOCUMENTS_PER_PING).then(|| Message::Ping(bytes::Bytes::new()));
        for message in documents.chain(pings) {
            if !matches!(timeout(LIVE_READ_TIMEOUT, out.send(message)).await, Ok(Ok(()))) {
                return;
            }
        }
    }
}

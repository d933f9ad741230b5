//! `/ws` as Nezha v0 had it: a document every two seconds, a ping with every fourth.

use std::sync::Arc;

use futures_util::StreamExt;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWrite, AsyncWriteExt, join, sink, split};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use windfire_api::Viewer;

use super::Http;
use super::budget::Held;
use super::connections::{Answering, Connection};
use crate::limits::{LAST_WORD_TIMEOUT, WEBSOCKET_INTERVAL, WEBSOCKET_MESSAGE_BYTES_MAX, live_read_timeout};

/// Documents between two pings.
const DOCUMENTS_PER_PING: u64 = 4;

/// Sends documents until the client leaves, does not read for too long, or may no longer see them, or until the hub
/// stops. `held` is its share of the streams, and its connection's sign that an answer is under way.
pub(super) async fn run(
    http: Arc<Http>,
    connection: Arc<Connection>,
    upgrade: OnUpgrade,
    viewer: Viewer,
    held: (Vec<Held>, Answering),
) {
    let _held = held;
    tokio::select! {
        () = converse(&http, upgrade, &viewer) => {}
        () = connection.evicted() => {}
    }
}

async fn converse(http: &Http, upgrade: OnUpgrade, viewer: &Viewer) {
    let Ok(upgraded) = upgrade.await else { return };
    let _counted = http.counters.live_streams.enter();
    // Frames from clients are ignored, except pings and close frames.
    let config = WebSocketConfig::default()
        // It is taken at once for every client.
        .read_buffer_size(WEBSOCKET_MESSAGE_BYTES_MAX)
        .max_message_size(Some(WEBSOCKET_MESSAGE_BYTES_MAX))
        .max_frame_size(Some(WEBSOCKET_MESSAGE_BYTES_MAX));
    let (from, mut out) = split(TokioIo::new(upgraded));
    // This only reads. Documents are written below, from bytes that all clients share; it would keep a copy of each.
    let mut from = WebSocketStream::from_raw_socket(join(from, sink()), Role::Server, Some(config)).await;
    let mut turns = interval(WEBSOCKET_INTERVAL);
    // A client that reads slowly gets the newest document when there is room for one, not those in between.
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ticks = http.ticks.clone();
    let mut sent = 0u64;
    loop {
        tokio::select! {
            _ = turns.tick() => {}
            said = from.next() => match said {
                Some(Ok(Message::Ping(payload))) => {
                    if !say(&mut out, OpCode::Control(Control::Pong), &payload).await {
                        return;
                    }
                    continue;
                }
                Some(Ok(Message::Close(_))) => {
                    let code = u16::from(CloseCode::Normal).to_be_bytes();
                    say(&mut out, OpCode::Control(Control::Close), &code).await;
                    return;
                }
                Some(Err(_)) | None => return,
                Some(Ok(_)) => continue,
            },
            // The sender is gone when the hub stops.
            gone = async { while ticks.changed().await.is_ok() {} } => return gone,
        }
        let now_ms = (http.clock)();
        if !http.api.current().still_admits(viewer, &http.engine, now_ms.div_euclid(1000)) {
            let reason = "your token or session is no longer valid: sign in again, or send another token";
            let last_word = [&u16::from(CloseCode::Policy).to_be_bytes(), reason.as_bytes()].concat();
            let said = timeout(LAST_WORD_TIMEOUT, async {
                say(&mut out, OpCode::Control(Control::Close), &last_word).await;
                // Waits for the client's answer: if the socket were closed before, the close frame might be lost.
                while let Some(Ok(_)) = from.next().await {}
            });
            let _in_time = said.await;
            return;
        }
        sent += 1;
        // If slow readers hold all the room, the next turn tries again.
        if let Some(document) = http.live.document(&http.engine, viewer, now_ms)
            && !say(&mut out, OpCode::Data(Data::Text), document.as_bytes()).await
        {
            return;
        }
        if sent.is_multiple_of(DOCUMENTS_PER_PING) && !say(&mut out, OpCode::Control(Control::Ping), &[]).await {
            return;
        }
    }
}

/// Sends one frame. `false` when the client is gone, or does not take it.
async fn say(out: &mut (impl AsyncWrite + Unpin), opcode: OpCode, payload: &[u8]) -> bool {
    let mut head = Vec::with_capacity(10);
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    if header.format(payload.len() as u64, &mut head).is_err() {
        return false;
    }
    let written = timeout(live_read_timeout(payload.len()), async {
        out.write_all(&head).await?;
        out.write_all(payload).await?;
        out.flush().await
    });
    matches!(written.await, Ok(Ok(())))
}

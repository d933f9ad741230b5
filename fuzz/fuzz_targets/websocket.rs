//! What a client sends on `/ws`, in pieces of any size, to the reader that the hub has, with the hub's bounds: it ends, and no
//! message is longer than it may be.
#![no_main]

#[path = "../../engine/hub/src/limits.rs"]
#[allow(dead_code)]
mod limits;

use std::io::{self, Read, Write};

use libfuzzer_sys::fuzz_target;
use limits::WEBSOCKET_MESSAGE_BYTES_MAX;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message, WebSocket};

/// A client that says this and then goes away.
struct Client<'a> {
    said: &'a [u8],
    piece_bytes_max: usize,
}

impl Read for Client<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.said.len().min(into.len()).min(self.piece_bytes_max);
        let (piece, rest) = self.said.split_at(bytes);
        into[..bytes].copy_from_slice(piece);
        self.said = rest;
        Ok(bytes)
    }
}

impl Write for Client<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((piece, said)) = input.split_first() else { return };
    let config = WebSocketConfig::default()
        .max_message_size(Some(WEBSOCKET_MESSAGE_BYTES_MAX))
        .max_frame_size(Some(WEBSOCKET_MESSAGE_BYTES_MAX));
    let client = Client { said, piece_bytes_max: usize::from(*piece).max(1) };
    let mut socket = WebSocket::from_raw_socket(client, Role::Server, Some(config));
    let mut messages = 0;
    while let Ok(message) = socket.read() {
        messages += 1;
        assert!(message.len() <= WEBSOCKET_MESSAGE_BYTES_MAX, "{} bytes", message.len());
        if let Message::Ping(payload) = &message {
            assert!(payload.len() <= 125, "the answer to a ping is one short frame");
        }
        if message.is_close() {
            break;
        }
    }
    // A frame of a client has a head of two bytes and a mask of four.
    assert!(messages * 6 <= said.len());
});

//! Guests can make up kinds of streams, and each costs something every second: there are so many and no more. Who is known
//! has others, and a kind that nobody watches any more gives its place away.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::hub::panel::Stream;
use crate::hub::{new_hub, wait_until};
use windfire_bench::hub_process::HubProcess;

/// Asks for a stream and reads no further than its status.
fn status(hub: &HubProcess, query: &str) -> String {
    let mut socket = TcpStream::connect(hub.http()).expect("a connection");
    write!(socket, "GET /api/v1/server/stream{query} HTTP/1.1\r\nHost: hub\r\n\r\n").expect("sent");
    let mut line = [0; 12];
    socket.read_exact(&mut line).expect("a status");
    String::from_utf8_lossy(&line[9..]).into_owned()
}

/// What guests may watch at once.
const GUEST_KINDS: usize = 128;

#[test]
fn a_stream_without_room_is_refused_before_it_begins() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(2, "shop");
    let token = hub.make_token();
    hub.start();
    let mut streams: Vec<Stream> = (0..GUEST_KINDS)
        .map(|number| {
            let mut stream = Stream::open(&hub, &format!("?tag={number}"), &[]);
            assert_eq!(stream.next().expect("a snapshot").name, "snapshot");
            stream
        })
        .collect();
    let refused = hub.get("/api/v1/server/stream?tag=another", "");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.text());
    // Kinds that are there are shared by any number; and who is known is not among the guests.
    assert!(Stream::open(&hub, "?tag=7", &[]).next().is_some());
    assert!(Stream::open(&hub, "?tag=another", &[("Authorization", &token)]).next().is_some());
    drop(streams.pop());
    wait_until("a kind that nobody watches gave its place away", || {
        hub.metric("windfire_live_streams") == (GUEST_KINDS - 1) as f64
    });
    wait_until("there is a place", || status(&hub, "?tag=another") == "200");
}

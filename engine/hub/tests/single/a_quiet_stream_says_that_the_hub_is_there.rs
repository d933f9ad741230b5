//! A fleet in which nothing changes: whoever watches it can tell the quiet from a connection that is dead.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::hub::new_hub;

/// The panel waits so long for a sign of life.
const SILENCE_MAX: Duration = Duration::from_secs(12);
/// Signs of life that are waited for.
const SIGNS: usize = 2;
/// Silence before each of them: the snapshot comes in pieces that follow one another.
const SILENCE_MIN: Duration = Duration::from_secs(1);
/// More than they take. A stream that is never quiet has none.
const SIGNS_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn a_quiet_stream_says_that_the_hub_is_there() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(1, "shop");
    hub.start();
    // Ticks go on every second for both, and nobody ever reports.
    let signs_of_life = |more: &str| {
        let mut socket = std::net::TcpStream::connect(hub.http()).expect("a connection");
        socket.set_read_timeout(Some(SILENCE_MAX)).expect("a time limit");
        let request = format!("GET /api/v1/server/stream HTTP/1.1\r\nHost: hub\r\n{more}\r\n");
        socket.write_all(request.as_bytes()).expect("sent");
        let (begun, mut piece, mut signs) = (Instant::now(), [0; 4096], 0);
        let mut silence = || {
            let asked = Instant::now();
            let read = socket.read(&mut piece).expect("something within the time that the panel waits");
            assert!(read > 0, "the stream ended");
            asked.elapsed()
        };
        // Until the first piece it is the answer that is waited for.
        silence();
        while signs < SIGNS {
            signs += usize::from(silence() >= SILENCE_MIN);
            assert!(begun.elapsed() < SIGNS_WITHIN, "the stream is not quiet");
        }
    };
    std::thread::scope(|scope| {
        let compressed = scope.spawn(|| signs_of_life("Accept-Encoding: gzip\r\n"));
        signs_of_life("");
        compressed.join().expect("it says so, too");
    });
}

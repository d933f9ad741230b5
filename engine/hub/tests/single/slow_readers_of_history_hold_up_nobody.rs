//! Readers of history who hardly read let others compute meanwhile, and get all of their answer when they do read.
//! There are so many at once and no more, and a guest's address has its share.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::hub::{new_hub, wait_until};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::month::{self, Month};

const PATH: &str = "/api/v1/server/history?metric=cpu,mem_used,load1,load5,load15,tcp_conn,udp_conn,process_count&\
    from=-24h&step=10s&points=20000&format=csv";

/// What a slow reader takes of its answer, and how often. Whoever takes nothing for 30 s is let go of, and a busy
/// machine may need longer than that for the answers of others.
const SIP_BYTES: usize = 16 * 1024;
const SIP_INTERVAL: Duration = Duration::from_secs(1);

/// Asks, and reads nothing of the answer. The client's buffer is small.
fn ask(hub: &HubProcess, token: &str, path: &str) -> TcpStream {
    let mut socket = TcpStream::connect(hub.http()).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let token = if token.is_empty() { String::new() } else { format!("Authorization: {token}\r\n") };
    write!(socket, "GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n{token}\r\n").expect("sent");
    socket
}

/// The status and the bytes after the head.
fn read(socket: TcpStream) -> (String, Vec<u8>) {
    read_on(socket, Vec::new())
}

/// The same of an answer that has begun.
fn read_on(mut socket: TcpStream, mut answer: Vec<u8>) -> (String, Vec<u8>) {
    socket.read_to_end(&mut answer).expect("read to the end");
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    (String::from_utf8_lossy(&answer[9..12]).into_owned(), answer.split_off(end))
}

/// Reads an answer slowly until `is_over`, then to its end.
fn read_slowly(mut socket: TcpStream, is_over: Arc<AtomicBool>) -> JoinHandle<(String, Vec<u8>)> {
    thread::spawn(move || {
        let (mut begun, mut sip) = (Vec::new(), vec![0; SIP_BYTES]);
        socket.set_nonblocking(true).expect("a socket");
        while !is_over.load(Ordering::Acquire) {
            match socket.read(&mut sip) {
                Ok(0) => break,
                Ok(count) => begun.extend_from_slice(&sip[..count]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            thread::sleep(SIP_INTERVAL);
        }
        socket.set_nonblocking(false).expect("a socket");
        read_on(socket, begun)
    })
}

#[test]
fn slow_readers_of_history_hold_up_nobody() {
    let (_folder, mut hub) = new_hub(&[]);
    let (servers, hours) = (4, 24);
    let month = Month::until_now(servers, hours, 10_000);
    month::make(hub.data(), month);
    let token = hub.make_token();
    hub.start();
    let range = |path: &str| {
        path.replace("from=-24h", &format!("from={}&to={}", month.end_ms / 1000 - 80_000, month.end_ms / 1000))
    };
    let path = range(PATH);
    let (status, whole) = read(ask(&hub, &token, &path));
    assert_eq!(status, "200", "{}", String::from_utf8_lossy(&whole));
    assert!(whole.len() > 4 << 20, "{} bytes do not fit into buffers", whole.len());

    // Twice as many as compute at once: with a deadline for a piece, or a right to compute that is kept, nobody else would be.
    let is_over = Arc::new(AtomicBool::new(false));
    let waiting: Vec<_> = (0..8).map(|_| read_slowly(ask(&hub, &token, &path), Arc::clone(&is_over))).collect();
    for _ in 0..3 {
        assert_eq!(read(ask(&hub, &token, &path)), ("200".to_owned(), whole.clone()));
    }

    // A guest's address has a share, which is given back by who leaves, and those who are known have another.
    let mut guests: Vec<TcpStream> = (0..8).map(|_| ask(&hub, "", &path)).collect();
    let head = |socket: &mut TcpStream| {
        let mut line = [0; 12];
        socket.read_exact(&mut line).expect("a status");
        String::from_utf8_lossy(&line[9..]).into_owned()
    };
    guests.iter_mut().for_each(|guest| assert_eq!(head(guest), "200"));
    let refused = hub.request("GET", &path, &[], b"").expect("an answer");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{}", refused.text());
    assert_eq!(read(ask(&hub, &token, &path)).0, "200");
    let before = hub.usage().rss_bytes;
    drop(guests);
    wait_until("there is room again", || head(&mut ask(&hub, "", &path)) == "200");
    assert!(hub.usage().rss_bytes < before + (64 << 20));

    // Whoever has read next to nothing so far gets every byte.
    is_over.store(true, Ordering::Release);
    for reader in waiting {
        assert_eq!(reader.join().expect("a whole answer"), ("200".to_owned(), whole.clone()));
    }
}

//! More connections than there are slots, from the browser's own address: that say nothing, that never finish what they say,
//! that do not read. Whoever asks something is answered all the same, long before a silent connection's time is over,
//! and who is known keeps their connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::hub::new_hub;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use windfire_bench::hub_process::HubProcess;

/// Slots, and some more.
const CONNECTIONS: usize = 1100;
/// Time for an answer on a busy machine: less than the 10 s after which a silent connection's slot becomes free anyway.
const ANSWER_MAX: Duration = Duration::from_secs(9);

fn connect(hub: &HubProcess, said: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(hub.http()).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    // It may have had to go already.
    let _taken = socket.write_all(said);
    socket
}

fn is_answered_in_time(hub: &HubProcess, token: &str, when: &str) {
    for path in ["/healthz", "/api/v1/server/list", "/api/v1/server/top?metric=cpu", "/"] {
        let began = Instant::now();
        let answer = hub.get(path, token);
        assert_eq!(answer.status, 200, "{path} {when}: {}", answer.text());
        assert!(began.elapsed() < ANSWER_MAX, "{path} {when}: {:?}", began.elapsed());
    }
}

/// Asks on a connection that is kept, and reads the answer.
fn ask(kept: &mut BufReader<TcpStream>, token: &str) -> String {
    let request = format!("GET /api/v1/server/list HTTP/1.1\r\nHost: hub\r\nAuthorization: {token}\r\n\r\n");
    kept.get_mut().write_all(request.as_bytes()).expect("sent");
    let (mut status, mut line, mut length) = (String::new(), String::new(), 0);
    kept.read_line(&mut status).expect("an answer");
    while kept.read_line(&mut line).expect("a header") > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
        line.clear();
    }
    kept.read_exact(&mut vec![0; length]).expect("the body");
    status
}

#[test]
fn silent_connections_keep_nobody_out() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("more descriptors");
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(3, "shop");
    let token = hub.make_token();
    hub.start();
    let mut known = BufReader::new(connect(&hub, b""));
    assert!(ask(&mut known, &token).contains("200"));

    let silent: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(&hub, b"")).collect();
    is_answered_in_time(&hub, &token, "beside silent connections");
    assert!(ask(&mut known, &token).contains("200"), "who is known keeps the connection");

    let mut slow: Vec<TcpStream> =
        (0..CONNECTIONS).map(|_| connect(&hub, b"GET / HTTP/1.1\r\nHost: hub\r\n")).collect();
    slow.iter_mut().for_each(|socket| drop(socket.write_all(b"X-More: yes\r\n")));
    is_answered_in_time(&hub, &token, "beside requests that never end");
    drop((silent, slow));
    assert!(ask(&mut known, &token).contains("200"), "who is known keeps the connection");

    // Answers that nobody reads: more than the system's buffers take.
    let asked = b"GET /openapi.json HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(50);
    let unread: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(&hub, &asked)).collect();
    // Making so many answers takes a hub that was built for tests a while.
    assert_eq!(hub.get("/healthz", "").status, 200);
    is_answered_in_time(&hub, &token, "beside answers that nobody reads");
    assert!(ask(&mut known, &token).contains("200"), "who is known keeps the connection");
    assert!(hub.metric("windfire_http_connections") <= 1024.0);
    assert!(hub.metric("windfire_http_evicted_total") >= 3.0 * (CONNECTIONS as f64 - 1024.0));
    drop(unread);

    // WebSockets keep their slots, so they are no way around the bound.
    let upgrade = b"GET /ws HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let sockets: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(&hub, upgrade)).collect();
    is_answered_in_time(&hub, &token, "beside WebSockets");
    assert!(hub.metric("windfire_http_connections") <= 1024.0);
    assert!(hub.metric("windfire_live_streams") <= 384.0, "a guest's address has half of the streams");
    let refused = sockets.into_iter().filter_map(|mut socket| {
        let mut line = [0; 12];
        socket.read_exact(&mut line).ok()?;
        (line == *b"HTTP/1.1 429").then_some(())
    });
    assert!(refused.count() > 0, "the others are told so");
}

#[test]
fn few_descriptors_are_no_end() {
    use rustix::process::{Pid, prlimit};

    let (_folder, mut hub) = new_hub(&[]);
    let token = hub.make_token();
    hub.start();
    let pid = Pid::from_raw(i32::try_from(hub.pid()).expect("a process id")).expect("not zero");
    // Fewer than there are slots, so accepting itself fails.
    prlimit(Some(pid), Resource::Nofile, Rlimit { current: Some(256), maximum: Some(256) }).expect("a limit");
    let silent: Vec<TcpStream> = (0..400).map(|_| connect(&hub, b"")).collect();
    is_answered_in_time(&hub, &token, "with few descriptors");
    drop(silent);
}

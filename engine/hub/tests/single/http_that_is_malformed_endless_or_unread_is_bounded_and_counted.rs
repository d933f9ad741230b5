//! Heads that are too large, bytes that are no HTTP, requests that never end, thousands of requests at once, and live streams
//! that nobody reads, from one address at the same time: each is counted, and whoever asks something is answered.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::hub::flood::{ATTACKER, Bystanders, HONEST, MIB, connect_from, counted, read_status};
use crate::hub::sick_disk::Reader;
use crate::hub::{new_hub, wait_until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::tally;

/// All kinds together have fewer connections than there are slots, so none has to go for another.
const BOMBS: usize = 200;
const GARBAGE: usize = 200;
const SLOW: usize = 300;
const STREAMS: usize = 450;
/// Half of the 768 live streams may belong to the guests of one address.
const STREAMS_MAX: usize = 384;
const PIPELINES: usize = 20;
const PIPELINED: usize = 1000;
const DRIP_INTERVAL: Duration = Duration::from_millis(200);
/// A request has 10 s, and a busy hub needs some more until it looks.
const DRIP_MAX: Duration = Duration::from_secs(120);
const GROWTH_BYTES_MAX: u64 = 128 * MIB;

/// Sends a head of a megabyte, and returns the status.
fn throw_bomb(hub: &HubProcess) -> Option<u16> {
    let mut socket = connect_from(ATTACKER, hub);
    // The hub stops reading when it has seen enough.
    let _refused = socket.write_all(b"GET / HTTP/1.1\r\nHost: hub\r\n").and_then(|()| {
        let header = format!("X-Bomb: {}\r\n", "x".repeat(8000));
        (0..128).try_for_each(|_| socket.write_all(header.as_bytes()))
    });
    // It closes a connection with bytes that it did not read, so the status may be lost on the way.
    let mut line = [0; 12];
    socket.read_exact(&mut line).ok()?;
    std::str::from_utf8(&line[9..]).ok()?.parse().ok()
}

/// Sends bytes that are no request, and reads to the end.
fn say_garbage(hub: &HubProcess) -> Vec<u8> {
    let mut socket = connect_from(ATTACKER, hub);
    let _refused = socket.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n");
    let mut answer = Vec::new();
    let _reset = socket.read_to_end(&mut answer);
    answer
}

/// Sends many requests at once, then reads all answers.
fn pipeline(hub: &HubProcess) -> usize {
    let mut socket = connect_from(ATTACKER, hub);
    socket.write_all(&b"GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(PIPELINED)).expect("sent");
    let mut answers = BufReader::new(socket);
    (0..PIPELINED).filter(|_| read_status(&mut answers) == 200).count()
}

/// A byte of a head now and then on each, until the hub has ended as many.
fn drip(hub: &HubProcess, mut slow: Vec<TcpStream>) {
    let began = Instant::now();
    while counted(hub, "windfire_http_ended_total", "reason", "silent") < slow.len() as f64 {
        assert!(began.elapsed() < DRIP_MAX, "the hub lets requests take that long");
        for socket in &mut slow {
            let _ended = socket.write_all(b"x");
        }
        std::thread::sleep(DRIP_INTERVAL);
    }
}

/// Asks for live streams and reads nothing but the status. Returns how many were given, and the connections.
fn watch(hub: &HubProcess) -> (usize, Vec<TcpStream>) {
    let mut given = 0;
    let mut ask = |_: usize| {
        let mut socket = connect_from(ATTACKER, hub);
        socket.write_all(b"GET /api/v1/server/stream HTTP/1.1\r\nHost: hub\r\n\r\n").expect("sent");
        let mut line = [0; 12];
        socket.read_exact(&mut line).expect("a status");
        assert!(matches!(&line[9..], b"200" | b"429"), "{:?}", String::from_utf8_lossy(&line));
        given += usize::from(&line[9..] == b"200");
        socket
    };
    let sockets = (0..STREAMS).map(&mut ask).collect();
    (given, sockets)
}

#[test]
fn http_that_is_malformed_endless_or_unread_is_bounded_and_counted() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("more descriptors");
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(HONEST, "shop");
    let token = hub.make_token();
    hub.start();
    let hub = &hub;
    let ended = |reason: &str| counted(hub, "windfire_http_ended_total", "reason", reason);
    let bystanders = Bystanders::start(hub, &credentials);
    let browser = Reader::start(hub, &token, &[]);
    std::thread::scope(|scope| {
        let begin = |_| {
            let mut socket = connect_from(ATTACKER, hub);
            socket.write_all(b"GET / HTTP/1.1\r\nHost: hub\r\nX-Slow: ").expect("sent");
            socket
        };
        let slow: Vec<TcpStream> = (0..SLOW).map(begin).collect();
        scope.spawn(move || drip(hub, slow));
        let (given, _unread) = watch(hub);
        let streams = hub.metric("windfire_live_streams");
        tally!("{given} of {STREAMS} live streams that nobody reads were given");
        assert!(given > 0 && streams <= STREAMS_MAX as f64, "{given} streams given, {streams} open");
        assert!(counted(hub, "windfire_http_answers_total", "status", "429") >= (STREAMS - STREAMS_MAX) as f64);
        let told = (0..BOMBS).filter_map(|_| throw_bomb(hub)).inspect(|status| assert_eq!(*status, 431)).count();
        // Of senders that did not wait for the status, the hub may only see that they are gone.
        wait_until("each bomb is counted", || ended("head_too_large") + ended("broken") >= BOMBS as f64);
        assert!(ended("head_too_large") > 0.0);
        let refused = (0..GARBAGE).filter(|_| say_garbage(hub).starts_with(b"HTTP/1.1 400")).count();
        let bad = |reasons: [&str; 3]| reasons.into_iter().map(ended).sum::<f64>();
        let counted = || bad(["head_too_large", "malformed", "broken"]) >= (BOMBS + GARBAGE) as f64;
        wait_until("all garbage is counted", counted);
        assert!(ended("malformed") > 0.0);
        tally!("{BOMBS} heads were too large, {told} senders were told; of {GARBAGE} without HTTP, {refused}");
        let answered: usize = (0..PIPELINES).map(|_| pipeline(hub)).sum();
        tally!("{answered} of {} pipelined requests were answered", PIPELINES * PIPELINED);
        assert_eq!(answered, PIPELINES * PIPELINED);
        assert!(hub.metric("windfire_http_connections") <= 1024.0);
    });
    let answers = browser.finish();
    bystanders.judge("hostile HTTP", GROWTH_BYTES_MAX);
    tally!("{SLOW} slow requests were ended; a browser: {answers:?}");
    assert_eq!(hub.metric("windfire_http_evicted_total"), 0.0, "there was room for all");
}

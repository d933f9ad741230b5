//! One valid token takes all the connections that it can get, and asks on each of them often enough to keep it. Then it
//! takes live streams from two addresses. Probes, a sign-in and another token are answered all the same, and the hub
//! counts what was beyond the token's share.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::flood::{ATTACKER, counted};
use crate::hub::panel::{Stream, password, sign_in};
use crate::hub::{new_hub, wait_until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::tally;

/// Connections that the token wants: all that there are, and some more.
const WANTED: usize = 1100;
const PLACES: usize = 1024;
/// What one token may have of them.
const SHARE: usize = 512;
/// Time between two requests on each connection: less than the 10 s after which a silent one ends.
const ASK_INTERVAL: Duration = Duration::from_secs(2);
/// The attacker's other address.
const ATTACKER_TOO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 67);
/// Live streams that the token wants from each of its addresses. One address may have 384.
const STREAMS: usize = 350;
/// How often the others ask, and for how long: longer than a silent connection lasts.
const ROUNDS: usize = 6;
const ROUND_INTERVAL: Duration = Duration::from_secs(2);
/// Time for an answer on a busy machine: less than the 10 s after which a silent connection ends anyway.
const ANSWER_MAX: Duration = Duration::from_secs(9);

/// Asks from that address, on a connection of its own.
fn ask(hub: SocketAddr, from: Ipv4Addr, request: &str) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&hub.into())?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

fn request(path: &str, token: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: {token}\r\n\r\n")
}

/// A thread that takes connections, keeps them, and takes others for those that the hub closed. It ends with this.
struct Greedy {
    is_over: Arc<AtomicBool>,
    /// How often it has asked on all of them.
    rounds: Arc<AtomicUsize>,
}

impl Greedy {
    fn start(hub: SocketAddr, token: &str) -> Self {
        let (is_over, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (seen, done, request) = (Arc::clone(&is_over), Arc::clone(&rounds), request("/api/v1/server/list", token));
        thread::spawn(move || {
            let mut taken: Vec<Option<TcpStream>> = (0..WANTED).map(|_| None).collect();
            while !seen.load(Ordering::Acquire) {
                for place in &mut taken {
                    // Answers are small, so the system has room for all that are not read.
                    let is_kept = place.as_mut().is_some_and(|socket| socket.write_all(request.as_bytes()).is_ok());
                    if !is_kept {
                        *place = ask(hub, ATTACKER, &request).ok();
                    }
                }
                done.fetch_add(1, Ordering::Release);
                thread::sleep(ASK_INTERVAL);
            }
        });
        Self { is_over, rounds }
    }
}

impl Drop for Greedy {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
    }
}

/// Asks what must be answered with 200, and returns how long that took.
fn answered(what: &str, ask: impl FnOnce() -> u16) -> Duration {
    let began = Instant::now();
    let status = ask();
    let took = began.elapsed();
    assert!(status == 200 && took < ANSWER_MAX, "{what}: {status} after {took:?}");
    took
}

/// Probes, a sign-in and another token. Returns the slowest answer.
fn others_are_answered(hub: &HubProcess, password: &str, token: &str) -> Duration {
    let list = "/api/v1/server/list";
    let took = [
        answered("/healthz", || hub.get("/healthz", "").status),
        answered("/readyz", || hub.get("/readyz", "").status),
        answered("/metrics", || hub.get("/metrics", "").status),
        answered("a sign-in", || sign_in(hub, "admin", password, &[]).status),
        answered("another token", || hub.get(list, token).status),
        answered("a page", || hub.get("/", "").status),
    ];
    took.into_iter().max().unwrap_or_default()
}

#[test]
fn one_token_that_takes_all_it_can_get_keeps_nobody_out() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("more descriptors");
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(3, "shop");
    let (token, other) = (hub.make_token(), hub.make_token());
    hub.start();
    let hub = &hub;
    let admin = password(hub, "admin");
    let over_share = |outcome: &str| counted(hub, "windfire_http_over_share_total", "outcome", outcome);

    let greedy = Greedy::start(hub.http(), &token);
    wait_until("the token has asked on all its connections", || greedy.rounds.load(Ordering::Acquire) > 0);
    let mut slowest = Duration::ZERO;
    for _ in 0..ROUNDS {
        slowest = slowest.max(others_are_answered(hub, &admin, &other));
        answered("the token itself", || hub.get("/api/v1/server/list", &token).status);
        thread::sleep(ROUND_INTERVAL);
    }
    let (open, closed) = (hub.metric("windfire_http_connections"), over_share("closed"));
    tally!("{WANTED} connections wanted, {open} open, {closed} closed for others; slowest answer {slowest:?}");
    assert!(open <= PLACES as f64 && closed >= (WANTED - SHARE) as f64);
    drop(greedy);
    wait_until("its connections are gone", || hub.metric("windfire_http_connections") < 100.0);

    let watch = |from: Ipv4Addr| {
        let mut socket = ask(hub.http(), from, &request("/api/v1/server/stream", &token)).expect("a connection");
        let mut line = [0; 12];
        socket.read_exact(&mut line).expect("a status");
        assert!(matches!(&line[9..], b"200" | b"429"), "{:?}", String::from_utf8_lossy(&line));
        (&line[9..] == b"200").then_some(socket)
    };
    let wanted = [[ATTACKER; STREAMS], [ATTACKER_TOO; STREAMS]].into_iter().flatten();
    let streams: Vec<TcpStream> = wanted.filter_map(watch).collect();
    assert_eq!(streams.len(), SHARE, "streams are connections, whatever the address");
    assert!(over_share("refused") >= (2 * STREAMS - SHARE) as f64);
    let refused = hub.get("/api/v1/server/list", &token);
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")), "{}", refused.text());
    assert!(refused.text().contains("512 connections") && refused.text().contains("use another token"));
    let slowest = others_are_answered(hub, &admin, &other);
    let mut stream = Stream::open(hub, "", &[("Authorization", &other)]);
    assert_eq!(stream.next().expect("a stream").name, "snapshot");
    tally!("{} live streams of {} wanted; slowest answer {slowest:?}", streams.len(), 2 * STREAMS);
}

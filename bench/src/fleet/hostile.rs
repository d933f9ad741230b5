//! Attacks of one address and one credential, together with an honest fleet and an honest browser, whose requests are
//! timed.
//!
//! All attacks run at once, again and again until stopped:
//!
//! * connections that send nothing, that send slowly, or that do not read their answers
//! * WebSockets and live streams that are opened and not read
//! * a guest's requests for history, read slowly
//! * a list of one id thirty thousand times
//! * an agent that reports as fast as it can, from future hours, with as many sensors as possible
//!
//! They all go to one hub on this machine.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::clock::Clock;
use windfire_agent::identity::Identity;
use windfire_agent::link::{Endpoints, Link, LinkOptions};
use windfire_agent::outbox::{Outbox, new_outbox_id};
use windfire_agent::sampler::Feed;
use windfire_agent::trust::Trust;
use windfire_wire::limits::{TEMPERATURE_NAME_BYTES_MAX, TEMPERATURES_MAX};
use windfire_wire::{Report, Temperature};

use crate::clock::unix_ms;
use crate::http_client::HttpClient;
use crate::swarm::Target;
use crate::workload::host;

/// Connections of each kind that are kept open at once.
const SILENT: usize = 600;
const SLOW: usize = 300;
const UNREAD: usize = 300;
const WEB_SOCKETS: usize = 150;
const STREAMS: usize = 150;
const HISTORIES: usize = 100;
/// Time between two tries of one attacker whose connection was refused or ended.
const AGAIN: Duration = Duration::from_millis(200);
/// Milliseconds by which the greedy agent's clock is ahead.
const AHEAD_MS: i64 = 6 * 3_600_000;
/// Time between two requests of the browser.
const BROWSE_INTERVAL: Duration = Duration::from_millis(250);

/// An ack at the 99th percentile may take twice as long as before the attack, and so long in any case: the attackers
/// run on the hub's own cores, and a machine that others use needs some milliseconds more at times.
const ACK_P99_MS_FLOOR: f64 = 100.0;
/// Milliseconds after which a request of the browser counts as not answered: less than the 10 s after which the hub
/// ends silent connections, so an answer has not waited for their places.
const BROWSE_MS_MAX: f64 = 9000.0;

/// The attack of one HTTP attacker, by its number.
#[derive(Debug, Clone, Copy)]
enum Attack {
    Silent,
    Slow,
    Unread,
    WebSocket,
    Stream,
    History,
}

/// The results of an attack.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostileOutcome {
    /// Connections that the attackers opened.
    pub connections: u64,
    /// Bytes that they read.
    pub bytes_read: u64,
    /// Reports of the greedy agent that the hub took.
    pub greedy_acked: u64,
    /// Requests of the browser.
    pub browsed: u64,
    /// Requests without a 200.
    pub browse_failed: u64,
    /// The slowest request, milliseconds.
    pub browse_ms_max: f64,
    /// The 99th percentile of the requests, milliseconds.
    pub browse_ms_p99: f64,
    /// Median over the seconds before the attack of the acks' 99th percentile, milliseconds.
    pub ack_p99_ms_before: f64,
    /// The same under attack.
    pub ack_p99_ms_during: f64,
    /// Resident memory of the hub at its highest before the attack, MiB.
    pub rss_mib_before: f64,
    /// The same under attack.
    pub rss_mib_during: f64,
    /// The same some time after the attack, at that moment.
    pub rss_mib_after: f64,
    /// MiB by which an attack may raise it: the hub's `memory_bytes_max`. Absent for a hub that is not ours.
    pub growth_mib_max: Option<f64>,
}

impl HostileOutcome {
    /// What the attack cost others, beyond what it may. Empty if everything is within its bounds.
    pub(super) fn broken_promises(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let (before, during) = (self.ack_p99_ms_before, self.ack_p99_ms_during);
        let ack_ms_max = (before * 2.0).max(ACK_P99_MS_FLOOR);
        if during == 0.0 {
            broken.push("no acks under attack in half of the seconds".to_owned());
        } else if during > ack_ms_max {
            broken.push(format!(
                "acks, p99: {during:.1} ms under attack and {before:.1} ms before, at most {ack_ms_max:.1} ms may be"
            ));
        }
        let growth_mib = self.rss_mib_during - self.rss_mib_before;
        if let Some(max) = self.growth_mib_max.filter(|max| growth_mib > *max) {
            broken.push(format!("the hub's memory grew by {growth_mib:.1} MiB, at most {max:.1} MiB may be"));
        }
        if self.browse_failed > 0 || self.browsed == 0 {
            broken.push(format!("{} of {} requests with a valid token failed", self.browse_failed, self.browsed));
        }
        if self.browse_ms_max > BROWSE_MS_MAX {
            broken.push(format!(
                "a request with a valid token took {:.1} ms, at most {BROWSE_MS_MAX:.1} ms may be",
                self.browse_ms_max
            ));
        }
        broken
    }
}

/// Attackers, and the browser.
pub(super) struct Hostile {
    stop: watch::Sender<bool>,
    counts: Arc<Counts>,
    attackers: JoinHandle<u64>,
    browser: Browser,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    bytes_read: AtomicU64,
}

impl Hostile {
    /// Starts the attackers. The browser runs already.
    pub(super) fn start(http: SocketAddr, target: &Target, credential: &str, browser: Browser) -> Self {
        let stop = watch::Sender::new(false);
        let counts = Arc::new(Counts::default());
        let (stopped, target, credential) = (stop.subscribe(), target.clone(), credential.to_owned());
        let all = Arc::clone(&counts);
        let attackers = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(attack(http, target, credential, stopped, all))
        });
        Self { stop, counts, attackers, browser }
    }

    /// Ends all of them.
    pub(super) fn finish(self) -> HostileOutcome {
        let _nobody_left = self.stop.send(true);
        let greedy_acked = self.attackers.join().unwrap_or(0);
        HostileOutcome {
            connections: self.counts.connections.load(Ordering::Relaxed),
            bytes_read: self.counts.bytes_read.load(Ordering::Relaxed),
            greedy_acked,
            ..self.browser.finish()
        }
    }
}

async fn attack(
    http: SocketAddr,
    target: Target,
    credential: String,
    stopped: watch::Receiver<bool>,
    counts: Arc<Counts>,
) -> u64 {
    let kinds = [
        (Attack::Silent, SILENT),
        (Attack::Slow, SLOW),
        (Attack::Unread, UNREAD),
        (Attack::WebSocket, WEB_SOCKETS),
        (Attack::Stream, STREAMS),
        (Attack::History, HISTORIES),
    ];
    for (kind, count) in kinds {
        for number in 0..count {
            let (mut stopped, counts) = (stopped.clone(), Arc::clone(&counts));
            tokio::spawn(async move {
                let harass = async {
                    loop {
                        let _ended = harass(http, kind, number, &counts).await;
                        tokio::time::sleep(AGAIN).await;
                    }
                };
                tokio::select! {
                    () = harass => {}
                    _ = stopped.wait_for(|stopped| *stopped) => {}
                }
            });
        }
    }
    be_greedy(&target, credential, stopped).await
}

async fn harass(http: SocketAddr, kind: Attack, number: usize, counts: &Counts) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(16 * 1024)?;
    let mut stream = socket.connect(http).await?;
    counts.connections.fetch_add(1, Ordering::Relaxed);
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: hub\r\n\r\n");
    match kind {
        Attack::Silent => read_at(&mut stream, 0, counts).await,
        Attack::Slow => {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: hub\r\nX-Slow: ").await?;
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                stream.write_all(b"x").await?;
            }
        }
        Attack::Unread => {
            let ids = "1,".repeat(30_000);
            let path = if number.is_multiple_of(2) { "/api/v1/server/details" } else { "/api/v1/server/details?id=" };
            let path = if number.is_multiple_of(2) { path.to_owned() } else { format!("{path}{ids}") };
            for _ in 0..8 {
                stream.write_all(get(&path).as_bytes()).await?;
            }
            // Open, and never read.
            std::future::pending().await
        }
        Attack::WebSocket => {
            let head = "GET /ws HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            read_at(&mut stream, 512, counts).await
        }
        Attack::Stream => {
            stream.write_all(get(&format!("/api/v1/server/stream?id={}", number + 1)).as_bytes()).await?;
            read_at(&mut stream, 512, counts).await
        }
        Attack::History => {
            let metrics = "cpu,mem_used,disk_used,net_in_transfer,net_out_transfer,load1,load5,load15,tcp_conn";
            let path = format!("/api/v1/server/history?metric={metrics}&from=-7d&step=31s");
            stream.write_all(get(&path).as_bytes()).await?;
            read_at(&mut stream, 16 * 1024, counts).await
        }
    }
}

/// Reads so many bytes per second until the other side ends the connection.
async fn read_at(stream: &mut TcpStream, bytes_per_s: usize, counts: &Counts) -> io::Result<()> {
    let mut piece = vec![0; bytes_per_s.max(1)];
    loop {
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            read => counts.bytes_read.fetch_add(read as u64, Ordering::Relaxed),
        };
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// An agent that reports as fast as the hub takes it. Returns the number of reports that the hub acknowledged.
async fn be_greedy(target: &Target, credential: String, mut stopped: watch::Receiver<bool>) -> u64 {
    let feed = Feed::new(Outbox::in_memory(new_outbox_id()), Duration::from_secs(1));
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a socket");
    let endpoints = Endpoints::over(Trust::Fingerprint(target.fingerprint), socket).expect("TLS");
    let options = LinkOptions {
        hubs: target.hubs.clone(),
        identity: Identity::of_credential(credential),
        backoff: BackoffOptions::default(),
        clock: Clock::new(unix_ms),
        ack_each_frame: true,
    };
    let (_, facts) = watch::channel(host(0));
    tokio::spawn(Link::new(options, endpoints, feed.clone(), facts, stopped.clone()).run());
    let sensor = |number: usize| Temperature {
        name: format!("{number:0width$}", width = TEMPERATURE_NAME_BYTES_MAX),
        celsius: 40.0,
    };
    let temperatures: Vec<Temperature> = (0..TEMPERATURES_MAX).map(sensor).collect();
    while !*stopped.borrow() {
        for _ in 0..200 {
            let report =
                Report { time_ms: unix_ms() + AHEAD_MS, temperatures: temperatures.clone(), ..Report::default() };
            if feed.push(report).await.is_err() {
                break;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
            _ = stopped.changed() => {}
        }
    }
    let outbox = feed.outbox().await;
    outbox.kept_count() - outbox.len()
}

/// A browser with the panel: sends one request after the other, each with a valid token.
pub(super) struct Browser {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(Duration, bool)>>,
}

impl Browser {
    pub(super) fn start(http: SocketAddr, token: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, token) = (Arc::clone(&stop), token.to_owned());
        let thread = thread::spawn(move || {
            let paths = ["/healthz", "/api/v1/server/list", "/", "/api/v1/server/details?id=1", "/readyz"];
            let mut all = Vec::new();
            for number in 0.. {
                if stopped.load(Ordering::Acquire) {
                    break;
                }
                // Half of the time with a new connection, as after a pause.
                let mut client = HttpClient::new(http).with_header("Authorization", &token);
                for path in [paths[number % paths.len()], paths[(number + 1) % paths.len()]] {
                    let sent = Instant::now();
                    let mut ask = || client.get(path, None).map(|answer| answer.status);
                    // A kept connection may be gone by now: browsers try again with a new one.
                    let is_ok = ask().or_else(|_| ask()).is_ok_and(|status| status == 200);
                    all.push((sent.elapsed(), is_ok));
                    thread::sleep(BROWSE_INTERVAL);
                }
            }
            all
        });
        Self { stop, thread }
    }

    fn finish(self) -> HostileOutcome {
        self.stop.store(true, Ordering::Release);
        let mut all = self.thread.join().unwrap_or_default();
        all.sort_unstable_by_key(|(took, _)| *took);
        let ms = |index: usize| all.get(index).map_or(0.0, |(took, _)| took.as_secs_f64() * 1000.0);
        HostileOutcome {
            browsed: all.len() as u64,
            browse_failed: all.iter().filter(|(_, is_ok)| !is_ok).count() as u64,
            browse_ms_max: ms(all.len().saturating_sub(1)),
            browse_ms_p99: ms(all.len() * 99 / 100),
            ..HostileOutcome::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figures of docs/performance.md.
    fn measured() -> HostileOutcome {
        HostileOutcome {
            browsed: 960,
            browse_ms_max: 103.7,
            ack_p99_ms_before: 38.1,
            ack_p99_ms_during: 38.6,
            rss_mib_before: 86.0,
            rss_mib_during: 166.0,
            growth_mib_max: Some(256.0),
            ..HostileOutcome::default()
        }
    }

    #[test]
    fn each_promise_that_an_attack_breaks_is_named() {
        assert_eq!(measured().broken_promises(), Vec::<String>::new());
        let slow_before = HostileOutcome { ack_p99_ms_before: 90.0, ack_p99_ms_during: 179.0, ..measured() };
        assert_eq!(slow_before.broken_promises(), Vec::<String>::new());
        let broken = [
            (HostileOutcome { ack_p99_ms_during: 101.0, ..measured() }, "acks, p99: 101.0 ms"),
            (HostileOutcome { ack_p99_ms_during: 0.0, ..measured() }, "no acks"),
            (HostileOutcome { rss_mib_during: 343.0, ..measured() }, "grew by 257.0 MiB"),
            (HostileOutcome { browse_failed: 1, ..measured() }, "1 of 960 requests"),
            (HostileOutcome { browsed: 0, ..measured() }, "0 of 0 requests"),
            (HostileOutcome { browse_ms_max: 9001.0, ..measured() }, "took 9001.0 ms"),
        ];
        for (outcome, words) in broken {
            let found = outcome.broken_promises();
            assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:?}");
        }
    }
}

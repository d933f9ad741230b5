//! API requests during a run, at a fixed rate, however long the answers take.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::http_client::HttpClient;

/// Requests per second on one connection. Higher rates use several connections.
const RATE_PER_CONNECTION: f64 = 50.0;

/// The operation that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `details` of all servers.
    Details,
    /// `details` of all servers, if it differs from the answer before.
    DetailsIfChanged,
    /// `details` of all servers, gzip.
    DetailsGzip,
    /// `list` of all servers.
    List,
    /// One hour of one metric of one server.
    History,
}

/// One operation and its rate: `details=50/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ApiLoad {
    /// The operation.
    pub operation: Operation,
    /// Requests per second.
    pub per_s: f64,
}

impl Operation {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Details, "details"),
        (Self::DetailsIfChanged, "details-304"),
        (Self::DetailsGzip, "details-gzip"),
        (Self::List, "list"),
        (Self::History, "history"),
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(operation, _)| *operation == self).map_or("", |(_, name)| name)
    }

    fn path(self, number: u64, servers: usize) -> String {
        match self {
            Self::Details | Self::DetailsIfChanged | Self::DetailsGzip => "/api/v1/server/details".to_owned(),
            Self::List => "/api/v1/server/list".to_owned(),
            Self::History => {
                let id = 1 + number * 7919 % servers.max(1) as u64;
                let metrics = ["cpu", "mem_used", "load1", "net_in_transfer", "net_in_speed"];
                let metric = metrics[usize::try_from(number).unwrap_or(0) % metrics.len()];
                format!("/api/v1/server/history?id={id}&metric={metric}&from=-1h")
            }
        }
    }
}

impl FromStr for ApiLoad {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not an operation and a rate, such as details=50/s");
        let (name, rate) = text.split_once('=').ok_or_else(wrong)?;
        let (operation, _) = Operation::ALL.iter().find(|(_, known)| *known == name).copied().ok_or_else(|| {
            let known: Vec<&str> = Operation::ALL.iter().map(|(_, name)| *name).collect();
            format!("{name:?} is unknown: there are {}", known.join(", "))
        })?;
        let per_s: f64 = rate.strip_suffix("/s").unwrap_or(rate).parse().map_err(|_| wrong())?;
        if per_s > 0.0 && per_s <= 100_000.0 { Ok(Self { operation, per_s }) } else { Err(wrong()) }
    }
}

/// The results.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Microseconds from when a request was due until its answer was read.
    pub latency: Histogram<u64>,
    /// Microseconds from when a request was sent, without the wait for a slow answer before it.
    pub service: Histogram<u64>,
    /// Answers 304.
    pub not_modified: u64,
    /// Failed requests and answers that are neither 200 nor 304.
    pub failed: u64,
    /// Bytes of bodies.
    pub bytes: u64,
}

impl Answers {
    fn new() -> Self {
        let histogram = || Histogram::new(3).expect("3 digits");
        Self { latency: histogram(), service: histogram(), not_modified: 0, failed: 0, bytes: 0 }
    }
}

/// Requests under way.
pub struct Asking {
    stop: Arc<AtomicBool>,
    threads: Vec<(Operation, JoinHandle<Answers>)>,
    readers: Vec<JoinHandle<()>>,
}

impl Asking {
    /// Starts the requests, and slow readers of `details`.
    pub fn start(http: SocketAddr, token: &str, servers: usize, loads: &[ApiLoad], slow_readers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for load in loads {
            let connections = (load.per_s / RATE_PER_CONNECTION).ceil().max(1.0);
            let every = Duration::from_secs_f64(connections / load.per_s);
            // All connections of a load take requests from one count, so that a slow answer delays only its own
            // connection.
            let count = Arc::new(AtomicU64::new(0));
            let started = Instant::now();
            let apart = every.div_f64(connections);
            for _ in 0..connections as u64 {
                let client = HttpClient::new(http).with_header("Authorization", token);
                let client = match load.operation {
                    Operation::DetailsGzip => client.with_header("Accept-Encoding", "gzip"),
                    _ => client,
                };
                let (stop, count, operation) = (Arc::clone(&stop), Arc::clone(&count), load.operation);
                let ask = move || ask(client, operation, servers, started, apart, &count, &stop);
                threads.push((load.operation, thread::spawn(ask)));
            }
        }
        let reader = |_| {
            let (stop, token) = (Arc::clone(&stop), token.to_owned());
            thread::spawn(move || {
                while !stop.load(Ordering::Acquire) {
                    let _ended = read_slowly(http, &token, &stop);
                }
            })
        };
        let readers = (0..slow_readers).map(reader).collect();
        Self { stop, threads, readers }
    }

    /// Stops the requests. Returns the results of each operation.
    ///
    /// # Panics
    /// When a thread failed.
    pub fn finish(self) -> Vec<(Operation, Answers)> {
        self.stop.store(true, Ordering::Release);
        let mut all: Vec<(Operation, Answers)> = Vec::new();
        for (operation, thread) in self.threads {
            let answers = thread.join().expect("a client that works");
            match all.iter_mut().find(|(known, _)| *known == operation) {
                Some((_, sum)) => {
                    sum.latency.add(&answers.latency).expect("a histogram that grows");
                    sum.service.add(&answers.service).expect("a histogram that grows");
                    sum.not_modified += answers.not_modified;
                    sum.failed += answers.failed;
                    sum.bytes += answers.bytes;
                }
                None => all.push((operation, answers)),
            }
        }
        for reader in self.readers {
            let _ended = reader.join();
        }
        all
    }
}

fn ask(
    mut client: HttpClient,
    operation: Operation,
    servers: usize,
    started: Instant,
    apart: Duration,
    count: &AtomicU64,
    stop: &AtomicBool,
) -> Answers {
    let mut answers = Answers::new();
    let mut tag = None;
    while !stop.load(Ordering::Acquire) {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let due = started + Duration::from_nanos(u64::try_from(apart.as_nanos()).unwrap_or(u64::MAX) * number);
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let sent = Instant::now();
        let known = tag.as_deref().filter(|_| operation == Operation::DetailsIfChanged);
        match client.get(&operation.path(number, servers), known) {
            Ok(answer) if answer.status == 200 || answer.status == 304 => {
                let micros = |since: Instant| u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX).max(1);
                answers.latency.record(micros(due)).expect("a histogram that grows");
                answers.service.record(micros(sent)).expect("a histogram that grows");
                answers.not_modified += u64::from(answer.status == 304);
                answers.bytes += answer.bytes;
                tag = answer.tag.or(tag);
            }
            _ => answers.failed += 1,
        }
    }
    answers
}

fn read_slowly(http: SocketAddr, token: &str, stop: &AtomicBool) -> io::Result<()> {
    let mut stream = TcpStream::connect(http)?;
    let request = format!(
        "GET /api/v1/server/details HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nAuthorization: {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut piece = [0; 16 * 1024];
    while !stop.load(Ordering::Acquire) && stream.read(&mut piece)? > 0 {
        // 16 KiB sixteen times per second.
        thread::sleep(Duration::from_micros(62_500));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_an_operation_and_a_rate() {
        let load = ApiLoad { operation: Operation::Details, per_s: 50.0 };
        assert_eq!("details=50/s".parse(), Ok(load));
        for wrong in ["details", "details=0/s", "details=x", "nothing=1/s"] {
            assert!(wrong.parse::<ApiLoad>().is_err(), "{wrong}");
        }
    }
}

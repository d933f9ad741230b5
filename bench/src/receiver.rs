//! Somebody who is told of alerts: a tiny HTTP server that keeps what it got. And what sets alerts up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::Value;

use crate::hub_process::HubProcess;

/// A receiver of webhooks. It answers each at once, but for paths that hang.
pub struct Receiver {
    address: SocketAddr,
    inside: Arc<Inside>,
}

#[derive(Default)]
struct Inside {
    /// The requests, in order.
    got: Mutex<Vec<Request>>,
    /// Whether requests to paths that begin with `/hangs` get no answer.
    hangs: AtomicBool,
}

struct Request {
    at: Instant,
    path: String,
    body: Value,
}

impl Receiver {
    /// Listens at a free port. It ends with this process.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let inside = Arc::new(Inside::default());
        let shared = Arc::clone(&inside);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let inside = Arc::clone(&shared);
                thread::spawn(move || while inside.answer(&stream).is_some() {});
            }
        });
        Self { address, inside }
    }

    /// Whether requests to paths that begin with `/hangs` get no answer from now on.
    pub fn hang(&self, hangs: bool) {
        self.inside.hangs.store(hangs, Ordering::Release);
    }

    /// What came to that path, in order.
    pub fn told(&self, name: &str) -> Vec<Value> {
        self.told_at(name).into_iter().map(|(_, body)| body).collect()
    }

    /// What came to that path, in order, and when.
    pub fn told_at(&self, name: &str) -> Vec<(Instant, Value)> {
        let got = self.inside.got.lock();
        let mine = got.iter().filter(|request| request.path[1..] == *name);
        mine.map(|request| (request.at, request.body.clone())).collect()
    }

    /// Creates a channel that goes to that path, and returns its id. Nothing is too much for it.
    ///
    /// # Panics
    /// When the hub refuses.
    pub fn channel(&self, hub: &HubProcess, name: &str) -> String {
        let url = format!("url=http://{}/{name}", self.address);
        let kind = ["--kind", "webhook", "--set", &url, "--messages-per-minute", "600"];
        done(hub, &[&["channel", "add", "--name", name][..], &kind].concat())["id"].to_string()
    }
}

impl Inside {
    /// Takes one request. `None` when there is no other.
    fn answer(&self, mut stream: &TcpStream) -> Option<()> {
        let mut reader = BufReader::with_capacity(1, stream);
        let mut line = || {
            let mut line = String::new();
            let bytes = reader.read_line(&mut line).ok()?;
            (bytes > 0).then(|| line.trim_end().to_owned())
        };
        let path = line()?.split(' ').nth(1)?.to_owned();
        let mut length = 0;
        while let Some((name, value)) = line()?.split_once(':') {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = serde_json::from_slice(&body).expect("a webhook is JSON unless it is told otherwise");
        let hangs = path.starts_with("/hangs") && self.hangs.load(Ordering::Acquire);
        self.got.lock().push(Request { at: Instant::now(), path, body });
        if hangs {
            // Until the hub gives up.
            let _gone = reader.read_to_end(&mut Vec::new());
            return None;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()
    }
}

/// What a verb of the command line answers.
///
/// # Panics
/// When it fails.
pub fn done(hub: &HubProcess, arguments: &[&str]) -> Value {
    let output = hub.cli(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Creates a rule whose alerts begin and end without delay, and returns its id.
///
/// # Panics
/// When the hub refuses.
pub fn add_rule(hub: &HubProcess, name: &str, when: &str, channels: &str, more: &[&str]) -> u64 {
    let rule = ["rule", "add", "--name", name, "--when", when, "--channels", channels, "--keep-s", "0"];
    done(hub, &[&rule[..], more].concat())["id"].as_u64().expect("an id")
}

/// The newest rows of the log of alerts, of these servers or of all when none are named.
///
/// # Panics
/// When the hub refuses.
pub fn log(hub: &HubProcess, servers: &[u64]) -> Vec<Value> {
    let ids = servers.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let mut arguments = vec!["alerts", "log", "--limit", "10000"];
    if !servers.is_empty() {
        arguments.extend(["--id", ids.as_str()]);
    }
    let rows = done(hub, &arguments);
    rows.as_array().expect("a list").clone()
}

/// What alerts of a rule have done, by the log: the rows that say so.
///
/// # Panics
/// As [`log`].
pub fn events(hub: &HubProcess, rule: u64, what: &str) -> Vec<Value> {
    let mut rows = log(hub, &[]);
    rows.retain(|row| row["rule"] == rule && row["what"] == what);
    rows
}

/// The messages with that status.
pub fn with_status(messages: &[Value], status: &str) -> Vec<Value> {
    messages.iter().filter(|message| message["status"] == status).cloned().collect()
}

/// Alerts that messages tell of.
///
/// # Panics
/// When one has no count.
pub fn counted(messages: &[Value]) -> u64 {
    messages.iter().map(|message| message["count"].as_u64().expect("a count")).sum()
}

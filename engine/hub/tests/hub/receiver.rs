//! Somebody who is told of alerts: a tiny HTTP server that keeps what it got. And what sets alerts up.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use parking_lot::Mutex;
use serde_json::Value;
use windfire_bench::hub_process::HubProcess;

use super::wait_until;

/// A receiver of webhooks. It answers each at once, but for a path that hangs.
pub(crate) struct Receiver {
    address: SocketAddr,
    inside: Arc<Inside>,
}

#[derive(Default)]
struct Inside {
    /// Path and body of each request, in order.
    got: Mutex<Vec<(String, Value)>>,
    /// Whether requests to the path `/hangs` get no answer.
    hangs: AtomicBool,
}

impl Receiver {
    /// Listens at a free port. It ends with the test's process.
    pub(crate) fn start() -> Self {
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

    /// Whether requests to `/hangs` get no answer from now on.
    pub(crate) fn hang(&self, hangs: bool) {
        self.inside.hangs.store(hangs, Ordering::Release);
    }

    /// What came to that path, in order.
    pub(crate) fn told(&self, name: &str) -> Vec<Value> {
        let got = self.inside.got.lock();
        got.iter().filter(|(path, _)| path[1..] == *name).map(|(_, body)| body.clone()).collect()
    }

    /// Creates a channel that goes to that path. Nothing is too much for it.
    pub(crate) fn channel(&self, hub: &HubProcess, name: &str) -> String {
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
        let hangs = path == "/hangs" && self.hangs.load(Ordering::Acquire);
        self.got.lock().push((path, body));
        if hangs {
            // Until the hub gives up.
            let _gone = reader.read_to_end(&mut Vec::new());
            return None;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").ok()
    }
}

/// What a verb of the command line answers, which must succeed.
pub(crate) fn done(hub: &HubProcess, arguments: &[&str]) -> Value {
    let output = hub.cli(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Creates a rule whose alerts begin and end without delay.
pub(crate) fn add_rule(hub: &HubProcess, name: &str, when: &str, channels: &str, more: &[&str]) -> u64 {
    let rule = ["rule", "add", "--name", name, "--when", when, "--channels", channels, "--keep-s", "0"];
    done(hub, &[&rule[..], more].concat())["id"].as_u64().expect("an id")
}

/// How many alerts of a rule have done that, by the log.
pub(crate) fn events(hub: &HubProcess, rule: u64, what: &str) -> Vec<Value> {
    let log = done(hub, &["alerts", "log", "--limit", "10000"]);
    let rows = log.as_array().expect("a list").iter();
    rows.filter(|row| row["rule"] == rule && row["what"] == what).cloned().collect()
}

/// Waits until the hub has judged so many times more.
pub(crate) fn wait_for_passes(hub: &HubProcess, passes: f64) {
    let count = || hub.metric("windfire_alert_pass_seconds_count");
    let from = count();
    wait_until("the hub has judged again", || count() >= from + passes);
}

/// The messages with that status.
pub(crate) fn with_status(messages: &[Value], status: &str) -> Vec<Value> {
    messages.iter().filter(|message| message["status"] == status).cloned().collect()
}

/// Alerts that messages tell of.
pub(crate) fn counted(messages: &[Value]) -> u64 {
    messages.iter().map(|message| message["count"].as_u64().expect("a count")).sum()
}

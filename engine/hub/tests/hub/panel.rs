//! Somebody at the panel: a cookie, a CSRF token, and requests with them.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use windfire_bench::hub_process::{HttpAnswer, HubProcess};

/// A signed-in browser.
#[derive(Clone)]
pub(crate) struct Panel {
    /// Name and value, as the browser sends it.
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

/// A new password for that user.
pub(crate) fn password(hub: &HubProcess, user: &str) -> String {
    let output = hub.cli(&["admin", "password", user, "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    answer["password"].as_str().expect("a password").to_owned()
}

/// Tries to sign in.
pub(crate) fn sign_in(hub: &HubProcess, user: &str, password: &str, more: &[(&str, &str)]) -> HttpAnswer {
    let body = serde_json::json!({"user": user, "password": password}).to_string();
    let headers = [&[("Content-Type", "application/json")], more].concat();
    hub.request("POST", "/api/v1/session", &headers, body.as_bytes()).expect("an answer")
}

impl Panel {
    /// The first administrator, with a password made for the purpose.
    pub(crate) fn of_admin(hub: &HubProcess) -> Self {
        Self::of_answer(&sign_in(hub, "admin", &password(hub, "admin"), &[]))
    }

    /// What a successful sign-in gave.
    pub(crate) fn of_answer(answer: &HttpAnswer) -> Self {
        assert_eq!(answer.status, 200, "{}", answer.text());
        let set = answer.header("set-cookie").expect("a cookie");
        let session: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let csrf = session["result"]["csrf"].as_str().expect("a token").to_owned();
        Self { cookie: set.split(';').next().unwrap_or_default().to_owned(), csrf }
    }

    pub(crate) fn get(&self, hub: &HubProcess, path: &str) -> HttpAnswer {
        hub.request("GET", path, &[("Cookie", &self.cookie)], b"").expect("an answer")
    }

    pub(crate) fn change(&self, hub: &HubProcess, method: &str, path: &str, body: &Value) -> HttpAnswer {
        let headers =
            [("Cookie", self.cookie.as_str()), ("X-CSRF-Token", &self.csrf), ("Content-Type", "application/json")];
        hub.request(method, path, &headers, body.to_string().as_bytes()).expect("an answer")
    }

    /// The result of a change that must succeed.
    pub(crate) fn done(&self, hub: &HubProcess, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.change(hub, method, path, body);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        result(&answer)
    }
}

/// The result in an envelope.
pub(crate) fn result(answer: &HttpAnswer) -> Value {
    let envelope: Value = serde_json::from_slice(&answer.body).expect("JSON");
    envelope["result"].clone()
}

/// A live stream that is being read.
pub(crate) struct Stream(BufReader<TcpStream>);

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: Value,
}

impl Stream {
    /// Starts to watch.
    pub(crate) fn open(hub: &HubProcess, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut socket = TcpStream::connect(hub.http()).expect("a connection");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        let mut request = format!("GET /api/v1/server/stream{query} HTTP/1.1\r\nHost: hub\r\n");
        headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
        socket.write_all(format!("{request}\r\n").as_bytes()).expect("sent");
        Self(BufReader::new(socket))
    }

    /// The next event; `None` when the stream ended. Each event comes as one chunk, so lines are whole.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let (mut id, mut name) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("in time") == 0 || line.trim_end() == "0" {
                return None;
            }
            let line = line.trim_end();
            if let Some(found) = line.strip_prefix("id: ") {
                id = found.to_owned();
            } else if let Some(found) = line.strip_prefix("event: ") {
                name = found.to_owned();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Some(Event { id, name, data: serde_json::from_str(data).expect("JSON") });
            }
        }
    }

    /// The next event for which `is_it` holds.
    pub(crate) fn next_where(&mut self, is_it: impl Fn(&Event) -> bool) -> Event {
        std::iter::from_fn(|| self.next()).find(is_it).expect("the stream goes on")
    }
}

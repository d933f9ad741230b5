//! docs/api.md, read as a machine can, and a hub to compare it with.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};
use windfire_bench::clock::unix_ms;
use windfire_bench::hub_process::{HttpAnswer, HubProcess};
use windfire_bench::month::{self, Month};

use crate::hub::new_hub;
use crate::hub::panel::{self, Panel};

pub(crate) const DOCUMENT: &str = include_str!("../../../../../docs/api.md");
/// More than 20,000 reports of each server, and a day of them.
pub(crate) const HOURS: i64 = 26;
pub(crate) const INTERVAL_MS: i64 = 4000;
/// Routes that are not in the table of which `/openapi.json` is made.
pub(crate) const HUBS_OWN: [&str; 4] = ["/ws", "/healthz", "/readyz", "/metrics"];
pub(crate) const DAY_S: i64 = 86_400;
/// The first rule after those of a new hub.
pub(crate) const FIRING_RULE: u64 = 6;

// What the document says.

/// A section without its title.
pub(crate) fn section(title: &str) -> &'static str {
    let (_, after) = DOCUMENT.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    after.split("\n## ").next().unwrap_or(after)
}

/// The cells of each table's rows, without its head.
pub(crate) fn tables(text: &str) -> Vec<Vec<Vec<&str>>> {
    let mut tables: Vec<Vec<Vec<&str>>> = Vec::new();
    let mut is_inside = false;
    for line in text.lines() {
        if line.starts_with("| ---") {
            tables.push(Vec::new());
            is_inside = true;
        } else if !line.starts_with('|') {
            is_inside = false;
        } else if is_inside && let Some(table) = tables.last_mut() {
            table.push(line.trim_matches('|').split(" | ").map(str::trim).collect());
        }
    }
    tables
}

/// What stands between backticks.
pub(crate) fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Keys that are named in a text such as `{"id","name"}`.
pub(crate) fn keys(text: &str) -> BTreeSet<String> {
    let key = Regex::new("\"([A-Za-z0-9_]+)\"[,:}]").expect("a pattern");
    key.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

pub(crate) fn keys_of(value: &Value) -> BTreeSet<String> {
    value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) parameters: BTreeSet<&'static str>,
    pub(crate) who: &'static str,
    pub(crate) says: &'static str,
}

impl Route {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The keys of the body it takes, and of the result it gives, where they are written out.
    pub(crate) fn shapes(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let only = if self.method == "GET" { ("", self.says) } else { (self.says, "") };
        let (before, after) = self.says.split_once('→').unwrap_or(only);
        let first = |text: &str| spans(text).find(|span| span.starts_with('{')).map(keys).unwrap_or_default();
        (first(before), first(after))
    }
}

pub(crate) fn routes() -> Vec<Route> {
    let rows = [&tables(section("Routes"))[0], &tables(section("What the panel does"))[0]].map(Clone::clone).concat();
    let route = |row: Vec<&'static str>| {
        let [route, who, says] = row[..] else { panic!("{row:?} has no three cells") };
        let (method, target) = spans(route).next().and_then(|span| span.split_once(' ')).expect("a method and a path");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let names = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.trim_end_matches('='));
        Route { method, path, parameters: names.collect(), who, says }
    };
    rows.into_iter().map(route).collect()
}

// Who asks.

pub(crate) struct Callers {
    pub(crate) read: String,
    pub(crate) register: String,
    pub(crate) admin: String,
    pub(crate) session: Panel,
    pub(crate) viewer: Panel,
}

impl Callers {
    pub(crate) fn make(hub: &HubProcess) -> Self {
        let session = Panel::of_admin(hub);
        let token = |scope: &str| {
            let made = session.done(hub, "POST", "/api/v1/token", &json!({"note": scope, "scopes": [scope]}));
            made["token"].as_str().expect("a token").to_owned()
        };
        let viewer = json!({"name": "viewer", "password": "looks, and nothing else", "role": "viewer"});
        session.done(hub, "POST", "/api/v1/user", &viewer);
        let signed_in = panel::sign_in(hub, "viewer", "looks, and nothing else", &[]);
        let (read, register, admin) = (token("read"), token("register"), token("admin"));
        Self { read, register, admin, session, viewer: Panel::of_answer(&signed_in) }
    }

    /// Everybody there is: a name, headers, and how a route for these answers: its status as the document's rule has it.
    pub(crate) fn all(&self) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
        let token = |token: &str| vec![("Authorization", token.to_owned())];
        let panel = |panel: &Panel| vec![("Cookie", panel.cookie.clone()), ("X-CSRF-Token", panel.csrf.clone())];
        vec![
            ("nobody", vec![]),
            ("a proxy's user", token("Basic dXNlcjpwYXNzd29yZA==")),
            ("an ended session", vec![("Cookie", "nezha-dashboard=gone".to_owned())]),
            ("an unknown token", token("this-token-is-of-another-hub")),
            ("an unknown token as Bearer", token("Bearer this-token-is-of-another-hub")),
            ("read", token(&self.read)),
            ("register", token(&self.register)),
            ("admin", token(&format!("Bearer {}", self.admin))),
            ("viewer", panel(&self.viewer)),
            ("session", panel(&self.session)),
        ]
    }
}

/// What the rule of "Who may ask" says; 200 where they may.
pub(crate) fn expected(route: &Route, caller: &str, has_guests: bool) -> u16 {
    let is_unknown_token = caller.starts_with("an unknown token");
    let is_nobody = matches!(caller, "nobody" | "a proxy's user" | "an ended session");
    let may = |allowed: &[&str]| if allowed.contains(&caller) { 200 } else { 403 };
    match route.who {
        "anyone" => 200,
        "guests" if is_nobody && has_guests => 200,
        _ if is_nobody || is_unknown_token => 401,
        "guests" | "token" if route.path != "/api/v1/server/register" => may(&["read", "admin", "viewer", "session"]),
        "token" => may(&["register", "admin", "session"]),
        "admin" => may(&["admin", "session"]),
        "session" | "admin session" if matches!(caller, "read" | "register" | "admin") => 401,
        "session" => may(&["viewer", "session"]),
        "admin session" => may(&["session"]),
        other => panic!("{}: the document says {other:?} may, and this test does not know who that is", route.name()),
    }
}

// What is asked.

/// What to ask of a route so that it says yes: the path with its query, and the body.
pub(crate) fn sample(route: &Route) -> (String, Value) {
    let path = route.path.replace("{id}", "1").replace("{rule}", &FIRING_RULE.to_string()).replace("{server}", "0");
    let (query, body) = match &*route.name() {
        "GET /api/v1/server/list" | "GET /api/v1/server/details" => ("", json!(null)),
        "POST /api/v1/server/register" => ("", json!({"Name": "by a script", "HideForGuest": "off"})),
        "GET /api/v1/server/history" => ("?metric=cpu&from=-1h", json!(null)),
        "GET /api/v1/server/top" => ("?metric=cpu", json!(null)),
        "GET /api/v1/server/uptime" | "GET /api/v1/server/facts" => ("", json!(null)),
        "GET /api/v1/server/{id}/metrics" => ("?metric=cpu", json!(null)),
        "GET /api/v1/server/stream" | "GET /ws" | "GET /openapi.json" => ("", json!(null)),
        "GET /healthz" | "GET /readyz" | "GET /metrics" => ("", json!(null)),
        "GET /api/v1/session" | "GET /api/v1/token" | "GET /api/v1/manage/server" => ("", json!(null)),
        "GET /api/v1/enrol-token" | "GET /api/v1/user" | "GET /api/v1/hub" => ("", json!(null)),
        "GET /api/v1/cluster" => ("", json!(null)),
        "GET /api/v1/alert" | "GET /api/v1/alert/log" => ("", json!(null)),
        "POST /api/v1/alert/{rule}/{server}/acknowledge" | "POST /api/v1/alert/channel/{id}/test" => ("", json!(null)),
        "GET /api/v1/alert/rule" | "GET /api/v1/alert/channel" | "GET /api/v1/alert/silence" => ("", json!(null)),
        "POST /api/v1/session" => ("", json!({"user": "viewer", "password": "looks, and nothing else"})),
        "DELETE /api/v1/session" => ("", json!(null)),
        "PUT /api/v1/session/password" => {
            ("", json!({"old": "looks, and nothing else", "new": "looks, and nothing more"}))
        }
        "POST /api/v1/token" => ("", json!({"note": "", "scopes": ["read"], "tags": ["db"], "expires": unix_ms()})),
        "POST /api/v1/manage/server" => (
            "",
            json!({"name": "new", "tag": "db", "note": "", "display_index": 1, "hide_for_guest": true, "country": "hk"}),
        ),
        "PATCH /api/v1/manage/server/{id}" => (
            "",
            json!({
                "version": null, "name": "renamed", "tag": null, "note": null, "display_index": null,
                "hide_for_guest": null, "country": null,
            }),
        ),
        "POST /api/v1/manage/server/{id}/credential" => ("", json!(null)),
        "POST /api/v1/manage/server/bulk" => ("", json!({"ids": [1], "tag": "web"})),
        "POST /api/v1/enrol-token" => ("", json!({"note": "", "tag": "", "uses": 1, "expires": unix_ms()})),
        "POST /api/v1/user" => ("", json!({"name": "one", "password": "a long password", "role": "viewer"})),
        "PATCH /api/v1/user/{id}" => ("", json!({"role": "viewer", "password": "a long password"})),
        "POST /api/v1/alert/rule" | "POST /api/v1/alert/rule/preview" => (
            "",
            json!({
                "name": "disk", "note": "", "enabled": true, "severity": "warning",
                "when": [{"metric": "disk", "op": ">", "value": 90, "clear": 85}], "for_s": 60, "share": 1, "keep_s": 60,
                "scope": {"tags": ["web"]}, "except_ids": [1], "never": false, "channels": [1], "repeat_s": 0,
                "resolved": true,
            }),
        ),
        "PATCH /api/v1/alert/rule/{id}" => (
            "",
            json!({
                "name": null, "note": null, "enabled": false, "severity": null, "when": null, "for_s": null,
                "share": null, "keep_s": null, "scope": null, "except_ids": null, "never": null, "channels": [],
                "repeat_s": null, "resolved": null,
            }),
        ),
        "POST /api/v1/alert/channel" => (
            "",
            json!({
                "name": "ops", "enabled": true, "kind": "slack", "settings": {"url": "http://127.0.0.1:9/x"},
                "subject": null, "body": null, "messages_per_minute": 20, "tls_verify": true, "time_zone": "UTC",
                "language": "en",
            }),
        ),
        "PATCH /api/v1/alert/channel/{id}" => (
            "",
            json!({
                "name": "renamed", "enabled": null, "kind": "slack", "settings": {"url": "••••"}, "subject": null,
                "body": null, "messages_per_minute": null, "tls_verify": null, "time_zone": null, "language": "zh",
            }),
        ),
        "POST /api/v1/alert/silence" | "PATCH /api/v1/alert/silence/{id}" => (
            "",
            json!({
                "comment": "updates", "rules": [1], "tags": ["web"], "ids": [1], "from": null,
                "to": unix_ms() / 1000 + 3600, "weekly": null,
            }),
        ),
        "DELETE /api/v1/alert/rule/{id}" | "DELETE /api/v1/alert/channel/{id}" => ("", json!(null)),
        "DELETE /api/v1/alert/silence/{id}" => ("", json!(null)),
        "DELETE /api/v1/token/{id}" | "DELETE /api/v1/enrol-token/{id}" => ("", json!(null)),
        "DELETE /api/v1/manage/server/{id}" | "DELETE /api/v1/user/{id}" => ("", json!(null)),
        other => panic!("docs/api.md names {other}, and this test does not know what to ask there"),
    };
    (format!("{path}{query}"), body)
}

/// Asks by a connection of its own. Of what has no end, the head.
pub(crate) fn ask(hub: &HubProcess, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> HttpAnswer {
    let mut socket = TcpStream::connect(hub.http()).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: hub\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| request.push_str(&format!("{name}: {value}\r\n")));
    if !body.is_empty() {
        request.push_str("Content-Type: application/json\r\n");
    }
    if !headers.iter().any(|(name, _)| *name == "Connection") {
        request.push_str("Connection: close\r\n");
    }
    socket.write_all(format!("{request}\r\n{body}").as_bytes()).expect("sent");
    let mut socket = BufReader::new(socket);
    let lines: Vec<String> = std::iter::from_fn(|| {
        let mut line = String::new();
        socket.read_line(&mut line).expect("a head in time");
        Some(line.trim_end().to_owned()).filter(|line| !line.is_empty())
    })
    .collect();
    let status = lines[0].split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: Vec<(String, String)> = lines.iter().filter_map(header).collect();
    let mut answer = HttpAnswer { status, headers, body: Vec::new() };
    if status != 101 && answer.header("content-type") != Some("text/event-stream") {
        let mut raw = Vec::new();
        // An answer to who wanted to go over to WebSocket leaves the connection open.
        let length = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(u64::MAX);
        let length = if method == "HEAD" { 0 } else { length };
        socket.take(length).read_to_end(&mut raw).expect("the whole answer");
        let is_chunked = answer.header("transfer-encoding").is_some() && !raw.is_empty();
        answer.body = if is_chunked { unchunked(&raw) } else { raw };
    }
    answer
}

pub(crate) fn unchunked(mut raw: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = raw.windows(2).position(|two| two == b"\r\n").expect("a chunk's length");
        let length = std::str::from_utf8(&raw[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let length = length.expect("hexadecimal digits");
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&raw[end + 2..end + 2 + length]);
        raw = &raw[end + 4 + length..];
    }
}

pub(crate) fn json_of(answer: &HttpAnswer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// The status, or the code in the body where Nezha had it there.
pub(crate) fn told(route: &Route, answer: &HttpAnswer) -> u16 {
    let is_v0 = matches!(route.path.rsplit('/').next(), Some("list" | "details" | "register"));
    let code = || json_of(answer)["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(0);
    match answer.status {
        101 => 200,
        200 if is_v0 && answer.text().starts_with("{\"code\":403,") => 403,
        status @ (401 | 403) => {
            assert_eq!(code(), status, "{}: the body has the same code", route.name());
            status
        }
        status => status,
    }
}

pub(crate) fn upgrade(route: &Route) -> Vec<(&'static str, String)> {
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let is_ws = route.path == "/ws";
    headers.into_iter().filter(|_| is_ws).map(|(name, value)| (name, value.to_owned())).collect()
}

pub(crate) fn ask_as(
    hub: &HubProcess,
    route: &Route,
    headers: &[(&'static str, String)],
    path: &str,
    body: &Value,
) -> HttpAnswer {
    let headers = [headers, &upgrade(route)].concat();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ask(hub, route.method, path, &headers, body)
}

// The tests.

pub(crate) fn hub_with_history(arguments: &[&str]) -> (tempfile::TempDir, HubProcess, String, Callers) {
    let (folder, mut hub) = new_hub(arguments);
    let month = Month::until_now(2, HOURS, INTERVAL_MS);
    month::make(hub.data(), month);
    let token = hub.make_token();
    hub.start();
    let callers = Callers::make(&hub);
    (folder, hub, token, callers)
}

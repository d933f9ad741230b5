//! `docs/api.md`, walked: each route and parameter that it names is asked of a hub, the hub has no other, and what the document
//! says of an answer is looked at where a machine can.

mod hub;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hub::new_hub;
use hub::panel::{self, Panel, Stream};
use regex::Regex;
use serde_json::{Value, json};
use windfire_bench::clock::unix_ms;
use windfire_bench::hub_process::{HttpAnswer, HubProcess};
use windfire_bench::month::{self, Month};
use windfire_engine::history::Retention;

const DOCUMENT: &str = include_str!("../../../docs/api.md");
/// More than 20,000 reports of each server, and a day of them.
const HOURS: i64 = 26;
const INTERVAL_MS: i64 = 4000;
/// Routes that are not in the table of which `/openapi.json` is made.
const HUBS_OWN: [&str; 4] = ["/ws", "/healthz", "/readyz", "/metrics"];
const DAY_S: i64 = 86_400;

// What the document says.

/// A section without its title.
fn section(title: &str) -> &'static str {
    let (_, after) = DOCUMENT.split_once(&format!("\n## {title}\n")).unwrap_or_else(|| panic!("no section {title}"));
    after.split("\n## ").next().unwrap_or(after)
}

/// The cells of each table's rows, without its head.
fn tables(text: &str) -> Vec<Vec<Vec<&str>>> {
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
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Keys that are named in a text such as `{"id","name"}`.
fn keys(text: &str) -> BTreeSet<String> {
    let key = Regex::new("\"([A-Za-z0-9_]+)\"[,:}]").expect("a pattern");
    key.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

fn keys_of(value: &Value) -> BTreeSet<String> {
    value.as_object().map(|object| object.keys().cloned().collect()).unwrap_or_default()
}

#[derive(Debug)]
struct Route {
    method: &'static str,
    path: &'static str,
    parameters: BTreeSet<&'static str>,
    who: &'static str,
    says: &'static str,
}

impl Route {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The keys of the body it takes, and of the result it gives, where they are written out.
    fn shapes(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let only = if self.method == "GET" { ("", self.says) } else { (self.says, "") };
        let (before, after) = self.says.split_once('→').unwrap_or(only);
        let first = |text: &str| spans(text).find(|span| span.starts_with('{')).map(keys).unwrap_or_default();
        (first(before), first(after))
    }
}

fn routes() -> Vec<Route> {
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

struct Callers {
    read: String,
    register: String,
    admin: String,
    session: Panel,
    viewer: Panel,
}

impl Callers {
    fn make(hub: &HubProcess) -> Self {
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
    fn all(&self) -> Vec<(&'static str, Vec<(&'static str, String)>)> {
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
fn expected(route: &Route, caller: &str, has_guests: bool) -> u16 {
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
fn sample(route: &Route) -> (String, Value) {
    let path = route.path.replace("{id}", "1");
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
        "DELETE /api/v1/token/{id}" | "DELETE /api/v1/enrol-token/{id}" => ("", json!(null)),
        "DELETE /api/v1/manage/server/{id}" | "DELETE /api/v1/user/{id}" => ("", json!(null)),
        other => panic!("docs/api.md names {other}, and this test does not know what to ask there"),
    };
    (format!("{path}{query}"), body)
}

/// Asks by a connection of its own. Of what has no end, the head.
fn ask(hub: &HubProcess, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> HttpAnswer {
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

fn unchunked(mut raw: &[u8]) -> Vec<u8> {
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

fn json_of(answer: &HttpAnswer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// The status, or the code in the body where Nezha had it there.
fn told(route: &Route, answer: &HttpAnswer) -> u16 {
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

fn upgrade(route: &Route) -> Vec<(&'static str, String)> {
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let is_ws = route.path == "/ws";
    headers.into_iter().filter(|_| is_ws).map(|(name, value)| (name, value.to_owned())).collect()
}

fn ask_as(hub: &HubProcess, route: &Route, headers: &[(&'static str, String)], path: &str, body: &Value) -> HttpAnswer {
    let headers = [headers, &upgrade(route)].concat();
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    ask(hub, route.method, path, &headers, body)
}

// The tests.

fn hub_with_history(arguments: &[&str]) -> (tempfile::TempDir, HubProcess, String, Callers) {
    let (folder, mut hub) = new_hub(arguments);
    let month = Month {
        servers: 2,
        hours: HOURS,
        interval_ms: INTERVAL_MS,
        end_ms: unix_ms(),
        retention: Retention::default(),
        upkeep_lag_ms: 0,
    };
    month::make(hub.data(), month);
    let token = hub.make_token();
    hub.start();
    let callers = Callers::make(&hub);
    (folder, hub, token, callers)
}

#[test]
fn the_document_names_what_the_hub_has_and_nothing_else() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let machine = json_of(&hub.get("/openapi.json", ""));
    let (mut described, mut bodies) = (BTreeMap::new(), BTreeMap::new());
    for (path, methods) in machine["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let parameters = operation["parameters"].as_array().expect("a list").iter();
            let in_query = parameters.filter(|parameter| parameter["in"] == "query");
            let names: BTreeSet<String> =
                in_query.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect();
            let name = format!("{} {path}", method.to_uppercase());
            let body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
            let body = body.and_then(|reference| reference.rsplit('/').next());
            bodies.insert(name.clone(), body.map(|schema| machine["components"]["schemas"][schema].clone()));
            described.insert(name, names);
        }
    }
    let routes = routes();
    let documented: BTreeMap<String, BTreeSet<String>> = routes
        .iter()
        .filter(|route| !HUBS_OWN.contains(&route.path))
        .map(|route| (route.name(), route.parameters.iter().map(|name| (*name).to_owned()).collect()))
        .collect();
    assert_eq!(documented, described, "docs/api.md at the left, the hub at the right");
    for own in HUBS_OWN {
        assert!(routes.iter().any(|route| route.path == own), "{own}");
    }
    // Bodies too.
    for route in routes.iter().filter(|route| route.path.starts_with("/api/v1") && route.who.contains("admin")) {
        let Some(Some(schema)) = bodies.get(&route.name()) else { continue };
        let shapes = schema["oneOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
        let known: BTreeSet<String> = shapes.iter().flat_map(|shape| keys_of(&shape["properties"])).collect();
        let (before, _) = route.says.split_once('→').unwrap_or((route.says, ""));
        let said: BTreeSet<String> = spans(before).filter(|span| span.starts_with('{')).flat_map(keys).collect();
        assert_eq!(said, known, "{}: keys of the body", route.name());
    }
    // History's parameters have a table of their own.
    let rows = &tables(section("History"))[0];
    let explained: BTreeSet<&str> = rows.iter().flat_map(|row| spans(row[0])).collect();
    let history = routes.iter().find(|route| route.path.ends_with("/history")).expect("a route");
    assert_eq!(explained, history.parameters);
    let names = |row: &str| -> BTreeSet<String> {
        let row = rows.iter().find(|cells| cells[0] == format!("`{row}`")).expect("a row");
        let word = Regex::new(r"\b(cpu|gpu|uptime|temperature|[a-z]+_[a-z_]+|load\d+)\b").expect("a pattern");
        word.find_iter(row[1]).map(|found| found.as_str().to_owned()).collect()
    };
    let parameters = machine["paths"]["/api/v1/server/history"]["get"]["parameters"].as_array().expect("a list");
    let metric = parameters.iter().find(|parameter| parameter["name"] == "metric").expect("there");
    let metrics: BTreeSet<String> = serde_json::from_value(metric["schema"]["items"]["enum"].clone()).expect("names");
    assert_eq!(names("metric"), metrics);
}

#[test]
fn who_may_ask_is_one_rule_on_every_route() {
    for has_guests in [true, false] {
        let (_folder, mut hub) = new_hub(&["--guests", if has_guests { "true" } else { "false" }]);
        hub.make_servers(1, "web");
        hub.start();
        let callers = Callers::make(&hub);
        for route in routes() {
            let (path, body) = sample(&route);
            for (caller, headers) in callers.all() {
                let mut wanted = expected(&route, caller, has_guests);
                let is_v0 = matches!(route.path.rsplit('/').next(), Some("list" | "details" | "register"));
                if is_v0 && wanted == 401 {
                    wanted = 403;
                }
                // What changes something is asked only where it must be refused: the other test does the rest.
                if route.method != "GET" && wanted == 200 {
                    continue;
                }
                let answer = ask_as(&hub, &route, &headers, &path, &body);
                let name = format!("{}, {caller}, guests {has_guests}: {}", route.name(), answer.text());
                assert_eq!(told(&route, &answer), wanted, "{name}");
                if wanted != 200 && caller.starts_with("an unknown token") && !route.who.contains("session") {
                    assert!(answer.text().contains("the token is not known"), "{name}");
                } else if wanted != 200 && caller == "nobody" && !route.who.contains("session") {
                    assert!(answer.text().contains("needs a token"), "{name}");
                }
            }
        }
    }
}

#[test]
fn each_route_answers_as_the_document_says() {
    let (_folder, hub, token, callers) = hub_with_history(&[]);
    // One of each, so that lists have an entry.
    callers.session.done(&hub, "POST", "/api/v1/enrol-token", &json!({}));
    let session = vec![("Cookie", callers.session.cookie.clone()), ("X-CSRF-Token", callers.session.csrf.clone())];
    // What removes something comes last, and signing out at the very end.
    let mut routes = routes();
    routes.sort_by_key(|route| match (route.method, route.path) {
        ("GET", _) => 0,
        ("DELETE", "/api/v1/session") => 3,
        ("DELETE", _) => 2,
        _ => 1,
    });
    let mut made: BTreeMap<&str, u64> = BTreeMap::new();
    let mut result_keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for route in &routes {
        let (mut path, body) = sample(route);
        // What was made is what is removed.
        if let (Some((before, _)), false) = (route.path.split_once("/{id}"), route.path.contains("/server/{id}"))
            && let Some(id) = made.get(before)
        {
            path = format!("{before}/{id}");
        }
        let own_password = route.path == "/api/v1/session/password";
        let headers = if own_password {
            vec![("Cookie", callers.viewer.cookie.clone()), ("X-CSRF-Token", callers.viewer.csrf.clone())]
        } else {
            session.clone()
        };
        let (sent, _) = route.shapes();
        if !sent.is_empty() && !route.path.ends_with("/bulk") {
            assert_eq!(keys_of(&body), sent, "{}: the body of this test is the document's", route.name());
        }
        let answer = ask_as(&hub, route, &headers, &path, &body);
        assert_eq!(told(route, &answer), 200, "{}: {}", route.name(), answer.text());
        if answer.body.first() != Some(&b'{') || !route.path.starts_with("/api/v1") {
            continue;
        }
        let answer = json_of(&answer);
        let code = if route.path.ends_with("/register") { 200 } else { 0 };
        assert!(answer["code"] == code || answer["success"] == true, "{}: {answer}", route.name());
        let result = match &answer["result"] {
            Value::Array(list) => list.first().cloned().unwrap_or_default(),
            Value::Null if route.path.ends_with("/register") => answer.clone(),
            other => other.clone(),
        };
        if let (Some(id), "POST") = (result["id"].as_u64(), route.method) {
            made.insert(route.path, id);
        }
        result_keys.insert(route.name(), keys_of(&result));
        let (_, said) = route.shapes();
        // Nobody is at the top whose last report is more than a minute old.
        let is_empty = answer["result"].as_array().is_some_and(Vec::is_empty);
        if !(said.is_empty() || route.path.ends_with("/top") && is_empty) {
            assert_eq!(keys_of(&result), said, "{}: {result}", route.name());
        }
    }
    // Results that are drawn elsewhere.
    let list = result_keys["GET /api/v1/server/list"].clone();
    let details = list.into_iter().chain(["host", "status"].map(str::to_owned)).collect();
    assert_eq!(result_keys["GET /api/v1/server/details"], details);
    let said_of = |route: &str| {
        let text =
            section("History").split("\n\n").find(|text| text.starts_with(&format!("`{route}` has"))).expect(route);
        spans(text).filter(|span| span.starts_with("{\"")).map(keys).collect::<Vec<_>>()
    };
    assert_eq!(vec![result_keys["GET /api/v1/server/uptime"].clone()], said_of("uptime"));
    let facts = json_of(&hub.get("/api/v1/server/facts", &token));
    let [of_server, of_change] = &said_of("facts")[..] else { panic!("two shapes") };
    assert_eq!((&keys_of(&facts["result"][0]), &keys_of(&facts["result"][0]["changes"][0])), (of_server, of_change));
    let v2 = json_of(&hub.get("/api/v1/server/2/metrics?metric=cpu", &token));
    let said: Vec<_> = said_of("{id}/metrics").into_iter().collect();
    assert_eq!(said[0], keys_of(&v2).into_iter().chain(keys_of(&v2["data"])).collect());
    assert_eq!(keys_of(&v2["data"]["data_points"][0]), ["ts", "value"].map(str::to_owned).into());
    // The example of history.
    let example = section("History").split("```json\n").nth(1).and_then(|text| text.split("```").next()).expect("one");
    let example: Value = serde_json::from_str(example).expect("JSON");
    let target = section("History").split("```\n").nth(1).and_then(|text| text.strip_prefix("GET ")).expect("one");
    let answer = json_of(&hub.get(target.trim(), &token));
    assert_eq!(keys_of(&answer), keys_of(&example));
    assert_eq!(keys_of(&answer["result"][0]), keys_of(&example["result"][0]));
    assert_eq!((&answer["tier"], &answer["step"]), (&example["tier"], &example["step"]));
}

#[test]
fn the_stream_and_the_websocket_are_as_the_document_draws_them() {
    let (_folder, hub, token, _) = hub_with_history(&[]);
    let mut stream = Stream::open(&hub, "", &[("Authorization", &token)]);
    let snapshot = stream.next().expect("a snapshot");
    let said = section("Live stream");
    let drawn = said.split("data: ").nth(1).expect("a drawing");
    assert_eq!(keys_of(&snapshot.data), ["now", "offline_after", "fields", "servers"].map(str::to_owned).into());
    assert!(keys_of(&snapshot.data).iter().all(|key| drawn.contains(&format!("\"{key}\":"))));
    for field in snapshot.data["fields"].as_array().expect("a list") {
        let name = field[0].as_str().expect("a name");
        assert!(spans(said).any(|span| span == name), "the document does not name the field {name}");
    }
    let names = said.split("A server is `[").nth(1).and_then(|text| text.split("]`").next()).expect("names");
    let names = names.replace("[state…]", "state");
    assert_eq!(snapshot.data["servers"][0].as_array().map(Vec::len), Some(names.split(',').count()));
    let state = snapshot.data["servers"][0].as_array().and_then(|server| server.last()).expect("a state");
    assert_eq!(state.as_array().map(Vec::len), snapshot.data["fields"].as_array().map(Vec::len));
    // The header wins over the query; what is no event of this hub is a snapshot.
    for (query, header) in [("", "x"), ("?last_event_id=x", ""), ("?last_event_id=1-2", "3-4"), ("?id=1,1,x", "")] {
        let headers = [("Authorization", token.as_str()), ("Last-Event-ID", header)];
        assert_eq!(Stream::open(&hub, query, &headers).next().expect("an event").name, "snapshot", "{query} {header}");
    }
    let too_many: Vec<String> = (1..=201).map(|id| id.to_string()).collect();
    let path = format!("/api/v1/server/stream?id={}", too_many.join(","));
    assert!(said.contains("(200 at most)"));
    assert_eq!(hub.get(&path, &token).status, 400);
    assert_eq!(hub.get("/ws", &token).status, 426);
    assert_eq!(ask(&hub, "POST", "/ws", &[], &json!(null)).header("allow"), Some("GET, HEAD"));
}

/// An answer of history.
struct Series(HttpAnswer);

impl Series {
    fn json(&self) -> Value {
        assert_eq!(self.0.status, 200, "{}", self.0.text());
        json_of(&self.0)
    }

    fn notes(&self) -> Vec<&str> {
        let notes = self.0.headers.iter().filter(|(name, _)| name == "windfire-note");
        notes.map(|(_, value)| value.as_str()).collect()
    }
}

#[test]
fn each_parameter_means_what_the_document_says() {
    let (_folder, hub, token, _) = hub_with_history(&[]);
    let get = |path: &str| hub.get(&format!("/api/v1/server/{path}"), &token);
    let history = |query: &str| Series(get(&format!("history?metric=cpu&{query}")));
    let points = |series: &Series| series.json()["result"][0]["times"].as_array().map_or(0, Vec::len);
    let now_s = unix_ms() / 1000;

    // Steps are what was asked.
    for step_s in [61, 90, 119, 150, 1000, 1, 7, 60, 120, 3600, 3900, 4500] {
        let series = history(&format!("from=-6h&step={step_s}&id=1"));
        let answer = series.json();
        let wanted = if step_s == 1 { 2 } else { step_s };
        assert_eq!((&answer["step"], &answer["result"][0]["step"]), (&json!(wanted), &json!(wanted)), "{step_s}");
        assert_eq!(answer["notes"].as_array().map(Vec::is_empty), Some(step_s != 1), "{}", answer["notes"]);
        let tier = if wanted % 900 == 0 {
            "15m"
        } else if wanted % 60 == 0 {
            "1m"
        } else {
            "raw"
        };
        assert_eq!(answer["tier"], tier, "{step_s}");
        let times: Vec<i64> = serde_json::from_value(answer["result"][0]["times"].clone()).expect("times");
        assert!(times.iter().all(|time| time % wanted == 0) && times.windows(2).all(|two| two[1] - two[0] == wanted));
        assert!(times[0] <= now_s - 6 * 3600 + 60 && times.len() <= 20_001);
        assert!(answer["result"][0]["values"].as_array().expect("values").iter().any(|value| !value.is_null()));
    }
    let note = history("from=-6h&step=1&id=1");
    assert_eq!(note.notes(), [note.json()["notes"][0].as_str().expect("a note")], "the head has it too");
    assert!(note.notes()[0].contains("20000 such steps"), "{:?}", note.notes());
    let note = history("from=-15d&step=90&id=1");
    let begins = "step is 120 s, not 90 s: what such steps are made of is kept from ";
    assert!(note.notes()[0].starts_with(begins), "reports are kept for seven days: {:?}", note.notes());
    // A mean over 90 s is that of the reports in it.
    let raw = history("from=-30m&step=raw&id=1").json();
    let mean = history("from=-30m&step=90&id=1").json();
    let (start, found) = (&mean["result"][0]["times"][3], &mean["result"][0]["values"][3]);
    let start = start.as_f64().expect("a time");
    let pairs = raw["result"][0]["times"]
        .as_array()
        .expect("times")
        .iter()
        .zip(raw["result"][0]["values"].as_array().expect("values"));
    let inside: Vec<f64> = pairs
        .filter(|(time, _)| (start..start + 90.0).contains(&time.as_f64().expect("a time")))
        .filter_map(|(_, value)| value.as_f64())
        .collect();
    let wanted = inside.iter().sum::<f64>() / inside.len() as f64;
    assert!((found.as_f64().expect("a mean") - wanted).abs() < 1e-9, "{found} is not {wanted}");
    for (step, step_s) in [("90s", 90), ("5m", 300), ("1h", 3600), ("1d", DAY_S), ("2w", 14 * DAY_S)] {
        assert_eq!(history(&format!("step={step}")).json()["step"], json!(step_s), "{step}");
    }
    assert_eq!(history("from=-1m&step=500ms").json()["step"], json!(0.5));

    // The range is cut before the step is looked at.
    let all = history("from=0&step=1h&id=1").json();
    assert_eq!(all["step"], 3600);
    let from_s = all["from"].as_i64().expect("a time");
    assert!((now_s - from_s) / DAY_S <= 731 && now_s - from_s >= 729 * DAY_S, "{from_s}");
    assert!(all["notes"][0].as_str().expect("a note").starts_with("from is "), "{}", all["notes"]);

    // Nothing comes after now.
    for to in ["9999999999", "2099-01-01T00:00:00Z"] {
        let series = history(&format!("from=-1h&to={to}&step=1m&id=1"));
        let to_s = series.json()["to"].as_i64().expect("a time");
        assert!((now_s..=now_s + 120).contains(&to_s), "{to_s}");
        assert!((60..=63).contains(&points(&series)), "{}", points(&series));
        assert!(series.notes()[0].starts_with("to is "), "{:?}", series.notes());
        let uptime = get(&format!("uptime?to={to}&id=1"));
        assert!(uptime.header("windfire-note").is_some(), "uptime says so as well");
        assert!((1440..=1442).contains(&json_of(&uptime)["result"][0]["minutes"].as_i64().expect("a number")));
    }

    // Every report: in JSON up to 20,000 of a server, in lines all of any range.
    let hour = history("from=-1h&step=raw&id=1").json();
    assert_eq!((&hour["step"], &hour["tier"]), (&json!(0), &json!("raw")));
    let reports = hour["result"][0]["values"].as_array().expect("values").iter().filter(|value| !value.is_null());
    assert!((580..=901).contains(&reports.count()), "a report every 4 s, and an outage of 20 minutes at most");
    let csv = history("from=-25h&step=raw&id=1&format=csv");
    assert!(csv.notes().is_empty(), "{:?}", csv.notes());
    let text = csv.0.text();
    assert!(text.lines().skip(1).all(|line| !line.ends_with(',')), "no lines for pauses");
    let lines = text.lines().count() - 1;
    assert!((21_000..=22_501).contains(&lines), "{lines}");
    let rows = get("history?metric=cpu,temperature&from=-25h&step=raw&id=1&format=ndjson").text();
    assert!(rows.lines().count().abs_diff(2 * lines) <= 20, "a line for each metric");
    let times: Vec<f64> = rows
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["time"].as_f64().expect("a time"))
        .collect();
    assert!(times.is_sorted());
    let too_many = history("from=-26h&step=raw").json();
    assert_eq!((&too_many["step"], &too_many["result"][0]["step"]), (&json!(0), &json!(5)));
    assert!(too_many["notes"][0].as_str().expect("a note").contains("instead: 2; format=csv"), "{}", too_many["notes"]);
    assert!(too_many["result"][0]["times"].as_array().expect("times").len() <= 20_000);
    let growth = Series(get("history?metric=net_in_transfer&agg=rate&from=-1h&step=raw&format=csv"));
    assert!(growth.notes()[0].contains("need a while"), "CSV has its notes in the head: {:?}", growth.notes());
    let head = ask(
        &hub,
        "HEAD",
        "/api/v1/server/history?metric=cpu&from=0&format=csv",
        &[("Authorization", &token)],
        &json!(null),
    );
    assert!(head.header("windfire-note").is_some() && head.body.is_empty());

    // Points, at most, wherever the step is chosen.
    for count in [1, 2, 3, 10, 599, 600, 2000, 20_000] {
        for range in ["-1m", "-59m", "-6h", "-25h", "-30d"] {
            let found = points(&history(&format!("from={range}&points={count}&id=1")));
            let with_pauses = count + count / 2;
            assert!(found <= with_pauses, "{found} points of {count} over {range}");
        }
    }

    // Times.
    for (from, ago_s) in [("-90", 90), ("-90s", 90), ("-24", 24), ("-15m", 900), ("-24h", DAY_S), ("-2w", 14 * DAY_S)] {
        let answer = history(&format!("from={from}&step=1s&id=99")).json();
        let found_s = answer["to"].as_f64().expect("a time") - answer["from"].as_f64().expect("a time");
        let step_s = answer["step"].as_f64().expect("a step").max(900.0);
        assert!(found_s >= ago_s as f64 - 0.01 && found_s <= ago_s as f64 + 2.0 * step_s, "{from}: {found_s}");
    }
    for same in [
        "1795423320",
        "1795423320.000",
        "2026-11-23T09:42:00%2B01:00",
        "2026-11-23T09:42:00+01:00",
        "2026-11-23%2008:42:00Z",
    ] {
        let answer = history(&format!("from={same}&to=1795423380&step=1s&id=99"));
        // Whether that is in the future depends on when this is run.
        let is_understood = answer.0.status == 200 || answer.0.text().contains("is not before");
        assert!(is_understood, "{same}: {}", answer.0.text());
    }
    for wrong in [
        "from=-1h&to=-1h",
        "from=-1h&to=-2h",
        "from=now",
        "from=9999999999",
        "from=NaN",
        "from=1e9",
        "from=-",
        "from=-1y",
        "from=-1h&to=soon",
        "from=-0s",
        "step=0",
        "step=-1",
        "step=NaN",
        "step=1.5h",
        "step=RAW",
        "points=0",
        "points=20001",
        "points=1.5",
        "points=-1",
        "points=%2B5",
        "agg=sum",
        "agg=rate",
        "group=id",
        "group=all&step=raw",
        "format=xml",
        // A typing error in a name, a name twice, and what is badly encoded.
        "steps=5m",
        "Step=5m",
        "step=5m&step=1m",
        "step=&step=1m",
        "tag=%zz",
        "tag=a;b",
        "token=x",
        "raw",
    ] {
        let answer = history(wrong).0;
        assert_eq!((answer.status, &json_of(&answer)["code"]), (400, &json!(400)), "{wrong}: {}", answer.text());
    }
    // An empty parameter is not given.
    assert_eq!(
        history("step=&points=&agg=&group=&format=&from=&to=&id=&tag=").json()["result"].as_array().map(Vec::len),
        Some(2)
    );
    // The tag wins; each id once; what is no id is skipped.
    let ids = |path: &str| -> Vec<u64> {
        let answer = json_of(&get(path));
        answer["result"].as_array().expect("a list").iter().filter_map(|entry| entry["id"].as_u64()).collect()
    };
    let tag = json_of(&get("list"))["result"][1]["tag"].as_str().expect("a tag").to_owned();
    for path in ["details?", "history?metric=cpu&from=-1m&", "top?metric=cpu&", "uptime?from=-1h&", "facts?"] {
        let found = ids(&format!("{path}id=1&tag={tag}"));
        assert!(found == [2] || path.starts_with("top") && found.is_empty(), "{path}");
        assert_eq!(ids(&format!("{path}tag={}", tag.to_uppercase())), [0u64; 0], "{path}");
        assert_eq!(ids(&format!("{path}id=,")), [0u64; 0], "{path}");
        let named = ids(&format!("{path}id=2,x,2,-1,99"));
        let wanted = if path == "details?" { vec![2, 2] } else { vec![2] };
        assert!(named == wanted || path.starts_with("top") && named.is_empty(), "{path}");
    }
    assert!(ids("top?metric=mem_used&n=1").len() <= 1);
    for wrong in
        ["top?metric=cpu,load1", "top?n=1", "top?metric=cpu&n=0", "top?metric=cpu&n=1001", "top?metric=cpu&agg=max"]
    {
        assert_eq!(get(wrong).status, 400, "{wrong}");
    }
    for wrong in ["uptime?step=1m", "facts?metric=cpu", "stream?tags=web", "uptime?id=1&id=2"] {
        assert_eq!(get(wrong).status, 400, "{wrong}");
    }
    // Totals.
    let totals = history("group=all&from=-1h").json();
    assert_eq!(totals["step"], 10);
    assert!(keys_of(&totals["result"][0]).contains("servers"));
    assert_eq!(totals["result"][0]["total"], "mean");
    assert_eq!(json_of(&get("history?metric=mem_used&group=tag&from=-1h"))["result"][0]["total"], "sum");
    for (agg, metric) in [
        ("min", "cpu"),
        ("max", "cpu"),
        ("last", "cpu"),
        ("mean", "cpu"),
        ("increase", "net_in_transfer"),
        ("rate", "net_out_transfer"),
        ("last", "net_in_transfer"),
    ] {
        let answer = json_of(&get(&format!("history?metric={metric}&agg={agg}&from=-1h&step=5m&id=1")));
        assert_eq!(answer["result"][0]["agg"], agg, "{metric}");
    }
    // Nezha's form, which passes over what it does not know.
    for (period, step_ms) in [("1d", 30_000), ("7d", 30 * 60_000), ("30d", 2 * 3_600_000)] {
        let answer = json_of(&get(&format!("1/metrics?metric=memory&period={period}&_=1")));
        let points = answer["data"]["data_points"].as_array().expect("points");
        assert!(points.iter().all(|point| point["ts"].as_i64().expect("a time") % step_ms == 0), "{period}");
    }
    for name in section("History")
        .split("has Nezha v2's names: ")
        .nth(1)
        .and_then(|text| text.split('.').next())
        .expect("names")
        .split(',')
    {
        assert_eq!(json_of(&get(&format!("1/metrics?metric={}", name.trim())))["success"], true, "{name}");
    }
    for wrong in ["1/metrics", "1/metrics?metric=cpus", "1/metrics?metric=cpu&period=2d", "99/metrics?metric=cpu"] {
        assert_eq!(json_of(&get(wrong))["success"], false, "{wrong}");
    }
    // Nezha's own routes pass over what they do not know, too.
    assert_eq!(ids("list?tags=x&tag=&id=%zz"), [1, 2]);
    assert_eq!(ids("details?id=2&id=1&steps=5m"), [2]);
}

#[test]
fn bodies_of_the_panel_are_as_strict_as_the_document_says() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(1, "web");
    hub.start();
    let callers = Callers::make(&hub);
    let session = [("Cookie", callers.session.cookie.as_str()), ("X-CSRF-Token", &callers.session.csrf)];
    let mut strict = 0;
    for route in routes().iter().filter(|route| !route.shapes().0.is_empty() && !route.path.contains("register")) {
        let (path, mut body) = sample(route);
        body["unknown"] = json!(1);
        let answer = ask(&hub, route.method, &path, &session, &body);
        assert_eq!(
            (answer.status, &json_of(&answer)["code"]),
            (400, &json!(400)),
            "{}: {}",
            route.name(),
            answer.text()
        );
        let typed = [&session[..], &[("Content-Type", "text/plain")]].concat();
        let answer = hub.request(route.method, &path, &typed, b"{}").expect("an answer");
        assert_eq!(answer.status, 415, "{}: {}", route.name(), answer.text());
        let without_csrf = ask(&hub, route.method, &path, &session[..1], &body);
        let is_sign_in = route.name() == "POST /api/v1/session";
        assert_eq!(without_csrf.status, if is_sign_in { 400 } else { 403 }, "{}", route.name());
        strict += 1;
    }
    assert_eq!(strict, 9, "bodies");
    let ids = json!({"ids": vec![1; 2501], "tag": "x"});
    assert_eq!(callers.session.change(&hub, "POST", "/api/v1/manage/server/bulk", &ids).status, 200, "one id, often");
    let ids = json!({"ids": (1..=2501).collect::<Vec<_>>(), "tag": "x"});
    assert!(section("What the panel does").contains("2,500 ids at most"));
    assert_eq!(callers.session.change(&hub, "POST", "/api/v1/manage/server/bulk", &ids).status, 400);
    // Requests as a whole.
    assert!(section("How a request is read").contains("64 KiB"));
    let long = "x".repeat(66 * 1024);
    let answer = ask(&hub, "GET", &format!("/api/v1/server/top?metric={long}"), &session, &json!(null));
    assert_eq!(answer.status, 414);
}

#[test]
fn servers_are_registered_with_what_the_document_says_is_usual() {
    let (_folder, mut hub) = new_hub(&[]);
    let token = hub.make_token();
    hub.start();
    let register = |query: &str, more: &[(&str, &str)], body: &str| {
        let headers = [&[("Authorization", token.as_str())], more].concat();
        hub.request("POST", &format!("/api/v1/server/register{query}"), &headers, body.as_bytes()).expect("an answer")
    };
    let rows = &tables(section("Routes"))[1];
    let keys: Vec<&str> = rows.iter().filter_map(|row| spans(row[0]).next()).collect();
    assert_eq!(keys, ["Name", "Tag", "Note", "HideForGuest"]);
    let forwarded = [("X-Forwarded-For", "192.0.2.7, 10.0.0.1")];
    let plain = register("", &[], "{}");
    assert_eq!(json_of(&plain)["message"], "Server created successfully");
    assert_eq!(register("", &forwarded, "null").status, 200);
    let all = r#"{"nAME":"web","TAG":"shop","Note":"n","HideForGuest":"off","More":1} and more"#;
    assert_eq!(register("?simple=0", &[], all).status, 200);
    for simple in ["1", "true"] {
        let answer =
            register(&format!("?simple={simple}&unknown=1"), &[], r#"{"Name":"","Tag":"","HideForGuest":"on"}"#);
        assert!(json_of(&answer).is_string(), "{}", answer.text());
    }
    for wrong in ["", "x", "[]", "{\"Name\":1}"] {
        assert_eq!(register("", &[], wrong).status, 400, "{wrong}");
    }
    let servers = json_of(&hub.get("/api/v1/server/list", &token));
    let described: Vec<(&str, &str, bool)> = servers["result"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|server| {
            let text = |key: &str| server[key].as_str().expect("text");
            (text("name"), text("tag"), server["hide_for_guest"].as_bool().expect("a flag"))
        })
        .collect();
    let usual = ("127.0.0.1", "AutoRegister", true);
    assert_eq!(described, [usual, ("192.0.2.7", "AutoRegister", true), ("web", "shop", false), usual, usual]);
}

#[test]
fn a_path_has_many_spellings_and_none_leads_elsewhere() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.make_servers(1, "web");
    let token = hub.make_token();
    hub.start();
    let status = |path: &str| hub.get(path, &token).status;
    let list = hub.get("/api/v1/server/list", &token).body;
    for same in
        ["//api/v1/server/list", "/api//v1///server/list", "/api/v1/server/%6cist", "/%61pi/v1/server/lis%74?x=%2f"]
    {
        assert_eq!(hub.get(same, &token).body, list, "{same}");
    }
    for same in ["/%68ealthz", "//readyz", "/metric%73", "//openapi.json", "/api/v1/server/%31/metrics?metric=cpu"] {
        assert_eq!(status(same), 200, "{same}");
    }
    let redirected = hub.get("//api/v1/server/list/?tag=web", &token);
    assert_eq!((redirected.status, redirected.header("location")), (301, Some("/api/v1/server/list?tag=web")));
    for other in [
        "/api%2fv1/server/list",
        "/api/v1/server%5clist",
        "/api/v1/server/%256cist",
        "/api/v1/x/../server/list",
        "/api/v1/%2e%2e/v1/server/list",
        "/api/v1/server/./list",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/api/v1/server/list%00",
        "/api/v1/server/list%0d%0aX: y",
        "/assets/..%2f..%2fCargo.toml",
        "/api/v1/server/lisT",
    ] {
        let answer = hub.get(&other.replace(' ', "%20"), &token);
        assert_eq!(answer.status, 404, "{other}: {}", answer.text());
    }
    // Under /api the answer is JSON, however it is spelled.
    for other in ["/api/v1/nothing", "//api/v1/nothing", "/%61pi/nothing", "/api/v1/../x"] {
        assert_eq!(json_of(&hub.get(other, &token))["code"], 404, "{other}");
    }
}

#[test]
fn each_point_where_v0_differs_is_so() {
    let (_folder, hub, token, callers) = hub_with_history(&[]);
    let get = |path: &str, more: &[(&str, &str)]| {
        let headers = [&[("Authorization", token.as_str())], more].concat();
        ask(&hub, "GET", path, &headers, &json!(null))
    };
    let [differing, absent] = &tables(section("Where we differ from v0"))[..] else { panic!("two tables") };
    for row in differing {
        let point = row[0];
        match point {
            "order without filter" => {
                let answer = json_of(&get("/api/v1/server/details", &[]));
                let ids = answer["result"].as_array().expect("a list").iter().map(|server| server["id"].as_u64());
                assert!(ids.is_sorted());
            }
            "`display_index`, `hide_for_guest` in filtered calls" => {
                let edit = json!({"display_index": 7, "hide_for_guest": true});
                callers.session.done(&hub, "PATCH", "/api/v1/manage/server/2", &edit);
                let server = json_of(&get("/api/v1/server/details?id=2", &[]))["result"][0].clone();
                assert_eq!((&server["display_index"], &server["hide_for_guest"]), (&json!(7), &json!(true)));
            }
            "messages" => assert!(hub.get("/api/v1/server/list", "").text().is_ascii()),
            // The history was made before this hub started.
            "last status after a restart" => {
                let server = json_of(&get("/api/v1/server/list", &[]))["result"][0].clone();
                assert!(server["last_active"].as_i64().is_some_and(|at_s| at_s > 0), "{server}");
            }
            "HEAD, wrong method, unknown path" => {
                let ask =
                    |method: &str, path: &str| ask(&hub, method, path, &[("Authorization", &token)], &json!(null));
                for route in routes().iter().filter(|route| route.method == "GET" && route.path != "/ws") {
                    let (path, _) = sample(route);
                    let cookie = [("Cookie", callers.session.cookie.as_str())];
                    let head = self::ask(&hub, "HEAD", &path, &cookie, &json!(null));
                    assert_eq!((head.status, head.body.len()), (200, 0), "HEAD {path}");
                    let wrong = self::ask(&hub, "PURGE", &path, &cookie, &json!(null));
                    assert!(wrong.status == 405 && wrong.header("allow").is_some(), "PURGE {path}: {}", wrong.status);
                }
                assert_eq!(json_of(&ask("GET", "/api/v1/unknown"))["code"], 404);
            }
            "`register`" => {
                let answer = ask(&hub, "POST", "/api/v1/server/register", &[("Authorization", &token)], &json!({}));
                assert!(json_of(&answer)["id"].is_u64());
            }
            "compression, ETag" => {
                let gzip = get("/openapi.json", &[("Accept-Encoding", "gzip")]);
                assert_eq!(gzip.header("content-encoding"), Some("gzip"));
                let zstd = get("/openapi.json", &[("Accept-Encoding", "gzip, zstd;q=0.1")]);
                assert_eq!(zstd.header("content-encoding"), Some("zstd"));
                for none in ["", "identity", "gzip;q=0", "br"] {
                    let plain = get("/openapi.json", &[("Accept-Encoding", none)]);
                    assert_eq!(plain.header("content-encoding"), None, "{none}");
                }
                for path in
                    ["/api/v1/server/list", "/api/v1/server/details", "/api/v1/server/top?metric=cpu", "/openapi.json"]
                {
                    let tag = get(path, &[]).header("etag").map(str::to_owned).expect("a tag");
                    assert_eq!(get(path, &[("If-None-Match", &tag)]).status, 304, "{path}");
                    assert_eq!(get(path, &[("If-None-Match", "\"other\"")]).status, 200, "{path}");
                }
                let short = get("/api/v1/server/list?tag=nope", &[("Accept-Encoding", "gzip")]);
                assert_eq!(short.header("content-encoding"), None, "{}", short.text());
                let history = get("/api/v1/server/history?metric=cpu&from=-1m", &[("Accept-Encoding", "gzip")]);
                assert_eq!((history.header("content-encoding"), history.header("etag")), (Some("gzip"), None));
            }
            "CORS" => {
                let answer = get("/api/v1/server/list", &[("Origin", "https://other.example")]);
                assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control")));
            }
            "doubled slash, encoded letters in a path" => assert_eq!(get("//api/v1/server/%6cist", &[]).status, 200),
            "a token that is not known, on `/ws`" => {
                let ws = routes().into_iter().find(|route| route.path == "/ws").expect("a route");
                let wrong = [("Authorization", "this-token-is-of-another-hub".to_owned())];
                assert_eq!(ask_as(&hub, &ws, &wrong, "/ws", &json!(null)).status, 401);
            }
            "`Authorization: Bearer <token>`" => {
                let bearer = hub.get("/api/v1/server/list", &format!("bEARER  {token}"));
                assert_eq!(json_of(&bearer)["code"], 0);
            }
            "tokens" => {
                let listed = callers.session.get(&hub, "/api/v1/token").text();
                assert!(!listed.contains(&callers.read) && !listed.contains(&token));
            }
            "token routes" => {
                for path in spans(row[2]) {
                    assert_eq!(callers.session.get(&hub, path).status, 200, "{path}");
                }
                assert_eq!(get("/api/token", &[]).status, 404);
            }
            "sign-in" => {
                let answer =
                    panel::sign_in(&hub, "viewer", "looks, and nothing else", &[("X-Forwarded-Proto", "https")]);
                let cookie = answer.header("set-cookie").expect("a cookie");
                assert!(["HttpOnly", "SameSite=Lax", "Secure"].iter().all(|part| cookie.contains(part)), "{cookie}");
            }
            // An agent cannot even be made to send one: the wire's own tests, and the vectors, try.
            "NaN from an agent" => {}
            other => panic!("docs/api.md differs from v0 in {other:?}, and this test does not look at it"),
        }
    }
    for row in absent {
        for path in spans(row[0]).filter(|span| span.starts_with('/')) {
            assert_eq!(get(&path.replace("{id}", "1"), &[]).status, 404, "{path}");
        }
        if row[0] == "public notes" {
            assert!(!get("/api/v1/server/details", &[]).text().contains("PublicNote"));
        }
    }
}

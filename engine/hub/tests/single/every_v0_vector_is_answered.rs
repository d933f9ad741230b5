//! The contract's vectors against a real hub over a real socket. Servers come from the registry, their status from real
//! agent connections. `monitor-` vectors wait for the probes that they need.
//!
//! The hub's clock is the real one, so a `last_active` that the vectors fix is compared after moving it: a report must have
//! come within the time of this test.
#![allow(clippy::cast_possible_truncation, reason = "counts of a test are small")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::hub::{new_hub, quick_backoff, wait_until};
use regex::Regex;
use serde_json::Value;
use tokio::sync::watch;
use windfire_agent::clock::Clock;
use windfire_agent::identity::Identity;
use windfire_agent::link::{Endpoints, Link, LinkOptions};
use windfire_agent::outbox::{Outbox, PushError, new_outbox_id};
use windfire_agent::sampler::Feed;
use windfire_agent::trust::Trust;
use windfire_bench::clock::unix_ms;
use windfire_bench::hub_process::{HttpAnswer, HubProcess};
use windfire_bench::tally;
use windfire_engine::server::NewServer;
use windfire_engine::token::NewToken;
use windfire_engine::user::{PasswordHash, Role};
use windfire_engine::{Engine, Options};
use windfire_wire::{Host, Report, Temperature, WireError};

const VECTORS: &str = include_str!("../data/v0-vectors.json");

#[test]
fn every_v0_vector_is_answered() {
    let document: Value = serde_json::from_str(VECTORS).expect("JSON");
    let vectors = document["vectors"].as_array().expect("vectors");
    let mut hubs: BTreeMap<String, Fixture> = BTreeMap::new();
    let (mut passed, mut failures) = (0, Vec::new());
    for vector in vectors {
        let name = vector["name"].as_str().expect("a name");
        if name.starts_with("monitor-") {
            continue;
        }
        let setup = vector["setup"].as_str().expect("a fixture");
        let fixture = hubs.entry(setup.to_owned()).or_insert_with(|| Fixture::start(&document, setup));
        match check(vector, fixture) {
            Ok(()) => passed += 1,
            Err(why) => failures.push(format!("{name}: {why}")),
        }
    }
    tally!("{passed} vectors passed, {} failed", failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert_eq!(passed, 35, "the vectors that are not about monitors");
}

/// A hub with the servers of one fixture.
struct Fixture {
    hub: HubProcess,
    /// Every moment that the fixture's `last_active` stands for.
    fixed_clocks: Vec<i64>,
    started_s: i64,
    _folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
    _stop: watch::Sender<bool>,
}

impl Fixture {
    fn start(document: &Value, setup: &str) -> Self {
        let (name, has_nan) = match setup.split_once('+') {
            Some((name, "nan_state_on_server_6")) => (name, true),
            Some((_, other)) => panic!("fixture {other} is unknown"),
            None => (setup, false),
        };
        let fixture = &document["fixtures"][name];
        let (folder, mut hub) = new_hub(&[]);
        let started_s = now_s();
        let credentials = fill_registry(&hub, fixture);
        hub.start();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
        let (stop_sender, stop) = watch::channel(false);
        let servers = fixture["servers"].as_array().expect("servers");
        let reporting: Vec<_> =
            servers.iter().zip(&credentials).filter(|(s, _)| s.get("agent_host").is_some()).collect();
        for (server, credential) in &reporting {
            let mut outbox = Outbox::in_memory(new_outbox_id());
            if !server["agent_state"].is_null() {
                let seed_status = &document["vectors"][4]["expect"]["json_superset_of"]["result"][0]["status"];
                outbox.push(report(&server["agent_state"], seed_status)).expect("a finite report");
            }
            connect(&runtime, &hub, credential, outbox, host(&server["agent_host"]), stop.clone());
        }
        if has_nan {
            let refused = Outbox::in_memory(1).push(Report { cpu: f64::NAN, ..Report::default() });
            assert!(matches!(refused, Err(PushError::Report(WireError::NonFinite { what: "cpu" }))));
        }
        let states = reporting.iter().filter(|(server, _)| !server["agent_state"].is_null()).count();
        wait_until("every report is on disk", || hub.metric("windfire_reports_durable_total") as usize == states);
        let frames = states + 2 * reporting.len();
        wait_until("every frame came", || hub.metric("windfire_received_frames_total") as usize >= frames);
        let fixed_clocks = servers.iter().filter_map(|server| server["last_active"].as_i64()).collect();
        Self { hub, fixed_clocks, started_s, _folder: folder, _runtime: runtime, _stop: stop_sender }
    }

    /// The answer with each real `last_active` moved to the fixture's clock.
    fn on_the_fixtures_clock(&self, body: &str) -> String {
        let Some(fixed) = self.fixed_clocks.first() else { return body.to_owned() };
        (self.started_s..=now_s()).fold(body.to_owned(), |body, second| {
            body.replace(&format!("\"last_active\":{second},"), &format!("\"last_active\":{fixed},"))
        })
    }
}

/// Makes the fixture's tokens, logins and servers in the stopped hub's store; gives the servers' credentials.
fn fill_registry(hub: &HubProcess, fixture: &Value) -> Vec<String> {
    let engine = Engine::open(hub.data(), Options::default()).expect("a new store");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for token in fixture["api_tokens"].as_array().expect("tokens") {
        let new = NewToken { text: Some(text(&token["token"])), ..NewToken::of_v0(&text(&token["note"])) };
        engine.registry().add_token(new, 0).expect("room");
    }
    for user in fixture["users"].as_array().into_iter().flatten() {
        let is_over = text(&user["session_expires"]).starts_with("2020");
        let name = text(&user["login"]);
        let password = PasswordHash::of("vectors have no passwords").expect("long enough");
        engine.registry().add_user(name.clone(), Role::Admin, password, 0).expect("room");
        let signed_in_s = if is_over { 0 } else { now_s() };
        engine.registry().add_login(Some(text(&user["session_token"])), name, signed_in_s).expect("room");
    }
    let server = |server: &Value| {
        let new = NewServer {
            name: text(&server["name"]),
            tag: text(&server["tag"]),
            display_index: server["display_index"].as_i64().unwrap_or(0),
            hide_for_guest: server["hide_for_guest"].as_bool().unwrap_or(false),
            country: text(&server["country_code"]),
            ..NewServer::default()
        };
        let made = engine.registry().add_server(new, 0).expect("room");
        assert_eq!(Some(made.id), server["id"].as_u64());
        made.credential
    };
    fixture["servers"].as_array().expect("servers").iter().map(server).collect()
}

fn connect(
    runtime: &tokio::runtime::Runtime,
    hub: &HubProcess,
    credential: &str,
    outbox: Outbox,
    host: Host,
    stop: watch::Receiver<bool>,
) {
    let options = LinkOptions {
        hubs: vec![hub.quic().to_string()],
        identity: Identity::of_credential(credential.to_owned()),
        backoff: quick_backoff(),
        clock: Clock::new(unix_ms),
        ack_each_frame: true,
    };
    let feed = Feed::new(outbox, Duration::from_secs(1));
    let endpoints = Endpoints::new(Trust::Fingerprint(hub.fingerprint())).expect("TLS");
    let (keep, facts) = watch::channel(host);
    let keep = Arc::new(keep);
    runtime.spawn(async move {
        let _keep = keep;
        Link::new(options, endpoints, feed, facts, stop).run().await;
    });
}

fn host(fixture: &Value) -> Host {
    let text = |key: &str| fixture[key].as_str().unwrap_or_default().to_owned();
    let number = |key: &str| fixture[key].as_u64().unwrap_or(0);
    let texts = |key: &str| {
        let list = fixture[key].as_array().into_iter().flatten();
        list.map(|text| text.as_str().expect("text").to_owned()).collect()
    };
    Host {
        platform: text("platform"),
        platform_version: text("platform_version"),
        cpu: texts("cpu"),
        mem_total: number("mem_total"),
        disk_total: number("disk_total"),
        swap_total: number("swap_total"),
        arch: text("arch"),
        virtualization: text("virtualization"),
        boot_time_s: number("boot_time"),
        ip: text("ip"),
        version: text("version"),
        gpu: texts("gpu"),
    }
}

fn report(state: &Value, seed_status: &Value) -> Report {
    if state.is_string() {
        let (float, integer) =
            (|key: &str| seed_status[key].as_f64().unwrap_or(0.0), |key: &str| seed_status[key].as_u64().unwrap_or(0));
        return Report {
            cpu: float("CPU"),
            mem_used: integer("MemUsed"),
            swap_used: integer("SwapUsed"),
            disk_used: integer("DiskUsed"),
            net_in_transfer: integer("NetInTransfer"),
            net_out_transfer: integer("NetOutTransfer"),
            net_in_speed: integer("NetInSpeed"),
            net_out_speed: integer("NetOutSpeed"),
            uptime_s: integer("Uptime"),
            load1: float("Load1"),
            load5: float("Load5"),
            load15: float("Load15"),
            tcp_conn_count: integer("TcpConnCount"),
            udp_conn_count: integer("UdpConnCount"),
            process_count: integer("ProcessCount"),
            ..Report::default()
        };
    }
    let float = |key: &str| state[key].as_f64().unwrap_or(0.0);
    let sensor = |sensor: &Value| Temperature {
        name: sensor["name"].as_str().expect("a name").to_owned(),
        celsius: sensor["temperature"].as_f64().expect("a number"),
    };
    Report {
        cpu: float("cpu"),
        mem_used: state["mem_used"].as_u64().unwrap_or(0),
        load1: float("load1"),
        load5: float("load5"),
        load15: float("load15"),
        gpu: float("gpu"),
        temperatures: state["temperatures"].as_array().into_iter().flatten().map(sensor).collect(),
        ..Report::default()
    }
}

fn check(vector: &Value, fixture: &Fixture) -> Result<(), String> {
    let request = &vector["request"];
    let headers = request["headers"].as_object().into_iter().flatten();
    let headers: Vec<(&str, &str)> =
        headers.map(|(name, value)| (name.as_str(), value.as_str().expect("text"))).collect();
    let (method, path) = (request["method"].as_str().expect("a method"), request["path"].as_str().expect("a path"));
    let body = request["body"].as_str().unwrap_or_default();
    let answer = fixture.hub.request(method, path, &headers, body.as_bytes()).map_err(|error| error.to_string())?;
    let body = fixture.on_the_fixtures_clock(&answer.text());
    let expect = vector["expect"].as_object().expect("an expectation");
    for (key, expected) in expect {
        check_one(key, expected, expect, &answer, &body).map_err(|why| format!("{key}: {why}; body {body:.300}"))?;
    }
    Ok(())
}

fn check_one(
    key: &str,
    expected: &Value,
    expect: &serde_json::Map<String, Value>,
    answer: &HttpAnswer,
    body: &str,
) -> Result<(), String> {
    let is = |holds: bool| if holds { Ok(()) } else { Err(format!("expected {expected}")) };
    let json = || serde_json::from_str::<Value>(body).map_err(|error| error.to_string());
    let text = || expected.as_str().expect("text");
    match key {
        "status" => is(Some(u64::from(answer.status)) == expected.as_u64()),
        "content_type" => is(answer.header("content-type") == expected.as_str()),
        "body_exact" => is(body == text()),
        "body_regex" => is(Regex::new(text()).expect("a pattern").is_match(body)),
        "json_superset_of" => is(holds_all(&json()?, expected, expect.contains_key("result_order"))),
        "code" | "message" => is(json()?[key] == *expected),
        "result_order" => Ok(()),
        "result_ids_any_order" => {
            let mut ids: Vec<u64> = results(&json()?).iter().filter_map(|entry| entry["id"].as_u64()).collect();
            ids.sort_unstable();
            is(expected.as_array().expect("ids").iter().map(|id| id.as_u64().expect("an id")).eq(ids))
        }
        "result_fields" => {
            let answer = json()?;
            is(expected.as_object().expect("ids").iter().all(|(id, fields)| {
                results(&answer)
                    .iter()
                    .any(|entry| entry["id"].as_u64() == id.parse().ok() && holds_all(entry, fields, false))
            }))
        }
        "headers" => {
            let mut wanted = expected.as_object().expect("headers").iter();
            is(wanted.all(|(name, value)| answer.header(&name.to_lowercase()) == value.as_str()))
        }
        "absent_headers" => {
            let mut absent = expected.as_array().expect("names").iter();
            is(absent.all(|name| answer.header(&name.as_str().expect("a name").to_lowercase()).is_none()))
        }
        other => panic!("expectation {other} is unknown"),
    }
}

fn results(answer: &Value) -> Vec<Value> {
    answer["result"].as_array().cloned().unwrap_or_default()
}

/// Whether `found` holds all of `expected`: objects may have more keys, lists have the same length.
fn holds_all(found: &Value, expected: &Value, any_order: bool) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(key, value)| found.get(key).is_some_and(|found| holds_all(found, value, any_order)))
        }
        (Value::Array(found), Value::Array(expected)) if any_order => {
            found.len() == expected.len()
                && expected.iter().all(|value| found.iter().any(|found| holds_all(found, value, any_order)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| holds_all(f, e, any_order))
        }
        (Value::Number(found), Value::Number(expected)) => found.as_f64() == expected.as_f64(),
        (found, expected) => found == expected,
    }
}

fn now_s() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

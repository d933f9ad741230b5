//! Clients behind a trusted proxy have their own addresses: for the limit of sign-ins, the shares of guests and the name
//! of a registered server. What a client writes into the headers, through the proxy or past it, changes nothing.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::hub::flood::connect_from;
use crate::hub::new_hub;
use crate::hub::panel::password;
use windfire_bench::hub_process::HubProcess;

/// The address from which the trusted proxy connects.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 80);
/// Another client of this machine, which is not trusted.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 81);
/// Tries to sign in that an address has at once, and the time after which one more comes back.
const TRIES_AT_ONCE: usize = 10;
const TRY_INTERVAL: Duration = Duration::from_secs(30);
const GUESSES: usize = 20;
/// Times that a try may have come back just before it is seen that none is left.
const RETURNS_MAX: usize = 3;

/// One exchange from that address: the status, and the whole answer.
fn ask(hub: &HubProcess, from: Ipv4Addr, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
    let mut connection = connect_from(from, hub);
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nContent-Length: {length}\r\n");
    write!(connection, "{head}{headers}\r\n{body}").expect("sent");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("{answer:?} has no status")), answer)
}

fn sign_in(hub: &HubProcess, from: Ipv4Addr, headers: &[&str], password: &str) -> (u16, String) {
    let body = serde_json::json!({"user": "admin", "password": password}).to_string();
    let headers = [&["Content-Type: application/json"], headers].concat();
    ask(hub, from, "POST", "/api/v1/session", &headers, &body)
}

/// Guesses a password with that header. Whether it was looked at.
fn guess(hub: &HubProcess, from: Ipv4Addr, forwarded: &str) -> bool {
    let (status, answer) = sign_in(hub, from, &[&format!("X-Forwarded-For: {forwarded}")], "a guess");
    assert!(matches!(status, 401 | 429), "{answer}");
    status == 401
}

/// Guesses again and again. `forwarded` makes the header of each guess. Those that are looked at are the tries of one
/// address, with those that came back meanwhile.
fn all_are_of_one_address(hub: &HubProcess, from: Ipv4Addr, forwarded: impl Fn(usize) -> String) {
    let began = Instant::now();
    let looked_at = (0..GUESSES).filter(|number| guess(hub, from, &forwarded(*number))).count();
    let looked_at_max = TRIES_AT_ONCE as f64 + began.elapsed().div_duration_f64(TRY_INTERVAL);
    assert!(looked_at >= TRIES_AT_ONCE && looked_at as f64 <= looked_at_max, "{looked_at}, not {looked_at_max}");
}

/// Whether a guess with another header is refused at once after one with this header was. Another address would still
/// have tries.
fn are_of_one_address(hub: &HubProcess, from: Ipv4Addr, forwarded: &str, other: &str) -> bool {
    (0..RETURNS_MAX).any(|_| !guess(hub, from, forwarded) && !guess(hub, from, other))
}

#[test]
fn a_guess_behind_a_proxy_costs_only_who_guesses() {
    let (_folder, mut hub) = new_hub(&["--trusted-proxies", "127.0.0.80, 10.0.0.0/8"]);
    hub.start();
    let secret = password(&hub, "admin");
    // What the client wrote is left of what the proxy added.
    all_are_of_one_address(&hub, PROXY, |number| format!("198.51.100.{number}, 203.0.113.5"));
    // A second proxy behind the first, and the port of the client.
    assert!(are_of_one_address(&hub, PROXY, "203.0.113.5", "203.0.113.5:4711, 10.0.0.7"), "it is the same");
    let (status, answer) = sign_in(&hub, PROXY, &["X-Forwarded-For: 203.0.113.6"], &secret);
    assert_eq!(status, 200, "another client of the same proxy: {answer}");
    // The proxy's own address has no tries used up either.
    assert_eq!(sign_in(&hub, PROXY, &[], &secret).0, 200);
}

#[test]
fn what_an_untrusted_peer_says_of_its_address_changes_nothing() {
    let (_folder, mut hub) = new_hub(&["--trusted-proxies", "127.0.0.80"]);
    let token = hub.make_token();
    hub.start();
    let secret = password(&hub, "admin");
    all_are_of_one_address(&hub, OTHER, |number| format!("203.0.113.{number}"));
    assert_eq!(sign_in(&hub, PROXY, &["X-Forwarded-For: 203.0.113.1"], &secret).0, 200, "who was named is free");

    // The name of a registered server, and whether a cookie is for HTTPS only.
    let headers = [format!("Authorization: {token}"), "X-Forwarded-For: 192.0.2.7, 203.0.113.9".to_owned()];
    let headers = [headers[0].as_str(), headers[1].as_str()];
    for from in [OTHER, PROXY] {
        assert_eq!(ask(&hub, from, "POST", "/api/v1/server/register", &headers, "{}").0, 200);
    }
    let servers: serde_json::Value =
        serde_json::from_str(&hub.get("/api/v1/server/list", &token).text()).expect("JSON");
    let names: Vec<&str> =
        servers["result"].as_array().expect("a list").iter().filter_map(|server| server["name"].as_str()).collect();
    assert_eq!(names, ["127.0.0.81", "203.0.113.9"]);
    let is_secure = |from: Ipv4Addr| {
        let (status, answer) = sign_in(&hub, from, &["X-Forwarded-Proto: https"], &secret);
        assert_eq!(status, 200, "{answer}");
        answer.contains("; Secure")
    };
    assert!(is_secure(PROXY) && !is_secure(Ipv4Addr::new(127, 0, 0, 82)));
}

#[test]
fn without_trusted_proxies_all_who_come_through_one_share_its_address() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    all_are_of_one_address(&hub, PROXY, |number| format!("203.0.113.{number}"));
}

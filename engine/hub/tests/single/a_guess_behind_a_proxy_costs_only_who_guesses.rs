//! Clients behind a trusted proxy have their own addresses: for the limit of sign-ins, the shares of guests and the name
//! of a registered server. What a client writes into the headers, through the proxy or past it, changes nothing.

use std::io::{Read, Write};
use std::net::Ipv4Addr;

use crate::hub::flood::connect_from;
use crate::hub::new_hub;
use crate::hub::panel::password;
use windfire_bench::hub_process::HubProcess;

/// The address from which the trusted proxy connects.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 80);
/// Another client of this machine, which is not trusted.
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 81);
/// Tries to sign in that an address has at once, and those that come back in a test of less than a minute.
const TRIES_MAX: usize = 10 + 2;
const GUESSES: usize = 20;

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

/// Guesses a password again and again. `forwarded` makes the header of each guess. Returns how many were looked at.
fn guesses(hub: &HubProcess, from: Ipv4Addr, forwarded: impl Fn(usize) -> String) -> usize {
    let statuses: Vec<u16> = (0..GUESSES)
        .map(|number| sign_in(hub, from, &[&format!("X-Forwarded-For: {}", forwarded(number))], "a guess").0)
        .collect();
    assert!(statuses.iter().all(|status| matches!(status, 401 | 429)), "{statuses:?}");
    statuses.iter().filter(|status| **status == 401).count()
}

#[test]
fn a_guess_behind_a_proxy_costs_only_who_guesses() {
    let (_folder, mut hub) = new_hub(&["--trusted-proxies", "127.0.0.80, 10.0.0.0/8"]);
    hub.start();
    let secret = password(&hub, "admin");
    // What the client wrote is left of what the proxy added.
    let looked_at = guesses(&hub, PROXY, |number| format!("198.51.100.{number}, 203.0.113.5"));
    assert!((10..=TRIES_MAX).contains(&looked_at), "{looked_at}");
    // A second proxy behind the first, and the port of the client.
    assert_eq!(
        sign_in(&hub, PROXY, &["X-Forwarded-For: 203.0.113.5:4711, 10.0.0.7"], &secret).0,
        429,
        "it is the same"
    );
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
    let looked_at = guesses(&hub, OTHER, |number| format!("203.0.113.{number}"));
    assert!((10..=TRIES_MAX).contains(&looked_at), "{looked_at}");
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
    let looked_at = guesses(&hub, PROXY, |number| format!("203.0.113.{number}"));
    assert!((10..=TRIES_MAX).contains(&looked_at), "{looked_at}");
}

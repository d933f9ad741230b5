//! `X-Forwarded-For`, as proxies and clients may send it: the first line is the peer's address, the second the trusted
//! networks, and each further line is one header. The address is the one that a naive walk from the right finds, and a
//! peer that is not trusted says nothing.
#![no_main]

// The hub is a program and no library, so its files are read here as well.
#[path = "../../engine/hub/src/limits.rs"]
#[allow(dead_code)]
mod limits;
#[path = "../../engine/hub/src/proxies.rs"]
#[allow(dead_code)]
mod proxies;
#[path = "../../engine/hub/src/variables.rs"]
#[allow(dead_code)]
mod variables;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderValue};
use ipnetwork::IpNetwork;
use libfuzzer_sys::fuzz_target;
use limits::FORWARDED_HOPS_MAX;
use proxies::TrustedProxies;

/// The address of an entry, the slow way.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = String::from_utf8(entry.to_vec()).ok()?;
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let found = match inside {
        Some(inside) => inside.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip())),
    };
    found.map(|address: IpAddr| address.to_canonical())
}

fn text(line: &[u8]) -> &str {
    std::str::from_utf8(line).unwrap_or_default()
}

fuzz_target!(|input: &[u8]| {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let [peer, networks, lines @ ..] = lines.as_slice() else { return };
    let (Ok(peer), Ok(proxies)) = (text(peer).parse::<IpAddr>(), TrustedProxies::parse(text(networks))) else { return };
    let shown = serde_json::to_value(&proxies).expect("it can be shown");
    let networks: Vec<String> = serde_json::from_value(shown).expect("a list of texts");
    assert_eq!(TrustedProxies::parse(&networks.join(",")), Ok(proxies.clone()), "what is shown means the same");
    let networks: Vec<IpNetwork> = networks.iter().map(|network| network.parse().expect("a network")).collect();
    let trusts = |address: IpAddr| networks.iter().any(|network| network.contains(address));

    let mut headers = HeaderMap::new();
    let mut joined: Vec<u8> = Vec::new();
    for value in lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        joined.push(b',');
        joined.extend_from_slice(value.as_bytes());
        headers.append("x-forwarded-for", value);
    }
    headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
    let client = proxies.client(peer, &mut headers);

    let peer = peer.to_canonical();
    let mut expected = peer;
    let entries = joined.split(|byte| *byte == b',').map(|entry| entry.trim_ascii().to_vec());
    let mut entries: Vec<Vec<u8>> = entries.filter(|entry| !entry.is_empty()).collect();
    for _ in 0..FORWARDED_HOPS_MAX {
        match entries.pop().and_then(|entry| address(&entry)) {
            Some(next) if trusts(expected) => expected = next,
            _ => break,
        }
    }
    assert_eq!(client, expected);
    assert!(trusts(peer) || client == peer, "a peer that is not trusted says nothing");
    assert!(!headers.contains_key("x-forwarded-for"));
    assert_eq!(headers.contains_key("x-forwarded-proto"), trusts(peer));
});

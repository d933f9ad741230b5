//! The proxies that the operator trusts, and whose address a request has.
//!
//! A proxy adds the address that it sees at the end of `X-Forwarded-For`. So the entries are believed from the right,
//! for as long as the address that added the entry is trusted. What a client wrote itself is further to the left.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::HeaderMap;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::limits::{FORWARDED_HOPS_MAX, TRUSTED_PROXIES_MAX};
use crate::variables::plain;

const FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// Networks whose word about a client's address counts. Without any, a client has the address of its connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TrustedProxies(Vec<IpNetwork>);

impl TrustedProxies {
    /// Addresses and networks, separated by commas, semicolons or blanks.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let read = Self::of(plain(text).split(|c: char| matches!(c, ',' | ';') || c.is_whitespace()))?;
        if read.0.is_empty() {
            return Err("it is empty: write addresses or networks, or leave it out".to_owned());
        }
        Ok(read)
    }

    fn of<'a>(items: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let items: Vec<&str> = items.map(plain).filter(|item| !item.is_empty()).collect();
        if items.len() > TRUSTED_PROXIES_MAX {
            let count = items.len();
            return Err(format!("{count} networks are over the limit of {TRUSTED_PROXIES_MAX}: join some of them"));
        }
        items.into_iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// The client's address, of a request whose connection comes from `peer`. Removes the headers that are used up, or
    /// that nothing trusted has sent, so that nothing later believes them. Without trusted proxies it is `peer`, and
    /// all headers stay.
    pub(crate) fn client(&self, peer: IpAddr, headers: &mut HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if self.0.is_empty() {
            return peer;
        }
        let client = self.forwarded_client(peer, headers);
        headers.remove(FORWARDED_FOR);
        if !self.trusts(peer) {
            headers.remove(FORWARDED_PROTO);
        }
        client
    }

    /// The first address from the right that is not trusted. If an entry is no address, the proxy that added it.
    fn forwarded_client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let entries = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        // An empty header to which a proxy added its entry leaves an empty one.
        let entries = entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty());
        let mut entries = entries.take(FORWARDED_HOPS_MAX);
        let mut client = peer;
        while self.trusts(client) {
            let Some(next) = entries.next().and_then(address) else { break };
            client = next;
        }
        client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Serialize for TrustedProxies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

/// In the file they are a list, or one text as in a variable.
pub(crate) fn of_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<TrustedProxies>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected a list of addresses and networks, each in quotes")]
    enum Written {
        Text(String),
        List(Vec<String>),
    }
    let read = match Written::deserialize(value)? {
        Written::Text(text) => TrustedProxies::parse(&text),
        Written::List(items) => TrustedProxies::of(items.iter().map(String::as_str)),
    };
    read.map(Some).map_err(serde::de::Error::custom)
}

fn network(item: &str) -> Result<IpNetwork, String> {
    let wrong = |why: String| Err(format!("{item:?} {why}"));
    let Ok(network) = item.parse::<IpNetwork>() else {
        return wrong(
            "is neither an address nor a network: write such as 127.0.0.1, 10.0.0.0/8 or 2001:db8::/32".to_owned(),
        );
    };
    let (first, prefix) = (network.network(), network.prefix());
    if prefix == 0 {
        return wrong("is every address: any client could name any other. Name your proxies' networks".to_owned());
    }
    // It is one address of a network, and either may be meant.
    if network.ip() != first {
        return wrong(format!("is no network: write {first}/{prefix}, or {} for the one address", network.ip()));
    }
    if first.to_canonical() != first {
        return wrong(format!("is written as IPv6: write {}, with an IPv4 prefix of 1 to 32", first.to_canonical()));
    }
    Ok(network)
}

/// The address of an entry. Some proxies write the port too.
fn address(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let address = text.parse::<IpAddr>().ok().or_else(with_port).or_else(in_brackets)?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn proxies() -> TrustedProxies {
        TrustedProxies::parse("127.0.0.1, ::1; 10.0.0.0/8 2001:db8::/32").expect("valid")
    }

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, HeaderValue::from_bytes(line).expect("a header"));
        }
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        headers
    }

    fn client(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        proxies().client(ip(peer), &mut headers(&lines)).to_string()
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_not_trusted() {
        for (lines, expected) in [
            (&["203.0.113.5"][..], "203.0.113.5"),
            (&["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
            (&["198.51.100.1, 203.0.113.5, 10.1.2.3,10.0.0.1"], "203.0.113.5"),
            (&["203.0.113.5", "10.1.2.3"], "203.0.113.5"),
            (&["198.51.100.1", "203.0.113.5"], "203.0.113.5"),
            (&["10.1.2.3, 10.0.0.1"], "10.1.2.3"),
            (&["203.0.113.5:4711"], "203.0.113.5"),
            (&["[2001:db9::7]:4711"], "2001:db9::7"),
            (&["[2001:db9::7]"], "2001:db9::7"),
            (&["2001:db9::7 ,\t2001:db8::1 "], "2001:db9::7"),
            (&["::ffff:203.0.113.5, ::ffff:10.0.0.1"], "203.0.113.5"),
            (&[", 203.0.113.5,,"], "203.0.113.5"),
            (&["203.0.113.5, unknown"], "127.0.0.1"),
            (&["203.0.113.5, unknown, 10.0.0.1"], "10.0.0.1"),
            (&["203.0.113.5, _hidden"], "127.0.0.1"),
            (&["203.0.113.5, é"], "127.0.0.1"),
            (&["203.0.113.5, 1.2.3.4.5"], "127.0.0.1"),
            (&["203.0.113.5, 203.0.113.6;"], "127.0.0.1"),
            (&[""], "127.0.0.1"),
            (&[], "127.0.0.1"),
        ] {
            assert_eq!(client("127.0.0.1", lines), expected, "{lines:?}");
            // A socket for both families shows an IPv4 address so.
            assert_eq!(client("::ffff:127.0.0.1", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_word_of_a_peer_that_is_not_trusted_does_not_count() {
        let spoofed = ["203.0.113.5, 127.0.0.1, 10.0.0.1"];
        assert_eq!(client("192.0.2.1", &spoofed), "192.0.2.1");
        for (peer, has_proto) in [("192.0.2.1", false), ("10.0.0.9", true)] {
            let mut headers = headers(&[b"203.0.113.5"]);
            proxies().client(ip(peer), &mut headers);
            assert_eq!(headers.contains_key(FORWARDED_PROTO), has_proto, "{peer}");
            assert!(!headers.contains_key(FORWARDED_FOR), "it is used up");
        }
    }

    #[test]
    fn without_trusted_proxies_nothing_is_taken_from_the_headers_or_removed() {
        let mut all = headers(&[b"203.0.113.5"]);
        let before = all.clone();
        assert_eq!(TrustedProxies::default().client(ip("127.0.0.1"), &mut all), ip("127.0.0.1"));
        assert_eq!(all, before);
    }

    #[test]
    fn a_chain_of_many_proxies_is_followed_to_a_limit() {
        let line = |hops: usize| format!("203.0.113.5{}", ", 10.0.0.1".repeat(hops));
        assert_eq!(client("127.0.0.1", &[&line(FORWARDED_HOPS_MAX - 1)]), "203.0.113.5");
        assert_eq!(client("127.0.0.1", &[&line(FORWARDED_HOPS_MAX)]), "10.0.0.1");
        // A client that sends many is known by the entry that the proxy added.
        let many = format!("{}, 203.0.113.5", "127.0.0.1,".repeat(10_000));
        assert_eq!(client("127.0.0.1", &[&many]), "203.0.113.5");
    }

    #[test]
    fn networks_are_read_as_people_write_them_and_shown_as_they_are() {
        let shown = |text: &str| TrustedProxies::parse(text).map(|proxies| serde_json::json!(proxies).to_string());
        assert_eq!(shown("\"127.0.0.1, 10.0.0.0/8\""), Ok(r#"["127.0.0.1/32","10.0.0.0/8"]"#.to_owned()));
        assert_eq!(shown(" ::1;2001:DB8::/32\n"), Ok(r#"["::1/128","2001:db8::/32"]"#.to_owned()));
        for (text, words) in [
            ("", "empty"),
            (" , ", "empty"),
            ("proxy.example", "neither"),
            ("10.0.0.0/33", "neither"),
            ("10.0.0.0/", "neither"),
            ("10.0.0.0/8/8", "neither"),
            ("[::1]", "neither"),
            ("127.0.0.1:80", "neither"),
            ("0.0.0.0/0", "every address"),
            ("::/0", "every address"),
            ("10.1.2.3/8", "write 10.0.0.0/8, or 10.1.2.3 for"),
            ("::ffff:10.0.0.0/104", "write 10.0.0.0,"),
        ] {
            let error = TrustedProxies::parse(text).expect_err(text);
            assert!(error.contains(words), "{text:?}: {error}");
        }
        let many = |count: usize| vec!["127.0.0.1"; count].join(",");
        assert!(TrustedProxies::parse(&many(TRUSTED_PROXIES_MAX)).is_ok());
        assert!(TrustedProxies::parse(&many(TRUSTED_PROXIES_MAX + 1)).expect_err("too many").contains("limit of 64"));
    }

    proptest! {
        #[test]
        fn what_a_client_writes_changes_nothing_behind_an_honest_proxy(
            client in any::<u32>(),
            written in prop::collection::vec(prop::collection::vec(0x20..=0xff_u8, 0..60), 0..5),
        ) {
            let client = IpAddr::V4(client.into());
            prop_assume!(!proxies().trusts(client));
            let lines: Vec<&[u8]> = written.iter().map(Vec::as_slice).filter(|line| !line.contains(&0x7f)).collect();
            // The proxy adds its entry to the last line, or a line of its own.
            for is_own_line in [true, false] {
                let mut lines: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
                let entry = client.to_string();
                match lines.last_mut() {
                    Some(last) if !is_own_line => last.extend_from_slice(format!(", {entry}").as_bytes()),
                    _ => lines.push(entry.into_bytes()),
                }
                let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
                prop_assert_eq!(proxies().client(ip("127.0.0.1"), &mut headers(&lines)), client);
                prop_assert_eq!(proxies().client(ip("192.0.2.1"), &mut headers(&lines)), ip("192.0.2.1"));
            }
        }
    }
}

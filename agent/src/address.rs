//! Reads addresses of hubs as people write them: names and addresses, with ports and zones, one or many.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

use crate::given::plain;
use crate::limits::{ADDRESSES_MAX, HUBS_MAX};

/// Default port of a hub.
pub const DEFAULT_PORT: u16 = 5555;

/// Bytes of a name in DNS, and of one of its labels.
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// The address of a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubAddress {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    /// Looked up at each connection. A dot at its end is kept: with it, the system does not try search domains.
    Name(String),
    Ip(IpAddr),
    /// A link-local address and its interface. The interface is a name, which is looked up at each connection, or a
    /// number.
    Zoned(Ipv6Addr, String),
}

/// Hubs in the order in which they are tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubList(pub Vec<HubAddress>);

impl HubAddress {
    /// Its socket address, if nothing has to be looked up.
    pub(crate) fn literal(&self) -> Option<SocketAddr> {
        match &self.host {
            Host::Ip(ip) => Some(SocketAddr::new(*ip, self.port)),
            Host::Zoned(ip, zone) => {
                let index = zone.parse().ok()?;
                Some(SocketAddrV6::new(*ip, self.port, 0, index).into())
            }
            Host::Name(_) => None,
        }
    }

    /// Host and port for the system's lookup.
    pub(crate) fn to_look_up(&self) -> (String, u16) {
        let host = match &self.host {
            Host::Name(name) => name.clone(),
            Host::Ip(ip) => ip.to_string(),
            Host::Zoned(ip, zone) => format!("{ip}%{zone}"),
        };
        (host, self.port)
    }

    /// The name that the hub's certificate may have. A zone is left out, as it has no meaning on other machines, and so
    /// is the dot at a name's end.
    pub(crate) fn certificate_name(&self) -> String {
        match &self.host {
            Host::Name(name) => name.trim_end_matches('.').to_owned(),
            Host::Ip(ip) => ip.to_string(),
            Host::Zoned(ip, _) => ip.to_string(),
        }
    }

    /// The interface that this address needs.
    pub(crate) fn zone(&self) -> Option<&str> {
        match &self.host {
            Host::Zoned(_, zone) => Some(zone),
            Host::Name(_) | Host::Ip(_) => None,
        }
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Name(name) => write!(f, "{name}:{port}"),
            Host::Ip(ip) => SocketAddr::new(*ip, port).fmt(f),
            Host::Zoned(ip, zone) => write!(f, "[{ip}%{zone}]:{port}"),
        }
    }
}

impl FromStr for HubAddress {
    type Err = String;

    /// Reads `host`, `host:port`, `address`, `address:port`, `[address]`, `[address]:port`; an address of IPv6 may have
    /// a zone. A text with exactly one meaning is accepted. The error for any other text says how to write it.
    fn from_str(text: &str) -> Result<Self, String> {
        let given = plain(text);
        let wrong = |why: &str| Err(format!("hub {given:?} {why}"));
        if given.is_empty() {
            return wrong("is empty: write host:port, such as hub.example:5555");
        }
        let rest = given.split_once("://").map_or(given, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if given.contains("://") || authority != rest || authority.contains('@') {
            let host = authority.rsplit('@').next().unwrap_or_default();
            // The port of a web address is the port of the hub's pages.
            let host = Self::split(host).map_or_else(|_| "hub.example".to_owned(), |(host, _)| host.bracketed());
            return wrong(&format!(
                "is a web address: write the hub's host and its UDP port for agents, such as {host}:{DEFAULT_PORT}"
            ));
        }
        if given.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return wrong("has a blank in it: write host:port, and commas between several hubs");
        }
        let (host, port) = Self::split(given).map_err(|why| format!("hub {given:?} {why}"))?;
        let port = match port {
            None => DEFAULT_PORT,
            Some(digits) => match port_of(digits) {
                Some(port) => port,
                None => return wrong(&format!("has {digits:?} after its last colon, not a port: write 1 to 65535")),
            },
        };
        Ok(Self { host, port })
    }
}

impl HubAddress {
    fn split(text: &str) -> Result<(Host, Option<&str>), String> {
        if let Some(rest) = text.strip_prefix('[') {
            let (inside, behind) =
                rest.split_once(']').ok_or("has a bracket that does not close: write [address]:port")?;
            let host = Host::of_ipv6(inside)?.ok_or("has no IPv6 address in its brackets: write [2001:db8::1]:5555")?;
            return match behind {
                "" => Ok((host, None)),
                _ => Ok((
                    host,
                    Some(behind.strip_prefix(':').ok_or("has no colon before its port: write [address]:port")?),
                )),
            };
        }
        match text.split_once(':') {
            None => Ok((Host::of_name(text)?, None)),
            Some((name, port)) if !port.contains(':') => Ok((Host::of_name(name)?, Some(port))),
            Some(_) => Self::split_bare_ipv6(text),
        }
    }

    /// An address without brackets: its last part may be a port.
    fn split_bare_ipv6(text: &str) -> Result<(Host, Option<&str>), String> {
        let parted = match text.rsplit_once(':') {
            Some((front, port)) if port_of(port).is_some() => Host::of_ipv6(front)?.map(|host| (host, port)),
            _ => None,
        };
        match (Host::of_ipv6(text)?, parted) {
            (Some(whole), None) => Ok((whole, None)),
            (None, Some((host, port))) => Ok((host, Some(port))),
            (Some(whole), Some((host, port))) => Err(format!(
                "may be read in two ways: write {}:{port}, or {}:{DEFAULT_PORT}",
                host.bracketed(),
                whole.bracketed()
            )),
            (None, None) => Err("is neither host:port nor an address: write [2001:db8::1]:5555 for IPv6".to_owned()),
        }
    }
}

impl Host {
    /// `None` if the text is not an address.
    fn of_ipv6(text: &str) -> Result<Option<Self>, String> {
        let (address, zone) = text.split_once('%').map_or((text, None), |(address, zone)| (address, Some(zone)));
        let Ok(ip) = address.parse::<Ipv6Addr>() else { return Ok(None) };
        // As in a web address, where "%25" is a "%". A number alone is an interface's number.
        let unescaped = |zone: &str| match zone.strip_prefix("25") {
            Some(rest) if !rest.is_empty() && !is_number(zone) => rest.to_owned(),
            _ => zone.to_owned(),
        };
        let is_zone = |zone: &str| !zone.is_empty() && zone.len() < 64 && !zone.contains([':', '/', '%', '[', ']']);
        match zone.map(unescaped) {
            Some(zone) if !is_zone(&zone) => Ok(None),
            Some(zone) if ip.is_unicast_link_local() => Ok(Some(Self::Zoned(ip, zone))),
            None if ip.is_unicast_link_local() => {
                Err(format!("is link-local and has no interface: write [{ip}%eth0] with your interface's name"))
            }
            // Other addresses mean the same on every interface.
            _ => Self::of_ip(ip.to_canonical()).map(Some),
        }
    }

    fn of_ip(ip: IpAddr) -> Result<Self, String> {
        if ip.is_unspecified() {
            return Err(
                "is an address to listen at, not one to connect to: write 127.0.0.1 if the hub is on this machine"
                    .to_owned(),
            );
        }
        if ip.is_multicast() {
            return Err("is the address of a multicast group: write the hub's own address".to_owned());
        }
        Ok(Self::Ip(ip))
    }

    fn of_name(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Self::of_ip(ip);
        }
        if text.is_empty() {
            return Err("has no host: write host:port, such as hub.example:5555".to_owned());
        }
        if !text.is_ascii() {
            return Err("has letters outside ASCII: write the name as in DNS, with xn-- before such parts".to_owned());
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        if name.len() > NAME_BYTES_MAX {
            return Err(format!("has a name of {} bytes, and at most {NAME_BYTES_MAX} are allowed", name.len()));
        }
        for label in name.split('.') {
            match label.len() {
                0 => return Err("has nothing before, between or after its dots".to_owned()),
                1..=LABEL_BYTES_MAX => {}
                bytes => {
                    return Err(format!(
                        "has a part of {bytes} bytes between dots, and at most {LABEL_BYTES_MAX} are allowed"
                    ));
                }
            }
            if let Some(c) = label.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')) {
                return Err(format!("has {c:?} in its name: use letters, digits, dashes and dots"));
            }
        }
        if name.rsplit('.').next().is_some_and(is_number) {
            let how = if name.contains('.') { "four numbers of 0 to 255" } else { "the host before the port" };
            return Err(format!("has neither a name nor an IPv4 address: write {how}"));
        }
        Ok(Self::Name(text.to_owned()))
    }

    fn bracketed(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Ip(ip @ IpAddr::V4(_)) => ip.to_string(),
            Self::Ip(ip @ IpAddr::V6(_)) => format!("[{ip}]"),
            Self::Zoned(ip, zone) => format!("[{ip}%{zone}]"),
        }
    }
}

impl FromStr for HubList {
    type Err = String;

    /// Reads hubs that are separated by commas, semicolons, blanks or line ends, as no address has these in it. Empty
    /// items are skipped, and a hub that is repeated counts once.
    fn from_str(text: &str) -> Result<Self, String> {
        let items = text.split(|c: char| matches!(c, ',' | ';') || c.is_whitespace());
        // There may be quotes around each, or around all.
        let items = items.map(|item| plain(item).trim_matches(['"', '\'']));
        let hubs = items.filter(|item| !item.is_empty()).map(str::parse).collect::<Result<Vec<_>, _>>()?;
        Self::of(hubs)
    }
}

impl HubList {
    /// A list of these hubs, each once.
    ///
    /// # Errors
    /// There are none, or more than [`HUBS_MAX`].
    pub fn of(hubs: impl IntoIterator<Item = HubAddress>) -> Result<Self, String> {
        let mut once: Vec<HubAddress> = Vec::new();
        for hub in hubs {
            if !once.contains(&hub) {
                once.push(hub);
            }
        }
        match once.len() {
            0 => Err("no hub is named: write host:port, such as hub.example:5555".to_owned()),
            1..=HUBS_MAX => Ok(Self(once)),
            count => Err(format!("{count} hubs are named, and at most {HUBS_MAX} are allowed")),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn port_of(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| is_number(text) && *port > 0)
}

/// The order in which the addresses of a name are tried, and how many are left out above [`ADDRESSES_MAX`]. The
/// system's order is kept, as the system knows which of them this machine can reach, but the two families alternate
/// (RFC 8305, section 4). `proven` is first, if it is among them.
pub(crate) fn race_order(found: &[SocketAddr], proven: Option<SocketAddr>) -> (Vec<SocketAddr>, usize) {
    let mut once: Vec<SocketAddr> = Vec::new();
    for address in found.iter().map(|address| canonical(*address)) {
        if !once.contains(&address) {
            once.push(address);
        }
    }
    let is_first_v6 = once.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) = once.into_iter().partition(|a| a.is_ipv6() == is_first_v6);
    first.reverse();
    second.reverse();
    let mut order = Vec::with_capacity(first.len() + second.len());
    while !first.is_empty() || !second.is_empty() {
        order.extend(first.pop());
        order.extend(second.pop());
    }
    if let Some(place) = proven.and_then(|proven| order.iter().position(|address| *address == proven)) {
        order[..=place].rotate_right(1);
    }
    let left_out = order.len().saturating_sub(ADDRESSES_MAX);
    order.truncate(ADDRESSES_MAX);
    (order, left_out)
}

/// The address as its packets show it: IPv4-mapped IPv6 as IPv4, and a zone only for link-local addresses.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() => {
            SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into()
        }
        _ => SocketAddr::new(address.ip().to_canonical(), address.port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_has_one_meaning_is_read() {
        for (text, shown) in [
            ("hub.example:5555", "hub.example:5555"),
            (" hub.example:6000\n", "hub.example:6000"),
            ("\"hub:1\"", "hub:1"),
            ("hub", "hub:5555"),
            ("my_hub-2.internal.", "my_hub-2.internal.:5555"),
            ("xn--bcher-kva.example:5555", "xn--bcher-kva.example:5555"),
            ("localhost:5555", "localhost:5555"),
            ("10.0.0.5", "10.0.0.5:5555"),
            ("10.0.0.5:05555", "10.0.0.5:5555"),
            ("[2001:db8::1]:5555", "[2001:db8::1]:5555"),
            ("[2001:DB8::1]", "[2001:db8::1]:5555"),
            ("::1", "[::1]:5555"),
            ("2001:db8::", "[2001:db8::]:5555"),
            ("2001:db8::fe:abcd", "[2001:db8::fe:abcd]:5555"),
            ("1:2:3:4:5:6:7:8", "[1:2:3:4:5:6:7:8]:5555"),
            ("1:2:3:4:5:6:7:8:6000", "[1:2:3:4:5:6:7:8]:6000"),
            ("[fe80::1%eth0]:5555", "[fe80::1%eth0]:5555"),
            ("[fe80::1%25eth0]:6000", "[fe80::1%eth0]:6000"),
            ("[fe80::1%2]:5555", "[fe80::1%2]:5555"),
            ("[fe80::1%25]:5555", "[fe80::1%25]:5555"),
            ("fe80::1%br-lan", "[fe80::1%br-lan]:5555"),
            ("fe80::1%eth0.100:6000", "[fe80::1%eth0.100]:6000"),
            ("[fd00::1%eth0]:5555", "[fd00::1]:5555"),
            ("[::ffff:10.0.0.5]:5555", "10.0.0.5:5555"),
            ("::ffff:10.0.0.5:6000", "10.0.0.5:6000"),
        ] {
            assert_eq!(text.parse::<HubAddress>().map(|hub| hub.to_string()), Ok(shown.to_owned()), "{text:?}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for text in
            ["hub:5555", "10.0.0.5:1", "[2001:db8::1]:65535", "[fe80::1%eth0]:5555", "[fe80::1%7]:5555", "a.b.:9"]
        {
            let hub: HubAddress = text.parse().expect("read");
            assert_eq!((hub.to_string().as_str(), hub.to_string().parse()), (text, Ok(hub)));
        }
    }

    #[test]
    fn what_has_no_meaning_or_two_is_told_how_to_be_written() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = format!("{}example", "abcdefg.".repeat(32));
        for (text, word) in [
            ("", "empty"),
            ("https://hub.example:8008", "hub.example:5555"),
            ("https://hub.example:8008/api?x", "hub.example:5555"),
            ("quic://[2001:db8::1]:5555", "[2001:db8::1]:5555"),
            ("hub.example:5555/", "hub.example:5555"),
            ("admin@hub.example:5555", "hub.example:5555"),
            ("://", "web address"),
            ("hub:", "1 to 65535"),
            ("hub:0", "1 to 65535"),
            ("hub:65536", "1 to 65535"),
            ("hub:+5555", "1 to 65535"),
            ("hub:https", "1 to 65535"),
            ("[::1]:", "1 to 65535"),
            (":5555", "no host"),
            ("5555", "host before the port"),
            ("10.0.0.300:5555", "four numbers"),
            ("10.0.1:5555", "four numbers"),
            ("a b:5555", "blank"),
            ("[::1", "bracket"),
            ("[::1]5555", "colon"),
            ("[10.0.0.5]:5555", "IPv6"),
            ("[hub]:5555", "IPv6"),
            ("[fe80::1%]:5555", "IPv6"),
            ("::1:5555", "[::1]:5555, or [::1:5555]:5555"),
            ("2001:db8::1:5555", "[2001:db8::1]:5555"),
            ("fe80::1", "no interface"),
            ("[fe80::1]:5555", "%eth0"),
            ("hub:5555:5555", "neither"),
            ("0.0.0.0:5555", "127.0.0.1"),
            ("[::]:5555", "127.0.0.1"),
            ("[ff02::1]:5555", "group"),
            ("239.1.1.1", "group"),
            ("bücher.example:5555", "xn--"),
            ("hub..example", "dots"),
            (".example", "dots"),
            (".", "dots"),
            ("hub,example", "','"),
            ("hub*", "'*'"),
            (long.as_str(), "64 bytes"),
            (longer.as_str(), "263 bytes"),
        ] {
            let error = text.parse::<HubAddress>().expect_err(text);
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }

    #[test]
    fn lists_are_read_as_people_write_them() {
        for text in [
            "a:5555,b:6000",
            "a:5555, b:6000",
            " a , b:6000 ,",
            "a:5555;b:6000",
            "a b:6000",
            "\n  a:5555\n  b:6000\n",
            "\"a:5555,b:6000\"",
            "\"a:5555\", \"b:6000\"",
            ",,a,,b:6000,a:5555,b:6000",
        ] {
            let hubs = text.parse::<HubList>().map(|list| list.0.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(hubs, Ok(vec!["a:5555".to_owned(), "b:6000".to_owned()]), "{text:?}");
        }
        for empty in ["", " ", ",", " ; ,\n"] {
            assert!(empty.parse::<HubList>().expect_err("none").contains("no hub"), "{empty:?}");
        }
        assert!("a,https://b".parse::<HubList>().expect_err("wrong").contains("https://b"));
        let many = |count: usize| (0..count).map(|n| format!("h{n},")).collect::<String>().parse::<HubList>();
        assert!(many(HUBS_MAX).is_ok() && many(HUBS_MAX + 1).expect_err("too many").contains("at most"));
    }

    #[test]
    fn a_certificate_is_made_out_without_zone_and_dot() {
        for (text, name) in [("hub.example.:1", "hub.example"), ("[fe80::1%eth0]:1", "fe80::1"), ("[::1]:1", "::1")] {
            assert_eq!(text.parse::<HubAddress>().expect("read").certificate_name(), name);
        }
    }

    fn order(found: &[&str], proven: Option<&str>) -> Vec<String> {
        let address = |text: &str| text.parse::<SocketAddr>().expect("an address");
        let found: Vec<SocketAddr> = found.iter().map(|text| address(text)).collect();
        race_order(&found, proven.map(address)).0.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn families_take_turns_and_the_systems_first_is_first() {
        let (a, b, c, x, y) = ("[2001:db8::a]:1", "[2001:db8::b]:1", "[2001:db8::c]:1", "192.0.2.1:1", "192.0.2.2:1");
        assert_eq!(order(&[a, b, c, x, y], None), [a, x, b, y, c]);
        assert_eq!(order(&[x, y, a], None), [x, a, y]);
        assert_eq!(order(&[a, x, a, x], None), [a, x], "each once");
        assert_eq!(order(&["[::ffff:192.0.2.1]:1", x], None), [x], "one host in two notations");
        assert_eq!(order(&[a, x, b, y], Some(y)), [y, a, x, b], "what led to the hub before");
        assert_eq!(order(&[a, x], Some(y)), [a, x], "unless it is no address of the name any more");
        assert_eq!(order(&["[2001:db8::a%3]:1"], None), [a], "packets of it come without a zone");
        assert_eq!(order(&["[fe80::a%3]:1", "[fe80::a%4]:1"], None), ["[fe80::a%3]:1", "[fe80::a%4]:1"]);
        assert!(order(&[], None).is_empty());
    }

    #[test]
    fn a_name_with_very_many_addresses_is_bounded_and_keeps_both_families() {
        let v6 = (0..40).map(|n| format!("[2001:db8::{n:x}]:1"));
        let v4 = (0..40).map(|n| format!("192.0.2.{n}:1"));
        let found: Vec<SocketAddr> = v6.chain(v4).map(|text| text.parse().expect("an address")).collect();
        let (order, left_out) = race_order(&found, None);
        assert_eq!((order.len(), left_out), (ADDRESSES_MAX, 80 - ADDRESSES_MAX));
        assert_eq!(order.iter().filter(|address| address.is_ipv4()).count(), ADDRESSES_MAX / 2);
    }
}

//! The hub's two ports, and the address that agents are told.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

use windfire_doctor::Finding;

use super::asked::Asked;
use super::page::Page;
use crate::config::Config;
use crate::unbound;

/// Whether the port could be bound. It is free again afterwards.
pub(super) fn try_udp(address: SocketAddr) -> io::Result<()> {
    UdpSocket::bind(address).map(drop)
}

/// As [`try_udp`].
pub(super) fn try_tcp(address: SocketAddr) -> io::Result<()> {
    TcpListener::bind(address).map(drop)
}

/// `try_it` binds the port, if no hub runs.
pub(super) fn judge_agents(address: SocketAddr, asked: &Asked, try_it: impl FnOnce() -> io::Result<()>) -> Finding {
    const CHECK: &str = "agents_port";
    match asked {
        Asked::Silent(_) => Finding::info(CHECK, format!("{address}: not tried, because a hub may use it")),
        Asked::Answers(facts) if address.port() == 0 || facts.agents_port == address.port() => {
            Finding::ok(CHECK, format!("the running hub takes agents at UDP port {}", facts.agents_port))
        }
        Asked::Answers(facts) => {
            let seen =
                format!("the running hub takes agents at UDP port {}, not at {}", facts.agents_port, address.port());
            Finding::warn(CHECK, seen, "give this the options and the --config of the hub, or restart the hub")
        }
        Asked::Stopped if address.port() == 0 => {
            Finding::warn(CHECK, "each start takes another port (quic)", "choose one, because agents are told it")
        }
        Asked::Stopped => judge_free(CHECK, address, &try_it()),
    }
}

/// `page` is the answer of the running hub over HTTP.
pub(super) fn judge_http(
    address: SocketAddr,
    asked: &Asked,
    page: Option<&Result<Page, String>>,
    try_it: impl FnOnce() -> io::Result<()>,
) -> Finding {
    const CHECK: &str = "http_port";
    let options = "give this the options and the --config of the hub; if they are the same, look at the hub's log";
    match (asked, page) {
        (Asked::Silent(_), _) => Finding::info(CHECK, format!("{address}: not tried, because a hub may use it")),
        (Asked::Answers(_), Some(Ok(page))) if is_ours(page) => {
            Finding::ok(CHECK, format!("the running hub answers at {address}"))
        }
        (Asked::Answers(_), Some(Ok(page))) => {
            Finding::bad(CHECK, format!("another program answers at {address} (HTTP status {})", page.status), options)
        }
        (Asked::Answers(_), Some(Err(error))) => {
            Finding::bad(CHECK, format!("the hub runs, but does not answer there: {error}"), options)
        }
        (Asked::Answers(_), None) => Finding::info(CHECK, format!("{address}: not asked")),
        (Asked::Stopped, _) if address.port() == 0 => Finding::info(CHECK, "each start takes another port (http)"),
        (Asked::Stopped, _) => judge_free(CHECK, address, &try_it()),
    }
}

fn is_ours(page: &Page) -> bool {
    page.status == 200 && page.body.contains("windfire_servers ")
}

fn judge_free(check: &'static str, address: SocketAddr, tried: &io::Result<()>) -> Finding {
    match tried {
        Ok(()) => Finding::ok(check, format!("{address} is free for a hub")),
        Err(error) => {
            let seen = format!("{address} cannot be used: {error}");
            Finding::bad(check, seen, unbound::remedy(address, error))
        }
    }
}

/// Behind a proxy the page's host is the proxy, which does not take agents.
pub(super) fn judge_agents_address(config: &Config) -> Finding {
    const CHECK: &str = "agents_address";
    if let Some(address) = config.agents_address_at(config.quic.port()) {
        return Finding::ok(CHECK, format!("agents are told {address}"));
    }
    // A public address of the panel that this hub does not listen at is a proxy's.
    let is_https_elsewhere = config.public_url.as_ref().is_some_and(|url| url.starts_with("https:") && !config.https);
    let is_local = config.http.ip().is_loopback() && config.public_url.is_some();
    if is_https_elsewhere || is_local {
        let seen = "not set, and the panel is behind a proxy (public_url)";
        let remedy = "set it to the host and UDP port of this hub, which the proxy does not serve";
        return Finding::warn(CHECK, seen, remedy);
    }
    Finding::info(CHECK, "not set: agents are told the host of the panel's page, which must be this machine")
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;

    use super::super::asked::Facts;
    use super::*;
    use crate::config::{Place, Settings};

    fn answers(agents_port: u16) -> Asked {
        Asked::Answers(Box::new(Facts {
            version: "0.1.0".to_owned(),
            agents_port,
            clock_ahead_ms: 0,
            storage: Err("not asked".to_owned()),
            servers: Ok(Vec::new()),
            details: Ok(Vec::new()),
            channels: Ok(Vec::new()),
        }))
    }

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn a_port_is_free_or_the_hubs_own() {
        let silent = || Asked::Silent("no answer".to_owned());
        let in_use = || -> io::Result<()> { Err(io::ErrorKind::AddrInUse.into()) };
        for (port, asked, tried, verdict) in [
            (5555, Asked::Stopped, Ok(()), Verdict::Ok),
            (5555, Asked::Stopped, in_use(), Verdict::Bad),
            (0, Asked::Stopped, in_use(), Verdict::Warn),
            (5555, answers(5555), in_use(), Verdict::Ok),
            (0, answers(40000), in_use(), Verdict::Ok),
            (5555, answers(5556), Ok(()), Verdict::Warn),
            (5555, silent(), in_use(), Verdict::Info),
        ] {
            let finding = judge_agents(address(port), &asked, || tried);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
    }

    #[test]
    fn http_is_answered_by_the_hub_itself() {
        let page = |status, body: &str| Page { status, content_type: String::new(), body: body.to_owned() };
        for (asked, answer, tried, verdict) in [
            (Asked::Stopped, None, Ok(()), Verdict::Ok),
            (Asked::Stopped, None, Err(io::ErrorKind::PermissionDenied), Verdict::Bad),
            (answers(1), Some(Ok(page(200, "windfire_servers 3\n"))), Ok(()), Verdict::Ok),
            (answers(1), Some(Ok(page(200, "nginx"))), Ok(()), Verdict::Bad),
            (answers(1), Some(Ok(page(502, "windfire_servers 3\n"))), Ok(()), Verdict::Bad),
            (answers(1), Some(Err("refused".to_owned())), Ok(()), Verdict::Bad),
            (Asked::Silent("no".to_owned()), None, Ok(()), Verdict::Info),
        ] {
            let finding = judge_http(address(8008), &asked, answer.as_ref(), || tried.map_err(io::Error::from));
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
    }

    #[test]
    fn a_port_that_is_taken_cannot_be_bound() {
        let (udp, tcp) = (UdpSocket::bind(address(0)).expect("a port"), TcpListener::bind(address(0)).expect("a port"));
        let (udp_address, tcp_address) = (udp.local_addr().expect("bound"), tcp.local_addr().expect("bound"));
        assert!(try_udp(udp_address).is_err() && try_tcp(tcp_address).is_err());
        drop((udp, tcp));
        assert!(try_udp(udp_address).is_ok() && try_tcp(tcp_address).is_ok());
    }

    #[test]
    fn behind_a_proxy_agents_must_be_told_an_address() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("windfire.toml");
        for (text, verdict) in [
            ("", Verdict::Info),
            ("http = \"0.0.0.0:8008\"\npublic_url = \"http://hub.example:8008\"", Verdict::Info),
            ("public_url = \"https://hub.example\"", Verdict::Warn),
            ("http = \"0.0.0.0:8008\"\npublic_url = \"https://hub.example\"", Verdict::Warn),
            ("public_url = \"https://hub.example\"\nagents_address = \"hub.example\"", Verdict::Ok),
        ] {
            std::fs::write(&path, text).expect("room");
            let place = Place { config: Some(path.clone()), data: None };
            let config = Config::load(&place, Settings::default()).expect("valid");
            assert_eq!(judge_agents_address(&config).verdict, verdict, "{text}");
        }
    }
}

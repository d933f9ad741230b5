//! Reads a page of the running hub over its own HTTP or HTTPS address.
//!
//! No secret is sent. Over HTTPS the hub must show the certificate that its files have: another one means that the hub
//! has not read them again.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::config::Config;
use crate::pin::{self, Fingerprint};
use crate::tls::Certificate;

/// Time for each step of an exchange.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes read of an answer: `/metrics` has two lines per channel.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// An answer.
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: String,
}

/// Gets a page of the hub that listens where `config` says.
pub(super) fn get(config: &Config, path: &str) -> Result<Page, String> {
    let address = reachable(config.http);
    let failed = |error: &dyn Display| format!("{address}: {error}");
    if address.port() == 0 {
        return Err(format!("{address}: the configuration has no port, and the hub chose one"));
    }
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(|error| failed(&error))?;
    let timeouts = stream.set_read_timeout(Some(TIMEOUT)).and_then(|()| stream.set_write_timeout(Some(TIMEOUT)));
    timeouts.map_err(|error| failed(&error))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let answer = if config.https {
        exchange(&mut secured(config, stream).map_err(|error| failed(&error))?, &request)
    } else {
        exchange(&mut { stream }, &request)
    };
    parse(&answer.map_err(|error| failed(&error))?).ok_or_else(|| failed(&"the answer is not HTTP"))
}

/// An address at which this machine reaches what listens there.
fn reachable(listens: SocketAddr) -> SocketAddr {
    let ip = match listens.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listens.port())
}

fn exchange(stream: &mut (impl Read + Write), request: &str) -> io::Result<Vec<u8>> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(BYTES_MAX).read_to_end(&mut answer) {
        // TLS may end without a farewell.
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof || answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

fn secured(config: &Config, stream: TcpStream) -> Result<StreamOwned<ClientConnection, TcpStream>, String> {
    let shown = match (&config.https_cert, &config.https_key) {
        (Some(cert), Some(key)) => Certificate::from_files(cert, key)?,
        _ => Certificate::own(&config.data)?,
    };
    let otherwise = "the hub shows another certificate than its files have: \"windfire reload\" has it read them, or says why it cannot";
    let client = pin::believing(Fingerprint::of(shown.der()), otherwise).map_err(|error| error.to_string())?;
    let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
    let connection = ClientConnection::new(Arc::new(client), name).map_err(|error| error.to_string())?;
    Ok(StreamOwned::new(connection, stream))
}

/// An answer in one piece, with its length: the pages that are asked for have no other form.
fn parse(answer: &[u8]) -> Option<Page> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let content_type = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
    });
    let body = String::from_utf8_lossy(&answer[end + 4..]).into_owned();
    Some(Page { status, content_type: content_type.unwrap_or_default(), body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_apart() {
        let page = parse(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\na 1");
        let page = page.expect("an answer");
        assert_eq!((page.status, &*page.content_type, &*page.body), (200, "text/plain; charset=utf-8", "a 1"));
        for odd in ["", "HTTP/1.1 200 OK\r\n", "SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1\r\n\r\n", "HTTP/1.1 ok\r\n\r\n"] {
            assert!(parse(odd.as_bytes()).is_none(), "{odd:?}");
        }
        assert!(parse(b"\xff\xfe\r\n\r\n").is_none());
    }

    #[test]
    fn a_hub_that_listens_everywhere_is_reached_here() {
        for (listens, reached) in
            [("0.0.0.0:8008", "127.0.0.1:8008"), ("[::]:8008", "[::1]:8008"), ("192.0.2.1:80", "192.0.2.1:80")]
        {
            assert_eq!(reachable(listens.parse().expect("an address")).to_string(), reached);
        }
    }
}

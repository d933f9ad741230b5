//! Another hub, from which a hub that joins fetches a backup: a request over HTTP or HTTPS, and its answer as it comes.
//!
//! The invitation is sent only to a hub that has shown the right certificate, or to this machine. What comes back is
//! bounded in each part, and believed in none: `admin/parcel.rs` checks it.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use http::Uri;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::admin::{PARCEL_PATH, ParcelError};
use crate::limits::{JOIN_ANSWER_MAX, JOIN_CONNECT_MAX, JOIN_HEAD_BYTES_MAX, JOIN_SILENCE_MAX, JOIN_TEXT_BYTES_MAX};
use crate::pin::{self, Fingerprint};
use crate::variables::plain;

/// Characters of a message of the other hub that are shown.
const MESSAGE_CHARS_MAX: usize = 300;
/// Bytes of the line before a chunk.
const CHUNK_LINE_BYTES_MAX: u64 = 256;

/// Another hub.
pub(super) struct Remote {
    /// As the operator gave it.
    url: String,
    authority: String,
    host: String,
    port: u16,
    path: String,
    /// `None` for HTTP without TLS.
    tls: Option<Arc<ClientConfig>>,
    invitation: String,
}

/// Which certificate of the other hub is believed.
pub(super) enum Trust {
    Nothing,
    Fingerprint(Fingerprint),
    Authorities(RootCertStore),
}

impl Remote {
    /// The hub whose panel is at that address.
    ///
    /// # Errors
    /// The address cannot be used, or the invitation would be sent to anybody.
    pub(super) fn new(url: &str, trust: Trust, invitation: String) -> Result<Self, String> {
        let url = plain(url).trim_end_matches('/').to_owned();
        let wrong = |why: &str| format!("--from {url:?}: {why}");
        let uri = url.parse::<Uri>().map_err(|error| wrong(&format!("it is no address: {error}")))?;
        let authority = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || authority.contains('@') || uri.query().is_some() {
            return Err(wrong("write it as https://hub-a:8008"));
        }
        let (usual, tls) = match (uri.scheme_str(), trust) {
            (Some("https"), Trust::Nothing) => {
                return Err(wrong(
                    "give the --fingerprint of its certificate, which \"windfire fingerprint\" prints on that hub, or \
                     with --ca a file with the authorities that vouch for it",
                ));
            }
            (Some("https"), trust) => (443, Some(Arc::new(client(trust)?))),
            (Some("http"), _) if is_here(&host) => (80, None),
            (Some("http"), _) => {
                return Err(wrong(
                    "the keys of the hub would be sent in clear: set https = true on that hub and write \
                     https://, or use a tunnel that ends at 127.0.0.1",
                ));
            }
            _ => return Err(wrong("it must begin with https://")),
        };
        let path = format!("{}{PARCEL_PATH}", uri.path().trim_end_matches('/'));
        let port = uri.port_u16().unwrap_or(usual);
        Ok(Self { url, authority, host, port, path, tls, invitation })
    }

    /// Asks for a backup. Returns its bytes as they come.
    ///
    /// # Errors
    /// The hub is not reached, is not a hub, or refuses.
    pub(super) fn fetch(&self) -> Result<Box<dyn Read>, ParcelError> {
        let stream = self.connect()?;
        let failed = |error: &dyn Display| ParcelError::Broken(format!("{}: {error}", self.url));
        let timeouts = stream.set_read_timeout(Some(JOIN_ANSWER_MAX));
        timeouts.and_then(|()| stream.set_write_timeout(Some(JOIN_SILENCE_MAX))).map_err(|error| failed(&error))?;
        let socket = stream.try_clone().map_err(|error| failed(&error))?;
        let answer: Box<dyn Read> = match &self.tls {
            None => self.ask(stream).map_err(|error| failed(&error))?,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone())
                    .map_err(|_| format!("{}: no certificate can have the name {}", self.url, self.host))?;
                let connection = ClientConnection::new(Arc::clone(tls), name).map_err(|error| failed(&error))?;
                self.ask(StreamOwned::new(connection, stream)).map_err(|error| self.not_asked(&error))?
            }
        };
        let body = read_head(answer).map_err(|why| self.refusal(why))?;
        socket.set_read_timeout(Some(JOIN_SILENCE_MAX)).map_err(|error| failed(&error))?;
        Ok(Box::new(body))
    }

    fn connect(&self) -> Result<TcpStream, ParcelError> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let addresses = addresses.map_err(|error| format!("{}: {} is not found: {error}", self.url, self.host))?;
        let mut reason = "it has no address".to_owned();
        for address in addresses {
            match TcpStream::connect_timeout(&address, JOIN_CONNECT_MAX) {
                Ok(stream) => return Ok(stream),
                Err(error) => reason = format!("{address}: {error}"),
            }
        }
        let url = &self.url;
        let why = format!("{url}: no connection: {reason}: check the address, that the hub runs, and the firewall");
        // A hub that broke off may just be starting again.
        Err(ParcelError::Broken(why))
    }

    fn ask<S: Read + Write + 'static>(&self, mut stream: S) -> io::Result<Box<dyn Read>> {
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nUser-Agent: windfire/{}\r\nContent-Length: \
             0\r\nConnection: close\r\n\r\n",
            self.path,
            self.authority,
            self.invitation,
            env!("CARGO_PKG_VERSION"),
        );
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        Ok(Box::new(stream))
    }

    /// A certificate that is not believed is no accident that may pass.
    fn not_asked(&self, error: &io::Error) -> ParcelError {
        let is_tls = error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>());
        let words = format!("{}: {error}", self.url);
        if is_tls { ParcelError::Refused(words) } else { ParcelError::Broken(words) }
    }

    fn refusal(&self, why: NoParcel) -> ParcelError {
        let url = &self.url;
        match why {
            NoParcel::Broken(error) => ParcelError::Broken(format!("{url}: {error}")),
            NoParcel::NoHub => ParcelError::Refused(format!("{url}: no hub answers there: check the address")),
            NoParcel::Status { status: 401, .. } => ParcelError::Refused(format!(
                "{url} does not know the invitation, or it has ended: run \"windfire cluster invite\" there for another"
            )),
            NoParcel::Status { status: 404 | 405, .. } => {
                ParcelError::Refused(format!("{url} hands nothing over: it is not a hub, or one of an older version"))
            }
            NoParcel::Status { status: status @ 300..=399, .. } => {
                ParcelError::Refused(format!("{url} answers that it is elsewhere (HTTP {status}): give that address"))
            }
            NoParcel::Status { status: status @ (429 | 503), message } => {
                ParcelError::Busy(format!("{url} cannot do that now (HTTP {status}): {message}"))
            }
            NoParcel::Status { status, message } => {
                ParcelError::Refused(format!("{url} refuses (HTTP {status}): {message}"))
            }
        }
    }
}

/// Reads an invitation from a file.
///
/// # Errors
/// The file cannot be read, or has none.
pub(super) fn read_invitation(path: &Path) -> Result<String, String> {
    let wrong = |why: &dyn Display| format!("--invitation-file {}: {why}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(&error))?;
    file.take(JOIN_TEXT_BYTES_MAX).read_to_string(&mut text).map_err(|error| wrong(&error))?;
    let invitation = plain(&text);
    if invitation.is_empty() || !invitation.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong(&"it must have the first line that \"windfire cluster invite\" prints, and nothing else"));
    }
    Ok(invitation.to_owned())
}

/// Reads certificates of authorities from a PEM file.
///
/// # Errors
/// The file cannot be read, or has none.
pub(super) fn read_authorities(path: &Path) -> Result<RootCertStore, String> {
    let wrong = |why: &dyn Display| format!("--ca {}: {why}", path.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(&error))? {
        roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"it has no certificate: it must have -----BEGIN CERTIFICATE-----"));
    }
    Ok(roots)
}

fn client(trust: Trust) -> Result<ClientConfig, String> {
    let failed = |error: rustls::Error| format!("TLS cannot be set up: {error}");
    let roots = match trust {
        Trust::Fingerprint(expected) => {
            return pin::believing(expected, "check which of the two is yours").map_err(failed);
        }
        Trust::Authorities(roots) => roots,
        Trust::Nothing => RootCertStore::empty(),
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_protocol_versions(rustls::ALL_VERSIONS).map_err(failed)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Whether bytes that are sent there do not leave this machine.
fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Why an answer has no parcel.
#[derive(Debug)]
enum NoParcel {
    Broken(io::Error),
    /// It is not HTTP.
    NoHub,
    Status {
        status: u16,
        message: String,
    },
}

/// Reads the head of an answer. Returns its body.
fn read_head<R: Read>(from: R) -> Result<Body<R>, NoParcel> {
    let mut from = BufReader::new(from);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        from.read_exact(&mut byte).map_err(NoParcel::Broken)?;
        head.extend(byte);
        if head.len() > JOIN_HEAD_BYTES_MAX || !b"HTTP/1.".starts_with(&head[..head.len().min(7)]) {
            return Err(NoParcel::NoHub);
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse::<u16>().ok()).ok_or(NoParcel::NoHub)?;
    let mut left = Left::UntilEnd;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
            left = Left::Chunked { bytes: 0, is_first: true };
        } else if name.eq_ignore_ascii_case("content-length") && matches!(left, Left::UntilEnd) {
            left = Left::Bytes(value.trim().parse::<u64>().map_err(|_| NoParcel::NoHub)?);
        }
    }
    let mut body = Body { from, left };
    if status == 200 {
        return Ok(body);
    }
    let mut text = Vec::new();
    let _as_far_as_it_comes = (&mut body).take(JOIN_TEXT_BYTES_MAX).read_to_end(&mut text);
    let answer = serde_json::from_slice::<Value>(&text).unwrap_or_default();
    let message = answer["message"].as_str().unwrap_or("it does not say why");
    Err(NoParcel::Status { status, message: message.chars().take(MESSAGE_CHARS_MAX).collect() })
}

/// The body of an answer.
#[derive(Debug)]
struct Body<R> {
    from: BufReader<R>,
    left: Left,
}

/// What of a body is still to come.
#[derive(Debug)]
enum Left {
    Bytes(u64),
    UntilEnd,
    /// Bytes of the present chunk.
    Chunked {
        bytes: u64,
        is_first: bool,
    },
}

impl<R: Read> Read for Body<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Left::Chunked { bytes: 0, is_first } = self.left {
            let bytes = next_chunk(&mut self.from, is_first)?;
            self.left = if bytes == 0 { Left::Bytes(0) } else { Left::Chunked { bytes, is_first: false } };
        }
        let (Left::Bytes(left) | Left::Chunked { bytes: left, .. }) = &mut self.left else {
            return self.from.read(into);
        };
        let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(into.len());
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.from.read(&mut into[..wanted])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        *left -= read as u64;
        Ok(read)
    }
}

/// Reads what is before a chunk: the end of the one before, and its size. 0 for the end of the body.
fn next_chunk(from: &mut impl BufRead, is_first: bool) -> io::Result<u64> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the answer is not HTTP");
    let mut line = String::new();
    if !is_first {
        from.by_ref().take(2).read_line(&mut line)?;
        if line != "\r\n" {
            return Err(if line.is_empty() { io::ErrorKind::UnexpectedEof.into() } else { wrong() });
        }
        line.clear();
    }
    from.by_ref().take(CHUNK_LINE_BYTES_MAX).read_line(&mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let digits = line.trim_end().split(';').next().unwrap_or_default().trim_end();
    // from_str_radix takes a sign.
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !line.ends_with('\n') || !is_number {
        return Err(wrong());
    }
    u64::from_str_radix(digits, 16).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn body_of(answer: &str) -> Result<String, NoParcel> {
        let mut text = String::new();
        read_head(answer.as_bytes())?.read_to_string(&mut text).map_err(NoParcel::Broken)?;
        Ok(text)
    }

    #[test]
    fn a_body_is_read_whichever_way_it_is_sent() {
        for answer in [
            "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world and more",
            "HTTP/1.0 200 OK\r\n\r\nhello world",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
        ] {
            assert_eq!(body_of(answer).expect(answer), "hello world");
        }
    }

    #[test]
    fn a_body_that_breaks_off_is_no_whole_one() {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n";
        let head = chunked.find("\r\n\r\n").expect("there") + 4;
        for end in head..chunked.len() - 3 {
            assert!(matches!(body_of(&chunked[..end]), Err(NoParcel::Broken(_))), "{:?}", &chunked[..end]);
        }
        let short = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nhello world";
        assert!(matches!(body_of(short), Err(NoParcel::Broken(_))));
        for odd in ["+5\r\nhello", "\r\nhello", "g\r\n", "11111111111111111\r\n", "5\r\nhelloxx6\r\n"] {
            let answer = format!("{}{odd}", &chunked[..head]);
            assert!(matches!(body_of(&answer), Err(NoParcel::Broken(_))), "{odd}");
        }
        let endless = format!("{}{}", &chunked[..head], "0".repeat(100_000));
        assert!(matches!(body_of(&endless), Err(NoParcel::Broken(_))));
    }

    #[test]
    fn what_is_no_hub_is_known_by_its_first_bytes() {
        for answer in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 OK\r\n\r\n", "<html>", "HTTP/2 200 OK\r\n\r\n"] {
            assert!(matches!(body_of(answer), Err(NoParcel::NoHub)), "{answer}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\n{}", "a: b\r\n".repeat(JOIN_HEAD_BYTES_MAX));
        assert!(matches!(body_of(&endless), Err(NoParcel::NoHub)));
        for part in ["", "HTT", "HTTP/1.1 200 OK\r\nConten"] {
            assert!(matches!(body_of(part), Err(NoParcel::Broken(_))), "a hub that stops: {part}");
        }
    }

    #[test]
    fn a_refusal_is_told_with_the_hubs_words() {
        let remote = Remote::new("http://127.0.0.1:9/", Trust::Nothing, "t".to_owned()).expect("an address");
        let told = |status: u16, body: &str| {
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            match remote.refusal(body_of(&answer).expect_err("refused")) {
                ParcelError::Refused(words) => words,
                other => panic!("{other:?}"),
            }
        };
        assert!(told(401, "").contains("windfire cluster invite"));
        assert!(told(404, "<html>").contains("not a hub"));
        assert!(told(302, "").contains("elsewhere"));
        let alone = told(409, "{\"code\":409,\"message\":\"this hub is alone\"}");
        assert!(alone.ends_with("(HTTP 409): this hub is alone"), "{alone}");
        let long = format!("{{\"message\":\"{}\"}}", "x".repeat(2000));
        assert!(told(500, &long).len() < 500);
        for status in [429, 503] {
            let answer = format!("HTTP/1.1 {status} X\r\n\r\n{{\"message\":\"later\"}}");
            let error = remote.refusal(body_of(&answer).expect_err("refused"));
            assert!(matches!(&error, ParcelError::Busy(words) if words.ends_with("later")), "{error:?}");
        }
    }

    #[test]
    fn the_invitation_goes_to_nobody_else() {
        let new = |url: &str, trust| Remote::new(url, trust, "t".to_owned());
        let pin = || Trust::Fingerprint(Fingerprint::of(b"certificate"));
        let remote = new("https://hub-a/panel/", pin()).expect("an address");
        assert_eq!((remote.port, remote.path.as_str()), (443, "/panel/cluster/parcel"));
        for here in ["http://127.0.0.1:8008", "http://localhost:8008/", "http://[::1]:8008"] {
            let remote = new(here, Trust::Nothing).expect(here);
            assert!(remote.port == 8008 && remote.path == PARCEL_PATH && remote.tls.is_none(), "{here}");
        }
        for (url, trust, words) in [
            ("http://hub-a:8008", pin(), "in clear"),
            ("https://hub-a:8008", Trust::Nothing, "--fingerprint"),
            ("hub-a:8008", pin(), "https://"),
            ("https://admin:secret@hub-a", pin(), "https://hub-a:8008"),
            ("https://hub-a?x", pin(), "https://hub-a:8008"),
            ("ftp://hub-a", pin(), "must begin with https://"),
            ("", pin(), "--from"),
        ] {
            let error = new(url, trust).err().expect(url);
            assert!(error.contains(words), "{url}: {error}");
        }
    }

    #[test]
    fn an_invitation_is_read_from_its_file_and_nothing_else_is() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("invitation");
        fs::write(&file, "abc123\n").expect("room");
        assert_eq!(read_invitation(&file), Ok("abc123".to_owned()));
        for text in ["", "\n", "a b", "a\r\nX-Evil: 1"] {
            fs::write(&file, text).expect("room");
            assert!(read_invitation(&file).is_err(), "{text:?}");
        }
        assert!(read_authorities(&file).expect_err("no certificate").contains("--ca"));
    }
}

//! Another hub, from which a hub that joins fetches a backup, with a request over HTTP or HTTPS.
//!
//! The invitation is sent only to a hub that has shown the right certificate, or to this machine. What comes back is
//! believed in no part: `answer.rs` reads it, and `admin/parcel.rs` checks its body.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use http::Uri;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::answer::{NoParcel, read_head};
use crate::admin::{PARCEL_PATH, ParcelError};
use crate::limits::{JOIN_ANSWER_MAX, JOIN_CONNECT_MAX, JOIN_SILENCE_MAX, JOIN_TEXT_BYTES_MAX};
use crate::pin::{self, Fingerprint};
use crate::variables::plain;

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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_refusal_is_told_with_the_hubs_words() {
        let remote = Remote::new("http://127.0.0.1:9/", Trust::Nothing, "t".to_owned()).expect("an address");
        let told = |status: u16, body: &str| {
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            match remote.refusal(read_head(answer.as_bytes()).expect_err("refused")) {
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
            let error = remote.refusal(read_head(answer.as_bytes()).expect_err("refused"));
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

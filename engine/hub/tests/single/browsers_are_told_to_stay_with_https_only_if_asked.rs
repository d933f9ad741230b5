//! `hsts_max_age_s`: each answer over HTTPS tells browsers to stay with HTTPS. Without it none does.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use crate::hub::new_hub;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use windfire_bench::hub_process::HubProcess;

/// The head of an answer over HTTPS.
fn head(hub: &HubProcess, authority: &CertificateDer<'static>, path: &str) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).expect("a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let mut connection = ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut socket = TcpStream::connect(hub.http()).expect("a connection");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut stream = Stream::new(&mut connection, &mut socket);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("sent");
    let (mut answer, mut buffer) = (String::new(), [0; 4096]);
    while !answer.contains("\r\n\r\n") {
        let count = stream.read(&mut buffer).expect("an answer");
        assert!(count > 0, "the head ends: {answer}");
        answer.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    answer.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase()
}

#[test]
fn browsers_are_told_to_stay_with_https_only_if_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let files = ["cert.pem", "key.pem"].map(|name| folder.path().join(name).to_str().expect("text").to_owned());
    fs::write(&files[0], made.cert.pem()).expect("written");
    fs::write(&files[1], made.signing_key.serialize_pem()).expect("written");
    let https = ["--https", "--https-cert", &files[0], "--https-key", &files[1]];
    let asked: [(&[&str], bool); 2] = [(&[], false), (&["--hsts-max-age-s", "31536000"], true)];
    for (more, is_told) in asked {
        let (_folder, mut hub) = new_hub(&[&https[..], more].concat());
        hub.start_at_once();
        for path in ["/", "/healthz", "/api/v1/server/list", "/api/v1/nothing"] {
            let head = head(&hub, made.cert.der(), path);
            let line = head.lines().find(|line| line.starts_with("strict-transport-security: "));
            assert_eq!(line, is_told.then_some("strict-transport-security: max-age=31536000"), "{head}");
        }
    }
}

//! The panel's certificate is renewed while a hundred requests come each second: none fails, and new connections get the
//! new one. A pair that cannot be used changes nothing, and is told.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::hub::{HUB, wait_until};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, kill_process};
use rustls::client::Resumption;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use windfire_bench::given::given;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::tally;

/// Requests of all clients together, each second.
const REQUESTS_PER_S: u32 = 100;
const CLIENTS: u32 = 4;

/// A certificate and its key, PEM, and the certificate as a client gets it.
struct Pair {
    cert: String,
    key: String,
    der: CertificateDer<'static>,
}

fn pairs(count: usize) -> Vec<Pair> {
    let make = |_| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        Pair { cert: made.cert.pem(), key: made.signing_key.serialize_pem(), der: made.cert.der().clone() }
    };
    (0..count).map(make).collect()
}

fn client(pairs: &[Pair]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    pairs.iter().for_each(|pair| roots.add(pair.der.clone()).expect("a certificate"));
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("TLS");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    // A resumed session shows no certificate.
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// The certificate that a new connection gets, and the answer.
fn ask(config: &Arc<ClientConfig>, http: SocketAddr, path: &str) -> Result<(Vec<u8>, String), String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let name = ServerName::try_from("localhost").map_err(|error| failed(&error))?;
    let connection = ClientConnection::new(Arc::clone(config), name).map_err(|error| failed(&error))?;
    let tcp = TcpStream::connect(http).map_err(|error| failed(&error))?;
    tcp.set_read_timeout(Some(Duration::from_secs(60))).map_err(|error| failed(&error))?;
    let mut stream = StreamOwned::new(connection, tcp);
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| failed(&error))?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // A server may close the connection without a word of TLS when its answer is complete.
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(failed(&error)),
        _ => {}
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if !answer.starts_with("HTTP/1.1 200") || !answer.ends_with('\n') {
        return Err(format!("answered {answer:?}"));
    }
    let shown = stream.conn.peer_certificates().and_then(|chain| chain.first());
    Ok((shown.ok_or("no certificate")?.to_vec(), answer))
}

/// What clients saw: certificates, and errors.
#[derive(Default)]
struct Seen {
    certificates: BTreeSet<Vec<u8>>,
    requests: usize,
    errors: Vec<String>,
}

fn put(path: &Path, text: &str) {
    let draft = path.with_extension("new");
    fs::write(&draft, text).expect("written");
    fs::rename(&draft, path).expect("renamed");
}

struct Served {
    hub: HubProcess,
    cert: PathBuf,
    key: PathBuf,
}

impl Served {
    fn write(&self, pair: &Pair) {
        put(&self.cert, &pair.cert);
        put(&self.key, &pair.key);
    }

    fn hang_up(&self) {
        kill_process(Pid::from_raw(self.hub.pid().cast_signed()).expect("a process"), Signal::HUP).expect("own child");
    }

    fn lines(&self, what: &str) -> usize {
        self.hub.log().iter().filter(|line| line.contains(what)).count()
    }
}

#[test]
fn a_certificate_changes_under_load_without_a_failed_request() {
    let changes = given("CERTIFICATES", 20);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let pairs = pairs(changes + 1);
    let arguments = ["--https", "true", "--https-cert", cert.to_str().expect("UTF-8"), "--https-key"];
    let arguments = [&arguments[..], &[key.to_str().expect("UTF-8")]].concat();
    put(&cert, &pairs[0].cert);
    put(&key, &pairs[0].key);
    let mut hub = HubProcess::new(HUB.as_ref(), &folder.path().join("data"), &arguments);
    hub.start_at_once();
    let (http, config) = (hub.http(), client(&pairs));
    let served = Served { hub, cert, key };
    let (seen, is_over) = (Mutex::new(Seen::default()), AtomicBool::new(false));

    let took = thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut due = Instant::now();
                while !is_over.load(Ordering::Relaxed) {
                    let asked = ask(&config, http, "/healthz");
                    let mut seen = seen.lock();
                    seen.requests += 1;
                    match asked {
                        Ok((certificate, _)) => {
                            seen.certificates.insert(certificate);
                        }
                        Err(error) => seen.errors.push(error),
                    }
                    drop(seen);
                    due += Duration::from_secs(1) * CLIENTS / REQUESTS_PER_S;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
            });
        }
        // The clients end also when something below fails.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let begun = Instant::now();
            for (number, pair) in pairs.iter().enumerate().skip(1) {
                let requests = seen.lock().requests;
                wait_until("the present certificate was seen under load", || seen.lock().requests >= requests + 20);
                served.write(pair);
                served.hang_up();
                let is_shown = || ask(&config, http, "/healthz").is_ok_and(|(shown, _)| shown == pair.der.as_ref());
                wait_until("new connections get the new certificate", is_shown);
                println!("certificate {number} is shown");
            }
            begun.elapsed()
        }));
        is_over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let seen = seen.into_inner();
    tally!("{} requests in {took:?}, {} certificates", seen.requests, seen.certificates.len());
    assert!(seen.errors.is_empty(), "{} of {} failed: {:#?}", seen.errors.len(), seen.requests, seen.errors);
    assert!(seen.certificates.len() >= changes, "the load saw {} of {changes}", seen.certificates.len());

    // A pair that is none: half of it, then the key of another.
    let last = pairs.last().expect("pairs");
    let metric = || {
        let (shown, page) = ask(&config, http, "/metrics").expect("an answer");
        assert_eq!(shown, last.der.as_ref(), "the one before is shown");
        let line = page.lines().find_map(|line| line.strip_prefix("windfire_https_reload_failed "));
        line.expect("a metric").to_owned()
    };
    assert_eq!(metric(), "0");
    for broken in [&last.key[..last.key.len() / 2], pairs[0].key.as_str(), ""] {
        let before = served.lines("nothing has changed");
        put(&served.key, broken);
        served.hang_up();
        wait_until("the log says so", || served.lines("nothing has changed") > before);
        assert_eq!(metric(), "1");
    }
    served.write(last);
    served.hang_up();
    wait_until("the metric is well again", || metric() == "0");
    let Served { mut hub, .. } = served;
    assert!(hub.terminate().success());
}

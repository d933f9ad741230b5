//! A proxy with TLS before the hub, with a configuration that docs/recipes keeps, and what a browser needs of the two.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use windfire_bench::given::given;
use windfire_bench::hub_process::{HttpAnswer, HubProcess, exchange};
use windfire_bench::{skipped, tally};

use super::panel::{Panel, password};
use super::wait_until;

/// The name that clients know the proxy by.
pub(crate) const NAME: &str = "localhost";
/// Servers of the hub: their list is worth compressing.
pub(crate) const SERVERS: usize = 50;
/// Time from a change to its event. The hub looks for changes once a second, and the rest is for a slow machine. An
/// event that a proxy holds back does not come in that time: little else is in the stream that would push it out.
const EVENT_TIMEOUT: Duration = Duration::from_secs(20);
/// Silence after which a test fails instead of waiting on.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Starts, each with other addresses, after which a test fails: between the choice of an address and the start, another
/// program may take it.
const STARTS_MAX: u32 = 5;
/// The proxy's standard error, in its folder.
const LOG: &str = "log";

/// A proxy's process. It is gone with the test.
pub(crate) struct Proxy {
    folder: TempDir,
    child: Child,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    /// Before every path, at the proxy as at the hub. Empty for a hub that has the whole site.
    prefix: &'static str,
}

/// An address of this machine at which nothing listens at this moment.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

/// The first of these programs that this machine has. `None` if it has none, and says so.
pub(crate) fn installed(programs: &[&'static str], version: &str) -> Option<&'static str> {
    let runs = |program: &&&str| {
        let mut command = Command::new(program);
        command.arg(version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let found = programs.iter().find(runs).copied();
    if found.is_none() {
        skipped!("needs {}, for example from Debian's package of that name", programs[0]);
    }
    found
}

/// A kept configuration with addresses and paths of a test. Each of those that are replaced must be there.
pub(crate) fn replaced(recipe: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(recipe.to_owned(), |text, (kept, of_test)| {
        assert!(text.contains(kept), "the recipe has {kept:?}");
        text.replace(kept, of_test)
    })
}

impl Proxy {
    /// Starts it, and waits until it answers. `configure` writes what it needs into the folder, with addresses that are
    /// free, and returns the command and the address for HTTPS. It is asked again if another program was faster to take
    /// one. `authority` is the file with the certificate by which its own is verified: it may create that itself.
    /// `prefix` is the hub's base path without its last slash.
    pub(crate) fn start(
        folder: TempDir,
        authority: &Path,
        prefix: &'static str,
        mut configure: impl FnMut(&Path) -> (Command, SocketAddr),
    ) -> Self {
        let (child, address) = spawn(folder.path(), &mut configure);
        let mut proxy = Self { folder, child, address, tls: trusting(RootCertStore::empty()), prefix };
        let mut starts = 1;
        while !proxy.comes_up(authority) {
            assert!(starts < STARTS_MAX, "each time another program has its address: {}", proxy.log());
            starts += 1;
            (proxy.child, proxy.address) = spawn(proxy.folder.path(), &mut configure);
        }
        proxy
    }

    /// Waits until it answers. False if it has ended because another program has taken one of its addresses.
    fn comes_up(&mut self, authority: &Path) -> bool {
        let mut is_taken = false;
        wait_until("the proxy and the hub answer", || {
            if self.child.try_wait().expect("own child").is_some() {
                let log = self.log();
                assert!(log.contains("ddress already in use"), "it has ended: {log}");
                is_taken = true;
                return true;
            }
            let Ok(certificate) = CertificateDer::from_pem_file(authority) else { return false };
            let mut roots = RootCertStore::empty();
            roots.add(certificate).expect("an authority");
            self.tls = trusting(roots);
            self.request("GET", "/healthz", &[], b"").is_ok_and(|answer| answer.status == 200)
        });
        !is_taken
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default()
    }

    /// As a browser writes it into `Host`.
    fn host(&self) -> String {
        format!("{NAME}:{}", self.address.port())
    }

    fn connect(&self) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
        let socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(SILENCE_MAX))?;
        let name = ServerName::try_from(NAME).expect("a name");
        let connection = ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(connection, socket))
    }

    /// A path of the hub, as clients of the proxy write it.
    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<HttpAnswer> {
        exchange(&mut self.connect()?, &self.host(), method, &self.path(path), headers, body)
    }
}

fn spawn(folder: &Path, configure: &mut impl FnMut(&Path) -> (Command, SocketAddr)) -> (Child, SocketAddr) {
    let (mut command, address) = configure(folder);
    let log = File::create(folder.join(LOG)).expect("created");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the program starts");
    (child, address)
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn trusting(roots: RootCertStore) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions of TLS");
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Checks all that a browser needs. `LONG=120` watches the live stream for two minutes.
pub(crate) fn the_panel_works(hub: &HubProcess, proxy: &Proxy) {
    let page = proxy.request("GET", "/", &[], b"").expect("an answer");
    let direct = hub.request("GET", &proxy.path("/"), &[], b"").expect("an answer");
    assert_eq!((page.status, page.text()), (200, direct.text()));
    let policy = "content-security-policy";
    assert_eq!(page.header(policy), direct.header(policy));

    let admin = sign_in(hub, proxy);
    answers_are_tagged_and_compressed_once(proxy, &admin);
    events_come_at_once(hub, proxy, &admin);
    a_websocket_is_one(proxy, &admin);
}

/// Signs in, and changes something, as the panel's page does: with the origin that the browser saw.
fn sign_in(hub: &HubProcess, proxy: &Proxy) -> Panel {
    let origin = format!("https://{}", proxy.host());
    let from_page = [("Content-Type", "application/json"), ("Origin", origin.as_str())];
    let body = json!({"user": "admin", "password": password(hub, "admin")}).to_string();
    let answer = proxy.request("POST", "/api/v1/session", &from_page, body.as_bytes()).expect("an answer");
    let admin = Panel::of_answer(&answer);
    let cookie = answer.header("set-cookie").expect("a cookie");
    assert!(cookie.contains("; Secure"), "the browser speaks TLS: {cookie}");
    assert!(cookie.contains(&format!("; Path={};", proxy.path("/"))), "the site's other paths do not get it: {cookie}");
    let of_admin = [("Cookie", admin.cookie.as_str()), ("X-CSRF-Token", admin.csrf.as_str())];
    let headers = [&from_page[..], &of_admin].concat();
    let body = json!({"name": "first"}).to_string();
    let changed = proxy.request("PATCH", "/api/v1/manage/server/1", &headers, body.as_bytes()).expect("an answer");
    assert_eq!(changed.status, 200, "{}", changed.text());
    admin
}

fn answers_are_tagged_and_compressed_once(proxy: &Proxy, admin: &Panel) {
    let list = |more: &[(&str, &str)]| {
        let headers = [&[("Cookie", admin.cookie.as_str())], more].concat();
        proxy.request("GET", "/api/v1/server/list", &headers, b"").expect("an answer")
    };
    let plain = list(&[]);
    assert_eq!((plain.status, plain.header("content-encoding")), (200, None));
    let gzip = list(&[("Accept-Encoding", "gzip")]);
    let encodings = gzip.headers.iter().filter(|(name, _)| name == "content-encoding");
    assert_eq!(encodings.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["gzip"]);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&gzip.body[..]).read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body, "compressed once");
    let tag = plain.header("etag").expect("a tag");
    assert_eq!(gzip.header("etag"), Some(tag));
    let unchanged = list(&[("If-None-Match", tag)]);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
}

/// Changes a server's name again and again, and awaits each name in the live stream.
fn events_come_at_once(hub: &HubProcess, proxy: &Proxy, admin: &Panel) {
    let mut socket = proxy.connect().expect("a connection");
    let (host, cookie) = (proxy.host(), &admin.cookie);
    // HTTP/1.0 has no chunks, so lines are whole.
    let path = proxy.path("/api/v1/server/stream");
    write!(socket, "GET {path} HTTP/1.0\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n").expect("sent");
    let mut lines = BufReader::new(socket).lines();
    let mut wait_for = |what: &str| {
        while !lines.next().expect("the stream goes on").expect("in time").contains(what) {}
    };
    wait_for("event: snapshot");
    let (begun, seconds) = (Instant::now(), given("LONG", 6));
    let mut slowest = Duration::ZERO;
    for number in 0.. {
        let name = format!("renamed-{number}");
        admin.done(hub, "PATCH", &proxy.path("/api/v1/manage/server/1"), &json!({"name": name}));
        let made = Instant::now();
        wait_for(&format!("\"{name}\""));
        slowest = slowest.max(made.elapsed());
        assert!(slowest <= EVENT_TIMEOUT, "the event {number} took {slowest:?}");
        if begun.elapsed() >= Duration::from_secs(seconds) {
            tally!("{} events, the slowest after {slowest:?}", number + 1);
            return;
        }
    }
}

fn a_websocket_is_one(proxy: &Proxy, admin: &Panel) {
    let address = format!("ws://{}{}", proxy.host(), proxy.path("/ws"));
    let mut request = address.into_client_request().expect("a request");
    for (name, value) in [("Cookie", admin.cookie.clone()), ("Origin", format!("https://{}", proxy.host()))] {
        request.headers_mut().insert(name, value.parse().expect("a header"));
    }
    let connection = proxy.connect().expect("a connection");
    let (mut socket, _) =
        tungstenite::client(request, connection).unwrap_or_else(|error| panic!("no WebSocket: {error}"));
    for _ in 0..2 {
        let text = loop {
            if let Message::Text(text) = socket.read().expect("a message") {
                break text;
            }
        };
        let document: Value = serde_json::from_str(text.as_str()).expect("JSON");
        assert_eq!(document["servers"].as_array().map(Vec::len), Some(SERVERS));
    }
}

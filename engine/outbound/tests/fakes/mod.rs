//! Receivers on 127.0.0.1 that answer as they are told, and keep what they were sent.

pub(crate) mod smtp;

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use windfire_engine::alert::channel::{Channel, ChannelKind, Content, Method, NewChannel, TemplateEngine};
use windfire_engine::alert::measure::Measure;
use windfire_engine::alert::rule::{Condition, NewRule, Operator};
use windfire_outbound::{Outbound, ShownAlert, samples};

/// How long an exchange takes at most in these tests. A machine that stands still for some seconds gets its answer in
/// time.
pub(crate) const EXCHANGE_MAX: Duration = Duration::from_secs(5);

/// One that waits no longer than tests do.
pub(crate) fn outbound(roots: Vec<Vec<u8>>) -> Outbound {
    Outbound::for_tests("1.2.3", roots, EXCHANGE_MAX)
}

/// What a fake answers to one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status, lines of the head, and a body.
    Answer(u16, &'static str, String),
    /// Nothing, and the connection stays.
    Hang,
    /// The beginning of a head, and then the end of the connection.
    HalfHead,
    /// A head that has no end.
    EndlessHead,
    /// A head of success, and a body that has no end.
    EndlessBody,
    /// A head of success with a part of the body, and then nothing.
    HalfBody(&'static str),
    /// What is not HTTP.
    Garbage,
}

/// An answer with a body and no other lines in its head.
pub(crate) fn answer(status: u16, body: &str) -> Reply {
    Reply::Answer(status, "", body.to_owned())
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Method, target and version.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("a body with JSON")
    }
}

/// A receiver that runs.
pub(crate) struct Fake {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    /// Its certificate, if it speaks TLS.
    pub(crate) certificate: Vec<u8>,
}

impl Fake {
    /// One that gives these answers, one to each connection, and then takes no more.
    pub(crate) async fn new(replies: Vec<Reply>) -> Self {
        Self::listen(replies, None).await
    }

    /// The same with TLS, for the name `localhost`.
    pub(crate) async fn with_tls(replies: Vec<Reply>) -> Self {
        let (acceptor, certificate) = acceptor();
        Self { certificate, ..Self::listen(replies, Some(acceptor)).await }
    }

    async fn listen(replies: Vec<Reply>, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        tokio::spawn(async move {
            for reply in replies {
                let (stream, _) = listener.accept().await.expect("a connection");
                let (kept, acceptor) = (Arc::clone(&kept), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        None => serve(stream, reply, &kept).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => serve(stream, reply, &kept).await,
                            Err(error) => println!("the fake: no TLS: {error}"),
                        },
                    }
                });
            }
        });
        Self { address, requests, certificate: Vec::new() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was sent so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no test has failed").clone()
    }

    /// The only request.
    pub(crate) fn request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        requests.remove(0)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, reply: Reply, kept: &Mutex<Vec<Request>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    kept.lock().expect("no test has failed").push(request);
    let written = match reply {
        Reply::Answer(status, head, body) => {
            let answer = format!("HTTP/1.1 {status} Said\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len());
            stream.write_all(answer.as_bytes()).await
        }
        Reply::Hang => pending().await,
        Reply::HalfHead => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Le").await,
        Reply::Garbage => stream.write_all(b"\x00\x01\x02 220 this is not HTTP\r\n\r\n").await,
        Reply::HalfBody(part) => {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{part}");
            stream.write_all(answer.as_bytes()).await.expect("a connection");
            pending().await
        }
        Reply::EndlessHead => write_on(&mut stream, "HTTP/1.1 200 OK\r\n", "X-More: and more\r\n").await,
        Reply::EndlessBody => write_on(&mut stream, "HTTP/1.1 200 OK\r\n\r\n", "and more ").await,
    };
    let ended = stream.shutdown().await;
    println!("the fake: written {written:?}, ended {ended:?}");
}

/// Writes until the other side goes.
async fn write_on<S: AsyncWrite + Unpin>(stream: &mut S, first: &str, again: &str) -> std::io::Result<()> {
    stream.write_all(first.as_bytes()).await?;
    let again = again.repeat(1_000);
    loop {
        stream.write_all(again.as_bytes()).await?;
    }
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Request> {
    let mut read = Vec::new();
    let head_bytes = loop {
        if let Some(at) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(read[..head_bytes].to_vec()).expect("a head of ASCII");
    let mut lines = head.split("\r\n");
    let line = lines.next().unwrap_or_default().to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse::<usize>().expect("a length"));
    while read.len() < head_bytes + 4 + length {
        assert_ne!(stream.read_buf(&mut read).await.ok()?, 0, "the body broke off");
    }
    assert_eq!(read.len(), head_bytes + 4 + length, "as many bytes as the head says");
    let body = String::from_utf8(read[head_bytes + 4..].to_vec()).expect("a body of UTF-8");
    Some(Request { line, headers, body })
}

/// What speaks TLS with a certificate of its own for `localhost`, and that certificate.
pub(crate) fn acceptor() -> (TlsAcceptor, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let certificate = made.cert.der().to_vec();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate and its key");
    (TlsAcceptor::from(Arc::new(config)), certificate)
}

/// A channel with the defaults.
pub(crate) fn channel(kind: ChannelKind) -> Channel {
    NewChannel::of("ops", kind).into_channel(1, 0)
}

/// A webhook that sends all of a message.
pub(crate) fn webhook(url: String) -> ChannelKind {
    ChannelKind::Webhook {
        method: Method::Post,
        url,
        headers: Vec::new(),
        content: Content::Json,
        subject: None,
        body: None,
        engine: TemplateEngine::Plain,
    }
}

/// An alert of the sample's server.
pub(crate) fn alert(server_id: u64) -> ShownAlert {
    let condition = Condition { measure: Measure::Cpu, operator: Operator::Above, value: 90.0, clear: None };
    let message = samples::firing();
    let rule = NewRule::of("CPU", message.severity, vec![condition]).into_rule(3, 0);
    ShownAlert {
        rule: Arc::new(rule),
        server_id,
        server_name: format!("web-{server_id}"),
        tag: "prod".to_owned(),
        value: Some(97.5),
        since_ms: message.since_ms,
        ends_ms: message.since_ms + 240_000,
        link: message.link,
    }
}

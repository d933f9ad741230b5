//! A hub made of frames, for what no real hub would do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream, ServerConfig};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::sync::watch;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::clock::Clock;
use windfire_agent::identity::Identity;
use windfire_agent::link::{Endpoints, Link, LinkOptions};
use windfire_agent::sampler::Feed;
use windfire_agent::trust::{Fingerprint, Trust};
use windfire_wire::ALPN;
use windfire_wire::{Down, FrameReader, Hello, Host, Up, Welcome, decode_up, encode_down};

/// A QUIC socket with a certificate.
pub(crate) struct FakeHub {
    endpoint: Endpoint,
    fingerprint: Fingerprint,
}

/// An agent that said Hello.
pub(crate) struct FakeSession {
    pub(crate) hello: Hello,
    connection: Connection,
    send: SendStream,
    recv: RecvStream,
    reader: FrameReader,
}

impl FakeHub {
    /// Must be called within a runtime.
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let certificate = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let fingerprint = Fingerprint::of(&certificate);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("its key");
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let config = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls).expect("QUIC")));
        let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into()).expect("a socket");
        Self { endpoint, fingerprint }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.endpoint.local_addr().expect("bound")
    }

    /// Of its certificate.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Starts an agent that reports to it from `feed`, and what stops it.
    pub(crate) fn agent(&self, feed: &Feed, backoff: BackoffOptions, unix_ms: fn() -> i64) -> watch::Sender<bool> {
        let options = LinkOptions {
            hubs: vec![self.endpoint.local_addr().expect("bound").to_string()],
            identity: Identity::of_credential("credential".to_owned()),
            backoff,
            clock: Clock::new(unix_ms),
            ack_each_frame: true,
        };
        let endpoints = Endpoints::new(Trust::Fingerprint(self.fingerprint)).expect("TLS");
        let (_, facts) = watch::channel(Host::default());
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(Link::new(options, endpoints, feed.clone(), facts, stopped).run());
        stop
    }

    /// The next agent that says Hello.
    pub(crate) async fn accept(&self) -> FakeSession {
        in_time(async {
            loop {
                // On a busy machine an agent may have given up a connection before it is taken here. It makes another.
                if let Some(session) = self.try_accept().await {
                    return session;
                }
            }
        })
        .await
    }

    /// The next connection; `None` when its agent has left it without a word.
    async fn try_accept(&self) -> Option<FakeSession> {
        let connection = self.endpoint.accept().await.expect("an endpoint").await.ok()?;
        let (send, recv) = connection.accept_bi().await.ok()?;
        let hello = Hello {
            protocol: 0,
            credential: String::new(),
            enrol: None,
            agent_version: String::new(),
            outbox_id: 0,
            clock: None,
        };
        let mut session = FakeSession { hello, connection, send, recv, reader: FrameReader::new() };
        match session.hear().await? {
            Up::Hello(hello) => session.hello = hello,
            other => panic!("{other:?}, not Hello"),
        }
        Some(session)
    }

    /// Whether an agent knocks within a while.
    pub(crate) async fn is_knocked_at_within(&self, time: Duration) -> bool {
        tokio::time::timeout(time, self.endpoint.accept()).await.is_ok()
    }
}

impl FakeSession {
    /// Says one frame.
    pub(crate) async fn say(&mut self, down: &Down) {
        let mut bytes = Vec::new();
        encode_down(down, &mut bytes).expect("within limits");
        self.send.write_all(&bytes).await.expect("written");
    }

    /// Writes bytes that need be no frame. Whether the agent still took them.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.send.write_all(bytes).await.is_ok()
    }

    /// The connection itself, for what no frame can say.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) async fn welcome(&mut self, durable: u64, next: u64) {
        self.say(&Down::Welcome(Welcome { server_id: 1, durable, next, report_interval_ms: 0 })).await;
    }

    /// Hears the next frame; `None` when the agent closed the connection.
    pub(crate) async fn hear(&mut self) -> Option<Up> {
        loop {
            if let Some(body) = self.reader.next_body().expect("well-formed") {
                return Some(decode_up(body).expect("well-formed"));
            }
            match in_time(self.recv.read_chunk(4096, true)).await {
                Ok(Some(chunk)) => self.reader.feed(&chunk.bytes),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Waits until the agent closed the connection.
    pub(crate) async fn closed(self) {
        in_time(self.connection.closed()).await;
    }
}

/// How long an agent may take. It only ends a test that would hang.
const WAIT_MAX: Duration = Duration::from_secs(120);

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT_MAX, future).await.expect("in time")
}

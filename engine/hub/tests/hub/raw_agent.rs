//! An agent made of frames, for what no real agent would do.

use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use windfire_agent::trust::{Tls, Trust};
use windfire_bench::clock::unix_ms;
use windfire_bench::hub_process::HubProcess;
use windfire_wire::frame::CLOCK_SINCE;
use windfire_wire::{Down, FrameReader, Hello, HelloClock, Up, decode_down, encode_up};

/// An agent's side of the wire, word by word.
#[allow(dead_code, reason = "not every test speaks frame by frame")]
pub(crate) struct RawAgent {
    _connection: Connection,
    send: SendStream,
    recv: RecvStream,
    reader: FrameReader,
}

#[allow(dead_code, reason = "not every test speaks frame by frame")]
impl RawAgent {
    /// Connects, says Hello in that version of the protocol, and hears Welcome.
    pub(crate) async fn connect(hub: &HubProcess, endpoint: &Endpoint, credential: String, protocol: u16) -> Self {
        let mut agent = Self::open(hub, endpoint).await;
        // A clock that is right, on a machine that runs for an hour.
        let clock = (protocol >= CLOCK_SINCE).then(|| HelloClock { now_ms: unix_ms(), uptime_ms: 3_600_000 });
        let agent_version = String::new();
        let hello = Hello { protocol, credential, enrol: None, agent_version, outbox_id: 9, clock };
        agent.say(&Up::Hello(hello)).await;
        assert!(matches!(agent.hear().await, Down::Welcome(_)));
        agent
    }

    /// Connects, and says nothing yet.
    pub(crate) async fn open(hub: &HubProcess, endpoint: &Endpoint) -> Self {
        let tls = Tls::new(&Trust::Fingerprint(hub.fingerprint())).expect("TLS");
        let quic = QuicClientConfig::try_from(Arc::clone(&tls.config)).expect("TLS 1.3");
        let config = quinn::ClientConfig::new(Arc::new(quic));
        let connection = endpoint.connect_with(config, hub.quic(), "hub").expect("started").await.expect("connected");
        let (send, recv) = connection.open_bi().await.expect("a stream");
        Self { _connection: connection, send, recv, reader: FrameReader::new() }
    }

    /// Says one frame.
    pub(crate) async fn say(&mut self, up: &Up) {
        let mut bytes = Vec::new();
        encode_up(up, &mut bytes).expect("within limits");
        self.send.write_all(&bytes).await.expect("written");
    }

    /// Hears the next frame.
    pub(crate) async fn hear(&mut self) -> Down {
        loop {
            if let Some(body) = self.reader.next_body().expect("well-formed") {
                return decode_down(body).expect("well-formed");
            }
            let chunk = self.recv.read_chunk(4096, true).await.expect("the session goes on").expect("not the end");
            self.reader.feed(&chunk.bytes);
        }
    }
}

//! An agent made of frames, for what no real agent would do.

use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, RecvStream, SendStream};
use windfire_agent::trust::{Tls, Trust};
use windfire_bench::clock::unix_ms;
use windfire_bench::hub_process::HubProcess;
use windfire_wire::frame::CLOCK_SINCE;
use windfire_wire::{Down, FrameReader, Hello, HelloClock, Up, decode_down, encode_up};

/// QUIC as an agent speaks it to that hub.
pub(crate) fn client_config(hub: &HubProcess) -> ClientConfig {
    ClientConfig::new(Arc::new(quic_config(hub)))
}

/// TLS as an agent speaks it to that hub.
pub(crate) fn quic_config(hub: &HubProcess) -> QuicClientConfig {
    let tls = Tls::new(&Trust::Fingerprint(hub.fingerprint())).expect("TLS");
    QuicClientConfig::try_from(Arc::clone(&tls.config)).expect("TLS 1.3")
}

/// The Hello of an agent whose clock is right, on a machine that runs for an hour.
pub(crate) fn hello(credential: String, protocol: u16) -> Up {
    let clock = (protocol >= CLOCK_SINCE).then(|| HelloClock { now_ms: unix_ms(), uptime_ms: 3_600_000 });
    let agent_version = String::new();
    Up::Hello(Hello { protocol, credential, enrol: None, agent_version, outbox_id: 9, clock })
}

/// An agent's side of the wire, word by word.
pub(crate) struct RawAgent {
    pub(crate) connection: Connection,
    send: SendStream,
    recv: RecvStream,
    reader: FrameReader,
}

impl RawAgent {
    /// Connects, says Hello in that version of the protocol, and hears Welcome.
    pub(crate) async fn connect(hub: &HubProcess, endpoint: &Endpoint, credential: String, protocol: u16) -> Self {
        let mut agent = Self::open(hub, endpoint).await;
        agent.greet(credential, protocol).await;
        agent
    }

    /// Connects, and says nothing yet.
    pub(crate) async fn open(hub: &HubProcess, endpoint: &Endpoint) -> Self {
        Self::open_with(client_config(hub), hub, endpoint).await
    }

    /// [`RawAgent::open`] with other settings of QUIC.
    pub(crate) async fn open_with(config: ClientConfig, hub: &HubProcess, endpoint: &Endpoint) -> Self {
        let connection = endpoint.connect_with(config, hub.quic(), "hub").expect("started").await.expect("connected");
        let (send, recv) = connection.open_bi().await.expect("a stream");
        Self { connection, send, recv, reader: FrameReader::new() }
    }

    /// Says Hello, and hears Welcome.
    pub(crate) async fn greet(&mut self, credential: String, protocol: u16) {
        self.say(&hello(credential, protocol)).await;
        assert!(matches!(self.hear().await, Down::Welcome(_)));
    }

    /// Says one frame.
    pub(crate) async fn say(&mut self, up: &Up) {
        assert!(self.try_say(up).await, "the hub takes no more");
    }

    /// Says one frame. Whether the hub still took it.
    pub(crate) async fn try_say(&mut self, up: &Up) -> bool {
        let mut bytes = Vec::new();
        encode_up(up, &mut bytes).expect("within limits");
        self.send.write_all(&bytes).await.is_ok()
    }

    /// Says bytes that may be no frame, as far as the hub takes them, and hears the next frame meanwhile.
    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) -> Down {
        let (_taken, down) = tokio::join!(self.send.write_all(bytes), hear(&mut self.recv, &mut self.reader));
        down
    }

    /// Hears the next frame but `Pace`, which a busy hub may send at any moment.
    pub(crate) async fn hear(&mut self) -> Down {
        hear(&mut self.recv, &mut self.reader).await
    }

    /// Hears the next frame, whatever it is.
    pub(crate) async fn hear_any(&mut self) -> Down {
        hear_any(&mut self.recv, &mut self.reader).await
    }
}

async fn hear(recv: &mut RecvStream, reader: &mut FrameReader) -> Down {
    loop {
        let down = hear_any(recv, reader).await;
        if !matches!(down, Down::Pace { .. }) {
            return down;
        }
    }
}

async fn hear_any(recv: &mut RecvStream, reader: &mut FrameReader) -> Down {
    loop {
        if let Some(body) = reader.next_body().expect("well-formed") {
            return decode_down(body).expect("well-formed");
        }
        let chunk = recv.read_chunk(4096, true).await.expect("the session goes on").expect("not the end");
        reader.feed(&chunk.bytes);
    }
}

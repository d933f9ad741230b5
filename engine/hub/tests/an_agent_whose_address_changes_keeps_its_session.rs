//! An agent behind a home router, or one that moves to another network, comes from another address in mid-session: the
//! packet must reach the thread that knows the connection.

mod hub;

use std::sync::Arc;
use std::time::Duration;

use hub::new_hub;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use tokio::time::timeout;
use windfire_agent::trust::{Tls, Trust};
use windfire_bench::hub_process::HubProcess;
use windfire_wire::{Down, FrameReader, Hello, Reports, Up, decode_down, encode_up};

/// More than threads, so that with plain sharing of the port some would surely reach the wrong one.
const AGENTS: usize = 32;

struct Agent {
    _connection: Connection,
    send: SendStream,
    recv: RecvStream,
    reader: FrameReader,
}

impl Agent {
    async fn connect(hub: &HubProcess, endpoint: &Endpoint, credential: String) -> Self {
        let tls = Tls::new(&Trust::Fingerprint(hub.fingerprint())).expect("TLS");
        let quic = QuicClientConfig::try_from(Arc::clone(&tls.config)).expect("TLS 1.3");
        let config = quinn::ClientConfig::new(Arc::new(quic));
        let connection = endpoint.connect_with(config, hub.quic(), "hub").expect("started").await.expect("connected");
        let (send, recv) = connection.open_bi().await.expect("a stream");
        let mut agent = Self { _connection: connection, send, recv, reader: FrameReader::new() };
        agent.say(&Up::Hello(Hello { credential, enrol: None, agent_version: String::new(), outbox_id: 9 })).await;
        assert!(matches!(agent.hear().await, Down::Welcome(_)));
        agent
    }

    async fn say(&mut self, up: &Up) {
        let mut bytes = Vec::new();
        encode_up(up, &mut bytes).expect("within limits");
        self.send.write_all(&bytes).await.expect("written");
    }

    async fn hear(&mut self) -> Down {
        loop {
            if let Some(body) = self.reader.next_body().expect("well-formed") {
                return decode_down(body).expect("well-formed");
            }
            let chunk = self.recv.read_chunk(4096, true).await.expect("the session goes on").expect("not the end");
            self.reader.feed(&chunk.bytes);
        }
    }

    /// Asks how far the hub is, and hears it.
    async fn ask(&mut self, first_sequence: u64) {
        self.say(&Up::Reports(Reports { first_sequence, ack_now: true, reports: Vec::new() })).await;
        assert!(matches!(self.hear().await, Down::Ack { .. }));
    }
}

#[test]
fn an_agent_whose_address_changes_keeps_its_session() {
    let (_folder, mut hub) = new_hub(&["--agent-threads", "4"]);
    let credentials = hub.make_servers(AGENTS, "");
    hub.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        let mut agents = Vec::new();
        for credential in credentials {
            agents.push(Agent::connect(&hub, &endpoint, credential).await);
        }
        for (turn, first_sequence) in (1..=3).enumerate() {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
            endpoint.rebind(socket).expect("another address");
            for (number, agent) in agents.iter_mut().enumerate() {
                let heard = timeout(Duration::from_secs(10), agent.ask(first_sequence)).await;
                assert!(heard.is_ok(), "agent {number} is not heard from its address {turn}");
            }
        }
    });
    assert_eq!(hub.metric("windfire_sessions_opened_total").to_string(), AGENTS.to_string(), "nobody connected again");
    let shared = hub.log().iter().any(|line| line.contains("agents share one thread"));
    assert!(!shared, "this system lets connection ids choose the socket, so four threads listen");
}

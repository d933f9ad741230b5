//! Frames that break the protocol: the sender is told and let go, everyone else goes on.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::{new_hub, quick_backoff, wait_until};
use quinn::crypto::rustls::QuicClientConfig;
use windfire_agent::trust::{Tls, Trust};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_wire::{Down, FrameReader, Hello, HelloClock, PROTOCOL_VERSION, RefuseReason, Up, decode_down, encode_up};

/// Sends bytes as an agent would and gives back what the hub says before it ends the stream.
async fn say(hub: &HubProcess, bytes: Vec<u8>) -> Vec<Down> {
    let tls = Tls::new(&Trust::Fingerprint(hub.fingerprint())).expect("TLS");
    let quic = QuicClientConfig::try_from(Arc::clone(&tls.config)).expect("TLS 1.3");
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
    let config = quinn::ClientConfig::new(Arc::new(quic));
    let connection = endpoint.connect_with(config, hub.quic(), "hub").expect("started").await.expect("connected");
    let (mut send, mut recv) = connection.open_bi().await.expect("a stream");
    send.write_all(&bytes).await.expect("written");
    let (mut reader, mut said) = (FrameReader::new(), Vec::new());
    while let Ok(Some(chunk)) = recv.read_chunk(4096, true).await {
        reader.feed(&chunk.bytes);
        while let Some(body) = reader.next_body().expect("the hub's frames are well-formed") {
            said.push(decode_down(body).expect("the hub's frames are well-formed"));
        }
    }
    said
}

#[test]
fn hostile_agents_end_only_their_own_session() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(2, "");
    let token = hub.make_token();
    hub.start();
    let options = SwarmOptions {
        interval: Duration::from_millis(20),
        backoff: quick_backoff(),
        ack_each_report: true,
        ..SwarmOptions::default()
    };
    let honest = Swarm::start(&hub, &credentials[..1], options);
    wait_until("the honest agent reports", || honest.accounts()[0].acked > 0);

    let mut hello = Vec::new();
    let credential = credentials[1].clone();
    let up = Up::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        credential,
        enrol: None,
        agent_version: String::new(),
        outbox_id: 9,
        clock: Some(HelloClock::default()),
    });
    encode_up(&up, &mut hello).expect("within limits");
    let framed = |body: &[u8]| [&u32::try_from(body.len()).expect("small").to_le_bytes()[..], body].concat();
    // One report: mask = cpu and raw floats, raw = cpu, NaN.
    let mut nan = vec![2, 1, 0, 1, 252];
    nan.extend_from_slice(&((1u32 << 1) | (1 << 17)).to_le_bytes());
    nan.push(1);
    nan.extend_from_slice(&f64::NAN.to_le_bytes());
    let cases = [
        ("a report before Hello", framed(&[2, 1, 0, 0]), RefuseReason::BadFrame),
        ("a frame over the limit", 65_537u32.to_le_bytes().to_vec(), RefuseReason::BadFrame),
        // Nobody waits for the rest of it, or keeps what has come.
        ("a first frame that no Hello needs", 60_000u32.to_le_bytes().to_vec(), RefuseReason::BadFrame),
        ("an empty frame", vec![0; 4], RefuseReason::BadFrame),
        ("an unknown version", framed(&[0, 99, 1, 2, 3]), RefuseReason::UnsupportedVersion),
        ("an unknown kind", framed(&[77]), RefuseReason::BadFrame),
    ];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for (what, bytes, expected) in cases {
        let said = runtime.block_on(say(&hub, bytes));
        assert!(matches!(&said[..], [Down::Refuse { reason, .. }] if *reason == expected), "{what}: {said:?}");
    }
    // After a good Hello the next frame waits for Welcome; here it comes too early, or holds what no frame may.
    for early in [framed(&nan), framed(&[1])] {
        let said = runtime.block_on(say(&hub, [hello.clone(), early].concat()));
        assert!(matches!(said.last(), Some(Down::Refuse { reason: RefuseReason::BadFrame, .. })), "{said:?}");
    }
    let before = honest.accounts()[0].acked;
    wait_until("the honest agent goes on", || honest.accounts()[0].acked > before + 5);
    assert!(hub.get("/api/v1/server/details", &token).text().contains("\"id\":2"), "every answer encodes");
}

//! Frames of no byte and of 64 KiB and one byte, before Hello and from agents that were welcome; an agent that asks for
//! thousands of streams, and clients that open thousands without asking: nobody gets a second stream, and each sender is let
//! go and counted.

use std::time::{Duration, Instant};

use crate::hub::flood::{ATTACKER, Bystanders, HONEST, MIB, counted};
use crate::hub::lawless::lawless_config;
use crate::hub::new_hub;
use crate::hub::raw_agent::RawAgent;
use quinn::{ConnectionError, Endpoint};
use tokio::task::JoinSet;
use tokio::time::timeout;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::tally;
use windfire_wire::limits::FRAME_BODY_BYTES_MAX;
use windfire_wire::{Down, PROTOCOL_VERSION, RefuseReason, Report, ReportChain, Reports, Up};

/// Senders of each kind of frame.
const SENDERS: usize = 25;
const STREAMS: usize = 5000;
/// Clients that open streams without asking, and the streams of each.
const LAWLESS: usize = 50;
const LAWLESS_STREAMS: usize = 2000;
/// How long none of them may open. The one wait that cannot be awaited: for something not to happen.
const STREAMS_WAIT: Duration = Duration::from_secs(1);
const GROWTH_BYTES_MAX: u64 = 32 * MIB;

/// A frame of no byte, and one whose length is beyond the limit, with all of its bytes.
fn frames() -> [Vec<u8>; 2] {
    let length = u32::try_from(FRAME_BODY_BYTES_MAX + 1).expect("small");
    [vec![0; 4], [&length.to_le_bytes()[..], &vec![2; FRAME_BODY_BYTES_MAX + 1]].concat()]
}

/// Sends each frame from each kind of sender. Returns how many were refused for it.
async fn send_frames(hub: &HubProcess, endpoint: &Endpoint, credential: &str) -> usize {
    let mut refused = 0;
    for _ in 0..SENDERS {
        for frame in frames() {
            let mut stranger = RawAgent::open(hub, endpoint).await;
            let mut agent = RawAgent::connect(hub, endpoint, credential.to_owned(), PROTOCOL_VERSION).await;
            for said in [stranger.say_bytes(&frame).await, agent.say_bytes(&frame).await] {
                assert!(matches!(&said, Down::Refuse { reason: RefuseReason::BadFrame, .. }), "{said:?}");
                refused += 1;
            }
        }
    }
    refused
}

/// Asks for streams of both kinds, gets none, and reports as before.
async fn ask_for_streams(hub: &HubProcess, endpoint: &Endpoint, credential: &str) {
    let mut agent = RawAgent::connect(hub, endpoint, credential.to_owned(), PROTOCOL_VERSION).await;
    let mut opening = JoinSet::new();
    for number in 0..STREAMS {
        let connection = agent.connection.clone();
        opening.spawn(async move {
            if number % 2 == 0 { connection.open_bi().await.is_ok() } else { connection.open_uni().await.is_ok() }
        });
    }
    let opened = timeout(STREAMS_WAIT, opening.join_next()).await;
    assert!(opened.is_err(), "a second stream: {opened:?}");
    let reports = vec![ReportChain::new().shrink(&Report::default()).expect("finite")];
    agent.say(&Up::Reports(Reports { first_sequence: 1, ack_now: true, reports })).await;
    while agent.hear().await != (Down::Ack { up_to: 1 }) {}
}

/// Opens streams that the hub does not allow, until it ends the connection.
async fn open_streams(hub: &HubProcess, endpoint: &Endpoint) {
    // It keeps its first stream open, so that the others are why the hub ends the connection.
    let agent = RawAgent::open_with(lawless_config(hub), hub, endpoint).await;
    let mut streams = Vec::new();
    for _ in 0..LAWLESS_STREAMS {
        let Ok((mut send, recv)) = agent.connection.open_bi().await else { break };
        let _sent = send.write_all(b"x").await;
        streams.push((send, recv));
    }
    let why = agent.connection.closed().await;
    assert!(matches!(why, ConnectionError::ConnectionClosed(_)), "{why}");
}

#[test]
fn frames_and_streams_beyond_their_bounds_cost_only_their_sender() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(HONEST + 2, "");
    hub.start();
    let bystanders = Bystanders::start(&hub, &credentials);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let began = Instant::now();
    let refused = runtime.block_on(async {
        let endpoint = Endpoint::client((ATTACKER, 0).into()).expect("a socket");
        ask_for_streams(&hub, &endpoint, &credentials[HONEST]).await;
        for _ in 0..LAWLESS {
            open_streams(&hub, &endpoint).await;
        }
        send_frames(&hub, &endpoint, &credentials[HONEST + 1]).await
    });
    tally!(
        "{STREAMS} streams asked for and none got; {LAWLESS} clients opened {LAWLESS_STREAMS} each; {refused} frames \
         refused; all in {:.1?}",
        began.elapsed()
    );
    bystanders.judge("frames and streams beyond their bounds", GROWTH_BYTES_MAX);
    assert_eq!(counted(&hub, "windfire_refusals_total", "reason", "bad_frame"), refused as f64);
    assert_eq!(hub.metric("windfire_agents_in_breach_total"), LAWLESS as f64);
}

//! Ten thousand first packets a second, from many addresses, none of which goes on: beyond a few the hub only asks each to
//! prove its address, in fewer bytes than came. It remembers nothing of these, agents report on, and a new one is welcome.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::hub::flood::{Bystanders, HONEST, MIB, NEWCOMER, NEWCOMER_MAX};
use crate::hub::raw_agent::{RawAgent, client_config};
use crate::hub::{new_hub, wait_until};
use quinn_proto::{Endpoint, EndpointConfig};
use windfire_bench::hub_process::HubProcess;
use windfire_bench::tally;
use windfire_wire::PROTOCOL_VERSION;

/// Different first packets. Each is sent several times.
const PACKETS: usize = 4000;
const PER_TICK: usize = 100;
const TICK: Duration = Duration::from_millis(10);
/// How long it lasts at least.
const FLOOD: Duration = Duration::from_secs(4);
/// How long it lasts at most, if the new agent is not welcome before.
const FLOOD_MAX: Duration = Duration::from_secs(30);
/// Strangers that need not prove their address: as many at a time, and some more if listeners count at one moment.
const UNPROVEN_MAX: f64 = 256.0 + 64.0;
/// Time after which the hub gives such a stranger up.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a first packet.
const PACKET_BYTES: usize = 1200;
/// Times as many bytes as came that QUIC lets a hub send to an address that is not proven.
const AMPLIFICATION_MAX: f64 = 3.0;
const GROWTH_BYTES_MAX: u64 = 48 * MIB;

/// First packets of clients that do not know each other.
fn first_packets(hub: &HubProcess) -> Vec<Vec<u8>> {
    let config = client_config(hub);
    let mut endpoint = Endpoint::new(Arc::new(EndpointConfig::default()), None, false, None);
    let packet = |_| {
        let now = Instant::now();
        let (_, mut connection) = endpoint.connect(now, config.clone(), hub.quic(), "hub").expect("started");
        let mut bytes = Vec::new();
        let transmit = connection.poll_transmit(now, 1, &mut bytes).expect("a first packet");
        bytes.truncate(transmit.size);
        bytes
    };
    (0..PACKETS).map(packet).collect()
}

/// What was sent, and what came back.
#[derive(Debug, Default)]
struct Flood {
    lasted: Duration,
    sent: usize,
    /// Answers that were Retry.
    retries: usize,
    /// Bytes of the largest of them.
    retry_bytes_max: usize,
    /// Bytes of all other answers.
    other_bytes: usize,
}

/// Sends them for some time, and until it may end.
fn flood(hub: &HubProcess, packets: &[Vec<u8>], may_end: &AtomicBool) -> Flood {
    let socket = |number| {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, number), 0)).expect("an address of this machine");
        socket.set_nonblocking(true).expect("a socket");
        socket
    };
    let sockets: Vec<UdpSocket> = (1..=250).map(socket).collect();
    let (began, mut flood) = (Instant::now(), Flood::default());
    let mut answer = [0; 2048];
    for tick in 1.. {
        for _ in 0..PER_TICK {
            let from = &sockets[flood.sent % sockets.len()];
            flood.sent += usize::from(from.send_to(&packets[flood.sent % packets.len()], hub.quic()).is_ok());
        }
        for socket in &sockets {
            while let Ok((bytes, _)) = socket.recv_from(&mut answer) {
                // A long header whose type is Retry.
                if answer[0] & 0xf0 == 0xf0 {
                    flood.retries += 1;
                    flood.retry_bytes_max = flood.retry_bytes_max.max(bytes);
                } else {
                    flood.other_bytes += bytes;
                }
            }
        }
        flood.lasted = began.elapsed();
        if flood.lasted > FLOOD && may_end.load(Ordering::Relaxed) || flood.lasted > FLOOD_MAX {
            break;
        }
        std::thread::sleep((TICK * tick).saturating_sub(began.elapsed()));
    }
    flood
}

#[test]
fn forged_first_packets_are_answered_with_retry_and_keep_nobody_out() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(HONEST + 1, "");
    hub.start();
    let packets = first_packets(&hub);
    let bystanders = Bystanders::start(&hub, &credentials);
    let may_end = AtomicBool::new(false);
    let flood = std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&hub, &packets, &may_end));
        wait_until("the hub has enough of them", || hub.metric("windfire_handshake_retries_total") > 1000.0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let asked = Instant::now();
        runtime.block_on(async {
            let endpoint = quinn::Endpoint::client((NEWCOMER, 0).into()).expect("a socket");
            let _agent = RawAgent::connect(&hub, &endpoint, credentials[HONEST].clone(), PROTOCOL_VERSION).await;
        });
        tally!("a new agent was welcome after {:?}", asked.elapsed());
        assert!(asked.elapsed() < NEWCOMER_MAX, "a new agent waited {:?}", asked.elapsed());
        may_end.store(true, Ordering::Relaxed);
        let strangers = hub.metric("windfire_handshakes");
        assert!(strangers <= UNPROVEN_MAX, "{strangers} strangers");
        flood.join().expect("no panic")
    });
    bystanders.judge(&format!("{} forged first packets", flood.sent), GROWTH_BYTES_MAX);
    let counted = hub.metric("windfire_handshake_retries_total");
    tally!("{counted} were answered with Retry; {flood:?}");
    // Not so many of those that were sent: the system drops what does not fit into the hub's buffer while the hub gets
    // no processor.
    assert!(flood.retries > 0 && flood.retry_bytes_max < PACKET_BYTES / 4, "{flood:?}");
    // Those that began are given up, and were few at any time.
    wait_until("none is left", || hub.metric("windfire_handshakes") == 0.0);
    let began = hub.metric("windfire_handshakes_failed_total");
    let began_max = UNPROVEN_MAX * (1.0 + flood.lasted.div_duration_f64(PATIENCE).ceil());
    assert!(began > 0.0 && began <= began_max, "{began} began in {:?}", flood.lasted);
    // Each packet was sent several times.
    let bytes_came = began_max * ((flood.sent / PACKETS + 1) * PACKET_BYTES) as f64;
    assert!(flood.other_bytes as f64 <= AMPLIFICATION_MAX * bytes_came, "{flood:?}");
}

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

/// Sends them for some time, and until it may end. Returns the packets sent and the bytes received, and how many of the
/// answers were Retry.
fn flood(hub: &HubProcess, packets: &[Vec<u8>], may_end: &AtomicBool) -> (usize, usize, usize) {
    let socket = |number| {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, number), 0)).expect("an address of this machine");
        socket.set_nonblocking(true).expect("a socket");
        socket
    };
    let sockets: Vec<UdpSocket> = (1..=250).map(socket).collect();
    let (began, mut sent, mut received, mut retries) = (Instant::now(), 0, 0, 0);
    let mut answer = [0; 2048];
    for tick in 1.. {
        for _ in 0..PER_TICK {
            let from = &sockets[sent % sockets.len()];
            sent += usize::from(from.send_to(&packets[sent % packets.len()], hub.quic()).is_ok());
        }
        for socket in &sockets {
            while let Ok((bytes, _)) = socket.recv_from(&mut answer) {
                received += bytes;
                // A long header whose type is Retry.
                retries += usize::from(answer[0] & 0xf0 == 0xf0);
            }
        }
        let lasted = began.elapsed();
        if lasted > FLOOD && may_end.load(Ordering::Relaxed) || lasted > FLOOD_MAX {
            break;
        }
        std::thread::sleep((TICK * tick).saturating_sub(began.elapsed()));
    }
    (sent, received, retries)
}

#[test]
fn forged_first_packets_are_answered_with_retry_and_keep_nobody_out() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(HONEST + 1, "");
    hub.start();
    let packets = first_packets(&hub);
    let bystanders = Bystanders::start(&hub, &credentials);
    let may_end = AtomicBool::new(false);
    let (sent, received, retries) = std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&hub, &packets, &may_end));
        wait_until("the hub has enough of them", || hub.metric("windfire_handshake_retries_total") > 1000.0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let asked = Instant::now();
        runtime.block_on(async {
            let endpoint = quinn::Endpoint::client((NEWCOMER, 0).into()).expect("a socket");
            let _agent = RawAgent::connect(&hub, &endpoint, credentials[HONEST].clone(), PROTOCOL_VERSION).await;
        });
        println!("a new agent was welcome after {:?}", asked.elapsed());
        assert!(asked.elapsed() < NEWCOMER_MAX, "a new agent waited {:?}", asked.elapsed());
        may_end.store(true, Ordering::Relaxed);
        let strangers = hub.metric("windfire_handshakes");
        assert!(strangers <= UNPROVEN_MAX, "{strangers} strangers");
        flood.join().expect("no panic")
    });
    bystanders.judge(&format!("{sent} forged first packets"), GROWTH_BYTES_MAX);
    let counted = hub.metric("windfire_handshake_retries_total");
    println!("{counted} were answered with Retry, of which {retries} were seen; {received} bytes came back");
    // The system drops what does not fit into the hub's buffer while the hub gets no processor.
    assert!(counted > sent as f64 / 4.0 && retries > 0, "{counted} of {sent} were answered with Retry");
    assert!(received < sent * 1200 / 4, "{received} bytes came back");
    // Those that began are given up.
    wait_until("none is left", || hub.metric("windfire_handshakes") == 0.0);
    assert!(hub.metric("windfire_handshakes_failed_total") > 0.0);
}

//! One address completes as many handshakes as it gets, and says nothing: it gets some three quarters of the places, another
//! one its own share of the rest, and a new agent is welcome at once.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::hub::flood::{ATTACKER, Bystanders, HONEST, MIB, NEWCOMER, NEWCOMER_MAX};
use crate::hub::raw_agent::{RawAgent, client_config};
use crate::hub::{new_hub, wait_until};
use quinn::{ClientConfig, Connection, Endpoint};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use windfire_bench::hub_process::HubProcess;
use windfire_bench::tally;
use windfire_wire::PROTOCOL_VERSION;

/// Three quarters of 4,096 places, without the 256 that are kept for addresses with few.
const SHARE: usize = 2880;
const TRIES: usize = SHARE + 200;
const TRIES_AT_ONCE: usize = 32;
/// Time in which the hub gives up a stranger. Those of a slow attacker are gone before it has all places.
const PATIENCE: Duration = Duration::from_secs(10);
/// Another attacker: less than three quarters of the rest.
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 67);
const SECOND_TRIES: usize = 200;
/// 48 KiB for each of 4,096 strangers.
const GROWTH_BYTES_MAX: u64 = 192 * MIB;

/// Connects so many times, and keeps what it got.
async fn take_places(hub: &HubProcess, config: &ClientConfig, from: Ipv4Addr, tries: usize) -> Taken {
    let endpoint = Endpoint::client((from, 0).into()).expect("a socket");
    let (room, mut connecting) = (Arc::new(Semaphore::new(TRIES_AT_ONCE)), JoinSet::new());
    for _ in 0..tries {
        let permit = Arc::clone(&room).acquire_owned().await.expect("never closed");
        let attempt = endpoint.connect_with(config.clone(), hub.quic(), "hub").expect("started");
        connecting.spawn(async move {
            let connection = attempt.await.ok();
            drop(permit);
            connection
        });
    }
    let connections = connecting.join_all().await.into_iter().flatten().collect();
    Taken { endpoint, connections }
}

struct Taken {
    endpoint: Endpoint,
    connections: Vec<Connection>,
}

#[test]
fn strangers_of_one_address_leave_places_for_others() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(HONEST + 1, "");
    hub.start();
    let bystanders = Bystanders::start(&hub, &credentials);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = client_config(&hub);
    let (first, second) = runtime.block_on(async {
        let began = Instant::now();
        let first = take_places(&hub, &config, ATTACKER, TRIES).await;
        let (took, got) = (began.elapsed(), first.connections.len());
        let strangers = hub.metric("windfire_handshakes");
        tally!("one address: {got} of {TRIES} handshakes in {took:.1?}; {strangers} strangers");
        assert!(strangers <= SHARE as f64, "{strangers} strangers of one address");
        if took < PATIENCE {
            assert!((SHARE * 9 / 10..=SHARE).contains(&got), "{got} of {SHARE} places");
            let refused = hub.metric("windfire_handshakes_refused_total");
            assert!(refused >= (TRIES - SHARE) as f64, "{refused} refused");
        }
        let second = take_places(&hub, &config, SECOND, SECOND_TRIES).await;
        assert_eq!(second.connections.len(), SECOND_TRIES, "another address has a share of its own");
        let asked = Instant::now();
        let endpoint = Endpoint::client((NEWCOMER, 0).into()).expect("a socket");
        let _agent = RawAgent::connect(&hub, &endpoint, credentials[HONEST].clone(), PROTOCOL_VERSION).await;
        tally!("a new agent was welcome after {:?}", asked.elapsed());
        assert!(asked.elapsed() < NEWCOMER_MAX, "a new agent waited {:?}", asked.elapsed());
        (first, second)
    });
    bystanders.judge("strangers that say nothing", GROWTH_BYTES_MAX);
    let held = first.connections.len() + second.connections.len();
    runtime.block_on(async {
        for taken in [first, second] {
            drop(taken.connections);
            taken.endpoint.wait_idle().await;
        }
    });
    wait_until("all places are free again", || hub.metric("windfire_handshakes") == 0.0);
    let missed = hub.metric("windfire_hellos_missed_total");
    tally!("{held} handshakes were completed, {missed} without a Hello");
    assert!(missed >= 0.9 * held as f64, "{missed} of {held} were counted");
}

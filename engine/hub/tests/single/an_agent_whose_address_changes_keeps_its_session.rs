//! An agent behind a home router, or one that moves to another network, comes from another address in mid-session: the
//! packet must reach the thread that knows the connection.

use std::sync::Arc;
use std::time::Duration;

use crate::hub::new_hub;
use crate::hub::raw_agent::{RawAgent, client_config};
use quinn::{Endpoint, TransportConfig};
use tokio::time::timeout;
use windfire_wire::{Down, PROTOCOL_VERSION, Reports, Up};

/// More than threads, so that with plain sharing of the port some would surely reach the wrong one.
const AGENTS: usize = 32;
/// Less than the silence after which the hub takes an agent for gone. Each waits until all others were heard.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Asks how far the hub is, and hears it.
async fn ask(agent: &mut RawAgent, first_sequence: u64) {
    agent.say(&Up::Reports(Reports { first_sequence, ack_now: true, reports: Vec::new() })).await;
    assert!(matches!(agent.hear().await, Down::Ack { .. }));
}

#[test]
fn an_agent_whose_address_changes_keeps_its_session() {
    let (_folder, mut hub) = new_hub(&["--agent-threads", "4"]);
    let credentials = hub.make_servers(AGENTS, "");
    hub.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        let mut transport = TransportConfig::default();
        transport.keep_alive_interval(Some(KEEP_ALIVE));
        let mut config = client_config(&hub);
        config.transport_config(Arc::new(transport));
        let mut agents = Vec::new();
        for credential in credentials {
            let mut agent = RawAgent::open_with(config.clone(), &hub, &endpoint).await;
            agent.greet(credential, PROTOCOL_VERSION).await;
            agents.push(agent);
        }
        for (turn, first_sequence) in (1..=3).enumerate() {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
            endpoint.rebind(socket).expect("another address");
            for (number, agent) in agents.iter_mut().enumerate() {
                let heard = timeout(Duration::from_secs(30), ask(agent, first_sequence)).await;
                assert!(heard.is_ok(), "agent {number} is not heard from its address {turn}");
            }
        }
    });
    assert_eq!(hub.metric("windfire_sessions_opened_total").to_string(), AGENTS.to_string(), "nobody connected again");
    let shared = hub.log().iter().any(|line| line.contains("agents share one thread"));
    assert!(!shared, "this system lets connection ids choose the socket, so four threads listen");
}

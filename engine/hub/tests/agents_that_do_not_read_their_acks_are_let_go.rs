//! Agents that report, ask for an ack of each report, and read none: what waits for them does not grow, and ten seconds
//! after the first ack found no room the hub lets them go.

mod hub;

use std::sync::Arc;
use std::time::{Duration, Instant};

use hub::flood::{ATTACKER, Bystanders, HONEST, MIB};
use hub::raw_agent::{RawAgent, client_config};
use hub::{new_hub, wait_until};
use quinn::{Endpoint, TransportConfig, VarInt};
use windfire_wire::{PROTOCOL_VERSION, Report, ReportChain, Reports, Up};

const AGENTS: usize = 50;
/// Room for Welcome and a few acks.
const WINDOW_BYTES: u32 = 64;
/// Reports of each agent: their acks need several times that room.
const REPORTS: u64 = 40;
/// More than the time between two commits, so that each report gets its own ack.
const INTERVAL: Duration = Duration::from_millis(30);
const GROWTH_BYTES_MAX: u64 = 24 * MIB;

#[test]
fn agents_that_do_not_read_their_acks_are_let_go() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(HONEST + AGENTS, "");
    hub.start();
    let bystanders = Bystanders::start(&hub, &credentials);
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(WINDOW_BYTES));
    let mut config = client_config(&hub);
    config.transport_config(Arc::new(transport));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let acks_before = hub.metric("windfire_acks_sent_total");
    runtime.block_on(async {
        let endpoint = Endpoint::client((ATTACKER, 0).into()).expect("a socket");
        let mut agents = Vec::new();
        for credential in &credentials[HONEST..] {
            let mut agent = RawAgent::open_with(config.clone(), &hub, &endpoint).await;
            agent.greet(credential.clone(), PROTOCOL_VERSION).await;
            agents.push((agent, ReportChain::new()));
        }
        let began = Instant::now();
        for sequence in 1..=REPORTS {
            for (agent, chain) in &mut agents {
                let report = Report { udp_conn_count: sequence, ..Report::default() };
                let reports = vec![chain.shrink(&report).expect("finite")];
                agent.say(&Up::Reports(Reports { first_sequence: sequence, ack_now: true, reports })).await;
            }
            tokio::time::sleep(INTERVAL).await;
        }
        for (agent, _) in &agents {
            agent.connection.closed().await;
        }
        println!("{AGENTS} agents of {REPORTS} reports were let go within {:.1?}", began.elapsed());
    });
    bystanders.judge("acks that nobody reads", GROWTH_BYTES_MAX);
    wait_until("all are counted", || hub.metric("windfire_agents_unread_total") == AGENTS as f64);
    wait_until("no session is left", || hub.metric("windfire_sessions") == 0.0);
    println!("the hub sent {} acks to all", hub.metric("windfire_acks_sent_total") - acks_before);
}

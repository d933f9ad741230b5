//! Agents that report, ask for an ack of each report, and read none: what waits for them does not grow, and ten seconds
//! after the first ack found no room the hub lets them go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::hub::flood::{ATTACKER, Bystanders, HONEST, MIB};
use crate::hub::raw_agent::{RawAgent, client_config};
use crate::hub::{new_hub, wait_until};
use quinn::{Endpoint, TransportConfig, VarInt};
use windfire_bench::tally;
use windfire_wire::{PROTOCOL_VERSION, Report, ReportChain, Reports, Up};

const AGENTS: usize = 50;
/// Room for Welcome and a few acks.
const WINDOW_BYTES: u32 = 64;
/// Reports that each agent brings at first: their acks need several times that room.
const REPORTS: u64 = 40;
/// More than the time between two commits, so that each report gets its own ack.
const INTERVAL: Duration = Duration::from_millis(30);
/// The same for the reports after these. A hub that stood still meanwhile has made one ack of many of the first.
const LATER_INTERVAL: Duration = Duration::from_secs(1);
/// Time in which all must be let go.
const LET_GO_WITHIN: Duration = Duration::from_secs(120);
/// Less than the silence after which the hub takes an agent for gone. The first ones wait until the last is welcome.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const GROWTH_BYTES_MAX: u64 = 24 * MIB;

#[test]
fn agents_that_do_not_read_their_acks_are_let_go() {
    let (_folder, mut hub) = new_hub(&[]);
    let credentials = hub.make_servers(HONEST + AGENTS, "");
    hub.start();
    let bystanders = Bystanders::start(&hub, &credentials);
    let mut transport = TransportConfig::default();
    transport.stream_receive_window(VarInt::from_u32(WINDOW_BYTES)).keep_alive_interval(Some(KEEP_ALIVE));
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
        let is_let_go = |agent: &RawAgent| agent.connection.close_reason().is_some();
        for sequence in 1.. {
            if agents.iter().all(|(agent, _)| is_let_go(agent)) {
                break;
            }
            assert!(began.elapsed() < LET_GO_WITHIN, "agents that read nothing stay");
            for (agent, chain) in agents.iter_mut().filter(|(agent, _)| !is_let_go(agent)) {
                let report = Report { udp_conn_count: sequence, ..Report::default() };
                let reports = vec![chain.shrink(&report).expect("finite")];
                let frame = Up::Reports(Reports { first_sequence: sequence, ack_now: true, reports });
                let _may_be_let_go = agent.try_say(&frame).await;
            }
            tokio::time::sleep(if sequence <= REPORTS { INTERVAL } else { LATER_INTERVAL }).await;
        }
        tally!("{AGENTS} agents were let go within {:.1?}", began.elapsed());
    });
    bystanders.judge("acks that nobody reads", GROWTH_BYTES_MAX);
    wait_until("all are counted", || hub.metric("windfire_agents_unread_total") == AGENTS as f64);
    wait_until("no session is left", || hub.metric("windfire_sessions") == 0.0);
    tally!("the hub sent {} acks to all", hub.metric("windfire_acks_sent_total") - acks_before);
}

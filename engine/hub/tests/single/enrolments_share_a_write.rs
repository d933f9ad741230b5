//! Many machines from one image start at once: each has a server of its own, and the disk is asked a few times, not once for
//! each. Who comes with a token that is no good takes no place of theirs.

use std::collections::HashSet;

use crate::hub::new_hub;
use crate::hub::raw_agent::RawAgent;
use quinn::Endpoint;
use windfire_wire::{Down, Enrol, Hello, PROTOCOL_VERSION, RefuseReason, Up};

const AGENTS: usize = 50;

fn hello(number: usize, token: &str) -> Up {
    Up::Hello(Hello {
        protocol: PROTOCOL_VERSION,
        credential: format!("{number:032}"),
        enrol: Some(Enrol { token: token.to_owned(), name: format!("machine-{number}") }),
        agent_version: String::new(),
        outbox_id: number as u128 + 1,
        clock: Some(windfire_wire::HelloClock::default()),
    })
}

#[test]
fn enrolments_share_a_write() {
    let (_folder, mut hub) = new_hub(&[]);
    hub.start();
    let made = hub.cli(&["enrol-token", "add", "--tag", "fleet", "--uses", &AGENTS.to_string(), "--json"]);
    let made: serde_json::Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let token = made["token"].as_str().expect("text");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        let mut agents = Vec::new();
        for _ in 0..AGENTS {
            agents.push(RawAgent::open(&hub, &endpoint).await);
        }
        for (number, agent) in agents.iter_mut().enumerate() {
            agent.say(&hello(number, token)).await;
        }
        let mut ids = HashSet::new();
        for agent in &mut agents {
            let Down::Welcome(welcome) = agent.hear().await else { panic!("not welcome") };
            assert_eq!((welcome.durable, welcome.next), (0, 1));
            ids.insert(welcome.server_id);
        }
        assert_eq!(ids.len(), AGENTS);
        assert_eq!(hub.metric("windfire_servers_enrolled_total"), AGENTS as f64);
        let writes = hub.metric("windfire_enrolment_writes_total");
        assert!(writes <= AGENTS as f64 / 2.0, "{writes} writes for {AGENTS} agents");

        // One more than the token is for is refused without a write; one that is known is welcome with whatever token.
        let mut further = RawAgent::open(&hub, &endpoint).await;
        further.say(&hello(AGENTS, token)).await;
        assert!(matches!(further.hear().await, Down::Refuse { reason: RefuseReason::BadEnrolToken, .. }));
        let mut known = RawAgent::open(&hub, &endpoint).await;
        known.say(&hello(0, "any other")).await;
        assert!(matches!(known.hear().await, Down::Welcome(_)));
        assert_eq!(hub.metric("windfire_enrolment_writes_total"), writes);
    });
}

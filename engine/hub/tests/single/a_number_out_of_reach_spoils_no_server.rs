//! A report whose sequence number is far beyond those before it is refused whole: the server's next number is what it was, and
//! its agent goes on. Before, `Welcome` then named a number that no agent can use, for ever.

use crate::hub::new_hub;
use crate::hub::raw_agent::RawAgent;
use quinn::Endpoint;
use windfire_wire::{Down, Hello, PROTOCOL_VERSION, RefuseReason, Report, ReportChain, Reports, Up};

fn reports(first_sequence: u64) -> Up {
    let report = ReportChain::new().shrink(&Report::default()).expect("finite");
    Up::Reports(Reports { first_sequence, ack_now: true, reports: vec![report] })
}

#[test]
fn a_number_out_of_reach_spoils_no_server() {
    let (_folder, mut hub) = new_hub(&[]);
    let credential = hub.make_servers(1, "").remove(0);
    hub.start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        for first_sequence in [(1 << 62) - 1, 1 << 61, 1 << 33] {
            let mut hostile = RawAgent::connect(&hub, &endpoint, credential.clone(), PROTOCOL_VERSION).await;
            hostile.say(&reports(first_sequence)).await;
            assert!(matches!(hostile.hear().await, Down::Refuse { reason: RefuseReason::BadFrame, .. }));
        }
        let mut honest = RawAgent::open(&hub, &endpoint).await;
        let (agent_version, outbox_id) = (String::new(), 9);
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            credential,
            enrol: None,
            agent_version,
            outbox_id,
            clock: Some(windfire_wire::HelloClock::default()),
        };
        honest.say(&Up::Hello(hello)).await;
        let Down::Welcome(welcome) = honest.hear().await else { panic!("not welcome") };
        assert_eq!((welcome.durable, welcome.next), (0, 1));
        honest.say(&reports(1)).await;
        assert_eq!(honest.hear().await, Down::Ack { up_to: 1 });
    });
}

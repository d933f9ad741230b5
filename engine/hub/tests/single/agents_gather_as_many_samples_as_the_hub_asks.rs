//! A frame costs the hub the same whatever it holds, so it may ask agents for fuller ones: fewer frames, every sample.

use std::time::Duration;

use crate::hub::raw_agent::RawAgent;
use crate::hub::{new_hub, quick_backoff, wait_until};
use quinn::Endpoint;
use windfire_bench::swarm::{Swarm, SwarmOptions};
use windfire_wire::{Down, Reports, Up};

#[test]
fn agents_gather_as_many_samples_as_the_hub_asks() {
    let (_folder, mut hub) = new_hub(&["--samples-per-frame", "10"]);
    let credentials = hub.make_servers(6, "");
    hub.start();
    let options = SwarmOptions {
        interval: Duration::from_millis(20),
        backoff: quick_backoff(),
        ack_each_report: false,
        ..SwarmOptions::default()
    };
    let mut swarm = Swarm::start(&hub, &credentials[..4], options);
    wait_until("enough reports are durable", || hub.metric("windfire_reports_durable_total") > 800.0);
    // In this order, and with those that a slow disk has not got yet: each frame is among the frames of its reports.
    let (frames, reports) = (hub.metric("windfire_received_frames_total"), hub.metric("windfire_reports_taken_total"));
    assert!(frames < reports / 5.0, "{frames} frames for {reports} reports");
    assert!(hub.metric("windfire_samples_per_frame") > 9.9);
    let accounts = swarm.settle();

    // An agent of before knows no such word, and is not told it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let endpoint = Endpoint::client("127.0.0.1:0".parse().expect("an address")).expect("a socket");
        let question = Up::Reports(Reports { first_sequence: 1, ack_now: true, reports: Vec::new() });
        let mut old = RawAgent::connect(&hub, &endpoint, credentials[4].clone(), 1).await;
        old.say(&question).await;
        assert!(matches!(old.hear_any().await, Down::Ack { .. }));
        let mut new = RawAgent::connect(&hub, &endpoint, credentials[5].clone(), 2).await;
        assert_eq!(new.hear_any().await, Down::Pace { samples_per_frame: 10 });
    });

    hub.terminate();
    for (numbers, account) in hub.reported_numbers().iter().zip(accounts) {
        assert_eq!(*numbers, (1..=account.pushed).collect::<Vec<_>>(), "each sample once, whatever the frames");
    }
}

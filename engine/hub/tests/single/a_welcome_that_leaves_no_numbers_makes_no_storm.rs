//! A hub says welcome with numbers that no agent can use: the agent waits as after a refusal, and keeps what it has.

use std::time::Duration;

use crate::fake_hub::FakeHub;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::limits::SPOOL_BYTES_MIN;
use windfire_agent::outbox::{Outbox, SpoolOptions};
use windfire_agent::sampler::Feed;
use windfire_wire::Report;
use windfire_wire::limits::SEQUENCE_MAX;

async fn is_a_refusal(outbox: Outbox, durable: u64, next: u64) {
    let feed = Feed::new(outbox, Duration::from_secs(1));
    feed.push(Report { time_ms: 1, ..Report::default() }).await.expect("room");
    let hub = FakeHub::new();
    let quick = Duration::from_millis(10);
    let _stop = hub.agent(&feed, BackoffOptions { first: quick, max: quick, refused: Duration::from_secs(60) }, || 1);
    let mut session = hub.accept().await;
    session.welcome(durable, next).await;
    session.closed().await;
    // The one wait that cannot be awaited: for something not to happen. A lost connection comes back after 10 ms.
    assert!(!hub.is_knocked_at_within(Duration::from_millis(500)).await, "came back after {durable}, {next}");
    assert_eq!(feed.outbox().await.len(), 1, "after {durable}, {next}");
}

#[tokio::test]
async fn a_welcome_that_leaves_no_numbers_makes_no_storm() {
    let last = SEQUENCE_MAX - 1;
    for (durable, next) in [(0, last), (last, SEQUENCE_MAX), (0, SEQUENCE_MAX + 1), (9, 9), (u64::MAX, 1), (0, 0)] {
        is_a_refusal(Outbox::in_memory(7), durable, next).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let spool = SpoolOptions { folder: folder.path().join("spool"), bytes_max: SPOOL_BYTES_MIN };
        is_a_refusal(Outbox::in_spool(&spool, 7).expect("opened"), durable, next).await;
    }
}

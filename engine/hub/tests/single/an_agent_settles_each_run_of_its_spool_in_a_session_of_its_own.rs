//! A spool with what two earlier processes left: each is settled under its own outbox id, at once one after the other, and
//! only then come the new readings.

use std::time::Duration;

use crate::fake_hub::FakeHub;
use windfire_agent::backoff::BackoffOptions;
use windfire_agent::limits::SPOOL_BYTES_MIN;
use windfire_agent::outbox::{Outbox, SpoolOptions};
use windfire_agent::sampler::Feed;
use windfire_wire::{Down, Report, ReportChain, Up};

#[tokio::test]
async fn an_agent_settles_each_run_of_its_spool_in_a_session_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spool = SpoolOptions { folder: folder.path().join("spool"), bytes_max: SPOOL_BYTES_MIN };
    let mut time_ms = 0;
    let mut open = |id, count| {
        let mut outbox = Outbox::in_spool(&spool, id).expect("opened");
        for _ in 0..count {
            time_ms += 1;
            outbox.push(Report { time_ms, ..Report::default() }).expect("room");
        }
        outbox
    };
    drop(open(1, 3));
    drop(open(2, 0));
    drop(open(3, 2));
    let feed = Feed::new(open(4, 1), Duration::from_secs(1));
    let hub = FakeHub::new();
    // A wait would be seen: the hub does not wait for so long.
    let hour = Duration::from_secs(3600);
    let backoff = BackoffOptions { first: hour, max: hour, refused: hour };
    let stop = hub.agent(&feed, backoff, || 1_790_000_000_000);
    // The hub has the first two reports of the oldest.
    let mut next = 3;
    for (id, durable, expected) in [(1, 2, vec![3]), (3, 0, vec![4, 5]), (4, 0, vec![6])] {
        let mut session = hub.accept().await;
        assert_eq!(session.hello.outbox_id, id);
        session.welcome(durable, next).await;
        let (mut chain, mut times) = (ReportChain::new(), Vec::new());
        while times.len() < expected.len() {
            if let Up::Reports(reports) = session.hear().await.expect("the session goes on") {
                assert_eq!(reports.first_sequence, next + times.len() as u64);
                times.extend(reports.reports.iter().map(|delta| chain.grow(delta).expect("well-formed").time_ms));
            }
        }
        assert_eq!(times, expected);
        next += times.len() as u64;
        session.say(&Down::Ack { up_to: next - 1 }).await;
        if id == 4 {
            // One that stops waits for its ack for some seconds only.
            while !feed.outbox().await.is_empty() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            stop.send(true).expect("an agent");
        }
        session.closed().await;
    }
    assert!(feed.outbox().await.is_empty());
}

//! Two hubs publish while the broker that leads their stream is killed, again and again. Every message is in the stream
//! once, in its hub's order, at the sequence that its publisher was told.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use brokers::{PARTITION, WAIT_MAX, all_messages, hub, names, texts_of, three_brokers};
use windfire_bench::tally;
use windfire_cluster::{BootId, Brokers, Publisher};

/// Messages that must be stored between two faults.
const BETWEEN: u64 = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_the_leader_lose_and_double_nothing() {
    let kills: u32 = std::env::var("BROKER_KILLS").map_or(3, |text| text.parse().expect("BROKER_KILLS is a number"));
    let (mut cluster, brokers) = three_brokers().await;
    let is_over = Arc::new(AtomicBool::new(false));
    let stored = Arc::new(AtomicU64::new(0));
    let mut hubs = Vec::new();
    for id in ["a", "b"] {
        let own = cluster.connect().await;
        hubs.push(tokio::spawn(publish(own, id, Arc::clone(&is_over), Arc::clone(&stored))));
    }
    for kill in 1..=kills {
        more(&stored).await;
        let leader = cluster.leader(&brokers, PARTITION).await;
        cluster.kill(leader);
        let silence = more(&stored).await;
        println!("kill {kill}: broker {leader}, {BETWEEN} more messages took {} ms", silence.as_millis());
        cluster.restart(leader);
    }
    more(&stored).await;
    is_over.store(true, Ordering::SeqCst);
    let mut told = Vec::new();
    for hub in hubs {
        told.push(hub.await.expect("a publisher"));
    }
    let messages = all_messages(&brokers, PARTITION).await;
    assert_eq!(messages.len(), told.iter().map(Vec::len).sum::<usize>());
    for (id, sequences) in ["a", "b"].iter().zip(&told) {
        let expected: Vec<String> = (1..=sequences.len()).map(|number| number.to_string()).collect();
        assert_eq!(texts_of(&messages, id), expected, "hub {id}");
        let hub = hub(id);
        let own = messages.iter().filter(|message| message.hub.as_ref() == Some(&hub));
        assert_eq!(&own.map(|message| message.sequence).collect::<Vec<u64>>(), sequences, "hub {id}");
    }
    tally!("{kills} kills, {} messages, none lost, none doubled", messages.len());
}

/// Publishes numbers until the end, and says at which sequences they are.
async fn publish(brokers: Brokers, id: &str, is_over: Arc<AtomicBool>, stored: Arc<AtomicU64>) -> Vec<u64> {
    let mut publisher = Publisher::new(&brokers, &names(), PARTITION, &hub(id), BootId(7));
    let mut sequences = Vec::new();
    while !is_over.load(Ordering::SeqCst) {
        let text = (sequences.len() + 1).to_string();
        let written = publisher.publish(text.into()).await.expect("no other hub has this id");
        sequences.push(written.sequence);
        stored.fetch_add(1, Ordering::SeqCst);
    }
    sequences
}

/// Waits until some more messages are stored, and says how long it took.
async fn more(stored: &AtomicU64) -> Duration {
    let started = Instant::now();
    let wanted = stored.load(Ordering::SeqCst) + BETWEEN;
    while stored.load(Ordering::SeqCst) < wanted {
        assert!(started.elapsed() < WAIT_MAX, "no messages are stored any more");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    started.elapsed()
}

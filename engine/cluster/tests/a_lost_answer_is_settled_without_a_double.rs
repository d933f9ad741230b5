//! The network loses answers to what was stored, and requests before they arrive. What became of a message is read from
//! the stream, so each is there once, and the one after it is not sent before that.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use std::time::{Duration, Instant};

use brokers::relay::Relay;
use brokers::{PARTITION, WAIT_MAX, all_messages, hub, last_sequence, names, texts_of, three_brokers};
use windfire_cluster::{BootId, Brokers, Publisher};

/// Bytes of a message: more than everything else that a connection says in a few seconds.
const MESSAGE_BYTES: usize = 20_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_and_requests_are_lost() {
    let (cluster, direct) = three_brokers().await;
    let relay = Relay::to(cluster.brokers[0].port).await;
    let brokers = Brokers::connect(&relay.options(cluster.options())).await.expect("a broker behind the relay");
    let mut publisher = Publisher::new(&brokers, &names(), PARTITION, &hub("a"), BootId(1));
    let mut last = 0;
    for round in 0..3 {
        let written = publisher.publish(text(3 * round + 1).into()).await.expect("this hub is alone");
        assert_eq!(written.sequence, last + 1);

        relay.lose_answers();
        let healed = async {
            await_stored(&direct, last + 2).await;
            relay.heal();
        };
        let (written, ()) = tokio::join!(publisher.publish(text(3 * round + 2).into()), healed);
        let written = written.expect("this hub is alone");
        assert_eq!((written.sequence, written.tries), (last + 2, 1), "it was stored, so it is not sent again");

        relay.lose_requests();
        let healed = async {
            await_lost(&relay).await;
            relay.heal();
        };
        let (written, ()) = tokio::join!(publisher.publish(text(3 * round + 3).into()), healed);
        let written = written.expect("this hub is alone");
        assert_eq!(written.sequence, last + 3);
        assert!(written.tries >= 2, "it was not stored, so it is sent again");
        last += 3;
    }
    // A caller that stops waiting: the message is stored before the next one.
    relay.lose_answers();
    let waited = tokio::time::timeout(Duration::from_millis(50), publisher.publish(text(10).into())).await;
    assert!(waited.is_err(), "no answer can have come");
    relay.heal();
    let written = publisher.publish(text(11).into()).await.expect("this hub is alone");
    assert_eq!((written.sequence, written.number), (last + 2, 11));

    let messages = all_messages(&direct, PARTITION).await;
    assert_eq!(texts_of(&messages, "a"), (1..=11).map(text).collect::<Vec<String>>());
}

fn text(number: usize) -> String {
    format!("{number:0MESSAGE_BYTES$}")
}

async fn await_stored(brokers: &Brokers, sequence: u64) {
    let started = Instant::now();
    while last_sequence(brokers, PARTITION).await < sequence {
        assert!(started.elapsed() < WAIT_MAX, "message {sequence} is not stored");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn await_lost(relay: &Relay) {
    let started = Instant::now();
    while relay.lost_bytes() < u64::try_from(MESSAGE_BYTES).expect("a small number") {
        assert!(started.elapsed() < WAIT_MAX, "the message was not sent");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

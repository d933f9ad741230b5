//! Of two changes that begin from the same state of the registry one is written, and the other is told so. An answer
//! that was lost is read from the stream.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use std::time::{Duration, Instant};

use brokers::relay::Relay;
use brokers::{WAIT_MAX, all_messages, hub, last_sequence, names, three_brokers};
use windfire_cluster::{BootId, Brokers, Outcome, RegistryPublisher, StreamOf};

/// Changes of which one must be settled in time.
const TRIES_MAX: u64 = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_race() {
    let (cluster, direct) = three_brokers().await;
    let relay = Relay::to(cluster.brokers[0].port).await;
    let brokers = Brokers::connect(&relay.options(cluster.options())).await.expect("a broker behind the relay");
    let one = RegistryPublisher::new(&brokers, &names(), &hub("a"), BootId(1));
    let two = RegistryPublisher::new(&direct, &names(), &hub("b"), BootId(2));
    for last in 0..20 {
        let (left, right) = tokio::join!(one.publish("a".into(), last), two.publish("b".into(), last));
        let outcomes = [left.expect("small"), right.expect("small")];
        assert!(outcomes.contains(&Outcome::Written(last + 1)), "{outcomes:?}");
        assert!(outcomes.contains(&Outcome::Overtaken), "{outcomes:?}");
    }
    // A change from an old state, and one from a state that does not exist.
    assert_eq!(one.publish("old".into(), 3).await, Ok(Outcome::Overtaken));
    assert_eq!(one.publish("early".into(), 500).await, Ok(Outcome::Unknown));

    // The answer is lost, and the change is stored. A person does not wait for long, so what became of it may stay
    // unknown where the brokers need seconds to store it.
    let mut last = 20;
    let outcome = loop {
        relay.lose_answers();
        let healed = async {
            let started = Instant::now();
            while last_sequence(&direct, StreamOf::Registry).await <= last {
                assert!(started.elapsed() < WAIT_MAX, "the change is not stored");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            relay.heal();
        };
        let (outcome, ()) = tokio::join!(one.publish("lost answer".into(), last), healed);
        last += 1;
        if outcome != Ok(Outcome::Unknown) || last >= 20 + TRIES_MAX {
            break outcome;
        }
    };
    assert_eq!(outcome, Ok(Outcome::Written(last)));

    let messages = all_messages(&direct, StreamOf::Registry).await;
    assert_eq!(messages.len() as u64, last);
    assert_eq!(messages.last().map(|message| message.bytes.as_ref()), Some(b"lost answer".as_slice()));
}

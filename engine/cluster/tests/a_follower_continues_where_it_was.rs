//! A follower gets each message once and in order, continues after the position that it is given, and is not stopped by
//! a broker that is killed.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use std::time::Duration;

use brokers::{Collector, PARTITION, WAIT_MAX, hub, names, three_brokers};
use windfire_cluster::{BootId, Follower, Publisher};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_and_kills() {
    let (mut cluster, brokers) = three_brokers().await;
    let mut publisher = Publisher::new(&brokers, &names(), PARTITION, &hub("a"), BootId(1));
    // More than one portion.
    for number in 1..=300_u64 {
        publisher.publish(number.to_string().into()).await.expect("this hub is alone");
    }
    let first = Collector::until(120);
    let (follower, progress) = Follower::new(&brokers, &names(), PARTITION, 0);
    assert_eq!(progress.borrow().lag(), 0);
    follower.run(first.clone()).await.expect("the stream is whole");
    let reached = *progress.borrow();
    assert_eq!((reached.applied, reached.last, reached.lag()), (120, 300, 180));
    assert!(reached.heard.is_some());

    let second = Collector::until(400);
    let (follower, mut progress) = Follower::new(&brokers, &names(), PARTITION, reached.applied);
    let following = tokio::spawn(follower.run(second.clone()));
    let caught_up = progress.wait_for(|progress| progress.applied == 300);
    tokio::time::timeout(WAIT_MAX, caught_up).await.expect("it reads on").expect("it follows");
    let leader = cluster.leader(&brokers, PARTITION).await;
    cluster.kill(leader);
    for number in 301..=400_u64 {
        publisher.publish(number.to_string().into()).await.expect("this hub is alone");
    }
    let followed = tokio::time::timeout(WAIT_MAX, following).await.expect("it reads on");
    followed.expect("it follows").expect("the stream is whole");

    let taken = [first.taken(), second.taken()].concat();
    let sequences: Vec<u64> = taken.iter().map(|message| message.sequence).collect();
    assert_eq!(sequences, (1..=400).collect::<Vec<u64>>());
    for message in &taken {
        assert_eq!(message.bytes, message.sequence.to_string());
        assert_eq!((message.of, message.hub.as_ref()), (PARTITION, Some(&hub("a"))));
    }
    let stored: Vec<i64> = taken.iter().map(|message| message.stored_ms).collect();
    let span = stored.last().zip(stored.first()).map(|(last, first)| last - first).expect("messages");
    assert!(stored[0] > 1_700_000_000_000 && span < 3_600_000, "times of the brokers: {} and {span} ms", stored[0]);
    assert_eq!(progress.borrow().lag(), 0);
    // Nothing more comes of a stream that was read to its end.
    let (follower, _) = Follower::new(&brokers, &names(), PARTITION, 400);
    let idle = tokio::time::timeout(Duration::from_secs(3), follower.run(Collector::until(401))).await;
    assert!(idle.is_err(), "{idle:?}");
}

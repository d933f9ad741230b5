//! A hub that was away for longer than the stream reaches is told where the stream begins, and one that is ahead of its
//! stream is told that the brokers lost something. Both errors name the remedy.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use brokers::{Collector, PARTITION, WAIT_MAX, hub, last_sequence, names, three_brokers};
use windfire_cluster::limits::{MESSAGE_BYTES_MAX, STREAM_BYTES_MIN};
use windfire_cluster::{BootId, FollowError, Follower, PublishError, Publisher};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_was_cut_and_one_that_ends_too_early() {
    let (_cluster, brokers) = three_brokers().await;
    let mut publisher = Publisher::new(&brokers, &names(), PARTITION, &hub("a"), BootId(1));
    let too_large = publisher.publish(vec![0_u8; MESSAGE_BYTES_MAX + 1].into()).await;
    assert_eq!(too_large, Err(PublishError::TooLarge { bytes: MESSAGE_BYTES_MAX + 1 }));
    // The largest messages, until the first ones are cut off.
    let message = vec![7_u8; MESSAGE_BYTES_MAX];
    let count = STREAM_BYTES_MIN / u64::try_from(MESSAGE_BYTES_MAX).expect("a megabyte") + 5;
    for _ in 0..count {
        publisher.publish(message.clone().into()).await.expect("this hub is alone");
    }
    let (follower, _) = Follower::new(&brokers, &names(), PARTITION, 0);
    let ended = tokio::time::timeout(WAIT_MAX, follower.run(Collector::until(u64::MAX))).await.expect("it ends");
    let error = ended.expect_err("the first messages are gone");
    let FollowError::Behind { first, applied: 0, .. } = error else { panic!("{error}") };
    assert!(first > 1 && error.to_string().contains("windfire cluster join --from"), "{error}");

    let collector = Collector::until(count);
    let (follower, _) = Follower::new(&brokers, &names(), PARTITION, first - 1);
    let read = tokio::time::timeout(WAIT_MAX, follower.run(collector.clone())).await.expect("it ends");
    read.expect("these are there");
    assert!(collector.taken().iter().all(|delivery| delivery.bytes == message), "the largest messages come whole");

    let last = last_sequence(&brokers, PARTITION).await;
    let (follower, _) = Follower::new(&brokers, &names(), PARTITION, last + 10);
    let ended = tokio::time::timeout(WAIT_MAX, follower.run(Collector::until(u64::MAX))).await.expect("it ends");
    let error = ended.expect_err("the stream ends before");
    assert!(matches!(&error, FollowError::Rewound { last: end, .. } if *end == last), "{error}");
    assert!(error.to_string().contains("windfire cluster init"), "{error}");
}

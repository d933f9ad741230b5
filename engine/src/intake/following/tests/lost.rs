//! Brokers that lose messages which they had confirmed.

use super::*;

#[test]
fn a_message_that_was_passed_over_is_a_fault_and_no_ack() {
    let mut cluster = Cluster::new(1, 1);
    let mut talk = cluster.open_talk(0, 0, 1);
    let (partition, own) = (shard_of(1), &cluster.engines[0]);
    assert!(cluster.report(&mut talk, 0..2).is_ok());
    let lost = own.next_message(partition).expect("reports");
    own.settled(partition, lost.number, Outcome::Stored);
    assert!(cluster.report(&mut talk, 2..4).is_ok());
    let next = own.next_message(partition).expect("more reports");
    assert_eq!(next.number, lost.number + 1);
    let followed = own.followed(partition);
    let hole = own.follow(partition, followed + 1, &next.bytes).expect_err("a message is missing");
    assert_eq!(hole, FollowError::Hole { partition, missing: lost.number, found: next.number });
    assert!(hole.to_string().contains("windfire cluster init"), "{hole}");
    cluster.hear(&mut talk);
    assert_eq!((talk.acked, own.followed(partition), cluster.values(0, 0)), (0, followed, vec![]));
    // Where nothing is missing, both are acknowledged.
    assert_eq!(own.follow(partition, followed + 1, &lost.bytes), Ok(Followed::Applied));
    assert_eq!(own.follow(partition, followed + 2, &next.bytes), Ok(Followed::Applied));
    cluster.hear(&mut talk);
    assert_eq!((talk.acked, cluster.values(0, 0)), (4, vec![0, 1, 2, 3]));
}

#[test]
fn numbers_begin_anew_with_each_process() {
    let mut cluster = Cluster::new(2, 1);
    let mut talk = cluster.open_talk(0, 0, 1);
    for values in [0..2, 2..4] {
        assert!(cluster.report(&mut talk, values).is_ok());
        cluster.settle();
    }
    // Nothing was committed, so the next process follows all messages of the one before, and then its own.
    drop(talk);
    cluster.restart(0);
    assert_eq!(cluster.engines[0].followed(shard_of(1)), 0);
    let mut talk = cluster.open_talk(0, 0, 1);
    assert!(cluster.report(&mut talk, 4..6).is_ok());
    cluster.settle();
    cluster.hear(&mut talk);
    assert_eq!((talk.acked, cluster.values(0, 0)), (6, vec![0, 1, 2, 3, 4, 5]));
    cluster.assert_equal();
}

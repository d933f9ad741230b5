//! Two processes cannot have the same hub id: the second is refused while the first runs, and gets the id when the
//! first gives it back or is dead for the length of a lease.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use std::time::Instant;

use brokers::{PARTITION, hub, names, three_brokers};
use windfire_cluster::limits::LEASE_TTL;
use windfire_cluster::{BootId, ClusterError, Lease, PublishError, Publisher, Refusal, claim_hub_id};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_process_waits_or_is_refused() {
    let (_cluster, brokers) = three_brokers().await;
    let mut first = claim_hub_id(&brokers, &names(), &hub("a"), BootId(1)).await.expect("the id is free");
    claim_hub_id(&brokers, &names(), &hub("b"), BootId(2)).await.expect("another id is free");

    let (names_of_all, taken) = (names(), hub("a"));
    let refused = tokio::select! {
        result = claim_hub_id(&brokers, &names_of_all, &taken, BootId(3)) => result,
        () = renew(&mut first) => unreachable!("it has no end"),
    };
    let Err(ClusterError::Refused(refusal)) = refused.map(|_| ()) else { panic!("the id has two holders") };
    assert_eq!(refusal, Refusal::HubIdInUse { hub: "a".to_owned(), holder: "a.0000000000000001".to_owned() });
    assert!(refusal.to_string().contains("give each hub its own hub_id"), "{refusal}");
    assert!(!refusal.may_be_allowed());

    first.release().await.expect("brokers that run");
    let released = Instant::now();
    let second = claim_hub_id(&brokers, &names(), &hub("a"), BootId(3)).await.expect("the id was given back");
    assert!(released.elapsed() < LEASE_TTL, "nobody waited for the lease to end: {:?}", released.elapsed());
    die(second);
    let died = Instant::now();
    claim_hub_id(&brokers, &names(), &hub("a"), BootId(4)).await.expect("its holder is dead");
    assert!(died.elapsed() >= LEASE_TTL / 2, "it was taken from a holder that could still act: {:?}", died.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_is_given_back_also_in_the_middle_of_its_renewal() {
    let (_cluster, brokers) = three_brokers().await;
    for boot in 1..=3 {
        let claimed = Instant::now();
        let mut lease = claim_hub_id(&brokers, &names(), &hub("a"), BootId(boot)).await.expect("it was given back");
        assert!(claimed.elapsed() < LEASE_TTL, "boot {boot} waited for the end of the lease: {:?}", claimed.elapsed());
        // The hub stops: the renewal is on its way, and nobody waits for its answer.
        tokio::select! {
            biased;
            renewed = lease.step() => panic!("no answer can have come: {renewed:?}"),
            () = std::future::ready(()) => {}
        }
        lease.release().await.expect("brokers that run");
    }
}

/// What a process does that has an id.
async fn renew(lease: &mut Lease) {
    loop {
        tokio::time::sleep(lease.step_interval()).await;
        lease.step().await.expect("brokers that run");
    }
}

/// A process that is killed gives nothing back.
fn die(lease: Lease) {
    drop(lease);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_notices_another_with_its_id() {
    let (_cluster, brokers) = three_brokers().await;
    let publisher = |boot| Publisher::new(&brokers, &names(), PARTITION, &hub("a"), BootId(boot));
    let (mut first, mut second) = (publisher(1), publisher(2));
    first.publish("1".into()).await.expect("it is alone");
    second.publish("2".into()).await.expect("it begins after the boot before");
    let error = first.publish("3".into()).await.expect_err("another process writes under this id");
    assert!(matches!(&error, PublishError::Overwritten { found, .. } if found == "a.0000000000000002.1"), "{error}");
    assert!(error.to_string().contains("cluster_hub_id"), "{error}");
}

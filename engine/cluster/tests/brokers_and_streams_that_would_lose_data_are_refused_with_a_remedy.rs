//! What would lose acknowledged reports or mix up two clusters is refused, in a line that names the thing, its value
//! and the remedy.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use brokers::{BrokerCluster, PARTITIONS, cluster_id, names, plan, three_brokers};
use windfire_cluster::{
    BrokerOptions, ClusterError, Names, Refusal, StreamPlan, check_brokers, check_streams, create_streams, verdict,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_sync_always_are_taken() {
    let (cluster, brokers) = three_brokers().await;
    let checked = check_brokers(&cluster.options_with_system()).await.expect("brokers that run");
    assert_eq!((checked.refusals, checked.unreachable), (Vec::new(), Vec::new()));
    let found: Vec<_> = checked.brokers.iter().map(|broker| (broker.name.as_str(), broker.is_synced)).collect();
    assert_eq!(found, [("b1", Some(true)), ("b2", Some(true)), ("b3", Some(true))]);
    assert_eq!(check_streams(&brokers, &names(), &cluster_id(), PARTITIONS).await, Ok(Vec::new()));

    // Without a user of the system account it is not known, and the operator states it.
    let mut options = cluster.options();
    let refusals = check_brokers(&options).await.expect("brokers that run").refusals;
    assert!(matches!(refusals[..], [Refusal::SyncUnknown { .. }]), "{refusals:?}");
    assert_names(&refusals[0], &["cluster_system_credentials_file", "cluster_sync_always = true"]);
    options.is_sync_stated = true;
    assert_eq!(check_brokers(&options).await.expect("brokers that run").refusals, Vec::new());
    // A user of another account is none of the system's.
    options.system = options.credentials.clone();
    let error = check_brokers(&options).await.expect_err("not the system account");
    assert!(error.to_string().contains("cluster_system_credentials_file"), "{error}");
    // An address at which no broker listens does not hide the others.
    let mut options = cluster.options_with_system();
    options.urls = vec!["nats://127.0.0.1:1".to_owned(), options.urls[0].clone()];
    let checked = check_brokers(&options).await.expect("one broker answers, and knows the others");
    assert_eq!((checked.brokers.len(), checked.unreachable.len(), checked.refusals), (3, 1, Vec::new()));
    // No credentials, and no broker at all.
    let options = BrokerOptions::new(cluster.options().urls);
    assert!(matches!(check_brokers(&options).await, Err(ClusterError::NotAdmitted { .. })));
    let error = check_brokers(&BrokerOptions::new(vec!["nats://127.0.0.1:1".to_owned()])).await.expect_err("no broker");
    assert!(matches!(error, ClusterError::Unreachable { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_that_run_are_asked_though_this_hub_does_not_reach_them_and_dead_ones_are_not() {
    let mut cluster = BrokerCluster::unadvertised(3);
    let mut options = cluster.options_with_system();
    options.urls.truncate(1);
    let checked = check_brokers(&options).await.expect("one broker answers");
    let found: Vec<_> = checked.brokers.iter().map(|broker| (broker.name.as_str(), broker.is_synced)).collect();
    assert_eq!(found, [("b1", Some(true)), ("b2", Some(true)), ("b3", Some(true))]);
    assert_eq!(checked.refusals, Vec::new());
    // A hub starts while one of three is away, whichever it is.
    for dead in 0..3 {
        cluster.kill(dead);
        let checked = check_brokers(&cluster.options_with_system()).await.expect("two brokers run");
        assert_eq!((checked.brokers.len(), checked.refusals), (2, Vec::new()), "without b{}", dead + 1);
        cluster.restart(dead);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_others_and_streams_with_too_few_copies() {
    let cluster = BrokerCluster::start(3);
    let brokers = cluster.connect().await;
    let refusals = check_streams(&brokers, &names(), &cluster_id(), PARTITIONS).await.expect("brokers that run");
    assert!(matches!(&refusals[0], Refusal::StreamMissing { stream, .. } if stream == "WF_test_00"), "{refusals:?}");
    assert_names(&refusals[0], &["cluster_name = \"test\"", "windfire cluster init"]);

    // One copy.
    create_streams(&brokers, &names(), &plan(1)).await.expect("brokers keep one copy");
    let refusals = check_streams(&brokers, &names(), &cluster_id(), PARTITIONS).await.expect("brokers that run");
    assert_eq!(refusals.len(), usize::from(PARTITIONS) + 2);
    assert_eq!(refusals[0], Refusal::TooFewReplicas { stream: "WF_test_00".to_owned(), replicas: 1 });
    assert_names(&refusals[0], &["WF_test_00", "1 of the 3", "--replicas 3"]);
    assert_eq!(verdict(refusals.clone(), true), Ok(refusals));

    // Another cluster's, and another number of partitions.
    let other = "c2".parse().expect("an id");
    let refusals = check_streams(&brokers, &names(), &other, PARTITIONS).await.expect("brokers that run");
    assert!(matches!(&refusals[0], Refusal::AnotherCluster { found, .. } if found == "c1"), "{refusals:?}");
    assert_names(&refusals[0], &["WF_test_00", "\"c1\"", "\"c2\"", "cluster_name", "restore a backup"]);
    assert!(verdict(refusals, true).is_err(), "two clusters are not mixed, whatever is allowed");
    let plan_of_other = StreamPlan { cluster_id: other, ..plan(1) };
    let error = create_streams(&brokers, &names(), &plan_of_other).await.expect_err("they are another cluster's");
    assert!(matches!(error, ClusterError::Refused(Refusal::AnotherCluster { .. })), "{error}");
    let refusals = check_streams(&brokers, &names(), &cluster_id(), 1).await.expect("brokers that run");
    let partitions = refusals.iter().find(|refusal| matches!(refusal, Refusal::OtherPartitions { .. }));
    assert_names(partitions.expect("another number"), &["\"2\" partitions", "has 1"]);

    // More than the brokers have room for.
    let large = Names::new("large".parse().expect("a name"));
    let error = create_streams(&brokers, &large, &StreamPlan { bytes_max: 1 << 40, ..plan(3) }).await;
    let Err(ClusterError::Refused(refusal)) = error else { panic!("{error:?}") };
    assert!(matches!(refusal, Refusal::StorageTooSmall { .. }), "{refusal}");
    assert_names(&refusal, &["WF_large_00", "max_file_store", "cluster_stream_gib_max"]);

    // Another name has nothing to do with it.
    let elsewhere = Names::new("elsewhere".parse().expect("a name"));
    create_streams(&brokers, &elsewhere, &plan(3)).await.expect("a second cluster on the same brokers");
    assert_eq!(check_streams(&brokers, &elsewhere, &cluster_id(), PARTITIONS).await, Ok(Vec::new()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_brokers_with_the_default_sync_interval() {
    let cluster = BrokerCluster::with_sync(2, "");
    let brokers = cluster.connect().await;
    let error = create_streams(&brokers, &names(), &plan(3)).await.expect_err("two brokers keep no three copies");
    let ClusterError::Refused(refusal) = error else { panic!("{error}") };
    assert!(matches!(refusal, Refusal::TooFewBrokers { replicas: 3, .. }), "{refusal}");
    assert_names(&refusal, &["3 copies", "start more"]);

    // What the operator states does not count against what the brokers say.
    let mut options = cluster.options_with_system();
    options.is_sync_stated = true;
    let refusals = check_brokers(&options).await.expect("brokers that run").refusals;
    let expected = ["b1", "b2"].map(|broker| Refusal::NotSynced { broker: broker.to_owned(), interval_s: 120 });
    assert_eq!(refusals.len(), 2, "{refusals:?}");
    assert!(expected.iter().all(|refusal| refusals.contains(refusal)), "{refusals:?}");
    assert_names(&expected[0], &["b1", "120 s", "sync_interval: \"always\""]);
    assert!(verdict(refusals.clone(), false).is_err());
    assert_eq!(verdict(refusals.clone(), true), Ok(refusals));
}

fn assert_names(refusal: &Refusal, parts: &[&str]) {
    let line = refusal.to_string();
    println!("{line}");
    assert!(!line.contains('\n') && !line.contains("  "), "{line}");
    for part in parts {
        assert!(line.contains(part), "{part:?} is not in: {line}");
    }
}

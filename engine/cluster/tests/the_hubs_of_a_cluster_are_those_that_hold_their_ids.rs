//! Each hub that runs is in the list with its boot, its revision moves with each renewal, and a hub that gave its id back
//! is not in it.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use brokers::{hub, names, three_brokers};
use windfire_cluster::limits::LEASE_TTL;
use windfire_cluster::{BootId, Lease, claim_hub_id, hubs};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hubs_come_and_go() {
    let (_cluster, brokers) = three_brokers().await;
    assert_eq!(hubs(&brokers, &names()).await.expect("brokers that run"), []);
    let mut first = claim_hub_id(&brokers, &names(), &hub("a"), BootId(1)).await.expect("the id is free");
    let second = claim_hub_id(&brokers, &names(), &hub("b"), BootId(2)).await.expect("the id is free");
    // A lease of something else is none of a hub.
    let mut work = Lease::new(&brokers, &names(), "alerts", &hub("a"), BootId(1), LEASE_TTL);
    work.step().await.expect("brokers that run");

    let before = hubs(&brokers, &names()).await.expect("brokers that run");
    let listed: Vec<(&str, &str)> = before.iter().map(|seen| (seen.hub.as_str(), seen.holder.as_str())).collect();
    assert_eq!(listed, [("a", "a.0000000000000001"), ("b", "b.0000000000000002")]);

    first.step().await.expect("brokers that run");
    second.release().await.expect("brokers that run");
    let after = hubs(&brokers, &names()).await.expect("brokers that run");
    assert_eq!(after.len(), 1, "{after:?}");
    assert_eq!(after[0].hub, hub("a"));
    assert!(after[0].revision > before[0].revision, "{after:?}");
}

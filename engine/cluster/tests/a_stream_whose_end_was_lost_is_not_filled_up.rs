//! Brokers lose the end of a stream that they had confirmed: their files are those of an hour ago. Who had written or
//! read the lost messages notices it, also when others have written in their places, and goes no further.

#[allow(dead_code, reason = "each test needs a part of it")]
mod brokers;

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use brokers::{BrokerCluster, PARTITION, WAIT_MAX, hub, last_sequence, names, plan};
use tokio::sync::Notify;
use windfire_cluster::{
    Apply, BootId, Brokers, Delivery, FollowError, Follower, PublishError, Publisher, create_streams,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_get_older_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let folders: Vec<PathBuf> = (1..=3).map(|number| folder.path().join(format!("b{number}"))).collect();
    folders.iter().for_each(|folder| fs::create_dir(folder).expect("a folder"));
    let mut cluster = BrokerCluster::in_folders(&folders);
    let brokers = cluster.connect().await;
    create_streams(&brokers, &names(), &plan(3)).await.expect("three brokers keep three copies");
    let mut first = publisher(&brokers, "a", 1);
    let mut second = publisher(&brokers, "b", 2);
    for number in 1..=3_u64 {
        first.publish(number.to_string().into()).await.expect("this hub is alone");
    }
    let copies = folder.path().join("copies");
    stop(&mut cluster);
    copy(&folders, &copies);
    cluster.restart_all();
    for number in 4..=6_u64 {
        first.publish(number.to_string().into()).await.expect("this hub is alone");
    }
    // A follower that has taken all six, and is busy with the last one until the others are in its place.
    let (reached, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let busy = Busy { until: 6, reached: Arc::clone(&reached), goes_on: Arc::clone(&goes_on) };
    let (follower, _progress) = Follower::new(&brokers, &names(), PARTITION, 0);
    let following = tokio::spawn(follower.run(busy));
    tokio::time::timeout(WAIT_MAX, reached.notified()).await.expect("it reads");

    stop(&mut cluster);
    folders.iter().for_each(|folder| fs::remove_dir_all(folder).expect("own"));
    folders.iter().for_each(|folder| copy_folder(&of_copy(folder, &copies), folder));
    cluster.restart_all();
    assert_eq!(last_sequence(&brokers, PARTITION).await, 3, "the last three are lost");

    // A hub that had written none of them, and has followed them.
    second.after(6);
    let error = second.publish("filled".into()).await.expect_err("it comes before what was followed");
    assert!(matches!(error, PublishError::Refilled { number: 1, sequence: 4, floor: 6, .. }), "{error}");
    assert!(error.to_string().contains("windfire cluster init"), "{error}");
    // Hubs that begin after that fill the stream up.
    let mut third = publisher(&brokers, "c", 3);
    for _ in 0..3 {
        third.publish("filled".into()).await.expect("this hub has seen nothing");
    }
    // The hub that had written the lost ones.
    let error = first.publish("7".into()).await.expect_err("what it had confirmed is lost");
    assert!(matches!(error, PublishError::Lost { number: 6, confirmed: 6, found: 3, .. }), "{error}");
    assert!(error.to_string().contains("windfire cluster init"), "{error}");
    // The follower, whose next message is there.
    goes_on.notify_one();
    let ended = tokio::time::timeout(WAIT_MAX, following).await.expect("it ends").expect("it follows");
    let error = ended.expect_err("another message is in the place of the sixth");
    assert!(matches!(&error, FollowError::Replaced { sequence: 6, .. }), "{error}");
    assert!(error.to_string().contains("windfire cluster init"), "{error}");
}

fn publisher(brokers: &Brokers, id: &str, boot: u64) -> Publisher {
    Publisher::new(brokers, &names(), PARTITION, &hub(id), BootId(boot))
}

/// Takes what comes. It is busy with one message until it is told to go on.
struct Busy {
    until: u64,
    reached: Arc<Notify>,
    goes_on: Arc<Notify>,
}

impl Apply for Busy {
    async fn apply(&mut self, delivery: Delivery) -> ControlFlow<()> {
        if delivery.sequence == self.until {
            self.reached.notify_one();
            self.goes_on.notified().await;
        }
        ControlFlow::Continue(())
    }
}

/// kill -9 of all brokers.
fn stop(cluster: &mut BrokerCluster) {
    (0..cluster.brokers.len()).for_each(|index| cluster.kill(index));
}

fn of_copy(folder: &Path, copies: &Path) -> PathBuf {
    copies.join(folder.file_name().expect("a name"))
}

fn copy(folders: &[PathBuf], copies: &Path) {
    fs::create_dir(copies).expect("a folder");
    folders.iter().for_each(|folder| copy_folder(folder, &of_copy(folder, copies)));
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("readable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("room");
        }
    }
}

//! A hub whose place in a stream is gone does not start, and says how it gets the data of another hub.

use crate::hubs::Hubs;
use crate::hubs::brokers::{hub as hub_id, names};
use windfire_cluster::limits::MESSAGE_BYTES_MAX;
use windfire_cluster::{BootId, Publisher, StreamOf};

/// Bytes that each stream of this cluster may have: two GiB are for sixteen partitions and the registry.
const STREAM_BYTES: u64 = (2 << 30) / 17;

#[test]
fn the_remedy_is_named() {
    let mut cluster = Hubs::new(1, 1);
    // While the hub is away, others publish until its place in the stream is cut off.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let brokers = cluster.brokers.connect().await;
        let partition = StreamOf::Partition(3);
        let mut publisher = Publisher::new(&brokers, &names(), partition, &hub_id("other"), BootId(1));
        let message = vec![7_u8; MESSAGE_BYTES_MAX];
        for _ in 0..STREAM_BYTES / u64::try_from(MESSAGE_BYTES_MAX).expect("a megabyte") + 5 {
            publisher.publish(message.clone().into()).await.expect("no other hub has this id");
        }
    });
    let said = cluster.hubs[0].try_start().expect_err("refused");
    for words in ["WF_test_03", "away for longer", "Move its data folder away", "windfire cluster join --from"] {
        assert!(said.contains(words), "{said}");
    }
}

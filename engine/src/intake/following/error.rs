//! Why a message of a stream is not applied.

use crate::limits::SHARDS;
use crate::record::Corrupt;
use crate::store::StoreError;

/// Why a message of a stream is not applied. Nothing of it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The hub is not in a cluster.
    #[error("this hub follows no stream: it was opened without Options::following")]
    Alone,
    /// There is no such partition.
    #[error("partition {partition} is not within 0 to {}", SHARDS - 1)]
    NoPartition {
        /// The partition that was named.
        partition: usize,
    },
    /// The stream does not go back as far as this hub.
    #[error(
        "partition {partition}: this hub has followed the stream up to message {followed}, and the next one is {found}: \
         what is in between is gone. Restore a backup of another hub, and follow from there"
    )]
    Gap {
        /// The partition.
        partition: usize,
        /// The newest message that was applied here.
        followed: u64,
        /// The message that came.
        found: u64,
    },
    /// The stream does not have a message of this hub that the brokers had confirmed.
    #[error(
        "partition {partition}: the stream brings message {found} of this hub, and message {missing} did not come: the \
         brokers lost messages that they had confirmed, and nothing of these was acknowledged. Restore the brokers' \
         files; if they are lost, run \"windfire cluster leave\" and \"windfire cluster init\" on the hub that has \
         most, and let the others join again"
    )]
    Hole {
        /// The partition.
        partition: usize,
        /// The number of the message that is missing, counted by this process.
        missing: u64,
        /// The number of the message that came.
        found: u64,
    },
    /// The registry's stream does not go back as far as this hub.
    #[error(
        "registry: this hub has followed the stream up to message {followed}, and the next one is {found}: what is \
         in between is gone. Restore a backup of another hub, and follow from there"
    )]
    RegistryGap {
        /// The newest message that was applied here.
        followed: u64,
        /// The message that came.
        found: u64,
    },
    /// A newer hub wrote the message.
    #[error("a message has format {found}, newer than this hub's {supported}: use the newer hub, nothing was changed")]
    NewerFormat {
        /// Version found.
        found: u8,
        /// Newest version that this hub knows.
        supported: u8,
    },
    /// The message's bytes do not mean anything.
    #[error("a message of the stream is {0}")]
    Corrupt(#[from] Corrupt),
    /// What a message of the registry brought could not be written. It can be brought again when the store takes writes.
    #[error(transparent)]
    Store(#[from] StoreError),
}

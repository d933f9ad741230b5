//! Why a hub does not start with these brokers or these streams. Each refusal names the thing, its value and the
//! remedy.

use crate::limits::{HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, REPLICAS_MIN, VERSION_MIN};

/// Something that loses data, mixes up clusters, or cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A broker is too old.
    #[error(
        "the broker {broker} is nats-server {version}, and the oldest that is used is {}.{}: upgrade it",
        VERSION_MIN.0,
        VERSION_MIN.1
    )]
    BrokerTooOld {
        /// Its name or address.
        broker: String,
        /// Its version.
        version: String,
    },
    /// No broker has JetStream.
    #[error("none of the brokers {urls} has JetStream: add jetstream {{ }} to the configuration of each")]
    NoJetStream {
        /// Their addresses.
        urls: String,
    },
    /// A broker takes only small messages.
    #[error(
        "the broker {broker} has max_payload = {bytes}, and {} are needed: raise max_payload in its configuration",
        MESSAGE_BYTES_MAX + HEADER_BYTES_MAX
    )]
    PayloadTooSmall {
        /// Its name or address.
        broker: String,
        /// Bytes that it takes.
        bytes: usize,
    },
    /// Too few brokers.
    #[error(
        "the brokers cannot keep {replicas} copies of a stream ({reason}): {} brokers in one cluster are needed, so \
         that one may fail: start more, and give each the routes to the others",
        REPLICAS_MIN
    )]
    TooFewBrokers {
        /// Copies that were asked for.
        replicas: usize,
        /// What the brokers said.
        reason: String,
    },
    /// The brokers have no room for a stream.
    #[error(
        "the brokers have no room for the stream {stream}, for which each of them reserves {bytes} bytes ({reason}): \
         raise max_file_store under jetstream in the configuration of each broker above cluster_stream_gib_max, or \
         lower cluster_stream_gib_max"
    )]
    StorageTooSmall {
        /// The stream.
        stream: String,
        /// Bytes that it may have.
        bytes: i64,
        /// What the brokers said.
        reason: String,
    },
    /// A stream has too few copies.
    #[error(
        "the stream {stream} has {replicas} of the {} copies that are needed: run \"nats stream edit {stream} \
         --replicas {}\"",
        REPLICAS_MIN,
        REPLICAS_MIN
    )]
    TooFewReplicas {
        /// The stream.
        stream: String,
        /// Copies that it has.
        replicas: usize,
    },
    /// A broker acknowledges what is not on its disk.
    #[error(
        "the broker {broker} writes to its disk every {interval_s} s, and a power cut loses what it acknowledged \
         since: set sync_interval: \"always\" under jetstream in its configuration and restart it"
    )]
    NotSynced {
        /// Its name.
        broker: String,
        /// Seconds between its syncs.
        interval_s: u64,
    },
    /// It is not known whether the brokers sync.
    #[error(
        "whether {brokers} sync each write is not known, because only the system account of the brokers may ask: give \
         cluster_system_credentials_file, or set sync_interval: \"always\" under jetstream in the configuration of \
         each broker and state it with cluster_sync_always = true"
    )]
    SyncUnknown {
        /// Which brokers.
        brokers: String,
    },
    /// Brokers run and do not say whether they sync.
    #[error(
        "whether {brokers} sync each write is not known, because they run and do not answer: start the hub again when \
         they do, or stop them until they have sync_interval: \"always\" under jetstream in their configuration"
    )]
    SyncUnanswered {
        /// Which brokers.
        brokers: String,
    },
    /// A stream is not on disks, or acknowledges before it is.
    #[error(
        "the stream {stream} has {setting} = {value:?}, and would lose what it acknowledged: delete it with \"nats \
         stream delete {stream}\" if its messages are not needed, and run \"windfire cluster init\" again"
    )]
    StreamNotDurable {
        /// The stream.
        stream: String,
        /// The setting.
        setting: &'static str,
        /// Its value.
        value: String,
    },
    /// There is no such stream.
    #[error(
        "the brokers have no stream {stream}: check that cluster_name = {cluster:?} is the name of the cluster, and \
         that cluster_nats and cluster_credentials_file lead to its brokers; if there is no cluster yet, run \
         \"windfire cluster init\" on the hub whose data it gets"
    )]
    StreamMissing {
        /// The stream.
        stream: String,
        /// The name of the cluster that was looked for.
        cluster: String,
    },
    /// A stream belongs to another cluster.
    #[error(
        "the stream {stream} belongs to the cluster with the id {found:?}, and this hub to {expected:?}: choose \
         another cluster_name, or restore a backup of a hub of that cluster"
    )]
    AnotherCluster {
        /// The stream.
        stream: String,
        /// The id in its metadata.
        found: String,
        /// The id that this hub has.
        expected: String,
    },
    /// The cluster has another number of partitions.
    #[error(
        "the stream {stream} was created for {found:?} partitions, and this version of Windfire has {expected}: use \
         the version that the other hubs have"
    )]
    OtherPartitions {
        /// The stream.
        stream: String,
        /// The number in its metadata.
        found: String,
        /// The number that this hub has.
        expected: u16,
    },
    /// Another process has the hub's id.
    #[error("cluster_hub_id = {hub:?} is used by a hub that is running ({holder}): give each hub its own hub_id")]
    HubIdInUse {
        /// The id.
        hub: String,
        /// The id with the boot of the process that has it.
        holder: String,
    },
}

impl Refusal {
    /// Whether `cluster_allow_unsafe` makes a warning of it: what it says is then true, and the hub works all the same.
    /// The others would mix two clusters or cannot work.
    pub fn may_be_allowed(&self) -> bool {
        match self {
            Self::BrokerTooOld { .. }
            | Self::TooFewBrokers { .. }
            | Self::TooFewReplicas { .. }
            | Self::NotSynced { .. }
            | Self::SyncUnknown { .. }
            | Self::SyncUnanswered { .. }
            | Self::StreamNotDurable { .. } => true,
            Self::NoJetStream { .. }
            | Self::PayloadTooSmall { .. }
            | Self::StorageTooSmall { .. }
            | Self::StreamMissing { .. }
            | Self::AnotherCluster { .. }
            | Self::OtherPartitions { .. }
            | Self::HubIdInUse { .. } => false,
        }
    }
}

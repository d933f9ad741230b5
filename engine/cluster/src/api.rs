//! The JSON of JetStream's API, as far as it is used here. Fields that are not named are ignored.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Error codes of JetStream.
pub(crate) mod code {
    /// Too few brokers can take the stream: there are not more, or they have no room.
    pub(crate) const NO_SUITABLE_PEERS: u32 = 10_005;
    /// A broker that is alone has no room for the stream.
    pub(crate) const NO_STORAGE: u32 = 10_047;
    /// There is no such message.
    pub(crate) const NO_MESSAGE: u32 = 10_037;
    /// Another message is the last one than was expected; the second of them without its sequence.
    pub(crate) const WRONG_LAST: [u32; 2] = [10_071, 10_164];
    /// There is no such stream.
    pub(crate) const NO_STREAM: u32 = 10_059;
    /// The account has no JetStream, or the broker has none.
    pub(crate) const NO_JETSTREAM: [u32; 2] = [10_039, 10_076];
    /// A stream with copies needs brokers that form a cluster.
    pub(crate) const NOT_CLUSTERED: u32 = 10_074;
}

/// An answer that says no.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ApiError {
    #[serde(default)]
    pub(crate) err_code: u32,
    #[serde(default)]
    pub(crate) description: String,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    error: Option<ApiError>,
}

/// Reads an answer.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Result<T, ApiError>, serde_json::Error> {
    match serde_json::from_slice::<Envelope>(bytes)?.error {
        Some(error) => Ok(Err(error)),
        None => serde_json::from_slice(bytes).map(Ok),
    }
}

/// The answer to a publish.
#[derive(Debug, Deserialize)]
pub(crate) struct Published {
    pub(crate) seq: u64,
}

/// What a stream is to be, or is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct StreamConfig {
    pub(crate) name: String,
    pub(crate) subjects: Vec<String>,
    pub(crate) retention: String,
    pub(crate) discard: String,
    pub(crate) storage: String,
    pub(crate) num_replicas: usize,
    pub(crate) max_consumers: i64,
    pub(crate) max_msgs: i64,
    pub(crate) max_msgs_per_subject: i64,
    pub(crate) max_msg_size: i64,
    pub(crate) max_bytes: i64,
    /// Nanoseconds.
    pub(crate) max_age: u64,
    /// Nanoseconds.
    pub(crate) duplicate_window: u64,
    pub(crate) deny_delete: bool,
    pub(crate) deny_purge: bool,
    pub(crate) allow_rollup_hdrs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) persist_mode: Option<String>,
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A stream as it is.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StreamInfo {
    pub(crate) config: StreamConfig,
    pub(crate) state: StreamBounds,
    /// When it was created, as text. All brokers say the same.
    #[serde(default)]
    pub(crate) created: String,
    #[serde(default)]
    pub(crate) cluster: Option<StreamCluster>,
}

/// The messages of a stream.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamBounds {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
}

/// The subjects of a stream that were asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct SubjectsInfo {
    pub(crate) state: StreamSubjects,
}

/// Each with the number of its messages.
#[derive(Debug, Deserialize)]
pub(crate) struct StreamSubjects {
    #[serde(default)]
    pub(crate) subjects: Option<BTreeMap<String, u64>>,
}

/// The brokers that have a stream.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamCluster {
    pub(crate) leader: Option<String>,
    pub(crate) replicas: Vec<StreamPeer>,
}

/// One of them, besides the leader.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamPeer {
    pub(crate) name: String,
    pub(crate) current: bool,
    pub(crate) offline: bool,
    /// Nanoseconds since the leader heard it; 0 if it never did.
    pub(crate) active: i64,
}

/// Which message is asked for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageQuery {
    /// The last one of a subject.
    LastBySubj(String),
    /// The one with this sequence.
    Seq(u64),
}

/// A message as the leader of its stream has it.
#[derive(Debug, Deserialize)]
pub(crate) struct MessageAnswer {
    pub(crate) message: RawMessage,
}

/// Its parts; headers and data are base64.
#[derive(Debug, Deserialize)]
pub(crate) struct RawMessage {
    pub(crate) seq: u64,
    #[serde(default)]
    pub(crate) hdrs: String,
    #[serde(default)]
    pub(crate) data: String,
}

/// A place in a stream from which a follower reads.
#[derive(Debug, Serialize)]
pub(crate) struct ConsumerRequest {
    pub(crate) stream_name: String,
    pub(crate) config: ConsumerConfig,
}

/// How it reads.
#[derive(Debug, Serialize)]
pub(crate) struct ConsumerConfig {
    pub(crate) deliver_policy: &'static str,
    pub(crate) opt_start_seq: u64,
    pub(crate) ack_policy: &'static str,
    pub(crate) replay_policy: &'static str,
    pub(crate) mem_storage: bool,
    pub(crate) num_replicas: usize,
    /// Nanoseconds.
    pub(crate) inactive_threshold: u64,
}

/// The place as it is.
#[derive(Debug, Deserialize)]
pub(crate) struct ConsumerInfo {
    pub(crate) name: String,
}

/// A request for messages.
#[derive(Debug, Serialize)]
pub(crate) struct PullRequest {
    pub(crate) batch: usize,
    pub(crate) max_bytes: usize,
    /// Nanoseconds.
    pub(crate) expires: u64,
    /// Nanoseconds.
    pub(crate) idle_heartbeat: u64,
}

/// What a broker says of itself to the system account.
#[derive(Debug, Deserialize)]
pub(crate) struct BrokerAnswer {
    pub(crate) server: BrokerName,
    pub(crate) data: BrokerData,
}

/// Which broker it is.
#[derive(Debug, Deserialize)]
pub(crate) struct BrokerName {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Its version and its JetStream.
#[derive(Debug, Deserialize)]
pub(crate) struct BrokerData {
    pub(crate) version: String,
    #[serde(default)]
    pub(crate) jetstream: BrokerJetStream,
}

/// The JetStream of a broker, if it has one.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct BrokerJetStream {
    #[serde(default)]
    pub(crate) config: Option<BrokerStorage>,
    #[serde(default)]
    pub(crate) meta: Option<BrokerGroup>,
}

/// The group of all brokers that have JetStream, as one of them knows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BrokerGroup {
    /// The name of the broker that leads it.
    pub(crate) leader: String,
    pub(crate) cluster_size: i64,
    /// The others. Only the leader tells them.
    pub(crate) replicas: Vec<BrokerPeer>,
}

/// A broker, as the leader of all knows it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BrokerPeer {
    pub(crate) name: String,
    pub(crate) offline: bool,
    /// Nanoseconds since the leader heard it.
    pub(crate) active: i64,
}

/// How a broker writes.
#[derive(Debug, Deserialize)]
pub(crate) struct BrokerStorage {
    #[serde(default)]
    pub(crate) sync_always: bool,
    /// Nanoseconds; without a meaning when it always syncs.
    #[serde(default)]
    pub(crate) sync_interval: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_nats_server_is_read() {
        let done = read::<Published>(br#"{"stream":"WF_x_00","seq":7,"duplicate": true}"#).unwrap().unwrap();
        assert_eq!(done.seq, 7);
        // nats-server 2.15.1 writes both.
        let refused = br#"{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 1"},"seq":0}"#;
        let error = read::<Published>(refused).unwrap().unwrap_err();
        assert_eq!((error.err_code, error.description.as_str()), (10_071, "wrong last sequence: 1"));
        assert!(read::<Published>(b"+OK").is_err());
        assert!(read::<Published>(b"{}").is_err());
    }

    #[test]
    fn a_query_names_one_message() {
        let last = serde_json::to_string(&MessageQuery::LastBySubj("a.b".to_owned())).unwrap();
        let at = serde_json::to_string(&MessageQuery::Seq(9)).unwrap();
        assert_eq!((last.as_str(), at.as_str()), (r#"{"last_by_subj":"a.b"}"#, r#"{"seq":9}"#));
    }

    #[test]
    fn how_a_broker_syncs_is_read() {
        let always = br#"{"server":{"name":"b1","id":"N"},"data":{"version":"2.15.1","jetstream":{"config":
            {"sync_interval":120000000000,"sync_always":true}}}}"#;
        let storage = read::<BrokerAnswer>(always).unwrap().unwrap().data.jetstream.config.unwrap();
        assert!(storage.sync_always);
        let default = br#"{"server":{"name":"b1","id":"N"},"data":{"version":"2.15.1","jetstream":{"config":
            {"sync_interval":120000000000}}}}"#;
        let storage = read::<BrokerAnswer>(default).unwrap().unwrap().data.jetstream.config.unwrap();
        assert_eq!((storage.sync_always, storage.sync_interval), (false, 120_000_000_000));
        let none = br#"{"server":{"name":"b1","id":"N"},"data":{"version":"2.15.1","jetstream":{}}}"#;
        assert!(read::<BrokerAnswer>(none).unwrap().unwrap().data.jetstream.config.is_none());
    }
}

//! The streams of a cluster: creating them, and their state.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::api::{ApiError, StreamConfig, StreamInfo, StreamPeer, code};
use crate::backoff::Backoff;
use crate::brokers::Brokers;
use crate::error::{ClusterError, Trouble, shown};
use crate::limits::{
    COPY_SILENCE_MAX, DUPLICATE_WINDOW, LEASE_KEPT, LEASES_BYTES_MAX, PARTITIONS_MAX, STREAM_BYTES_MIN,
};
use crate::mailbox::Mailbox;
use crate::names::{ClusterId, Names, StreamOf};
use crate::refusal::Refusal;
use crate::stored::stream_info;

/// Keys of a stream's metadata.
pub(crate) const CLUSTER_ID: &str = "windfire_cluster_id";
pub(crate) const PARTITIONS: &str = "windfire_partitions";

/// How nats-server says that brokers have no room, among its reasons for too few of them.
const NO_ROOM: &str = "insufficient storage";

/// How often creating one stream is tried.
const TRIES_MAX: u32 = 8;

/// How the streams of a cluster are made.
#[derive(Debug, Clone)]
pub struct StreamPlan {
    /// The cluster's id.
    pub cluster_id: ClusterId,
    /// Partitions, at most [`PARTITIONS_MAX`].
    pub partitions: u16,
    /// Copies of each stream; fewer than [`REPLICAS_MIN`](crate::limits::REPLICAS_MIN) are unsafe.
    pub replicas: usize,
    /// How long a message is kept: as long as a hub may be away.
    pub age_max: Duration,
    /// Bytes that the stream of one partition may have, at least [`STREAM_BYTES_MIN`].
    pub bytes_max: u64,
}

/// A stream as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// What it holds.
    pub of: StreamOf,
    /// Its name.
    pub name: String,
    /// The broker that leads it; none while they elect one.
    pub leader: Option<String>,
    /// The brokers that have it.
    pub replicas: usize,
    /// Those of them that keep up with it, as far as their leader knows.
    pub current: usize,
    /// The sequence of its first message; one after the last if it has none.
    pub first: u64,
    /// The sequence of its last message, 0 if there never was one.
    pub last: u64,
    /// Its messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Creates the streams that are missing. Those that are there stay as they are.
///
/// # Errors
/// When the plan cannot be used, a stream belongs to another cluster, or the brokers do not create one.
pub async fn create_streams(brokers: &Brokers, names: &Names, plan: &StreamPlan) -> Result<(), ClusterError> {
    check_plan(plan)?;
    let mut mailbox = brokers.mailbox();
    for config in configs(names, plan) {
        create(&mut mailbox, &config, &plan.cluster_id).await?;
    }
    Ok(())
}

/// The state of every partition's stream, and of the registry's.
///
/// # Errors
/// When a stream is missing, or the brokers do not answer.
pub async fn stream_states(
    brokers: &Brokers,
    names: &Names,
    partitions: u16,
) -> Result<Vec<StreamState>, ClusterError> {
    let mut mailbox = brokers.mailbox();
    let mut states = Vec::new();
    for of in all(partitions) {
        let name = names.stream(of);
        let info = stream_info(&mut mailbox, &name).await;
        match info.map_err(|trouble| trouble.of(format!("looking at the stream {name}")))? {
            Some(info) => states.push(state(of, name, &info)),
            None => return Err(Refusal::StreamMissing { stream: name, cluster: names.cluster().to_string() }.into()),
        }
    }
    Ok(states)
}

/// The streams that are followed.
pub(crate) fn all(partitions: u16) -> impl Iterator<Item = StreamOf> {
    (0..partitions.min(PARTITIONS_MAX)).map(StreamOf::Partition).chain([StreamOf::Registry])
}

/// The brokers that have a stream. Without a cluster there is one.
pub(crate) fn peers(info: &StreamInfo) -> usize {
    let Some(cluster) = &info.cluster else { return 1 };
    let led = usize::from(cluster.leader.as_ref().is_some_and(|leader| !leader.is_empty()));
    led.saturating_add(cluster.replicas.iter().filter(|peer| !peer.name.is_empty()).count())
}

fn state(of: StreamOf, name: String, info: &StreamInfo) -> StreamState {
    let cluster = info.cluster.clone().unwrap_or_default();
    let leader = cluster.leader.filter(|leader| !leader.is_empty()).map(|leader| shown(&leader));
    let silent_ns_max = i64::try_from(COPY_SILENCE_MAX.as_nanos()).unwrap_or(i64::MAX);
    // Of a stream that is written to, a copy is hardly ever current, and its broker was heard a moment ago.
    let keeps_up = |peer: &&StreamPeer| !peer.offline && (peer.current || (1..silent_ns_max).contains(&peer.active));
    let others = cluster.replicas.iter().filter(keeps_up).count();
    StreamState {
        of,
        name,
        replicas: peers(info),
        current: others.saturating_add(usize::from(leader.is_some() || info.cluster.is_none())),
        leader,
        // A stream that never had a message begins at 0 for the brokers.
        first: info.state.first_seq.max(1),
        last: info.state.last_seq,
        messages: info.state.messages,
        bytes: info.state.bytes,
    }
}

fn check_plan(plan: &StreamPlan) -> Result<(), ClusterError> {
    let wrong = |option, value: String, reason: String| Err(ClusterError::Option { option, value, reason });
    if plan.partitions == 0 || plan.partitions > PARTITIONS_MAX {
        return wrong("partitions", plan.partitions.to_string(), format!("must be 1 to {PARTITIONS_MAX}"));
    }
    if plan.bytes_max < STREAM_BYTES_MIN || i64::try_from(plan.bytes_max).is_err() {
        let reason = format!("must be at least {STREAM_BYTES_MIN}, so that the stream keeps more than some minutes");
        return wrong("cluster_stream_gib_max", plan.bytes_max.to_string(), reason);
    }
    if plan.age_max < 2 * DUPLICATE_WINDOW {
        let reason = format!("must be at least {} s", 2 * DUPLICATE_WINDOW.as_secs());
        return wrong("cluster_stream_hours", format!("{} s", plan.age_max.as_secs()), reason);
    }
    Ok(())
}

fn configs(names: &Names, plan: &StreamPlan) -> Vec<StreamConfig> {
    let metadata = BTreeMap::from([
        (CLUSTER_ID.to_owned(), plan.cluster_id.to_string()),
        (PARTITIONS.to_owned(), plan.partitions.to_string()),
    ]);
    let common = StreamConfig {
        retention: "limits".to_owned(),
        storage: "file".to_owned(),
        num_replicas: plan.replicas,
        max_consumers: -1,
        max_msgs: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        duplicate_window: nanoseconds(DUPLICATE_WINDOW),
        deny_delete: true,
        metadata,
        ..StreamConfig::default()
    };
    let stream = |of| StreamConfig {
        name: names.stream(of),
        subjects: vec![names.subjects(of)],
        discard: "old".to_owned(),
        max_bytes: i64::try_from(plan.bytes_max).unwrap_or(i64::MAX),
        max_age: nanoseconds(plan.age_max),
        deny_purge: true,
        ..common.clone()
    };
    let mut configs: Vec<StreamConfig> = all(plan.partitions).map(stream).collect();
    configs.push(StreamConfig {
        name: names.lease_stream(),
        subjects: vec![names.lease_subjects()],
        discard: "new".to_owned(),
        max_msgs_per_subject: 1,
        max_bytes: LEASES_BYTES_MAX,
        max_age: nanoseconds(LEASE_KEPT),
        allow_rollup_hdrs: true,
        ..common
    });
    configs
}

async fn create(mailbox: &mut Mailbox, config: &StreamConfig, id: &ClusterId) -> Result<(), ClusterError> {
    let mut backoff = Backoff::new();
    loop {
        let trouble = match created(mailbox, config, id).await {
            Ok(Ok(())) => return Ok(()),
            // Brokers that have just started take one another for offline, or do not know each other's room.
            Ok(Err(Refusal::TooFewBrokers { .. } | Refusal::StorageTooSmall { .. }))
                if backoff.failures() < TRIES_MAX =>
            {
                backoff.wait().await;
                continue;
            }
            Ok(Err(refusal)) => return Err(refusal.into()),
            Err(trouble) => trouble,
        };
        if backoff.failures() >= TRIES_MAX || matches!(trouble, Trouble::Refused(_)) {
            return Err(trouble.of(format!("creating the stream {}", config.name)));
        }
        backoff.wait().await;
    }
}

/// Creates a stream that is missing. An answer that was lost is known at the next try, because the stream is there.
async fn created(mailbox: &mut Mailbox, config: &StreamConfig, id: &ClusterId) -> Result<Result<(), Refusal>, Trouble> {
    if let Some(info) = stream_info(mailbox, &config.name).await? {
        return Ok(check_owner(&info, id));
    }
    match mailbox.api::<StreamInfo>(&format!("STREAM.CREATE.{}", config.name), config).await {
        Ok(_) => Ok(Ok(())),
        Err(Trouble::Refused(error)) => refusal_of(config, &error).map(Err).ok_or(Trouble::Refused(error)),
        Err(trouble) => Err(trouble),
    }
}

/// What an answer to the creation of a stream means, if it will not pass by itself.
fn refusal_of(config: &StreamConfig, error: &ApiError) -> Option<Refusal> {
    let reason = shown(&error.description);
    let has_room = !error.description.contains(NO_ROOM);
    match error.err_code {
        code::NO_SUITABLE_PEERS if has_room => Some(Refusal::TooFewBrokers { replicas: config.num_replicas, reason }),
        code::NOT_CLUSTERED => Some(Refusal::TooFewBrokers { replicas: config.num_replicas, reason }),
        code::NO_SUITABLE_PEERS | code::NO_STORAGE => {
            Some(Refusal::StorageTooSmall { stream: config.name.clone(), bytes: config.max_bytes, reason })
        }
        _ => None,
    }
}

/// Whether a stream belongs to the cluster with that id.
pub(crate) fn check_owner(info: &StreamInfo, id: &ClusterId) -> Result<(), Refusal> {
    let found = info.config.metadata.get(CLUSTER_ID).map_or("none", String::as_str);
    let expected = id.to_string();
    if found == expected {
        return Ok(());
    }
    Err(Refusal::AnotherCluster { stream: info.config.name.clone(), found: shown(found), expected })
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> StreamPlan {
        StreamPlan {
            cluster_id: "0123".parse().unwrap(),
            partitions: 16,
            replicas: 3,
            age_max: Duration::from_secs(86_400),
            bytes_max: STREAM_BYTES_MIN,
        }
    }

    #[test]
    fn every_stream_is_on_disks_has_copies_and_says_whose_it_is() {
        let configs = configs(&Names::new("prod".parse().unwrap()), &plan());
        assert_eq!(configs.len(), 18);
        for config in &configs {
            assert_eq!((config.storage.as_str(), config.num_replicas, config.deny_delete), ("file", 3, true));
            assert_eq!(config.metadata.get(CLUSTER_ID).map(String::as_str), Some("0123"));
            assert_eq!(config.metadata.get(PARTITIONS).map(String::as_str), Some("16"));
            assert!(config.max_bytes > 0 && config.max_age > config.duplicate_window, "{config:?}");
        }
        assert_eq!(configs[0].subjects, ["wf.prod.p.0.*"]);
        assert_eq!(configs[16].name, "WF_prod_registry");
        assert_eq!((configs[17].max_msgs_per_subject, configs[17].allow_rollup_hdrs), (1, true));
    }

    #[test]
    fn a_copy_counts_while_its_broker_is_heard() {
        let read = |replicas: &str| {
            let text = format!(
                r#"{{"config":{{}},"created":"","state":{{}},"cluster":{{"leader":"b1","replicas":[{replicas}]}}}}"#
            );
            let info: StreamInfo = serde_json::from_str(&text).unwrap();
            let state = state(StreamOf::Registry, "WF_main_registry".to_owned(), &info);
            (state.current, state.replicas)
        };
        let well = r#"{"name":"b2","current":true,"active":300000000}"#;
        for (other, current) in [
            (r#"{"name":"b3","current":true,"active":0}"#, 3),
            (r#"{"name":"b3","current":false,"active":900000000,"lag":12}"#, 3),
            (r#"{"name":"b3","current":false,"active":6122041135}"#, 2),
            (r#"{"name":"b3","current":false,"active":0}"#, 2),
            (r#"{"name":"b3","current":true,"offline":true,"active":5}"#, 2),
        ] {
            assert_eq!(read(&format!("{well},{other}")), (current, 3), "{other}");
        }
    }

    #[test]
    fn brokers_without_room_are_told_from_too_few_brokers() {
        let config =
            StreamConfig { name: "WF_prod_00".to_owned(), max_bytes: 5, num_replicas: 3, ..Default::default() };
        let said = |err_code, text: &str| refusal_of(&config, &ApiError { err_code, description: text.to_owned() });
        for (err_code, text) in [
            (10_005, "no suitable peers for placement, insufficient storage"),
            (10_005, "no suitable peers for placement, peer offline, insufficient storage"),
            (10_047, "insufficient storage resources available"),
        ] {
            let refusal = said(err_code, text).expect("it does not pass");
            assert_eq!(
                refusal,
                Refusal::StorageTooSmall { stream: "WF_prod_00".to_owned(), bytes: 5, reason: text.to_owned() }
            );
            let line = refusal.to_string();
            assert!(line.contains("max_file_store") && line.contains("cluster_stream_gib_max"), "{line}");
            assert!(!refusal.may_be_allowed());
        }
        for (err_code, text) in [
            (10_005, "no suitable peers for placement"),
            (10_005, "no suitable peers for placement, peer offline"),
            (10_074, "replicas > 1 not supported in non-clustered mode"),
        ] {
            assert!(matches!(said(err_code, text), Some(Refusal::TooFewBrokers { replicas: 3, .. })), "{text}");
        }
        assert_eq!(said(10_008, "JetStream system temporarily unavailable"), None);
    }

    #[test]
    fn a_plan_that_cannot_work_is_refused() {
        assert_eq!(check_plan(&plan()), Ok(()));
        for wrong in [
            StreamPlan { partitions: 0, ..plan() },
            StreamPlan { partitions: PARTITIONS_MAX + 1, ..plan() },
            StreamPlan { bytes_max: STREAM_BYTES_MIN - 1, ..plan() },
            StreamPlan { bytes_max: u64::MAX, ..plan() },
            StreamPlan { age_max: Duration::from_secs(60), ..plan() },
        ] {
            assert!(check_plan(&wrong).is_err(), "{wrong:?}");
        }
    }
}

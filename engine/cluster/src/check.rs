//! What would lose data, mix up clusters or not work, looked at before a hub starts.

use std::collections::BTreeMap;

use async_nats::ServerInfo;
use futures_util::future::join_all;

use crate::brokers::{Brokers, open, unconnected};
use crate::error::{ClusterError, shown};
use crate::limits::{HEADER_BYTES_MAX, MESSAGE_BYTES_MAX, REPLICAS_MIN, URLS_MAX, VERSION_MIN};
use crate::names::{ClusterId, Names};
use crate::options::BrokerOptions;
use crate::refusal::Refusal;
use crate::stored::stream_info;
use crate::streams::{PARTITIONS, all, check_owner, peers};
use crate::sync;

/// A broker that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerState {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it syncs each write, if it is known.
    pub is_synced: Option<bool>,
}

/// The brokers, and what is wrong with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerCheck {
    /// Those that were found, sorted by name.
    pub brokers: Vec<BrokerState>,
    /// Addresses of the configuration at which none answers, with the reason.
    pub unreachable: Vec<String>,
    /// What is wrong.
    pub refusals: Vec<Refusal>,
}

/// Looks at every broker that the configuration names, that these advertise, or that the system account knows.
///
/// # Errors
/// When no broker answers, or an option cannot be used.
pub async fn check_brokers(options: &BrokerOptions) -> Result<BrokerCheck, ClusterError> {
    options.check()?;
    let mut infos = BTreeMap::new();
    let mut unreachable = Vec::new();
    let mut advertised = Vec::new();
    for (url, result) in probe(options, &options.urls).await {
        match result {
            Ok(info) => {
                advertised.extend(info.connect_urls.iter().cloned());
                infos.insert(info.server_id.clone(), info);
            }
            Err(error @ ClusterError::NotAdmitted { .. }) => return Err(error),
            Err(error) => unreachable.push(format!("{}: {error}", shown(&url))),
        }
    }
    if infos.is_empty() {
        let reason = unreachable.first().cloned().unwrap_or_default();
        return Err(ClusterError::Unreachable { urls: options.shown_urls(), reason });
    }
    if !options.are_urls_all {
        advertised.sort();
        advertised.dedup();
        advertised.truncate(URLS_MAX);
        // An address that is advertised need not be one that this machine reaches.
        let found = probe(options, &advertised).await.into_iter().filter_map(|(_, result)| result.ok());
        infos.extend(found.map(|info| (info.server_id.clone(), info)));
    }
    let reached = infos.iter().map(|(id, info)| (id.clone(), shown(&info.server_name))).collect();
    let system = sync::ask(options, &reached).await?;
    let mut refusals = Vec::new();
    let mut brokers = Vec::new();
    for (id, info) in &infos {
        let facts = system.found.get(id);
        brokers.push(BrokerState {
            name: shown(&info.server_name),
            version: shown(&info.version),
            is_synced: facts.and_then(|facts| facts.is_synced),
        });
        if info.max_payload < MESSAGE_BYTES_MAX + HEADER_BYTES_MAX {
            refusals.push(Refusal::PayloadTooSmall { broker: shown(&info.server_name), bytes: info.max_payload });
        }
    }
    for (_, facts) in system.found.iter().filter(|(id, _)| !infos.contains_key(*id)) {
        let (name, version) = (facts.name.clone(), facts.version.clone());
        brokers.push(BrokerState { name, version, is_synced: facts.is_synced });
    }
    brokers.sort_by(|left, right| left.name.cmp(&right.name));
    let old = brokers.iter().filter(|broker| !is_new_enough(&broker.version));
    refusals.extend(
        old.map(|broker| Refusal::BrokerTooOld { broker: broker.name.clone(), version: broker.version.clone() }),
    );
    if !infos.values().any(|info| info.jetstream) {
        refusals.push(Refusal::NoJetStream { urls: options.shown_urls() });
    }
    refusals.extend(sync::refusals(options, &reached, &system));
    Ok(BrokerCheck { brokers, unreachable, refusals })
}

/// Looks at the streams of a cluster, which must have that id and that many partitions.
///
/// # Errors
/// When the brokers do not answer.
pub async fn check_streams(
    brokers: &Brokers,
    names: &Names,
    id: &ClusterId,
    partitions: u16,
) -> Result<Vec<Refusal>, ClusterError> {
    let mut mailbox = brokers.mailbox();
    let mut refusals = Vec::new();
    let streams = all(partitions).map(|of| names.stream(of)).chain([names.lease_stream()]);
    for stream in streams {
        let info = stream_info(&mut mailbox, &stream).await;
        let info = info.map_err(|trouble| trouble.of(format!("looking at the stream {stream}")))?;
        let Some(info) = info else {
            refusals.push(Refusal::StreamMissing { stream, cluster: names.cluster().to_string() });
            continue;
        };
        if let Err(refusal) = check_owner(&info, id) {
            refusals.push(refusal);
            continue;
        }
        let found = info.config.metadata.get(PARTITIONS).map_or("", String::as_str);
        if found != partitions.to_string() {
            let found = shown(found);
            refusals.push(Refusal::OtherPartitions { stream: stream.clone(), found, expected: partitions });
        }
        let replicas = info.config.num_replicas.min(peers(&info));
        // While the brokers elect a leader, none is told, and one is missing among the copies.
        let is_led = info.cluster.as_ref().is_none_or(|cluster| cluster.leader.is_some());
        if replicas.saturating_add(usize::from(!is_led)) < REPLICAS_MIN {
            refusals.push(Refusal::TooFewReplicas { stream: stream.clone(), replicas });
        }
        let persist_mode = info.config.persist_mode.as_deref().unwrap_or("default");
        for (setting, value, durable) in
            [("storage", info.config.storage.as_str(), "file"), ("persist_mode", persist_mode, "default")]
        {
            if value != durable {
                let value = shown(value);
                refusals.push(Refusal::StreamNotDurable { stream: stream.clone(), setting, value });
            }
        }
    }
    Ok(refusals)
}

/// Whether a hub starts: what it is warned of, if `allow_unsafe` allows it.
///
/// # Errors
/// The first refusal that is not allowed.
pub fn verdict(refusals: Vec<Refusal>, allow_unsafe: bool) -> Result<Vec<Refusal>, Refusal> {
    match refusals.iter().find(|refusal| !allow_unsafe || !refusal.may_be_allowed()) {
        Some(refusal) => Err(refusal.clone()),
        None => Ok(refusals),
    }
}

/// What the broker at each address says of itself.
async fn probe(options: &BrokerOptions, urls: &[String]) -> Vec<(String, Result<ServerInfo, ClusterError>)> {
    join_all(urls.iter().map(|url| async move {
        // Without those that it advertises, so that no other answers for it.
        let alone = BrokerOptions { are_urls_all: true, ..options.clone() };
        let client = open(&alone, vec![url.clone()], options.credentials.as_ref()).await;
        let info = client.map(|client| client.server_info());
        (url.clone(), info.map_err(|error| unconnected(shown(url), &error)))
    }))
    .await
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= VERSION_MIN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, is_new) in [
            ("2.12.0", true),
            ("2.12.0-RC.1", true),
            ("2.15.1", true),
            ("10.0.0", true),
            ("2.9.25", false),
            ("2.11.9", false),
            ("1.99.0", false),
            ("", false),
            ("v2", false),
        ] {
            assert_eq!(is_new_enough(version), is_new, "{version}");
        }
    }

    #[test]
    fn only_some_refusals_can_be_allowed() {
        let unsynced = Refusal::NotSynced { broker: "b1".to_owned(), interval_s: 120 };
        let another =
            Refusal::AnotherCluster { stream: "WF_x_00".to_owned(), found: "a".to_owned(), expected: "b".to_owned() };
        assert_eq!(verdict(Vec::new(), false), Ok(Vec::new()));
        assert_eq!(verdict(vec![unsynced.clone()], false), Err(unsynced.clone()));
        assert_eq!(verdict(vec![unsynced.clone()], true), Ok(vec![unsynced.clone()]));
        assert_eq!(verdict(vec![unsynced, another.clone()], true), Err(another));
    }
}

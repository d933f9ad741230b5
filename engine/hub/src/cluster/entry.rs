//! The start of a hub that is one of several: it looks at brokers and streams, and takes its id. Whatever is wrong is
//! an error of the start, with the remedy.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use tokio::runtime::Runtime;
use windfire_cluster::limits::REWOUND_MIN;
use windfire_cluster::{
    BootId, BrokerCheck, BrokerOptions, Brokers, ClusterError, ClusterId, ClusterName, Credentials, FollowError, HubId,
    Lease, NameError, Names, Refusal, StreamOf, StreamState, check_brokers, check_streams, claim_hub_id, stream_states,
    verdict,
};
use windfire_engine::limits::SHARDS;
use windfire_engine::{Engine, Member, Membership};
use xxhash_rust::xxh3::xxh3_64;

use super::ledger::{Proposals, RegistryLedger};
use super::membership;
use super::state::{Found, State};
use crate::config::{ClusterConfig, Config};
use crate::limits::{BROKERS_RETRY, BROKERS_START_MAX};
use crate::threads::runtime;

/// Brokers and streams that were found sound. The hub has no id yet.
pub(crate) struct Entry {
    runtime: Runtime,
    brokers: Brokers,
    names: Names,
    hub: HubId,
    boot: BootId,
    check: BrokerCheck,
    warnings: Vec<Refusal>,
    is_sync_stated: bool,
    ledger: Arc<RegistryLedger>,
    proposals: Proposals,
    is_registry_stale: Arc<AtomicBool>,
}

/// A hub that has its id, until the lease is lost.
pub(crate) struct Claimed {
    pub(super) runtime: Runtime,
    pub(super) brokers: Brokers,
    pub(super) names: Names,
    pub(super) hub: HubId,
    pub(super) boot: BootId,
    pub(super) lease: Lease,
    pub(super) proposals: Proposals,
    pub(crate) state: Arc<State>,
}

/// Looks at brokers and streams. `None` for a hub that is alone.
///
/// # Errors
/// The hub must not start with them, or with this data folder.
pub(crate) fn enter(config: &Config) -> Result<Option<Entry>, String> {
    let data = config.data.display();
    match (membership::read(&config.data)?, config.cluster.is_on()) {
        (None, false) => Ok(None),
        (Some(_), false) => Err(format!(
            "data folder {data} belongs to a cluster: give cluster_nats and cluster_hub_id, because a hub of a cluster \
             that continues alone does not get what the others take; if it is to be alone from now on, run \"windfire \
             cluster leave\" first"
        )),
        (None, true) => Err(format!(
            "data folder {data} belongs to no cluster: run \"windfire cluster init\" on the hub whose data the cluster \
             gets; every other hub begins in an empty data folder, with \"windfire cluster join --from https://HUB\" \
             or with a backup of a hub that is in the cluster"
        )),
        (Some(known), true) => {
            let names = names(&config.cluster)?;
            let id = known.called(names.cluster(), &config.data)?;
            Entry::new(&config.cluster, names, &id).map(Some)
        }
    }
}

impl Entry {
    fn new(config: &ClusterConfig, names: Names, id: &ClusterId) -> Result<Self, String> {
        let (options, hub) = (options(config)?, hub(config)?);
        let boot = boot()?;
        let runtime = runtime()?;
        let reached = runtime.block_on(async {
            let (brokers, check, mut warnings) = reach(config, &options).await?;
            let refusals = sound_streams(&brokers, &names, id).await?;
            warnings.extend(verdict(refusals, config.allow_unsafe)?);
            Ok::<_, ClusterError>((brokers, check, warnings))
        });
        let (brokers, check, warnings) = reached.map_err(|error| error.to_string())?;
        for refusal in &warnings {
            tracing::error!("unsafe, and started all the same because of cluster_allow_unsafe: {refusal}");
        }
        for broker in &check.unreachable {
            tracing::warn!("one of the brokers is not reached: {broker}");
        }
        // Until the brokers have said how far the registry is.
        let is_registry_stale = Arc::new(AtomicBool::new(true));
        let (ledger, proposals) = RegistryLedger::new(Arc::clone(&is_registry_stale));
        Ok(Self {
            runtime,
            brokers,
            names,
            hub,
            boot,
            check,
            warnings,
            is_sync_stated: config.sync_always,
            ledger: Arc::new(ledger),
            proposals,
            is_registry_stale,
        })
    }

    /// This process, for the engine.
    pub(crate) fn membership(&self) -> Membership {
        // The number of the boot already tells processes apart.
        let [a, b, c, d, ..] = xxh3_64(self.hub.as_str().as_bytes()).to_le_bytes();
        let member = Member { hub_id: u32::from_le_bytes([a, b, c, d]), boot_id: self.boot.0 };
        Membership { member, ledger: Arc::clone(&self.ledger) as _ }
    }

    /// Takes the hub's id. If a process that had it was killed, this takes some seconds.
    ///
    /// # Errors
    /// Another process has the id, or the streams no longer have what comes next for this hub.
    pub(crate) fn claim(self, engine: &Engine) -> Result<Claimed, String> {
        let Self { runtime, brokers, names, hub, boot, proposals, .. } = self;
        let lease = runtime.block_on(async {
            let lease = claim_id(&brokers, &names, &hub, boot).await.map_err(|error| error.to_string())?;
            check_positions(&brokers, &names, engine).await?;
            Ok::<_, String>(lease)
        })?;
        let found = Found {
            brokers: self.check.brokers,
            is_sync_stated: self.is_sync_stated,
            warnings: self.warnings.iter().map(ToString::to_string).collect(),
        };
        let state = State::new(names.cluster().to_string(), hub.clone(), found, self.is_registry_stale);
        state.hold_until(lease.held_until().map(tokio::time::Instant::into_std));
        Ok(Claimed { runtime, brokers, names, hub, boot, lease, proposals, state: Arc::new(state) })
    }
}

/// A number for one run of a process.
///
/// # Errors
/// The operating system gives no randomness.
pub(super) fn boot() -> Result<BootId, String> {
    membership::random().map(|bytes| BootId(u64::from_le_bytes(bytes)))
}

/// How many streams a cluster has for reports.
pub(super) fn partitions() -> u16 {
    u16::try_from(SHARDS).unwrap_or(u16::MAX)
}

/// # Errors
/// A file with credentials cannot be used.
pub(super) fn options(config: &ClusterConfig) -> Result<BrokerOptions, String> {
    let mut options = BrokerOptions::new(config.nats.0.clone());
    let credentials = [
        ("cluster_credentials_file", &config.credentials_file, &mut options.credentials),
        ("cluster_system_credentials_file", &config.system_credentials_file, &mut options.system),
    ];
    for (key, file, place) in credentials {
        let read = file.as_deref().map(|path| Credentials::read(key, path)).transpose();
        *place = read.map_err(|error| error.to_string())?;
    }
    options.name = format!("windfire {}", config.hub_id.as_deref().unwrap_or_default());
    options.ca_file.clone_from(&config.ca_file);
    options.is_sync_stated = config.sync_always;
    Ok(options)
}

/// # Errors
/// The name cannot be used.
pub(super) fn names(config: &ClusterConfig) -> Result<Names, String> {
    config.name.parse::<ClusterName>().map(Names::new).map_err(|error| error.to_string())
}

/// # Errors
/// The id cannot be used.
pub(super) fn hub(config: &ClusterConfig) -> Result<HubId, String> {
    let hub_id = config.hub_id.as_deref().unwrap_or_default();
    hub_id.parse().map_err(|error: NameError| error.to_string())
}

/// Connects to brokers that lose nothing. Returns what of them is unsafe, if that is allowed.
///
/// # Errors
/// They are not reached, do not admit this hub, or are refused.
pub(super) async fn reach(
    config: &ClusterConfig,
    options: &BrokerOptions,
) -> Result<(Brokers, BrokerCheck, Vec<Refusal>), ClusterError> {
    let check = check_brokers(options).await?;
    let warnings = verdict(check.refusals.clone(), config.allow_unsafe)?;
    Ok((Brokers::connect(options).await?, check, warnings))
}

/// What is wrong with the streams.
///
/// # Errors
/// The brokers do not answer.
pub(super) async fn sound_streams(
    brokers: &Brokers,
    names: &Names,
    id: &ClusterId,
) -> Result<Vec<Refusal>, ClusterError> {
    patiently(async || check_streams(brokers, names, id, partitions()).await).await
}

/// Asks again for a while when the brokers do not answer: they may just elect a leader.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T, ClusterError>) -> Result<T, ClusterError> {
    let until = Instant::now() + BROKERS_START_MAX;
    loop {
        match ask().await {
            Err(ClusterError::Failed { .. }) if Instant::now() < until => tokio::time::sleep(BROKERS_RETRY).await,
            other => return other,
        }
    }
}

/// Takes a hub's id. If a process that had it was killed, this takes some seconds.
///
/// # Errors
/// Another process has the id, or the brokers do not answer.
pub(super) async fn claim_id(
    brokers: &Brokers,
    names: &Names,
    hub: &HubId,
    boot: BootId,
) -> Result<Lease, ClusterError> {
    patiently(async || claim_hub_id(brokers, names, hub, boot).await).await
}

/// Refuses a hub that was away for longer than the streams reach, or that is ahead of them.
///
/// # Errors
/// It was or is, or the brokers do not answer.
pub(super) async fn check_positions(brokers: &Brokers, names: &Names, engine: &Engine) -> Result<(), String> {
    let applied = |of| match of {
        StreamOf::Partition(partition) => engine.followed(partition.into()),
        StreamOf::Registry => engine.registry_followed(),
    };
    let until = Instant::now() + REWOUND_MIN;
    loop {
        let states = patiently(async || stream_states(brokers, names, partitions()).await).await;
        let states = states.map_err(|error| error.to_string())?;
        // Without a leader nobody knows where a stream ends.
        let is_leaderless = states.iter().any(|state| state.leader.is_none() && state.replicas > 1);
        let until = if is_leaderless { until + REWOUND_MIN } else { until };
        match continue_streams(states, applied) {
            // A new leader may be behind for a moment.
            Err(FollowError::Rewound { .. }) if Instant::now() < until => tokio::time::sleep(BROKERS_RETRY).await,
            result => return result.map_err(|error| error.to_string()),
        }
    }
}

/// Whether each stream has what comes next for a hub, or will have it. `applied` says how far the hub is.
///
/// # Errors
/// One begins after that, or ends before what the hub has applied.
fn continue_streams(states: Vec<StreamState>, applied: impl Fn(StreamOf) -> u64) -> Result<(), FollowError> {
    for state in states {
        let applied = applied(state.of);
        if state.first > applied.saturating_add(1) {
            return Err(FollowError::Behind { stream: state.name, first: state.first, applied });
        }
        if state.last < applied {
            return Err(FollowError::Rewound { stream: state.name, last: state.last, applied });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_continues_only_streams_that_have_what_it_applied_and_what_comes_next() {
        let state = |first, last| StreamState {
            of: StreamOf::Registry,
            name: "WF_test_registry".to_owned(),
            leader: None,
            replicas: 3,
            current: 3,
            first,
            last,
            messages: 0,
            bytes: 0,
        };
        let at = |applied: u64, first: u64, last: u64| continue_streams(vec![state(first, last)], |_| applied);
        for (applied, first, last) in [(0, 1, 0), (0, 1, 9), (9, 1, 9), (9, 10, 9), (9, 10, 12)] {
            assert_eq!(at(applied, first, last), Ok(()), "{applied} of {first} to {last}");
        }
        let behind = at(8, 10, 12).expect_err("message 9 is gone").to_string();
        assert!(behind.contains("away for longer than the stream reaches"), "{behind}");
        let rewound = at(9, 1, 8).expect_err("message 9 was lost").to_string();
        assert!(rewound.contains("ends at 8") && rewound.contains("windfire cluster init"), "{rewound}");
        assert!(at(9, 1, 0).is_err(), "it was created again");
    }
}

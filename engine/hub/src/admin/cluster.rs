//! The command line's request about the cluster of a running hub.

use std::path::Path;
use std::time::Instant;

use super::{BrokerLine, ClusterAnswer, Hub, HubLine, Invited, PartitionLine};
use crate::cluster::State;
use crate::limits::INVITATION_LASTS;

/// # Errors
/// No hub runs, or it is alone.
pub(super) fn status(hub: &Hub<'_>) -> Result<ClusterAnswer, String> {
    let Some(running) = &hub.running else { return Err(no_hub(hub.data)) };
    let data = hub.data.display();
    let alone = || format!("the hub of data folder {data} is alone: it has no cluster_nats in its configuration");
    running.cluster.map(answer).ok_or_else(alone)
}

/// Lets another hub fetch a backup.
///
/// # Errors
/// No hub runs, or it is alone.
pub(super) fn invite(hub: &Hub<'_>) -> Result<Invited, String> {
    status(hub)?;
    let Some(running) = &hub.running else { return Err(no_hub(hub.data)) };
    let invitation = running.invitations.invite(INVITATION_LASTS, Instant::now());
    Ok(Invited { invitation, minutes: INVITATION_LASTS.as_secs() / 60, fingerprint: hub.agents.fingerprint.clone() })
}

/// A hub that does not run does not know how the cluster is.
pub(super) fn no_hub(data: &Path) -> String {
    format!("no hub runs on data folder {}: start it, then ask again", data.display())
}

fn answer(state: &State) -> ClusterAnswer {
    let (standing, now) = (state.standing(), Instant::now());
    let brokers = state.brokers.iter().map(|broker| BrokerLine {
        name: broker.name.clone(),
        version: broker.version.clone(),
        is_synced: broker.is_synced,
    });
    let hubs = state.hubs().into_iter().map(|hub| HubLine {
        runs: hub.runs(now),
        renewed_s: hub.renewed_ago(now).as_secs(),
        hub_id: hub.id.to_string(),
    });
    let lags = state.partitions.iter().zip(&standing.lags);
    let partitions = lags.enumerate().map(|(number, (partition, lag))| PartitionLine {
        partition: number,
        applied: partition.position(),
        lag_messages: lag.messages,
        lag_s: lag.time.as_secs_f64(),
    });
    ClusterAnswer {
        name: state.cluster.clone(),
        hub_id: state.hub.to_string(),
        not_ready: state.why_not_ready(),
        broker: standing.broker.clone(),
        lease_s: state.lease_left(now).as_secs(),
        brokers: brokers.collect(),
        is_sync_stated: state.is_sync_stated,
        warnings: state.warnings.clone(),
        hubs: hubs.collect(),
        alerts_hub_id: state.judge(now),
        registry_applied: state.registry.position(),
        registry_lag_messages: standing.registry.messages,
        partitions: partitions.collect(),
    }
}

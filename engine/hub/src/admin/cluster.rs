//! The command line's request about the cluster of a running hub.

use std::path::Path;
use std::time::Instant;

use windfire_api::{Cluster as _, ClusterState};

use super::{Hub, Invited};
use crate::limits::INVITATION_LASTS;

/// # Errors
/// No hub runs, or it is alone.
pub(super) fn status(hub: &Hub<'_>) -> Result<ClusterState, String> {
    let Some(running) = &hub.running else { return Err(no_hub(hub.data)) };
    let data = hub.data.display();
    let alone = || format!("the hub of data folder {data} is alone: it has no cluster_nats in its configuration");
    running.cluster.map(|state| state.describe()).ok_or_else(alone)
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

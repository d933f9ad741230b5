//! Which hubs a cluster has: those that hold their ids, or held them until lately.

use crate::api::{MessageQuery, SubjectsInfo};
use crate::brokers::Brokers;
use crate::error::{ClusterError, Trouble, shown};
use crate::limits::HUBS_MAX;
use crate::names::{HubId, Names};
use crate::stored::message;

/// A hub whose id was held lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSeen {
    /// The id.
    pub hub: HubId,
    /// The id with the boot of the process that has it.
    pub holder: String,
    /// What changes each time that the process renews it. A hub whose revision stays has ended, or has no brokers.
    pub revision: u64,
}

/// The hubs that hold their ids, and those that ended without giving theirs back lately, sorted by id; at most
/// [`HUBS_MAX`].
///
/// # Errors
/// When the brokers do not answer.
pub async fn hubs(brokers: &Brokers, names: &Names) -> Result<Vec<HubSeen>, ClusterError> {
    find(brokers, names).await.map_err(|trouble| trouble.of("looking for the hubs of the cluster"))
}

async fn find(brokers: &Brokers, names: &Names) -> Result<Vec<HubSeen>, Trouble> {
    let (mut mailbox, stream) = (brokers.mailbox(), names.lease_stream());
    let filter = serde_json::json!({ "subjects_filter": names.hub_leases() });
    let info = mailbox.api::<SubjectsInfo>(&format!("STREAM.INFO.{stream}"), &filter).await?;
    let mut seen = Vec::new();
    for subject in info.state.subjects.unwrap_or_default().into_keys().take(HUBS_MAX) {
        let Some(hub) = names.hub_of_lease(&subject) else { continue };
        let found = message(&mut mailbox, &stream, &MessageQuery::LastBySubj(subject)).await?;
        if let Some(found) = found.filter(|found| !found.is_deletion) {
            let holder = shown(&found.text().unwrap_or_default());
            seen.push(HubSeen { hub, holder, revision: found.sequence });
        }
    }
    seen.sort_by(|left, right| left.hub.cmp(&right.hub));
    Ok(seen)
}

//! `windfire cluster leave`: a stopped hub of a cluster becomes a hub that is alone, with the data that it has.

use std::sync::Arc;

use windfire_cluster::ClusterError;
use windfire_engine::limits::SHARDS;
use windfire_engine::{Engine, Member, Membership, Options};

use super::entry::{boot, claim_id, hub, names, options, reach};
use super::ledger::NoLedger;
use super::membership;
use crate::config::Config;
use crate::folder;
use crate::threads::runtime;
use crate::user::check_may_write;

/// Makes the data folder that of a hub alone. A second attempt goes on where the first one ended. Returns a text for
/// the operator.
///
/// # Errors
/// The hub runs, is in no cluster, or the disk refuses.
pub(crate) fn leave(config: &Config) -> Result<String, String> {
    let data = &config.data;
    folder::check_is_hubs(data)?;
    check_may_write(data)?;
    let is_member = membership::is_member(data);
    // It holds the store's lock, so that no hub runs meanwhile.
    let own = Some(Membership { member: Member { hub_id: 0, boot_id: 0 }, ledger: Arc::new(NoLedger) });
    let engine = Engine::open(data, Options { following: own, catches_up_later: true, ..Options::default() });
    let engine = engine.map_err(|error| folder::explain(&error))?;
    let has_followed = engine.registry_followed() > 0 || (0..SHARDS).any(|partition| engine.followed(partition) > 0);
    if !is_member && !has_followed {
        return Err(format!("data folder {} belongs to no cluster, so there is none to leave", data.display()));
    }
    // In this order: a hub of a cluster that does not know how far it is would follow everything once more.
    membership::leave(data)?;
    engine.forget_streams().map_err(|error| folder::explain(&error))?;
    drop(engine);
    let id = match give_back(config) {
        Ok(()) => "its cluster_hub_id is free".to_owned(),
        Err(why) => format!("the brokers forget its cluster_hub_id within ten minutes ({why})"),
    };
    Ok(format!(
        "{} is alone from now on, with the data that it has; {id}. Take it out of the list of hubs of every agent: \
         what an agent reports to it, the cluster does not get. Start it without cluster_nats and cluster_hub_id",
        data.display()
    ))
}

/// Gives the hub's id back, also that of a process that was killed.
///
/// # Errors
/// Why that is not possible.
fn give_back(config: &Config) -> Result<(), String> {
    if !config.cluster.is_on() {
        return Err("cluster_nats and cluster_hub_id are not given".to_owned());
    }
    let (options, names, hub, boot) =
        (options(&config.cluster)?, names(&config.cluster)?, hub(&config.cluster)?, boot()?);
    let given_back = runtime()?.block_on(async {
        let (brokers, ..) = reach(&config.cluster, &options).await?;
        claim_id(&brokers, &names, &hub, boot).await?.release().await
    });
    given_back.map_err(|error: ClusterError| error.to_string())
}

//! `windfire cluster init`: the data of a stopped hub becomes that of a cluster.

use std::sync::Arc;
use std::time::Duration;

use windfire_cluster::limits::REPLICAS_MIN;
use windfire_cluster::{ClusterError, StreamPlan, create_streams, verdict};
use windfire_engine::limits::SHARDS;
use windfire_engine::{Engine, Member, Membership, Options};

use super::entry::{names, options, partitions, reach, sound_streams};
use super::ledger::NoLedger;
use super::membership;
use crate::config::Config;
use crate::folder;
use crate::threads::runtime;
use crate::user::check_may_write;

/// Creates the streams of a cluster, and marks the data folder as that of a hub of it. A second attempt goes on where
/// the first one ended. Returns a text for the operator.
///
/// # Errors
/// The hub runs, has followed streams before, or the brokers are refused.
pub(crate) fn init(config: &Config) -> Result<String, String> {
    let data = config.data.display();
    if !config.cluster.is_on() {
        return Err("windfire cluster init needs brokers: give --cluster-nats and --cluster-hub-id".to_owned());
    }
    folder::check_is_hubs(&config.data)?;
    check_may_write(&config.data)?;
    let names = names(&config.cluster)?;
    // Before anything that advises to leave: a mistyped name must not make two clusters of one.
    membership::read(&config.data)?.map(|known| known.called(names.cluster(), &config.data)).transpose()?;
    // It holds the store's lock, so that no hub runs meanwhile. Nothing is written.
    let own = Some(Membership { member: Member { hub_id: 0, boot_id: 0 }, ledger: Arc::new(NoLedger) });
    let engine = Engine::open(&config.data, Options { following: own, catches_up_later: true, ..Options::default() });
    let engine = engine.map_err(|error| folder::explain(&error))?;
    if engine.registry_followed() > 0 || (0..SHARDS).any(|partition| engine.followed(partition) > 0) {
        return Err(format!(
            "data folder {data} has followed the streams of a cluster: run \"windfire cluster leave\" first, if it is \
             to begin a new one"
        ));
    }
    let options = options(&config.cluster)?;
    let id = membership::begin(&config.data, names.cluster())?;
    let created = runtime()?.block_on(async {
        let (brokers, check, mut warnings) = reach(&config.cluster, &options).await?;
        let fewer = check.brokers.len().clamp(1, REPLICAS_MIN);
        let plan = StreamPlan {
            cluster_id: id.clone(),
            partitions: partitions(),
            replicas: if config.cluster.allow_unsafe { fewer } else { REPLICAS_MIN },
            age_max: Duration::from_secs(config.cluster.stream_hours.saturating_mul(3600)),
            // The registry has a stream too.
            bytes_max: (config.cluster.stream_gib_max << 30) / u64::from(partitions().saturating_add(1)),
        };
        create_streams(&brokers, &names, &plan).await?;
        warnings.extend(verdict(sound_streams(&brokers, &names, &id).await?, config.cluster.allow_unsafe)?);
        Ok::<_, ClusterError>(warnings)
    });
    let warnings = created.map_err(|error| error.to_string())?;
    membership::finish(&config.data)?;
    let unsafe_lines: String = warnings.iter().map(|refusal| format!("unsafe: {refusal}\n")).collect();
    Ok(format!(
        "{unsafe_lines}{data} is the first hub of the cluster {}: start it with cluster_nats and cluster_hub_id. Then \
         run \"windfire cluster join --from\" with its address on the machine of every other hub",
        names.cluster()
    ))
}

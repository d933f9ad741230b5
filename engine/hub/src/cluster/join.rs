//! `windfire cluster join`: a new machine becomes a hub of a cluster, with a backup that it fetches from another hub.
//!
//! What comes over the network is in a folder of its own until all of it was read as at a start, and its place in each
//! stream was compared with what the stream still has. If anything fails, the data folder is as it was before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Instant;

use clap::Args;
use tokio::runtime::Runtime;
use windfire_cluster::{BrokerOptions, Brokers, ClusterError, Names, stream_states, verdict};
use windfire_engine::{Contents, Engine, Member, Membership, Options};

use super::entry::{boot, check_positions, claim_id, hub, names, options, partitions, reach, sound_streams};
use super::ledger::NoLedger;
use super::membership;
use super::remote::{Remote, Trust, read_authorities, read_invitation};
use crate::admin::{ParcelError, check_is_new, fill, receive};
use crate::config::Config;
use crate::folder;
use crate::limits::{JOIN_BUSY_MAX, JOIN_RETRY, JOIN_TRIES_MAX};
use crate::output::complain;
use crate::pin::Fingerprint;
use crate::threads::runtime;

/// The hub from which another one joins.
#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Address of the panel of a hub of the cluster, such as https://hub-a:8008
    #[arg(long, value_name = "URL")]
    from: String,
    /// File with the invitation that "windfire cluster invite" has made on that hub
    #[arg(long, value_name = "FILE")]
    invitation_file: PathBuf,
    /// SHA-256 fingerprint of the certificate of its panel ("windfire fingerprint" prints that of the hub's own)
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<Fingerprint>,
    /// PEM file with the authorities that vouch for that certificate, instead of a fingerprint
    #[arg(long, value_name = "FILE", conflicts_with = "fingerprint")]
    ca: Option<PathBuf>,
}

/// The brokers of the cluster, as often as they are asked: there may be an hour between two questions.
struct Cluster<'a> {
    config: &'a Config,
    runtime: Runtime,
    options: BrokerOptions,
    names: Names,
}

/// What came of fetching a backup so far.
#[derive(Default)]
struct Tries {
    /// How often one did not come whole.
    broken: u32,
    /// When the other hub said first, since the last of them, that it cannot send one yet.
    busy_since: Option<Instant>,
}

impl Tries {
    /// What the operator is told before the next try, if anything.
    ///
    /// # Errors
    /// There is no next try.
    fn failed(&mut self, error: ParcelError, now: Instant) -> Result<Option<String>, String> {
        match (error, self.busy_since) {
            (ParcelError::Broken(reason), _) => {
                (self.broken, self.busy_since) = (self.broken + 1, None);
                if self.broken == JOIN_TRIES_MAX {
                    return Err(reason);
                }
                Ok(Some(format!("{reason}: nothing was kept, and it is fetched again")))
            }
            // The other hub may not know yet that the connection has broken, so this is no try.
            (ParcelError::Busy(reason), None) => {
                self.busy_since = Some(now);
                Ok(Some(format!("{reason}; it is asked again for up to {} s", JOIN_BUSY_MAX.as_secs())))
            }
            (ParcelError::Busy(_), Some(since)) if now.duration_since(since) < JOIN_BUSY_MAX => Ok(None),
            (ParcelError::Busy(reason) | ParcelError::Refused(reason), _) => Err(reason),
        }
    }
}

/// Fetches a backup of another hub into the data folder, which must be new. Returns a text for the operator.
///
/// # Errors
/// The brokers are refused, the other hub is not reached or refuses, or the backup is not whole. Nothing is left then.
pub(crate) fn join(config: &Config, source: &Source) -> Result<String, String> {
    let data = &config.data;
    if !config.cluster.is_on() {
        return Err("windfire cluster join needs brokers: give --cluster-nats and --cluster-hub-id".to_owned());
    }
    check_is_new(data)?;
    let trust = match (source.fingerprint, &source.ca) {
        (Some(fingerprint), _) => Trust::Fingerprint(fingerprint),
        (None, Some(path)) => Trust::Authorities(read_authorities(path)?),
        (None, None) => Trust::Nothing,
    };
    let remote = Remote::new(&source.from, trust, read_invitation(&source.invitation_file)?)?;
    let options = options(&config.cluster)?;
    let cluster = Cluster { config, runtime: runtime()?, options, names: names(&config.cluster)? };
    let warnings = cluster.check_id()?;
    let mut tries = Tries::default();
    while let Err(error) = fetch(&cluster, &remote) {
        let told = tries.failed(error, Instant::now());
        if let Some(told) = told.map_err(|reason| format!("{reason}; nothing of it is in {}", data.display()))? {
            complain(&told);
        }
        sleep(JOIN_RETRY);
    }
    folder::close(data)?;
    Ok(format!(
        "{warnings}{} is a hub of the cluster {}: start it with cluster_nats and its own cluster_hub_id, and it \
         follows the streams from there",
        data.display(),
        cluster.names.cluster()
    ))
}

/// Fetches a backup. If it does not come whole, nothing is left of it.
fn fetch(cluster: &Cluster<'_>, remote: &Remote) -> Result<(), ParcelError> {
    let data = &cluster.config.data;
    let own = Membership { member: Member { hub_id: 0, boot_id: 0 }, ledger: Arc::new(NoLedger) };
    // The other hub still has all of it, so it needs no way back.
    let options = Options { following: Some(own), without_rollback: true, ..Options::default() };
    let copy = |beside: &Path| -> Result<Option<Contents>, ParcelError> {
        let room = rustix::fs::statvfs(beside).map_err(|error| format!("{}: {error}", beside.display()))?;
        let mut parcel = remote.fetch()?;
        let mut is_ours = |membership: &str| cluster.check_streams(membership);
        receive(&mut *parcel, beside, room.f_bavail.saturating_mul(room.f_frsize), &mut is_ours).map(Some)
    };
    fill(data, options, copy, |engine| Ok(cluster.check_positions(engine)?))
}

impl Cluster<'_> {
    /// Takes the hub's id and gives it back. Returns what is unsafe and allowed.
    fn check_id(&self) -> Result<String, String> {
        let (hub, boot) = (hub(&self.config.cluster)?, boot()?);
        let checked = self.runtime.block_on(async {
            let (brokers, _, warnings) = reach(&self.config.cluster, &self.options).await?;
            // A name that the brokers do not know is told at once.
            stream_states(&brokers, &self.names, partitions()).await?;
            claim_id(&brokers, &self.names, &hub, boot).await?.release().await?;
            Ok::<_, ClusterError>(warnings)
        });
        let warnings = checked.map_err(|error| error.to_string())?;
        Ok(warnings.iter().map(|refusal| format!("unsafe: {refusal}\n")).collect())
    }

    /// Whether the cluster of the backup is the one whose streams the brokers have.
    fn check_streams(&self, membership: &str) -> Result<(), String> {
        let id = membership::id_of(membership).map_err(|error| format!("the backup cannot be used: {error}"))?;
        let checked = self.runtime.block_on(async {
            let brokers = Brokers::connect(&self.options).await?;
            let refusals = sound_streams(&brokers, &self.names, &id).await?;
            verdict(refusals, self.config.cluster.allow_unsafe)?;
            Ok::<_, ClusterError>(())
        });
        checked.map_err(|error| error.to_string())
    }

    /// Whether the streams still have what comes next for the backup.
    fn check_positions(&self, engine: &Engine) -> Result<(), String> {
        self.runtime.block_on(async {
            let brokers = Brokers::connect(&self.options).await.map_err(|error| error.to_string())?;
            check_positions(&brokers, &self.names, engine).await
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::limits::HTTP_WRITE_TIMEOUT;

    fn broken() -> ParcelError {
        ParcelError::Broken("broken".to_owned())
    }

    fn busy() -> ParcelError {
        ParcelError::Busy("busy".to_owned())
    }

    #[test]
    fn a_hub_that_still_sends_to_a_broken_connection_costs_no_try() {
        let (mut tries, mut now) = (Tries::default(), Instant::now());
        for round in 1..JOIN_TRIES_MAX {
            let told = tries.failed(broken(), now).expect("another try").expect("told");
            assert!(told.contains("fetched again"), "round {round}: {told}");
            let told = tries.failed(busy(), now).expect("asked again").expect("told once");
            assert!(told.starts_with("busy") && told.ends_with("90 s"), "round {round}: {told}");
            // The time begins anew with each break.
            let until = now + HTTP_WRITE_TIMEOUT + Duration::from_secs(30);
            while now < until {
                now += JOIN_RETRY;
                assert_eq!(tries.failed(busy(), now), Ok(None), "round {round}");
            }
        }
        assert_eq!(tries.failed(broken(), now), Err("broken".to_owned()));
    }

    #[test]
    fn a_hub_that_stays_busy_is_given_up_and_one_that_refuses_at_once() {
        let (mut tries, now) = (Tries::default(), Instant::now());
        assert!(matches!(tries.failed(busy(), now), Ok(Some(_))));
        assert_eq!(tries.failed(busy(), now + JOIN_BUSY_MAX - JOIN_RETRY), Ok(None));
        assert_eq!(tries.failed(busy(), now + JOIN_BUSY_MAX), Err("busy".to_owned()));
        let refused = ParcelError::Refused("refused".to_owned());
        assert_eq!(Tries::default().failed(refused, now), Err("refused".to_owned()));
    }
}

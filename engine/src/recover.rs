//! A start reads the checkpoints, then every later commit. All of the log that is not in blocks becomes heads.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::history::{seal_heads, write_sealed};
use crate::intake::{Position, Shards};
use crate::limits::RECOVERED_HEADS_MAX;
use crate::record::Corrupt;
use crate::registry::Registry;
use crate::slot::{Slot, shard_of};
use crate::status::Status;
use crate::store::{Changes, Checkpoints, LogEntry, Store, StoreError, hosts, key, latest, log};

/// What was found on disk.
pub(crate) struct Recovered {
    pub(crate) registry: Registry,
    /// The newest commit.
    pub(crate) last_commit: u64,
    /// How far the latest status was complete on disk.
    pub(crate) checkpoints: Checkpoints,
    /// Servers whose status is newer than the checkpoint.
    pub(crate) dirty: Vec<Arc<Slot>>,
    /// Reports read again from the log.
    pub(crate) replayed_reports: u64,
}

/// Reads the store. The cost is that of the registry plus the log, which goes back to the oldest head. A longer log,
/// such as that of a store from before there was history, is turned into blocks on the way: memory stays bounded.
/// `on_replay` is called with the commits read and the commits in all.
pub(crate) fn recover(
    store: &Arc<Store>,
    shards: &Arc<Shards>,
    on_replay: &dyn Fn(u64, u64),
) -> Result<Recovered, StoreError> {
    on_replay(0, 0);
    let checkpoints = store.checkpoints()?;
    let last_commit = store.last_commit()?.max(checkpoints.newest());
    let mut statuses: HashMap<u64, Status> = HashMap::new();
    for (id, record) in store.scan_ids(key::LATEST, |id, value| Ok((id, latest::read(value)?)))? {
        statuses.entry(id).or_default().restore(record.progress, record.sample, record.last_active_s);
    }
    for (id, facts) in store.scan_ids(key::HOSTS, |id, value| Ok((id, hosts::read(value)?)))? {
        statuses.entry(id).or_default().restore_facts(facts);
    }
    let sealed = store.scan_ids(key::SEALED, |id, value| {
        let sequence = key::id_of(value).ok_or_else(|| Corrupt::at(format!("sealed of server {id}")))?;
        Ok((id, sequence))
    })?;
    let mut replay = Replay {
        statuses,
        sealed: sealed.into_iter().collect(),
        servers: store.scan_ids(key::SERVERS, |id, _| Ok(id))?.into_iter().collect(),
        full: BTreeSet::new(),
        full_count: 0,
        replayed_reports: 0,
    };
    let mut first = None;
    store.scan(key::LOG, &[], &mut |key, value| {
        let commit = key::commit_of(key).ok_or_else(|| Corrupt::at("a log key"))?;
        let first = *first.get_or_insert(commit);
        let count_to = |commit: u64| commit.saturating_sub(first).saturating_add(1);
        on_replay(count_to(commit), count_to(last_commit.max(commit)));
        log::read(value, &mut |entry| replay.take(entry, commit, &checkpoints))?;
        if replay.full_count > RECOVERED_HEADS_MAX { replay.seal(store) } else { Ok(()) }
    })?;
    let Replay { mut statuses, sealed, replayed_reports, .. } = replay;
    // No number that is in history may be given out again, even if salvage had to leave out the latest status.
    for (id, sequence) in sealed {
        statuses.entry(id).or_default().restore_sequence(sequence);
    }
    statuses.values_mut().for_each(Status::end_replay);
    let registry = Registry::load(store, shards, |id| statuses.remove(&id).unwrap_or_default())?;
    let dirty = registry.slots().into_iter().filter(|slot| slot.status.lock().is_dirty()).collect();
    Ok(Recovered { registry, last_commit, checkpoints, dirty, replayed_reports })
}

/// Servers while the log is read.
struct Replay {
    statuses: HashMap<u64, Status>,
    /// Newest report of each server that is in a block.
    sealed: HashMap<u64, u64>,
    /// Servers that exist. The log may still have reports of removed ones.
    servers: HashSet<u64>,
    /// Servers with full heads.
    full: BTreeSet<u64>,
    full_count: usize,
    replayed_reports: u64,
}

impl Replay {
    fn take(&mut self, entry: LogEntry, commit: u64, checkpoints: &Checkpoints) {
        let is_after_checkpoint = |server_id| !checkpoints.cover(shard_of(server_id), commit);
        match entry {
            LogEntry::Outbox { server_id, outbox_id } => {
                if is_after_checkpoint(server_id) {
                    self.statuses.entry(server_id).or_default().replay_outbox(outbox_id);
                }
            }
            LogEntry::Report { server_id, sequence, received_ms, sample } => {
                if !self.servers.contains(&server_id) {
                    return;
                }
                let status = self.statuses.entry(server_id).or_default();
                status.restore_sequence(sequence);
                if sequence > self.sealed.get(&server_id).copied().unwrap_or(0)
                    && status.push(sequence, &sample, Position(commit), received_ms)
                {
                    self.full.insert(server_id);
                    self.full_count += 1;
                }
                if is_after_checkpoint(server_id) {
                    status.replay(sequence, sample, received_ms);
                    self.replayed_reports += 1;
                }
            }
        }
    }

    /// Turns the full heads into blocks, however old they are: the time is not known yet.
    fn seal(&mut self, store: &Store) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        for server_id in std::mem::take(&mut self.full) {
            let status = self.statuses.entry(server_id).or_default();
            seal_heads(&mut changes, server_id, status.full_heads().iter().map(Arc::as_ref), i64::MIN)?;
            status.seal(status.full_heads().len());
        }
        self.full_count = 0;
        write_sealed(store, &changes)
    }
}

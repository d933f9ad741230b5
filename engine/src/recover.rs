//! A start: what the checkpoint knew, then every commit after it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::latest::HostFacts;
use crate::registry::Registry;
use crate::slot::{Slot, Status};
use crate::store::{LogEntry, Store, StoreError, hosts, key, latest, log};

/// What was found on disk.
pub(crate) struct Recovered {
    pub(crate) registry: Registry,
    /// The newest commit.
    pub(crate) last_commit: u64,
    /// Servers whose status is newer than the checkpoint.
    pub(crate) dirty: Vec<Arc<Slot>>,
    /// Reports read again from the log.
    pub(crate) replayed_reports: u64,
}

/// Reads the store. The cost is that of the registry plus at most one checkpoint's worth of log.
pub(crate) fn recover(store: &Store) -> Result<Recovered, StoreError> {
    let checkpoint = store.number(key::CHECKPOINT)?;
    let last_commit = store.last_commit()?.max(checkpoint);
    let mut statuses: HashMap<u64, Status> = HashMap::new();
    for (id, record) in store.scan_ids(key::LATEST, |id, value| Ok((id, latest::read(value)?)))? {
        let status = statuses.entry(id).or_default();
        status.progress = record.progress;
        status.latest.last_active_s = record.last_active_s;
        status.latest.sample = record.sample;
    }
    for (id, facts) in store.scan_ids(key::HOSTS, |id, value| Ok((id, hosts::read(value)?)))? {
        statuses.entry(id).or_default().latest.facts = Arc::<HostFacts>::new(facts);
    }
    let mut replayed_reports = 0;
    store.scan(key::LOG, &key::log_key(checkpoint + 1, 0), &mut |_, value| {
        log::read(value, &mut |entry| replayed_reports += replay(&mut statuses, entry))
    })?;
    let registry = Registry::load(store, |id| statuses.remove(&id).unwrap_or_default())?;
    let dirty = registry.slots().into_iter().filter(|slot| slot.status.lock().is_dirty).collect();
    Ok(Recovered { registry, last_commit, dirty, replayed_reports })
}

fn replay(statuses: &mut HashMap<u64, Status>, entry: LogEntry) -> u64 {
    match entry {
        LogEntry::Outbox { server_id, outbox_id } => {
            statuses.entry(server_id).or_default().progress.switch_to(outbox_id);
            0
        }
        LogEntry::Report { server_id, sequence, received_ms, sample } => {
            let status = statuses.entry(server_id).or_default();
            status.progress.advance(sequence);
            status.latest.sample = sample;
            status.latest.last_active_s = Some(received_ms.div_euclid(1000));
            status.is_dirty = true;
            1
        }
    }
}

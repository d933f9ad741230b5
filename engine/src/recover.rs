//! A start: what the checkpoints knew, then every commit after them. Older commits that are not in history yet are left to
//! [`CatchUp`], so that a start takes as long as the newest part of the log, however long all of it is.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use crate::fail_point::FailPoint;
use crate::history::CatchUp;
use crate::intake::Shards;
use crate::limits::{SHARDS, START_THREADS_MAX};
use crate::record::Corrupt;
use crate::registry::Registry;
use crate::slot::{Slot, shard_of};
use crate::status::Status;
use crate::store::{Checkpoints, LogEntry, Store, StoreError, Unreadable, hosts, key, latest, log};

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
    /// Stretches of the newest part of the log that cannot be read, by name.
    pub(crate) lost: Vec<String>,
    /// The part of the log that history has to catch up with.
    pub(crate) catch_up: Option<CatchUp>,
}

/// Reads the store: the registry, the latest status, and the log from the oldest checkpoint on. `on_replay` hears how far that
/// is, in commits read and commits in all.
pub(crate) fn recover(
    store: &Arc<Store>,
    shards: &Arc<Shards>,
    on_replay: &dyn Fn(u64, u64),
) -> Result<Recovered, StoreError> {
    on_replay(0, 0);
    let checkpoints = store.checkpoints()?;
    let last_commit = store.last_commit()?.max(checkpoints.newest());
    // Servers that there are: the log may still have reports of removed ones.
    let mut statuses = Statuses::default();
    for id in store.scan_ids(key::SERVERS, |id, _| Ok(id))? {
        statuses.0[shard_of(id)].insert(id, Status::default());
    }
    for (id, record) in store.scan_ids(key::LATEST, |id, value| Ok((id, latest::read(value)?)))? {
        if let Some(status) = statuses.get_mut(id) {
            status.restore(record.progress, record.sample, record.last_active_s);
            status.restore_session(record.session);
        }
    }
    for (id, facts) in store.scan_ids(key::HOSTS, |id, value| Ok((id, hosts::read(value)?)))? {
        if let Some(status) = statuses.get_mut(id) {
            status.restore_facts(facts);
        }
    }
    let sealed = store.scan_ids(key::SEALED, |id, value| {
        let sequence = key::id_of(value).ok_or_else(|| Corrupt::at(format!("sealed of server {id}")))?;
        Ok((id, sequence))
    })?;
    let sealed: BTreeMap<u64, u64> = sealed.into_iter().collect();
    let all = last_commit.saturating_sub(checkpoints.oldest());
    let on_commit = |commit: u64| on_replay(commit - checkpoints.oldest(), all);
    let (replayed_reports, lost) = statuses.replay(store, &checkpoints, &on_commit)?;
    for (id, status) in statuses.0.iter_mut().flatten() {
        // No number that is in history may be given out again, even where the latest status was lost and salvage did without it.
        sealed.get(id).into_iter().for_each(|sequence| status.restore_sequence(*sequence));
        status.end_replay();
    }
    let servers = statuses.0.iter().flat_map(HashMap::keys).map(|id| (*id, sealed.get(id).copied().unwrap_or(0)));
    let catch_up = CatchUp::new(store, last_commit, servers)?;
    let registry = Registry::load(store, shards, |id| statuses.0[shard_of(id)].remove(&id).unwrap_or_default())?;
    let dirty = registry.slots().into_iter().filter(|slot| slot.status.lock().is_dirty()).collect();
    store.reach(FailPoint::StatusRecovered);
    Ok(Recovered { registry, last_commit, checkpoints, dirty, replayed_reports, lost, catch_up })
}

/// The latest status of every server, by shard: a value of the log is one shard's, so threads share them out.
#[derive(Default)]
struct Statuses([HashMap<u64, Status>; SHARDS]);

impl Statuses {
    fn get_mut(&mut self, server_id: u64) -> Option<&mut Status> {
        self.0[shard_of(server_id)].get_mut(&server_id)
    }

    /// Takes what the log has after each shard's checkpoint. Returns the reports in it, and what cannot be read, by name.
    /// `on_commit` hears how far it is.
    fn replay(
        &mut self,
        store: &Store,
        checkpoints: &Checkpoints,
        on_commit: &dyn Fn(u64),
    ) -> Result<(u64, Vec<String>), StoreError> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(START_THREADS_MAX);
        let mut parts: Vec<Part<'_>> = (0..threads).map(|_| Part::default()).collect();
        for (shard, statuses) in self.0.iter_mut().enumerate() {
            parts[shard % threads].0[shard] = Some(statuses);
        }
        let own = parts.pop().unwrap_or_default();
        thread::scope(|scope| {
            let others = parts.into_iter().map(|part| scope.spawn(|| part.replay(store, checkpoints, &|_| {})));
            let others: Vec<_> = others.collect();
            let own = own.replay(store, checkpoints, on_commit);
            let (mut reports, mut lost) = own?;
            for other in others {
                let other = other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
                reports += other.0;
                lost.extend(other.1);
            }
            // A stretch is met by every thread.
            lost.sort();
            lost.dedup();
            Ok((reports, lost))
        })
    }
}

/// The shards that one thread replays.
#[derive(Default)]
struct Part<'a>([Option<&'a mut HashMap<u64, Status>>; SHARDS]);

impl Part<'_> {
    fn replay(
        mut self,
        store: &Store,
        checkpoints: &Checkpoints,
        on_commit: &dyn Fn(u64),
    ) -> Result<(u64, Vec<String>), StoreError> {
        let (mut reports, mut lost) = (0, Vec::new());
        let mut visit = |key: &[u8], value: &[u8]| {
            let (commit, shard) = key::log_of(key).ok_or_else(|| Corrupt::at("a log key"))?;
            on_commit(commit);
            if let Some(Some(statuses)) = self.0.get_mut(usize::from(shard))
                && !checkpoints.cover(shard.into(), commit)
            {
                log::read(value, &mut |entry| reports += u64::from(take(statuses, entry)))?;
            }
            Ok(true)
        };
        store.walk_log(checkpoints.oldest() + 1, Unreadable::Ends, &mut visit, &mut |what| lost.push(what))?;
        Ok((reports, lost))
    }
}

/// Takes an entry of the log. Whether it was a report.
fn take(statuses: &mut HashMap<u64, Status>, entry: LogEntry) -> bool {
    match entry {
        LogEntry::Outbox { server_id, outbox_id } => {
            if let Some(status) = statuses.get_mut(&server_id) {
                status.replay_outbox(outbox_id);
            }
            false
        }
        LogEntry::Session { server_id, session } => {
            if let Some(status) = statuses.get_mut(&server_id) {
                status.replay_session(session);
            }
            false
        }
        LogEntry::Report { server_id, sequence, received_ms, sample } => {
            let status = statuses.get_mut(&server_id);
            status.map(|status| status.replay(sequence, sample, received_ms)).is_some()
        }
    }
}

//! What may be asked of history, by the id of a server.

use super::catch_up::CatchUpProgress;
use super::facts::FactsPage;
use super::plan::{HistoryQuery, Plan};
use super::series::Series;
use super::storage::TierUsage;
use super::tier::{HOUR_MS, Retention, Tier};
use super::upkeep::History;
use super::uptime::Uptime;
use super::verify::Verified;
use crate::registry::Registry;
use crate::sample::Sample;
use crate::store::{Changes, Store, StoreError, key};

/// History as readers see it. Everything but [`HistoryReader::plan`] reads the disk.
#[derive(Clone, Copy)]
pub struct HistoryReader<'a> {
    history: &'a History,
    store: &'a Store,
    registry: &'a Registry,
}

impl<'a> HistoryReader<'a> {
    pub(crate) fn new(history: &'a History, store: &'a Store, registry: &'a Registry) -> Self {
        Self { history, store, registry }
    }

    /// How far history has caught up after a start: until then, reports from before it may be missing in answers. `None` when
    /// it has all reports.
    pub fn catch_up(&self) -> Option<CatchUpProgress> {
        self.history.catch_up_progress()
    }

    /// How a query would be answered now.
    pub fn plan(&self, query: &HistoryQuery) -> Plan {
        self.history.floors().plan(query)
    }

    /// The series of one server, in the order of the plan's metrics; `None` when there is no such server.
    ///
    /// # Errors
    /// The store cannot be read. Corrupt blocks are skipped.
    pub fn series(&self, server_id: u64, plan: &Plan) -> Result<Option<Vec<Series>>, StoreError> {
        let slot = self.registry.slot(server_id);
        slot.map(|slot| self.history.series(self.store, &slot, plan)).transpose()
    }

    /// When a server reported within a range of Unix milliseconds; `None` when there is no such server.
    ///
    /// # Errors
    /// As [`HistoryReader::series`].
    pub fn uptime(&self, server_id: u64, from_ms: i64, to_ms: i64) -> Result<Option<Uptime>, StoreError> {
        let slot = self.registry.slot(server_id);
        slot.map(|slot| self.history.uptime(self.store, &slot, from_ms, to_ms)).transpose()
    }

    /// Every report of a server within a range of Unix milliseconds that is kept, in the order of time, with its sequence
    /// number.
    ///
    /// # Errors
    /// As [`HistoryReader::series`].
    pub fn reports(
        &self,
        server_id: u64,
        from_ms: i64,
        to_ms: i64,
        visit: &mut dyn FnMut(u64, &Sample),
    ) -> Result<(), StoreError> {
        match self.registry.slot(server_id) {
            Some(slot) => self.history.reports(self.store, &slot, from_ms, to_ms, visit),
            None => Ok(()),
        }
    }

    /// Facts of a server as they were from each minute on within a range, the earliest first: [`FactsPage`] says where to go
    /// on, because a server may have changed a million times.
    ///
    /// # Errors
    /// As [`HistoryReader::series`].
    pub fn facts_changes(&self, server_id: u64, from_ms: i64, to_ms: i64) -> Result<FactsPage, StoreError> {
        self.history.facts_changes(self.store, server_id, from_ms, to_ms)
    }

    /// Each tier on disk, and what `retention` would free at once.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn usage(&self, retention: &Retention, now_ms: i64) -> Result<Vec<TierUsage>, StoreError> {
        self.history.usage(self.store, retention, now_ms)
    }

    /// How long history is kept.
    pub fn retention(&self) -> Retention {
        self.history.retention()
    }

    /// Servers whose clock is off by more than what is left alone, as of the last round of upkeep that looked at all.
    pub fn clocks_off(&self) -> usize {
        self.history.clocks_off()
    }

    /// Hours and days of a server that upkeep cannot read. They stay as they are, and are tried again.
    pub fn unreadable(&self) -> usize {
        self.history.unreadable()
    }

    /// Why rounds of upkeep fail, when several in a row did: then no heads become blocks, and sessions stall when there is no
    /// room for more. `None` while upkeep is well.
    pub fn failure(&self) -> Option<String> {
        self.history.failure()
    }

    /// Whether a head is full, so that [`crate::Engine::upkeep`] has something to do at once.
    pub fn has_full_heads(&self) -> bool {
        self.history.has_full()
    }

    /// Reads every block of history and the log.
    ///
    /// # Errors
    /// The store cannot be read. Corrupt blocks are in the answer.
    pub fn verify(&self) -> Result<Verified, StoreError> {
        self.history.verify(self.store)
    }

    /// Turns one byte of a block of reports over, for tests. `None` when the server has no block in that hour.
    #[doc(hidden)]
    pub fn damage_block(&self, server_id: u64, time_ms: i64) -> Option<()> {
        let (from, to) = key::raw_range(time_ms.div_euclid(HOUR_MS), server_id);
        let mut damaged = None;
        let mut visit = |key: &[u8], value: &[u8]| {
            let mut value = value.to_vec();
            let middle = value.len() / 2;
            value[middle] ^= 1;
            damaged = Some((key.to_vec(), value));
            Ok(())
        };
        self.store.scan_range(key::RAW, &from, &to, &mut visit).ok()?;
        let (key, value) = damaged?;
        let mut changes = Changes::default();
        changes.put(key::RAW, &key, value);
        self.store.write_synced(&changes).ok()
    }

    /// Merges history's files, so that their size is that of what is kept. For measurements.
    ///
    /// # Errors
    /// The store cannot be written.
    #[doc(hidden)]
    pub fn compact(&self) -> Result<(), StoreError> {
        let mut families = Tier::ALL.map(Tier::family).into_iter().chain([key::LOG]);
        families.try_for_each(|family| self.store.compact(family))
    }
}

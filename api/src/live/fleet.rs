//! The fleet as it was shown last, and the differences from now.

use std::collections::BTreeMap;
use std::sync::Arc;

use windfire_engine::latest::Latest;
use windfire_engine::server::ServerRecord;
use windfire_engine::{Engine, Selection};

use super::row::{Precision, Row};

/// Servers as they were shown last.
pub(super) struct Fleet {
    precision: Precision,
    rows: BTreeMap<u64, Row>,
}

/// The differences from one advance to the next, each in ascending id.
#[derive(Default)]
pub(super) struct Difference {
    /// Removed servers, as they were.
    pub(super) gone: Vec<Arc<ServerRecord>>,
    /// New servers, and those whose record or facts changed, with the record before.
    pub(super) renewed: Vec<(u64, Option<Arc<ServerRecord>>)>,
    /// Servers of which only numbers changed, and which of the fields.
    pub(super) moved: Vec<(u64, u32)>,
}

impl Fleet {
    pub(super) fn new(precision: Precision) -> Self {
        Self { precision, rows: BTreeMap::new() }
    }

    /// Every server, in ascending id.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    pub(super) fn row(&self, id: u64) -> Option<&Row> {
        self.rows.get(&id)
    }

    pub(super) fn precision(&self) -> Precision {
        self.precision
    }

    /// Compares every server.
    pub(super) fn advance(&mut self, engine: &Engine, now_s: i64, offline_after_s: i64) -> Difference {
        self.replace(now_s, offline_after_s, |take| engine.visit(take))
    }

    /// Compares some servers.
    pub(super) fn advance_some(
        &mut self,
        engine: &Engine,
        ids: &[u64],
        now_s: i64,
        offline_after_s: i64,
    ) -> Difference {
        self.replace(now_s, offline_after_s, |take| {
            engine.snapshot(Selection::Ids(ids)).iter().for_each(|view| take(&view.record, &view.latest));
        })
    }

    fn replace(
        &mut self,
        now_s: i64,
        offline_after_s: i64,
        each: impl FnOnce(&mut dyn FnMut(&Arc<ServerRecord>, &Latest)),
    ) -> Difference {
        let mut difference = Difference::default();
        let mut before = std::mem::take(&mut self.rows).into_iter().peekable();
        let mut rows = Vec::new();
        each(&mut |record, latest| {
            while let Some((_, row)) = before.next_if(|(id, _)| *id < record.id) {
                difference.gone.push(row.record);
            }
            let row = Row::of(record, latest, self.precision, now_s, offline_after_s);
            match before.next_if(|(id, _)| *id == record.id) {
                None => difference.renewed.push((record.id, None)),
                Some((_, old)) if !Arc::ptr_eq(&old.record, record) || !Arc::ptr_eq(&old.facts, &row.facts) => {
                    difference.renewed.push((record.id, Some(old.record)));
                }
                Some((_, old)) => {
                    let fields = old.state.iter().zip(&row.state).enumerate();
                    let changed = fields.filter(|(_, (old, new))| old != new);
                    let mask = changed.fold(0, |mask, (field, _)| mask | 1 << field);
                    if mask != 0 {
                        difference.moved.push((record.id, mask));
                    }
                }
            }
            rows.push((record.id, row));
        });
        difference.gone.extend(before.map(|(_, row)| row.record));
        self.rows = rows.into_iter().collect();
        difference
    }
}

//! The copy of a server's heads that a query works on.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::tier::HOUR_MS;
use crate::block::Run;
use crate::head::Head;
use crate::record::Corrupt;
use crate::slot::Slot;

/// Reports that were in a server's heads when a query began.
pub(super) struct Heads {
    /// Numbers from here on are here; blocks that have them too were sealed since.
    pub(super) from_sequence: u64,
    pub(super) runs: Vec<Run>,
    pub(super) hours: BTreeSet<i64>,
}

impl Heads {
    pub(super) fn of(slot: &Slot, range_ms: &Range<i64>) -> Result<Self, Corrupt> {
        let heads = slot.status.lock().heads();
        let from_sequence = heads.first().map_or(u64::MAX, |head| head.first_sequence);
        let in_range = |head: &&Arc<Head>| head.time_last_ms >= range_ms.start && head.time_first_ms < range_ms.end;
        let runs: Vec<Run> = heads.iter().filter(in_range).map(|head| head.run()).collect::<Result<_, _>>()?;
        let hours = runs.iter().flat_map(|run| &run.times_ms).map(|time| time.div_euclid(HOUR_MS)).collect();
        Ok(Self { from_sequence, runs, hours })
    }
}

//! How much disk history takes, and what another retention would free.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::tier::{Retention, Tier};
use super::upkeep::History;
use crate::block::Block;
use crate::limits::{HEAVY_HOURS_PER_ROUND, STORAGE_BLOCKS_READ_MAX};
use crate::record::Corrupt;
use crate::store::{Changes, Store, StoreError, TableFile, key};

/// Number of places in a tier at which blocks are read.
const PLACES: i64 = 8;

/// Part of a tier: its first and last hour or day, and its bytes.
pub(super) struct Extent {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) bytes: u64,
}

/// One tier on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct TierUsage {
    /// Which.
    pub tier: Tier,
    /// Bytes of its files and of what is not in files yet.
    pub bytes: u64,
    /// Start of its oldest hour or day, Unix milliseconds; `None` when it is empty.
    pub oldest_ms: Option<i64>,
    /// Bytes of one row, measured on blocks from all over the tier; `None` when there are none.
    pub bytes_per_row: Option<f64>,
    /// Milliseconds between two rows of one server, measured on the same blocks.
    pub row_interval_ms: Option<f64>,
    /// Bytes that the retention in question would free at once.
    pub freed_bytes: u64,
}

/// The parts of a tier.
pub(super) fn extents(store: &Store, tier: Tier) -> Result<Vec<Extent>, StoreError> {
    let extent = |file: TableFile| {
        Some(Extent { first: key::time_of(&file.first_key)?, last: key::time_of(&file.last_key)?, bytes: file.bytes })
    };
    Ok(store.files(tier.family())?.into_iter().filter_map(extent).collect())
}

/// Bytes before an hour or day. A part on both sides counts by its share of time.
pub(super) fn bytes_before(extents: &[Extent], floor: i64) -> u64 {
    let share = |extent: &Extent| {
        let spans = u128::from(extent.last.abs_diff(extent.first)) + 1;
        let before = u128::try_from(i128::from(floor) - i128::from(extent.first)).unwrap_or(0).min(spans);
        u64::try_from(u128::from(extent.bytes) * before / spans).unwrap_or(u64::MAX)
    };
    extents.iter().map(share).sum()
}

/// One server's hour of reports that takes much disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeavyHour {
    pub(crate) server_id: u64,
    /// Since 1970.
    pub(crate) hour: i64,
    /// Of its blocks when it was packed.
    pub(crate) bytes: u64,
}

/// Notes that a packed hour has more than [`HEAVY_HOUR_BYTES`](crate::limits::HEAVY_HOUR_BYTES).
pub(super) fn note_heavy(changes: &mut Changes, server_id: u64, hour: i64, bytes: u64) {
    changes.put(key::TODO, &key::todo_key(key::TODO_HEAVY, server_id, hour), bytes.to_be_bytes().to_vec());
}

/// Hours that were noted, in the order of their servers. Their number is bounded by the disk: each has at least a megabyte.
fn heavy_hours(store: &Store) -> Result<Vec<HeavyHour>, StoreError> {
    let mut hours = Vec::new();
    store.scan_range(key::TODO, &[key::TODO_HEAVY], &[key::TODO_HEAVY + 1], &mut |key, value| {
        let (_, server_id, hour) = key::todo_of(key).ok_or_else(|| Corrupt::at("a key of todo"))?;
        let bytes = key::id_of(value).ok_or_else(|| Corrupt::at("bytes of a heavy hour"))?;
        hours.push(HeavyHour { server_id, hour, bytes });
        Ok(())
    })?;
    Ok(hours)
}

/// Removes the notes of hours that are gone.
pub(super) fn forget_expired(store: &Store, raw_floor: i64) -> Result<(), StoreError> {
    let mut changes = Changes::default();
    for heavy in heavy_hours(store)?.iter().filter(|heavy| heavy.hour < raw_floor) {
        changes.delete(key::TODO, &key::todo_key(key::TODO_HEAVY, heavy.server_id, heavy.hour));
    }
    if changes.is_empty() { Ok(()) } else { store.write(&changes) }
}

/// What was freed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Freed {
    pub(super) bytes: u64,
    /// There are more hours to take, in the next round.
    pub(super) is_more_due: bool,
}

impl History {
    /// Frees the bytes above the disk budget from hours that take much, as far as there are any.
    pub(super) fn take_from_heaviest(&self, store: &Store) -> Result<Freed, StoreError> {
        let max = self.retention().disk_bytes_max;
        // Files that are not rewritten get no smaller: every round would find the same excess and take more.
        if max == 0 || store.is_idle(key::RAW) {
            return Ok(Freed::default());
        }
        let mut used = 0u64;
        for tier in Tier::ALL {
            used += extents(store, tier)?.iter().map(|extent| extent.bytes).sum::<u64>();
        }
        match used.saturating_sub(max) {
            0 => Ok(Freed::default()),
            excess => self.drop_heavy(store, &self.heaviest_first(store)?, excess),
        }
    }

    /// Hours that a disk budget should take first: those of the server that has most in such hours, its largest hour first,
    /// then those of the server that has second most. Only hours that are packed, and kept.
    fn heaviest_first(&self, store: &Store) -> Result<Vec<HeavyHour>, StoreError> {
        let mut hours = heavy_hours(store)?;
        hours.retain(|heavy| heavy.hour >= self.floor(Tier::Raw));
        let mut bytes_of: HashMap<u64, u64> = HashMap::new();
        for heavy in &hours {
            let bytes = bytes_of.entry(heavy.server_id).or_default();
            *bytes = bytes.saturating_add(heavy.bytes);
        }
        let of_server = |heavy: &HeavyHour| bytes_of.get(&heavy.server_id).copied().unwrap_or_default();
        hours.sort_by_key(|heavy| Reverse((of_server(heavy), heavy.server_id, heavy.bytes, heavy.hour)));
        Ok(hours)
    }

    /// Deletes reports of heavy hours, in the order given, until `excess_bytes` are freed or there are no more; the minutes
    /// that were made of them stay. An hour that has new reports, which are not in its minutes yet, stays too. Afterwards
    /// files are smaller, and extents must be read again. Each hour rewrites files, so one call takes a few only.
    fn drop_heavy(&self, store: &Store, hours: &[HeavyHour], excess_bytes: u64) -> Result<Freed, StoreError> {
        let (mut freed_bytes, mut rewritten) = (0, 0);
        for heavy in hours {
            if freed_bytes >= excess_bytes {
                break;
            }
            if rewritten == HEAVY_HOURS_PER_ROUND {
                return Ok(Freed { bytes: freed_bytes, is_more_due: true });
            }
            let due = key::todo_key(key::TODO_HOUR, heavy.server_id, heavy.hour);
            let mut is_due = false;
            store.scan_while(key::TODO, &due, &mut |key, _| {
                is_due = key == due;
                Ok(false)
            })?;
            if is_due {
                continue;
            }
            let (from, to) = key::raw_range(heavy.hour, heavy.server_id);
            let mut changes = Changes::default();
            changes.delete_range(key::RAW, &from, &to);
            changes.delete(key::TODO, &key::todo_key(key::TODO_HEAVY, heavy.server_id, heavy.hour));
            store.write_synced(&changes)?;
            // Other servers share these files: they are rewritten without this server's part.
            store.compact_range(key::RAW, &from, &to)?;
            freed_bytes = freed_bytes.saturating_add(heavy.bytes);
            rewritten += 1;
        }
        Ok(Freed { bytes: freed_bytes, is_more_due: false })
    }

    /// Every tier on disk, and what `retention` would free. Reads a bounded number of blocks.
    pub(crate) fn usage(
        &self,
        store: &Store,
        retention: &Retention,
        now_ms: i64,
    ) -> Result<Vec<TierUsage>, StoreError> {
        let usage = |tier: Tier| {
            let extents = extents(store, tier)?;
            let (mut rows, mut bytes, mut oldest) = (0, 0, None);
            let (mut intervals, mut span_ms) = (0, 0);
            let mut read = |key: &[u8], value: &[u8]| {
                if let Ok(block) = Block::read(value) {
                    rows += block.header.rows;
                    bytes += value.len() + key.len();
                    intervals += block.header.rows - 1;
                    span_ms += block.header.time_last_ms.abs_diff(block.header.time_first_ms);
                }
                oldest = oldest.or(key::time_of(key));
            };
            let from = self.floor(tier);
            let first = extents.iter().map(|extent| extent.first).min().unwrap_or(from).max(from);
            let last = extents.iter().map(|extent| extent.last).max().unwrap_or(first);
            for place in 0..PLACES {
                let at = first.saturating_add(last.saturating_sub(first).saturating_mul(place) / PLACES);
                let mut left = STORAGE_BLOCKS_READ_MAX / 8;
                store.scan_while(tier.family(), &key::time_key(at), &mut |key, value| {
                    read(key, value);
                    left -= 1;
                    Ok(left > 0)
                })?;
            }
            Ok(TierUsage {
                tier,
                bytes: extents.iter().map(|extent| extent.bytes).sum::<u64>() + store.memory_bytes(tier.family())?,
                oldest_ms: oldest.map(|oldest| oldest.saturating_mul(tier.span_ms())),
                bytes_per_row: (rows > 0).then(|| bytes as f64 / rows as f64),
                row_interval_ms: (intervals > 0).then(|| span_ms as f64 / intervals as f64),
                freed_bytes: bytes_before(&extents, tier.floor_of(retention.days(tier), now_ms)),
            })
        };
        Tier::ALL.into_iter().map(usage).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, Made, many};
    use super::super::upkeep::{State, Upkeep};
    use super::*;
    use crate::limits::{HEAD_ROWS_MAX, HEAVY_HOUR_BYTES};
    use crate::sample::Sample;

    #[test]
    fn a_disk_budget_takes_first_from_who_has_most() {
        let retention = Retention { disk_bytes_max: 1024 * 1024, ..Retention::default() };
        let made = Made::new(retention, None);
        let mut random = 1u64;
        let mut noise = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random
        };
        // Nothing in it can be made smaller.
        let noisy: Vec<Sample> = many()
            .into_iter()
            .step_by(2)
            .map(|sample| Sample {
                mem_used: noise(),
                swap_used: noise(),
                disk_used: noise(),
                process_count: noise(),
                ..sample
            })
            .collect();
        made.put(1, &noisy, HEAD_ROWS_MAX);
        let calm: Vec<_> = many().into_iter().step_by(30).collect();
        made.put(2, &calm, HEAD_ROWS_MAX);
        let (mut state, mut upkeep) = (State::default(), Upkeep::default());
        for server_id in [1, 2] {
            made.history.pack_hour(&mut state, &made.store, server_id, HOUR, &mut upkeep).expect("a healthy store");
        }
        made.store.compact(key::RAW).expect("a healthy store");
        let calm_blocks = made.blocks(2);
        let used = |made: &Made| -> u64 {
            made.store.files(key::RAW).expect("a healthy store").iter().map(|file| file.bytes).sum()
        };
        assert!(used(&made) > retention.disk_bytes_max);
        let freed = made.history.take_from_heaviest(&made.store).expect("a healthy store").bytes;
        assert!(freed > HEAVY_HOUR_BYTES, "{freed}");
        assert!(made.blocks(1).is_empty() && made.blocks(2) == calm_blocks);
        assert!(used(&made) < retention.disk_bytes_max, "{} bytes are left", used(&made));
        assert_eq!(
            made.history.take_from_heaviest(&made.store),
            Ok(Freed::default()),
            "there is nothing heavy any more"
        );
    }

    #[test]
    fn a_heavy_hour_that_got_reports_since_is_not_taken_and_notes_of_hours_that_are_gone_go() {
        let retention = Retention { disk_bytes_max: 1, ..Retention::default() };
        let made = Made::new(retention, None);
        made.put(1, &many()[..1000], HEAD_ROWS_MAX);
        let mut changes = Changes::default();
        note_heavy(&mut changes, 1, HOUR, 2_000_000);
        note_heavy(&mut changes, 1, HOUR - 5, 1_500_000);
        made.store.write(&changes).expect("on disk");
        made.store.compact(key::RAW).expect("a healthy store");
        // The hour before has no blocks, which frees nothing but costs nothing either.
        assert_eq!(made.history.take_from_heaviest(&made.store), Ok(Freed { bytes: 1_500_000, is_more_due: false }));
        assert!(!made.blocks(1).is_empty());
        forget_expired(&made.store, HOUR).expect("a healthy store");
        let mut notes = 0;
        let mut count = |_: &[u8], _: &[u8]| {
            notes += 1;
            Ok(())
        };
        made.store.scan_range(key::TODO, b"g", b"h", &mut count).expect("readable");
        assert_eq!(notes, 1);
        forget_expired(&made.store, HOUR + 1).expect("a healthy store");
        made.history.due(&made.store, i64::MAX).expect("notes are nothing that is due");
    }
    #[test]
    fn a_round_takes_a_few_heavy_hours_and_says_that_there_are_more() {
        let retention = Retention { disk_bytes_max: 1, ..Retention::default() };
        let made = Made::new(retention, None);
        made.put(1, &many()[..1000], HEAD_ROWS_MAX);
        let mut changes = Changes::default();
        let hours = HEAVY_HOURS_PER_ROUND as i64 + 1;
        (1..=hours).for_each(|before| note_heavy(&mut changes, 1, HOUR - before, 1));
        made.store.write(&changes).expect("on disk");
        made.store.compact(key::RAW).expect("a healthy store");
        let taken = || made.history.take_from_heaviest(&made.store).expect("a healthy store");
        let few = HEAVY_HOURS_PER_ROUND as u64;
        assert_eq!(taken(), Freed { bytes: few, is_more_due: true });
        assert_eq!(taken(), Freed { bytes: 1, is_more_due: false });
    }
}

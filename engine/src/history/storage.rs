//! How much disk history takes, and what another retention would free.

use super::expire::floor_of;
use super::{History, Retention, Tier};
use crate::block::Block;
use crate::limits::STORAGE_BLOCKS_READ_MAX;
use crate::store::{Store, StoreError, TableFile, key};

/// Places of a tier from which blocks are read, from its oldest on.
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
    /// Bytes that would be freed at once by the retention that was asked about.
    pub freed_bytes: u64,
}

/// The parts of a tier.
pub(super) fn extents(store: &Store, tier: Tier) -> Result<Vec<Extent>, StoreError> {
    let extent = |file: TableFile| {
        Some(Extent { first: key::time_of(&file.first_key)?, last: key::time_of(&file.last_key)?, bytes: file.bytes })
    };
    Ok(store.files(tier.family())?.into_iter().filter_map(extent).collect())
}

/// Bytes that lie before an hour or day; of a part that lies on both sides, its share by time.
pub(super) fn bytes_before(extents: &[Extent], floor: i64) -> u64 {
    let share = |extent: &Extent| {
        let spans = u128::from(extent.last.abs_diff(extent.first)) + 1;
        let before = u128::try_from(i128::from(floor) - i128::from(extent.first)).unwrap_or(0).min(spans);
        u64::try_from(u128::from(extent.bytes) * before / spans).unwrap_or(u64::MAX)
    };
    extents.iter().map(share).sum()
}

impl History {
    /// Every tier on disk, and what `retention` would free. Reads a bounded number of blocks.
    pub(crate) fn usage(
        &self,
        store: &Store,
        retention: &Retention,
        now_ms: i64,
    ) -> Result<Vec<TierUsage>, StoreError> {
        let days = [retention.raw_days, retention.minute_days, retention.quarter_days];
        let usage = |(tier, days): (Tier, u32)| {
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
                freed_bytes: bytes_before(&extents, floor_of(tier, days, now_ms)),
            })
        };
        Tier::ALL.into_iter().zip(days).map(usage).collect()
    }
}

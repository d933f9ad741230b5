//! Sealing: full and old heads become blocks, and the log behind them is deleted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::head_blocks::{seal_heads, write_sealed};
use super::tier::Tier;
use super::upkeep::{History, State, Upkeep};
use crate::fail_point::FailPoint;
use crate::head::Head;
use crate::intake::{Position, Ticket, Watermark};
use crate::limits::{CLOCK_SKEW_KEPT_MS, HEADS_PER_WRITE_MAX, LOG_CUT_INTERVAL_MS, SWEEP_INTERVAL_MS};
use crate::slot::Slot;
use crate::store::{Changes, Store, StoreError, key};

impl History {
    /// Seals the heads that are full. Heads with reports that are not durable yet wait for the next round.
    pub(super) fn seal_full(
        &self,
        store: &Store,
        watermark: &Watermark,
        expiry_ms: i64,
        upkeep: &mut Upkeep,
    ) -> Result<(), StoreError> {
        let mut waiting = std::mem::take(&mut *self.full.lock());
        waiting.sort_by_key(|slot| slot.id);
        waiting.dedup_by_key(|slot| slot.id);
        let oldest_hour = self.oldest_hour(expiry_ms);
        let mut later = Vec::new();
        let result = waiting.chunks(HEADS_PER_WRITE_MAX).try_for_each(|slots| {
            let mut changes = Changes::default();
            let mut taken: Vec<(&Arc<Slot>, usize)> = Vec::new();
            for slot in slots {
                let heads: Vec<Arc<Head>> = slot.status.lock().full_heads().iter().map(Arc::clone).collect();
                let ticket = |head: &Head| Ticket { shard: slot.shard(), position: head.last_position };
                let durable = heads.iter().take_while(|head| watermark.covers(ticket(head))).count();
                if durable < heads.len() {
                    later.push(Arc::clone(slot));
                }
                if durable > 0 {
                    let heads = heads[..durable].iter().map(Arc::as_ref);
                    upkeep.expired_reports += seal_heads(&mut changes, slot.id, heads, oldest_hour)?;
                    taken.push((slot, durable));
                }
            }
            if taken.is_empty() {
                return Ok(());
            }
            store.reach(FailPoint::SealEncoded);
            write_sealed(store, &changes)?;
            store.reach(FailPoint::SealWritten);
            for (slot, durable) in taken {
                // Only this thread takes heads away, and new ones come in behind them.
                slot.status.lock().seal(durable);
                upkeep.heads_sealed += durable as u64;
            }
            Ok(())
        });
        let mut full = self.full.lock();
        full.append(&mut later);
        if result.is_err() {
            full.append(&mut waiting);
        }
        result
    }

    /// At intervals: closes old heads, and deletes the part of the log that is no longer needed.
    ///
    /// `next` is the oldest commit that may still get reports, read before anything else.
    pub(super) fn sweep(
        &self,
        state: &mut State,
        store: &Store,
        slots: &dyn Fn() -> Vec<Arc<Slot>>,
        (next, checkpoint): (Position, u64),
        now_ms: i64,
    ) -> Result<(), StoreError> {
        if (0..SWEEP_INTERVAL_MS).contains(&now_ms.saturating_sub(state.swept_ms)) {
            return Ok(());
        }
        state.swept_ms = now_ms;
        let (mut needed, mut clocks_off) = (next.0.min(checkpoint + 1), 0);
        for slot in &slots() {
            let mut status = slot.status.lock();
            if status.is_removed() {
                status.drop_heads();
                continue;
            }
            let is_off = |skew_ms: i64| skew_ms.saturating_abs() > CLOCK_SKEW_KEPT_MS;
            clocks_off += usize::from(status.skew_ms().is_some_and(is_off));
            if status.close_old_head(now_ms) {
                self.note_full(slot);
            }
            needed = status.log_needed_from().map_or(needed, |position| needed.min(position.0));
        }
        self.clocks_off.store(clocks_off, Ordering::Relaxed);
        let is_due = !(0..LOG_CUT_INTERVAL_MS).contains(&now_ms.saturating_sub(state.log_cut_ms));
        if is_due && needed > state.log_cut {
            let (from, to) = (key::log_key(state.log_cut, 0), key::log_key(needed, 0));
            let mut changes = Changes::default();
            changes.delete_range(key::LOG, &from, &to);
            store.reach(FailPoint::LogCut);
            store.write_synced(&changes)?;
            store.reach(FailPoint::LogCutWritten);
            store.drop_files(key::LOG, &key::log_key(0, 0), &to)?;
            (state.log_cut, state.log_cut_ms) = (needed, now_ms);
        }
        Ok(())
    }

    pub(super) fn set_floor(&self, tier: Tier, floor: i64) {
        self.floors[tier as usize].store(floor, Ordering::Release);
    }
}

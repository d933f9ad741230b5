//! Expiry: deletes history that is older than its tier is kept, or that exceeds the disk budget. Whole hours and days of all
//! servers go at once, which costs one range each. Age is measured by the expiry time ([`crate::clock`]), which no leap of a
//! clock moves.

use super::storage::{Extent, bytes_before, extents};
use super::tier::{DAY_MS, HOUR_MS, Tier};
use super::upkeep::{History, State, Upkeep};
use crate::fail_point::FailPoint;
use crate::limits::{EXPIRE_INTERVAL_MS, MINUTE_DAYS_KEPT_MIN, QUARTER_DAYS_KEPT_MIN, RAW_DAYS_KEPT_MIN};
use crate::store::{Changes, Store, StoreError, key};

impl History {
    /// At intervals: deletes what is older than its tier is kept, then the oldest history until the disk budget is kept.
    pub(super) fn expire(
        &self,
        state: &mut State,
        store: &Store,
        expiry_ms: i64,
        upkeep: &mut Upkeep,
    ) -> Result<(), StoreError> {
        if (0..EXPIRE_INTERVAL_MS).contains(&expiry_ms.saturating_sub(state.expired_ms)) {
            return Ok(());
        }
        let [unpacked_hour, unpacked_day] = self.oldest_unpacked(store)?;
        let hour_of_day = unpacked_hour.map(|hour| hour.div_euclid(DAY_MS / HOUR_MS));
        // Blocks that a coarser tier has still to be made of stay.
        let needed = [unpacked_hour, unpacked_day.into_iter().chain(hour_of_day).min(), None];
        // The server that uses most gives first, then all servers.
        let freed = self.take_from_heaviest(store)?;
        upkeep.has_expired |= freed.bytes > 0;
        if freed.is_more_due {
            return Ok(());
        }
        let budgeted = self.floors_by_budget(store, expiry_ms)?;
        for ((tier, needed), budgeted) in Tier::ALL.into_iter().zip(needed).zip(budgeted) {
            let floor = self.floor_by_age(tier, expiry_ms).max(budgeted);
            let floor = needed.map_or(floor, |needed| floor.min(needed));
            if floor > self.floor(tier) {
                self.cut(store, tier, floor)?;
                upkeep.has_expired = true;
            }
        }
        state.expired_ms = expiry_ms;
        Ok(())
    }

    /// Lowers floors that are later than anything can have expired: they were raised by a clock that was ahead. Blocks below
    /// them that are still on disk can be read again.
    pub(super) fn lower_floors(&self, store: &Store, expiry_ms: i64) -> Result<(), StoreError> {
        let kept = [RAW_DAYS_KEPT_MIN, MINUTE_DAYS_KEPT_MIN, QUARTER_DAYS_KEPT_MIN];
        for (tier, days) in Tier::ALL.into_iter().zip(kept) {
            let by_age = self.floor_by_age(tier, expiry_ms);
            if self.floor(tier) > by_age.max(tier.floor_of(days, expiry_ms)) {
                let mut changes = Changes::default();
                changes.put_time(key::FLOORS[tier as usize], by_age);
                store.write_synced(&changes)?;
                self.set_floor(tier, by_age);
            }
        }
        Ok(())
    }

    pub(super) fn floor_by_age(&self, tier: Tier, expiry_ms: i64) -> i64 {
        tier.floor_of(self.retention().days(tier), expiry_ms)
    }

    /// Floors at which all tiers fit into the disk budget. The finest tier gives first, down to the days that are always kept.
    fn floors_by_budget(&self, store: &Store, expiry_ms: i64) -> Result<[i64; 3], StoreError> {
        let mut floors = [i64::MIN; 3];
        let max = self.retention().disk_bytes_max;
        if max == 0 {
            return Ok(floors);
        }
        let tiers: Vec<Vec<Extent>> =
            Tier::ALL.into_iter().map(|tier| extents(store, tier)).collect::<Result<_, _>>()?;
        let used: u64 = tiers.iter().flatten().map(|extent| extent.bytes).sum();
        let mut excess = used.saturating_sub(max);
        let kept = [RAW_DAYS_KEPT_MIN, MINUTE_DAYS_KEPT_MIN, QUARTER_DAYS_KEPT_MIN];
        for (((tier, extents), days), floor) in Tier::ALL.into_iter().zip(&tiers).zip(kept).zip(&mut floors) {
            let last = tier.floor_of(days, expiry_ms);
            let first = extents.iter().map(|extent| extent.first).min().unwrap_or(last).max(self.floor(tier));
            let mut freed = 0;
            for candidate in first..=last {
                if excess == 0 {
                    break;
                }
                freed = bytes_before(extents, candidate);
                *floor = candidate;
                if freed >= excess {
                    break;
                }
            }
            excess = excess.saturating_sub(freed);
        }
        Ok(floors)
    }

    fn cut(&self, store: &Store, tier: Tier, floor: i64) -> Result<(), StoreError> {
        let (from, to) = (key::time_key(i64::MIN), key::time_key(floor));
        let mut changes = Changes::default();
        changes.delete_range(tier.family(), &from, &to);
        if tier == Tier::Quarter {
            changes.delete_range(key::FACTS, &from, &to);
        }
        changes.put_time(key::FLOORS[tier as usize], floor);
        // Readers stop looking before anything is gone. Synced, because the files go at once.
        self.set_floor(tier, floor);
        store.reach(FailPoint::FloorRaised);
        store.write_synced(&changes)?;
        store.reach(FailPoint::Expired);
        store.drop_files(tier.family(), &from, &to)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, Made, START_MS, many};
    use super::super::tier::Retention;
    use super::*;
    use crate::limits::HEAD_ROWS_MAX;

    fn expire(made: &Made, state: &mut State, expiry_ms: i64) -> bool {
        let mut upkeep = Upkeep::default();
        made.history.expire(state, &made.store, expiry_ms, &mut upkeep).expect("a healthy store");
        upkeep.has_expired
    }

    fn days_later(days: i64) -> i64 {
        START_MS + days * DAY_MS
    }

    #[test]
    fn reports_go_when_they_are_too_old_and_in_coarser_rows() {
        let made = Made::new(Retention::default(), None);
        made.put(1, &many()[..600], HEAD_ROWS_MAX);
        let (mut state, mut upkeep) = (State::default(), Upkeep::default());
        // Not packed yet: they stay, however old they are, and all before them goes.
        assert!(expire(&made, &mut state, days_later(90)));
        assert_eq!((made.history.floor(Tier::Raw), made.blocks(1).len()), (HOUR, 1));
        assert_eq!(made.history.floor(Tier::Minute), HOUR.div_euclid(24), "minutes of that day are still to come");
        made.history.pack_hour(&mut state, &made.store, 1, HOUR, &mut upkeep).expect("a healthy store");
        assert!(!expire(&made, &mut state, days_later(90) + EXPIRE_INTERVAL_MS - 1), "nobody looks as soon again");
        assert!(expire(&made, &mut state, days_later(90) + EXPIRE_INTERVAL_MS));
        assert_eq!((made.history.floor(Tier::Raw), made.blocks(1).len()), (HOUR + 83 * 24, 0));
        assert_eq!(made.history.floor(Tier::Minute), HOUR.div_euclid(24), "the day is not packed");
        // What is stored is what is believed.
        let floors = Tier::ALL.map(|tier| made.store.time(key::FLOORS[tier as usize]).expect("readable"));
        assert_eq!(floors.map(Option::unwrap_or_default), made.history.floors().0);
    }

    #[test]
    fn a_floor_that_lies_too_late_is_lowered_and_one_that_a_budget_raised_stays() {
        let made = Made::new(Retention::default(), None);
        let last_by_budget = HOUR - i64::from(RAW_DAYS_KEPT_MIN) * 24;
        for (floor, lowered) in [
            (HOUR + 365 * 24, HOUR - 7 * 24),
            (last_by_budget + 1, HOUR - 7 * 24),
            (last_by_budget, last_by_budget),
            (HOUR - 7 * 24, HOUR - 7 * 24),
            (i64::MIN, i64::MIN),
        ] {
            made.history.set_floor(Tier::Raw, floor);
            made.history.lower_floors(&made.store, START_MS).expect("a healthy store");
            assert_eq!(made.history.floor(Tier::Raw), lowered, "{floor}");
        }
        assert_eq!(made.store.time(key::FLOORS[0]), Ok(Some(HOUR - 7 * 24)), "the next start has it too");
    }

    #[test]
    fn a_budget_takes_the_oldest_first_and_never_the_last_day_of_reports() {
        let made = Made::new(Retention { disk_bytes_max: 1, ..Retention::default() }, None);
        made.put(1, &many()[..600], HEAD_ROWS_MAX);
        made.store.compact(key::RAW).expect("a healthy store");
        for (now_ms, floor) in [(START_MS, i64::MIN), (days_later(1), HOUR), (days_later(2), HOUR + 1)] {
            let floors = made.history.floors_by_budget(&made.store, now_ms).expect("a healthy store");
            assert_eq!(floors[0], floor, "{} h later", (now_ms - START_MS) / HOUR_MS);
        }
    }
}

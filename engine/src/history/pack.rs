//! Packing: the blocks of an hour or day that is over become one, and rows of a coarser tier are made of them.

use std::collections::{BTreeMap, BTreeSet};

use super::minutes::minutes_of;
use super::storage::{forget_expired, note_heavy};
use super::tier::{DAY_MS, HOUR_MS, QUARTER_MS, Tier};
use super::upkeep::{History, Place, State, Upkeep};
use crate::block::{Block, Effort, Run, SummaryRun};
use crate::fail_point::FailPoint;
use crate::limits::{
    BLOCK_SENSOR_VALUES_MAX, CORRUPT_BLOCKS_NAMED_MAX, DAMAGED_RETRY_MS, DAY_GRACE_MS, HEAD_ROWS_MAX, HEAVY_HOUR_BYTES,
    HOUR_GRACE_MS, PACK_INTERVAL_MS, PACK_ROWS_MAX, PACKS_PER_ROUND_MAX,
};
use crate::record::Corrupt;
use crate::store::{Changes, Store, StoreError, key};

pub(super) const HOURS_PER_DAY: i64 = DAY_MS / HOUR_MS;

/// Hours and days to be packed, from the family `todo`.
#[derive(Default)]
pub(super) struct Due {
    hours: Vec<(u64, i64)>,
    days: Vec<(u64, i64)>,
    /// Those that could not be read, due or not.
    set_aside: BTreeSet<Place>,
    /// Oldest hour and day that are not packed, due or not, except for those.
    oldest: [Option<i64>; 2],
}

/// Blocks of an hour that are packed in one write.
struct Part {
    run: Run,
    sensor_values: usize,
    keys: Vec<Vec<u8>>,
    bytes: u64,
    /// All of them were packed before: only packing makes blocks of more rows than a head has.
    is_packed: bool,
    /// Where the next part begins.
    rest_from: Option<Vec<u8>>,
}

impl Default for Part {
    fn default() -> Self {
        let (run, keys) = (Run::default(), Vec::new());
        Self { run, sensor_values: 0, keys, bytes: 0, is_packed: true, rest_from: None }
    }
}

impl Part {
    /// Whether there is room for another block. There always is for the first.
    fn has_room(&self, run: &Run) -> bool {
        self.run.is_empty()
            || self.run.len() + run.len() <= PACK_ROWS_MAX
                && self.sensor_values + run.sensor_values() <= BLOCK_SENSOR_VALUES_MAX
    }

    /// Replaces the blocks by packed ones, unless they are packed already. Returns their bytes.
    fn pack(&self, changes: &mut Changes, server_id: u64, hour: i64) -> u64 {
        if self.is_packed {
            return self.bytes;
        }
        let mut bytes = 0;
        let mut replaced: BTreeSet<&[u8]> = self.keys.iter().map(Vec::as_slice).collect();
        for chunk in self.run.chunks() {
            let key = key::raw_key(hour, server_id, chunk.sequences[0]);
            let block = chunk.encode(server_id, Effort::Dense);
            bytes += block.len() as u64;
            replaced.remove(key.as_slice());
            changes.put(key::RAW, &key, block);
        }
        replaced.into_iter().for_each(|key| changes.delete(key::RAW, key));
        bytes
    }
}

impl History {
    /// Packs hours and days that are due, a bounded number of them. Returns whether more are due.
    pub(super) fn pack(
        &self,
        state: &mut State,
        store: &Store,
        now_ms: i64,
        upkeep: &mut Upkeep,
    ) -> Result<bool, StoreError> {
        if (0..PACK_INTERVAL_MS).contains(&now_ms.saturating_sub(state.packed_ms)) {
            return Ok(false);
        }
        let due = self.due(store, now_ms)?;
        let work = due.hours.len() + due.days.len();
        self.set_aside.lock().retain(|place, _| due.set_aside.contains(place));
        for (server_id, hour) in due.hours.into_iter().take(PACKS_PER_ROUND_MAX) {
            self.pack_or_set_aside(state, store, (key::TODO_HOUR, server_id, hour), now_ms, upkeep)?;
        }
        for (server_id, day) in due.days.into_iter().take(PACKS_PER_ROUND_MAX) {
            self.pack_or_set_aside(state, store, (key::TODO_DAY, server_id, day), now_ms, upkeep)?;
        }
        let has_more = work > PACKS_PER_ROUND_MAX;
        if !has_more {
            forget_expired(store, self.floor(Tier::Raw))?;
            state.packed_ms = now_ms;
        }
        Ok(has_more)
    }

    pub(super) fn due(&self, store: &Store, now_ms: i64) -> Result<Due, StoreError> {
        let (mut due, mut open_days) = (Due::default(), BTreeSet::new());
        let set_aside = self.set_aside.lock().clone();
        let waits = |tried_ms: Option<&i64>| {
            tried_ms.is_some_and(|tried_ms| (0..DAMAGED_RETRY_MS).contains(&now_ms.saturating_sub(*tried_ms)))
        };
        store.scan(key::TODO, &[key::TODO_HOUR], &mut |key, _| {
            let place = todo(key)?;
            let (_, server_id, hour) = place;
            let tried_ms = set_aside.get(&place);
            let is_over = (hour + 1).saturating_mul(HOUR_MS).saturating_add(HOUR_GRACE_MS) <= now_ms;
            if is_over && !waits(tried_ms) {
                due.hours.push((server_id, hour));
            }
            if tried_ms.is_some() {
                due.set_aside.insert(place);
                return Ok(());
            }
            open_days.insert((server_id, hour.div_euclid(HOURS_PER_DAY)));
            due.oldest[0] = Some(due.oldest[0].map_or(hour, |oldest| oldest.min(hour)));
            Ok(())
        })?;
        let (from, to) = ([key::TODO_DAY], [key::TODO_DAY + 1]);
        store.scan_range(key::TODO, &from, &to, &mut |key, _| {
            let place = todo(key)?;
            let (_, server_id, day) = place;
            let tried_ms = set_aside.get(&place);
            let is_over = (day + 1).saturating_mul(DAY_MS).saturating_add(DAY_GRACE_MS) <= now_ms;
            if is_over && !open_days.contains(&(server_id, day)) && !waits(tried_ms) {
                due.days.push((server_id, day));
            }
            if tried_ms.is_some() {
                due.set_aside.insert(place);
                return Ok(());
            }
            due.oldest[1] = Some(due.oldest[1].map_or(day, |oldest| oldest.min(day)));
            Ok(())
        })?;
        Ok(due)
    }

    /// The oldest hour and day that are not packed yet, and must not expire. One that cannot be read does not count: what can
    /// be read of it is in the coarser tier.
    pub(super) fn oldest_unpacked(&self, store: &Store) -> Result<[Option<i64>; 2], StoreError> {
        Ok(self.due(store, i64::MIN)?.oldest)
    }

    pub(super) fn pack_hour(
        &self,
        state: &mut State,
        store: &Store,
        server_id: u64,
        hour: i64,
        upkeep: &mut Upkeep,
    ) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        let mut minutes = SummaryRun::default();
        let (mut bytes, mut from) = (0, None);
        let (first, to) = key::raw_range(hour, server_id);
        if hour >= self.floor(Tier::Raw) {
            from = Some(first);
        }
        while let Some(start) = from {
            let part = self.read_part(state, store, &start, &to, upkeep)?;
            bytes += part.pack(&mut changes, server_id, hour);
            minutes.merge(minutes_of(&part.run));
            from = part.rest_from;
            if from.is_some() {
                // The reports are in blocks before and after. The hour stays in `todo` until its last part is packed.
                store.reach(FailPoint::HourPacked);
                store.write(&changes)?;
                store.reach(FailPoint::HourWritten);
                changes = Changes::default();
            }
        }
        changes.delete(key::TODO, &key::todo_key(key::TODO_HOUR, server_id, hour));
        if bytes > HEAVY_HOUR_BYTES {
            note_heavy(&mut changes, server_id, hour, bytes);
        }
        let day = hour.div_euclid(HOURS_PER_DAY);
        if !minutes.is_empty() && day >= self.floor(Tier::Minute) {
            // Late reports may come to an hour whose others are gone: the disk budget took them, or their block is corrupt.
            minutes.keep_fuller(&self.minutes_of_hour(state, store, server_id, hour, upkeep)?);
            let minute_key = key::minute_key(day, server_id, part_of_day(hour));
            changes.put(key::MINUTE, &minute_key, minutes.encode(server_id));
            changes.put(key::TODO, &key::todo_key(key::TODO_DAY, server_id, day), Vec::new());
        }
        store.reach(FailPoint::HourPacked);
        store.write(&changes)?;
        store.reach(FailPoint::HourWritten);
        upkeep.hours_packed += 1;
        Ok(())
    }

    /// Blocks of an hour from a key on, until there are as many rows as may be held at once.
    fn read_part(
        &self,
        state: &mut State,
        store: &Store,
        from: &[u8],
        to: &[u8],
        upkeep: &mut Upkeep,
    ) -> Result<Part, StoreError> {
        let mut part = Part::default();
        store.scan_while(key::RAW, from, &mut |key, value| {
            if key >= to {
                return Ok(false);
            }
            match Block::read(value).and_then(|block| block.run()) {
                Ok(mut run) => {
                    if !part.has_room(&run) {
                        part.rest_from = Some(key.to_vec());
                        return Ok(false);
                    }
                    part.sensor_values += run.sensor_values();
                    part.is_packed &= run.len() > HEAD_ROWS_MAX;
                    part.bytes += value.len() as u64;
                    part.run.append(&mut run);
                    part.keys.push(key.to_vec());
                }
                Err(error) => self.report_corrupt(state, key::RAW, key, &error, upkeep),
            }
            Ok(true)
        })?;
        Ok(part)
    }

    /// The minutes of an hour as they are stored.
    pub(super) fn minutes_of_hour(
        &self,
        state: &mut State,
        store: &Store,
        server_id: u64,
        hour: i64,
        upkeep: &mut Upkeep,
    ) -> Result<SummaryRun, StoreError> {
        let day = hour.div_euclid(HOURS_PER_DAY);
        // The block of this hour is newer than its rows in the block of the whole day.
        for part in [part_of_day(hour), key::WHOLE_DAY] {
            let range = (key::minute_key(day, server_id, part), key::minute_key(day, server_id, part + 1));
            let rows = self.stored_rows(state, store, key::MINUTE, (&range.0, &range.1), upkeep)?;
            if let Some((_, rows)) = rows.split_by_hour().into_iter().find(|(of, _)| *of == hour) {
                return Ok(rows);
            }
        }
        Ok(SummaryRun::default())
    }

    /// The rows of the block in a range of keys; none if there is no block.
    pub(super) fn stored_rows(
        &self,
        state: &mut State,
        store: &Store,
        family: &'static str,
        (from, to): (&[u8], &[u8]),
        upkeep: &mut Upkeep,
    ) -> Result<SummaryRun, StoreError> {
        let mut rows = SummaryRun::default();
        store.scan_range(family, from, to, &mut |key, value| {
            match Block::read(value).and_then(|block| block.summary_run()) {
                Ok(run) => rows = run,
                Err(error) => self.report_corrupt(state, family, key, &error, upkeep),
            }
            Ok(())
        })?;
        Ok(rows)
    }

    pub(super) fn pack_day(
        &self,
        state: &mut State,
        store: &Store,
        server_id: u64,
        day: i64,
        upkeep: &mut Upkeep,
    ) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        changes.delete(key::TODO, &key::todo_key(key::TODO_DAY, server_id, day));
        let mut parts = Vec::new();
        let minutes =
            read_day(store, server_id, day, &mut |key, block| match block.and_then(|block| block.summary_run()) {
                Ok(run) => {
                    parts.push(key.to_vec());
                    Some(run)
                }
                Err(error) => {
                    self.report_corrupt(state, key::MINUTE, key, &error, upkeep);
                    None
                }
            })?;
        if !minutes.is_empty() && day >= self.floor(Tier::Minute) {
            let whole = key::minute_key(day, server_id, key::WHOLE_DAY);
            parts.retain(|part| *part != whole);
            parts.iter().for_each(|part| changes.delete(key::MINUTE, part));
            changes.put(key::MINUTE, &whole, minutes.encode(server_id));
            let mut quarters = minutes.coarser(QUARTER_MS);
            let range = (key::quarter_key(day, server_id), key::minute_key(day, server_id, 0));
            quarters.keep_fuller(&self.stored_rows(state, store, key::QUARTER, (&range.0, &range.1), upkeep)?);
            changes.put(key::QUARTER, &key::quarter_key(day, server_id), quarters.encode(server_id));
        }
        store.reach(FailPoint::DayPacked);
        store.write(&changes)?;
        store.reach(FailPoint::DayWritten);
        upkeep.days_packed += 1;
        Ok(())
    }

    /// Counts a corrupt block, and names it.
    fn report_corrupt(
        &self,
        state: &mut State,
        family: &'static str,
        key: &[u8],
        error: &Corrupt,
        upkeep: &mut Upkeep,
    ) {
        upkeep.corrupt_blocks += 1;
        if state.corrupt.len() < CORRUPT_BLOCKS_NAMED_MAX {
            state.corrupt.push(format!("{}: {error}", key::describe(family, key)));
        }
    }
}

/// The part of a day's minutes that an hour is.
pub(super) fn part_of_day(hour: i64) -> u8 {
    u8::try_from(hour.rem_euclid(HOURS_PER_DAY)).unwrap_or_default()
}

fn todo(key: &[u8]) -> Result<(u8, u64, i64), StoreError> {
    key::todo_of(key).ok_or_else(|| Corrupt::at("a key of todo").into())
}

/// Decodes a block under its key; `None` if it is corrupt and has been reported.
type ReadMinutes<'a> = dyn FnMut(&[u8], Result<Block<'_>, Corrupt>) -> Option<SummaryRun> + 'a;

/// The minutes of one server's day: the block of the whole day, overridden by blocks of hours that came later.
fn read_day(store: &Store, server_id: u64, day: i64, read: &mut ReadMinutes<'_>) -> Result<SummaryRun, StoreError> {
    let (from, to) = (key::minute_key(day, server_id, 0), key::minute_key(day, server_id, key::WHOLE_DAY + 1));
    let mut hours: BTreeMap<i64, SummaryRun> = BTreeMap::new();
    store.scan_range(key::MINUTE, &from, &to, &mut |key, value| {
        // The whole day comes last: its hours do not replace newer ones.
        if let Some(run) = read(key, Block::read(value)) {
            match key::part_of(key) {
                Some(key::WHOLE_DAY) => {
                    let known: BTreeSet<i64> = hours.keys().copied().collect();
                    for (hour, run) in run.split_by_hour() {
                        if !known.contains(&hour) {
                            hours.insert(hour, run);
                        }
                    }
                }
                _ => {
                    hours.extend(run.split_by_hour());
                }
            }
        }
        Ok(())
    })?;
    let mut whole = SummaryRun::default();
    hours.into_values().for_each(|mut hour| whole.append(&mut hour));
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::testing::{HOUR, Made, many, run_of};
    use super::super::tier::Retention;
    use super::*;
    use crate::sample::Sample;
    use crate::summary::Summary;

    static WRITES_LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);

    fn dies(point: FailPoint) {
        if point == FailPoint::HourWritten && WRITES_LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
            panic!("killed");
        }
    }

    #[test]
    fn a_large_hour_is_packed_in_parts_and_goes_on_after_a_crash() {
        let made = Made::new(Retention::default(), Some(dies));
        let samples = many();
        made.put(1, &samples, HEAD_ROWS_MAX);
        let pack = || {
            let (mut state, mut upkeep) = (State::default(), Upkeep::default());
            made.history.pack_hour(&mut state, &made.store, 1, HOUR, &mut upkeep).expect("a healthy store");
            assert_eq!(upkeep.corrupt_blocks, 0);
        };
        let is_whole = || {
            let mut read: Vec<(u64, Sample)> = Vec::new();
            for (_, block) in made.blocks(1) {
                read.extend(Block::read(&block).and_then(|block| block.run()).expect("written").reports());
            }
            assert!(read.into_iter().eq((1..).zip(samples.iter().cloned())), "each report once, in order");
        };
        WRITES_LEFT.store(1, Ordering::Relaxed);
        std::panic::catch_unwind(AssertUnwindSafe(pack)).expect_err("killed after the first part");
        let (first, is_due) = (made.blocks(1), made.history.oldest_unpacked(&made.store).expect("readable")[0]);
        is_whole();
        assert_eq!(is_due, Some(HOUR), "what is not done is still due");
        let packed = first.iter().filter(|(_, block)| Block::read(block).is_ok_and(|b| b.header.rows > HEAD_ROWS_MAX));
        let packed: Vec<_> = packed.cloned().collect();
        assert!(packed.len() > 4 && packed.len() < first.len());
        WRITES_LEFT.store(usize::MAX, Ordering::Relaxed);
        pack();
        is_whole();
        let last = made.blocks(1);
        assert!(packed.iter().all(|block| last.contains(block)), "what was packed is left as it is");
        assert!(last.len() < 13, "{} blocks", last.len());
        assert_eq!(made.history.oldest_unpacked(&made.store).expect("readable"), [None, Some(HOUR.div_euclid(24))]);
        let day = HOUR.div_euclid(24);
        let minutes = read_day(&made.store, 1, day, &mut |_, block| block.and_then(|block| block.summary_run()).ok());
        let mut expected = minutes_of(&run_of(&samples));
        let mut minutes = minutes.expect("readable");
        for run in [&mut minutes, &mut expected] {
            // The inexact running sum, and rows without reports, are not stored.
            run.metrics.iter_mut().flatten().for_each(|row| row.float_sum = row.sum_of_floats());
            run.metrics.iter_mut().flatten().filter(|row| row.count == 0).for_each(|row| *row = Summary::default());
        }
        assert!(minutes == expected);
        // A late report, and the hour is packed again: blocks that are full already are not touched.
        let late = samples[0].clone();
        let mut run = Run::default();
        run.push(samples.len() as u64 + 1, &late);
        let mut changes = Changes::default();
        changes.put(key::RAW, &key::raw_key(HOUR, 1, samples.len() as u64 + 1), run.encode(1, Effort::Quick));
        made.store.write(&changes).expect("on disk");
        pack();
        assert!(packed.iter().all(|block| made.blocks(1).contains(block)));
        let rows = |blocks: &[(Vec<u8>, Vec<u8>)]| -> usize {
            blocks.iter().map(|(_, block)| Block::read(block).expect("written").header.rows).sum()
        };
        assert_eq!(rows(&made.blocks(1)), samples.len() + 1);
    }

    #[test]
    fn a_late_report_takes_no_minutes_from_an_hour_whose_reports_are_gone() {
        let made = Made::new(Retention::default(), None);
        made.put(1, &many()[..1000], HEAD_ROWS_MAX);
        let pack = || {
            let (mut state, mut upkeep) = (State::default(), Upkeep::default());
            made.history.pack_hour(&mut state, &made.store, 1, HOUR, &mut upkeep).expect("a healthy store");
        };
        let counts = || {
            let (mut state, mut upkeep) = (State::default(), Upkeep::default());
            let minutes = made.history.minutes_of_hour(&mut state, &made.store, 1, HOUR, &mut upkeep);
            minutes.expect("a healthy store").counts
        };
        pack();
        assert_eq!(counts().iter().sum::<u64>(), 1000);
        // In the first minute, and in one that has no row yet.
        let mut run = Run::default();
        for (sequence, minute) in [(1001, 0), (1002, 50)] {
            run.push(sequence, &Sample { time_ms: HOUR * HOUR_MS + minute * 60_000, ..Sample::default() });
        }
        let (from, to) = key::raw_range(HOUR, 1);
        let mut changes = Changes::default();
        changes.delete_range(key::RAW, &from, &to);
        made.store.write(&changes).expect("on disk");
        let mut changes = Changes::default();
        changes.put(key::RAW, &key::raw_key(HOUR, 1, 1001), run.encode(1, Effort::Quick));
        made.store.write(&changes).expect("on disk");
        pack();
        assert_eq!(counts().iter().sum::<u64>(), 1001, "the fuller row stays, the new one is added");
    }

    #[test]
    fn a_late_report_takes_no_quarters_from_a_day_whose_minutes_are_gone() {
        let made = Made::new(Retention::default(), None);
        let (mut state, mut upkeep) = (State::default(), Upkeep::default());
        let day = HOUR.div_euclid(HOURS_PER_DAY);
        let forget = |family, (from, to): (&[u8], &[u8])| {
            let mut changes = Changes::default();
            changes.delete_range(family, from, to);
            made.store.write(&changes).expect("on disk");
        };
        for samples in [&many()[..1000], &many()[..1]] {
            made.put(1, samples, HEAD_ROWS_MAX);
            made.history.pack_hour(&mut state, &made.store, 1, HOUR, &mut upkeep).expect("a healthy store");
            made.history.pack_day(&mut state, &made.store, 1, day, &mut upkeep).expect("a healthy store");
            let range = (key::quarter_key(day, 1), key::minute_key(day, 1, 0));
            let quarters =
                made.history.stored_rows(&mut state, &made.store, key::QUARTER, (&range.0, &range.1), &mut upkeep);
            assert_eq!(quarters.expect("a healthy store").counts.iter().sum::<u64>(), 1000);
            let (from, to) = key::raw_range(HOUR, 1);
            forget(key::RAW, (&from, &to));
            forget(key::MINUTE, (&key::minute_key(day, 1, 0), &key::minute_key(day, 1, u8::MAX)));
        }
    }
}

//! Hours and days that cannot be read, because a table file is damaged. Each is named once, stays as it is, and is tried
//! again at intervals. It holds up no others. Rows of the coarser tier are made of the part that can be read.

use std::collections::BTreeMap;

use super::minutes::minutes_of;
use super::pack::{HOURS_PER_DAY, part_of_day};
use super::tier::{QUARTER_MS, Tier};
use super::upkeep::{History, Place, State, Upkeep};
use crate::block::{Block, SummaryRun};
use crate::limits::CORRUPT_BLOCKS_NAMED_MAX;
use crate::store::{Changes, Store, StoreError, key, next_readable};

/// Whether the error is of one place that cannot be read. While writes fail, it is of the whole disk.
fn is_damage(store: &Store, error: &StoreError) -> bool {
    let is_of_a_place =
        matches!(error, StoreError::Corrupt(_) | StoreError::Faulty { .. } | StoreError::Unusable { .. });
    is_of_a_place && !store.health.is_failing()
}

impl History {
    /// Packs an hour or a day. If it cannot be read, it is set aside.
    pub(super) fn pack_or_set_aside(
        &self,
        state: &mut State,
        store: &Store,
        place: Place,
        now_ms: i64,
        upkeep: &mut Upkeep,
    ) -> Result<(), StoreError> {
        let (kind, server_id, time) = place;
        let (packed, name) = if kind == key::TODO_HOUR {
            (self.pack_hour(state, store, server_id, time, upkeep), "hour")
        } else {
            (self.pack_day(state, store, server_id, time, upkeep), "day")
        };
        let error = match packed {
            Ok(()) => {
                self.set_aside.lock().remove(&place);
                return Ok(());
            }
            Err(error) if is_damage(store, &error) => error,
            Err(error) => return Err(error),
        };
        let is_new = self.set_aside.lock().insert(place, now_ms).is_none();
        if is_new && upkeep.set_aside.len() < CORRUPT_BLOCKS_NAMED_MAX {
            upkeep.set_aside.push(format!("{name} {time} since 1970 of server {server_id}: {error}"));
        }
        let kept = if kind == key::TODO_HOUR {
            self.keep_readable_minutes(store, server_id, time)
        } else {
            self.keep_readable_quarters(store, server_id, time)
        };
        // What is stored of the coarser tier may be damaged too.
        kept.or_else(|error| if is_damage(store, &error) { Ok(()) } else { Err(error) })
    }

    /// Stores the minutes of the blocks of an hour that can be read. The blocks stay.
    fn keep_readable_minutes(&self, store: &Store, server_id: u64, hour: i64) -> Result<(), StoreError> {
        let day = hour.div_euclid(HOURS_PER_DAY);
        if hour < self.floor(Tier::Raw) || day < self.floor(Tier::Minute) {
            return Ok(());
        }
        let mut minutes = readable_minutes(store, server_id, hour);
        // Corrupt blocks were counted when the hour was packed.
        let known = self.minutes_of_hour(&mut State::default(), store, server_id, hour, &mut Upkeep::default())?;
        minutes.keep_fuller(&known);
        if is_as_full(&minutes, &known) {
            return Ok(());
        }
        let mut changes = Changes::default();
        let minute_key = key::minute_key(day, server_id, part_of_day(hour));
        changes.put(key::MINUTE, &minute_key, minutes.encode(server_id));
        changes.put(key::TODO, &key::todo_key(key::TODO_DAY, server_id, day), Vec::new());
        store.write(&changes)
    }

    /// Stores the quarters of the minutes of a day that can be read. The minutes stay.
    fn keep_readable_quarters(&self, store: &Store, server_id: u64, day: i64) -> Result<(), StoreError> {
        if day < self.floor(Tier::Minute) {
            return Ok(());
        }
        let rows = |family, from: &[u8], to: &[u8]| {
            self.stored_rows(&mut State::default(), store, family, (from, to), &mut Upkeep::default())
        };
        let mut hours = BTreeMap::new();
        // The whole day comes last: its hours do not replace newer ones.
        for part in 0..=key::WHOLE_DAY {
            let (from, to) = (key::minute_key(day, server_id, part), key::minute_key(day, server_id, part + 1));
            if let Ok(rows) = rows(key::MINUTE, &from, &to) {
                for (hour, rows) in rows.split_by_hour() {
                    hours.entry(hour).or_insert(rows);
                }
            }
        }
        let mut minutes = SummaryRun::default();
        hours.into_values().for_each(|mut hour| minutes.append(&mut hour));
        let mut quarters = minutes.coarser(QUARTER_MS);
        let quarter_key = key::quarter_key(day, server_id);
        let known = rows(key::QUARTER, &quarter_key, &key::minute_key(day, server_id, 0))?;
        quarters.keep_fuller(&known);
        if is_as_full(&quarters, &known) {
            return Ok(());
        }
        let mut changes = Changes::default();
        changes.put(key::QUARTER, &quarter_key, quarters.encode(server_id));
        store.write(&changes)
    }
}

/// Whether rows are made of as many reports as those that are stored.
fn is_as_full(rows: &SummaryRun, stored: &SummaryRun) -> bool {
    rows.times_ms == stored.times_ms && rows.counts == stored.counts
}

/// The minutes of an hour's blocks before, between and behind those that cannot be read.
fn readable_minutes(store: &Store, server_id: u64, hour: i64) -> SummaryRun {
    let (_, end) = key::raw_range(hour, server_id);
    let is_readable = &mut |sequence: u128| {
        // Behind the highest number there is nothing to read.
        u64::try_from(sequence).map_or(true, |sequence| {
            store.scan_while(key::RAW, &key::raw_key(hour, server_id, sequence), &mut |_, _| Ok(false)).is_ok()
        })
    };
    let (mut minutes, mut from) = (SummaryRun::default(), 0u64);
    loop {
        let mut damaged = from;
        let scanned = store.scan_while(key::RAW, &key::raw_key(hour, server_id, from), &mut |key, value| {
            if key >= end.as_slice() {
                return Ok(false);
            }
            damaged = key::raw_of(key).map_or(damaged, |(_, _, sequence)| sequence.saturating_add(1));
            if let Ok(run) = Block::read(value).and_then(|block| block.run()) {
                minutes.merge(minutes_of(&run));
            }
            Ok(true)
        });
        let next = match scanned {
            Ok(()) => None,
            Err(_) => next_readable(damaged.into(), is_readable).and_then(|next| u64::try_from(next).ok()),
        };
        match next.filter(|next| *next > from) {
            Some(next) => from = next,
            None => return minutes,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::FileExt;

    use super::super::testing::{HOUR, Made, START_MS, samples};
    use super::super::tier::{DAY_MS, HOUR_MS, Retention};
    use super::*;
    use crate::limits::{DAMAGED_RETRY_MS, HEAD_ROWS_MAX, PACK_INTERVAL_MS};
    use crate::sample::Sample;

    /// Blocks of each server's hour. Each is larger than a block of a table file.
    const BLOCKS: usize = 3;
    const REPORTS: u64 = (BLOCKS * HEAD_ROWS_MAX) as u64;
    const NOW_MS: i64 = START_MS + 2 * HOUR_MS;

    /// Two servers with an hour each, in one table file. Also returns that file.
    fn made() -> (Made, File) {
        let made = Made::new(Retention::default(), None);
        let mut random = 1u64;
        let mut noise = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random
        };
        for server_id in [1, 2] {
            let samples = samples(BLOCKS * HEAD_ROWS_MAX, |number| number * 1000).into_iter();
            let noisy: Vec<Sample> = samples
                .map(|sample| Sample { mem_used: noise(), swap_used: noise(), disk_used: noise(), ..sample })
                .collect();
            made.put(server_id, &noisy, HEAD_ROWS_MAX);
        }
        made.store.compact(key::RAW).expect("a healthy store");
        let files = fs::read_dir(made.folder.path().join("rocksdb")).expect("a folder").flatten();
        let tables: Vec<_> = files
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "sst"))
            .collect();
        let [table] = &tables[..] else { panic!("not one table file, but {tables:?}") };
        let file = File::options().read(true).write(true).open(table).expect("there");
        (made, file)
    }

    /// Turns a bit of the first server's first block over, or back.
    fn turn(table: &File) {
        let mut byte = [0];
        table.read_exact_at(&mut byte, 5).expect("readable");
        table.write_all_at(&[byte[0] ^ 1], 5).expect("writable");
    }

    fn pack(made: &Made, state: &mut State, now_ms: i64) -> Upkeep {
        let mut upkeep = Upkeep::default();
        let has_more = made.history.pack(state, &made.store, now_ms, &mut upkeep).expect("only some of it is damaged");
        assert!(!has_more);
        upkeep
    }

    fn minutes(made: &Made, server_id: u64) -> u64 {
        let (mut state, mut upkeep) = Default::default();
        let rows = made.history.minutes_of_hour(&mut state, &made.store, server_id, HOUR, &mut upkeep);
        rows.expect("readable").counts.iter().sum()
    }

    #[test]
    fn an_hour_that_cannot_be_read_is_named_once_holds_up_no_other_and_is_tried_again() {
        let (made, table) = made();
        turn(&table);
        let mut state = State::default();
        let first = pack(&made, &mut state, NOW_MS);
        assert_eq!((first.hours_packed, first.set_aside.len()), (1, 1), "{first:?}");
        assert!(first.set_aside[0].contains("of server 1: ") && first.set_aside[0].contains(".sst"), "{first:?}");
        assert_eq!((minutes(&made, 2), made.history.unreadable()), (REPORTS, 1));
        assert_eq!(minutes(&made, 1), REPORTS - HEAD_ROWS_MAX as u64, "what can be read has its minutes");
        for now_ms in [PACK_INTERVAL_MS, DAMAGED_RETRY_MS - 1].map(|later_ms| NOW_MS + later_ms) {
            assert_eq!(pack(&made, &mut state, now_ms), Upkeep::default());
        }
        let again = pack(&made, &mut state, NOW_MS + DAMAGED_RETRY_MS + PACK_INTERVAL_MS);
        assert_eq!(again, Upkeep::default(), "it was named before");
        turn(&table);
        let waits = pack(&made, &mut state, NOW_MS + DAMAGED_RETRY_MS + 3 * PACK_INTERVAL_MS);
        assert_eq!(waits.hours_packed, 0, "it was tried a minute ago");
        let whole = pack(&made, &mut state, NOW_MS + 3 * DAMAGED_RETRY_MS);
        assert_eq!((whole.hours_packed, made.history.unreadable(), minutes(&made, 1)), (1, 0, REPORTS));
        assert!(!made.blocks(1).is_empty());
    }

    #[test]
    fn an_hour_that_cannot_be_read_holds_up_no_expiry_and_its_day_is_packed() {
        let (made, table) = made();
        turn(&table);
        let (mut state, mut upkeep) = (State::default(), Upkeep::default());
        assert_eq!(pack(&made, &mut state, START_MS + 3 * DAY_MS).set_aside.len(), 1);
        let days = pack(&made, &mut state, START_MS + 3 * DAY_MS + PACK_INTERVAL_MS).days_packed;
        assert_eq!(days, 2, "both servers' days");
        let mut expire = |days: i64| {
            made.history
                .expire(&mut state, &made.store, START_MS + days * DAY_MS, &mut upkeep)
                .expect("a healthy store");
            made.history.floor(Tier::Raw)
        };
        let raw_days = i64::from(made.history.retention().raw_days);
        assert!(expire(raw_days) <= HOUR, "reports that cannot be read are kept as long as others");
        assert!(expire(raw_days + 1) > HOUR);
        assert_eq!(minutes(&made, 1), REPORTS - HEAD_ROWS_MAX as u64);
        // Nothing is left to be made of it.
        let gone = pack(&made, &mut state, START_MS + (raw_days + 1) * DAY_MS);
        assert_eq!((gone.hours_packed, made.history.unreadable()), (1, 0));
    }
}

//! Every report of a server, whole, for exports.

use std::ops::Range;

use super::heads::Heads;
use super::tier::{HOUR_MS, Tier, within};
use super::upkeep::History;
use crate::block::{Block, Run};
use crate::limits::EXPORT_BYTES_MAX;
use crate::sample::Sample;
use crate::slot::Slot;
use crate::store::{Store, StoreError, key};

impl History {
    /// Every report of a server within a range, in the order of time within each hour.
    pub(crate) fn reports(
        &self,
        store: &Store,
        slot: &Slot,
        from_ms: i64,
        to_ms: i64,
        visit: &mut dyn FnMut(u64, &Sample),
    ) -> Result<(), StoreError> {
        let range_ms = from_ms..to_ms;
        let heads = Heads::of(slot, &range_ms)?;
        // Only hours that exist: a range may be much longer than what is kept.
        let in_heads = heads.hours.first().copied().zip(heads.hours.last().copied());
        let in_blocks = match store.times(key::RAW) {
            // The first or the last block is damaged. Table files also say where they begin. Blocks that are newer than
            // all of them may be in memory.
            Err(StoreError::Corrupt(_)) => {
                let files = store.files(key::RAW)?;
                let first = files.iter().filter_map(|file| key::time_of(&file.first_key)).min();
                first.map(|first| (first, i64::MAX))
            }
            times => times?,
        };
        let extents = [in_blocks, in_heads].into_iter().flatten();
        let Some((first, last)) = extents.reduce(|(a, b), (c, d)| (a.min(c), b.max(d))) else { return Ok(()) };
        let first = first.max(from_ms.div_euclid(HOUR_MS)).max(self.floor(Tier::Raw));
        let export = Export { store, server_id: slot.id, heads };
        for hour in first..last.min((to_ms - 1).div_euclid(HOUR_MS)) + 1 {
            export.hour(hour, &within(&range_ms, hour), visit)?;
        }
        Ok(())
    }
}

/// Reads whole reports. No iterator of the store is open while they are handed out, because the reader may be slow.
struct Export<'a> {
    store: &'a Store,
    server_id: u64,
    heads: Heads,
}

impl Export<'_> {
    /// Hands out the reports of an hour that are within a range of times: all at once, or part by part if they are too many
    /// to be held.
    fn hour(&self, hour: i64, range_ms: &Range<i64>, visit: &mut dyn FnMut(u64, &Sample)) -> Result<(), StoreError> {
        let mut held = Held::default();
        let (from, to) = key::raw_range(hour, self.server_id);
        self.store.scan_range(key::RAW, &from, &to, &mut |_, value| {
            if let Ok(block) = Block::read(value) {
                held.add_block(&block, range_ms, self.heads.from_sequence);
            }
            Ok(())
        })?;
        let in_range = |run: &&Run| run.times_ms.iter().any(|time_ms| range_ms.contains(time_ms));
        let of_heads = self.heads.runs.iter().filter(in_range).flat_map(Run::reports);
        of_heads.filter(|(_, sample)| range_ms.contains(&sample.time_ms)).for_each(|report| held.add(report));
        let Range { start, end } = *range_ms;
        if held.bytes <= EXPORT_BYTES_MAX || end - start <= 1 {
            held.reports.sort_by_key(|(_, sample)| sample.time_ms);
            held.reports.iter().for_each(|(sequence, sample)| visit(*sequence, sample));
            return Ok(());
        }
        drop(held.reports);
        let parts = i64::try_from(held.bytes.div_ceil(EXPORT_BYTES_MAX)).unwrap_or(i64::MAX).max(2);
        let width = ((end - start) / parts).max(1);
        let mut at = start;
        while at < end {
            let part = at..end.min(at + width);
            self.hour(hour, &part, visit)?;
            at = part.end;
        }
        Ok(())
    }
}

/// Reports that are held while their size is within the bound, or while all are of one moment.
#[derive(Default)]
struct Held {
    reports: Vec<(u64, Sample)>,
    bytes: usize,
}

impl Held {
    fn add_block(&mut self, block: &Block<'_>, range_ms: &Range<i64>, before_sequence: u64) {
        if block.header.time_last_ms < range_ms.start || block.header.time_first_ms >= range_ms.end {
            return;
        }
        let is_moment = range_ms.end - range_ms.start <= 1;
        if self.bytes > EXPORT_BYTES_MAX && !is_moment {
            self.bytes += block.header.rows * size_of::<Sample>();
            return;
        }
        let Ok(run) = block.run() else { return };
        let is_wanted =
            |(sequence, sample): &(u64, Sample)| *sequence < before_sequence && range_ms.contains(&sample.time_ms);
        for report in run.reports().filter(is_wanted) {
            self.add(report);
            if self.bytes > EXPORT_BYTES_MAX && !is_moment {
                // From here on they are only counted.
                self.reports = Vec::new();
                return;
            }
        }
    }

    fn add(&mut self, (sequence, sample): (u64, Sample)) {
        let sensors = sample.temperatures.as_deref().unwrap_or_default().iter();
        let sensors: usize = sensors.map(|sensor| size_of_val(sensor) + sensor.name.len()).sum();
        self.bytes += size_of::<(u64, Sample)>() + sensors;
        self.reports.push((sequence, sample));
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Made, SERVER, START_MS, in_order, orders};
    use super::super::tier::Retention;
    use super::*;
    use crate::limits::HEAD_ROWS_MAX;

    #[test]
    fn an_export_hands_out_every_report_once_and_holds_nothing_of_the_store() {
        for samples in orders() {
            let made = Made::new(Retention::default(), None);
            made.put(SERVER, &samples, HEAD_ROWS_MAX);
            let mut read = Vec::new();
            let mut visit = |sequence: u64, sample: &Sample| {
                if sequence % 20_000 == 1 {
                    // A store that is closed and opened waits for everybody who reads it.
                    made.store.reopen().expect("nobody reads");
                }
                read.push((sequence, sample.clone()));
            };
            let range = (START_MS, START_MS + HOUR_MS);
            made.history.reports(&made.store, &Slot::of_test(SERVER), range.0, range.1, &mut visit).expect("readable");
            assert!(read == in_order(&samples));
        }
    }
}

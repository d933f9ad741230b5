//! Reading history in the order of time: blocks of a tier, and reports in heads.
//!
//! A coarser tier does not have the newest reports yet: hours that are in `todo`, and reports in heads. Those hours are read
//! from the reports themselves, so answers are complete at any stage of upkeep. The heads are copied first. If one of them is
//! sealed during the query, its block is skipped by sequence number.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ops::Range;

use super::heads::Heads;
use super::piece::{Gathered, Piece, ReportRows};
use super::tier::{HOUR_MS, Tier, within};
use super::upkeep::History;
use crate::block::{Block, Run};
use crate::limits::WALK_ROWS_MAX;
use crate::metric::Metric;
use crate::record::Corrupt;
use crate::slot::Slot;
use crate::store::{Store, StoreError, key};
use crate::summary::Aggregate;

impl History {
    /// Everything of one server that a tier has within a range of times, in the order of time.
    pub(super) fn walk(
        &self,
        store: &Store,
        slot: &Slot,
        tier: Tier,
        range_ms: &Range<i64>,
        metrics: &[(Metric, Aggregate)],
        visit: &mut dyn FnMut(Piece),
    ) -> Result<(), StoreError> {
        let heads = Heads::of(slot, range_ms)?;
        let raw_floor = self.floor(Tier::Raw);
        let walk = Walk { store, server_id: slot.id, heads, tier, raw_floor, range_ms: range_ms.clone(), metrics };
        let hours = range_ms.start.div_euclid(HOUR_MS)..(range_ms.end - 1).div_euclid(HOUR_MS) + 1;
        match tier {
            Tier::Raw => walk.reports(hours, range_ms.clone(), visit),
            Tier::Minute | Tier::Quarter => walk.tiers(hours, visit),
        }
    }
}

/// Reads some of history, as often as it is called.
type Read<'a> = dyn Fn(&mut dyn FnMut(Piece)) -> Result<(), StoreError> + 'a;

struct Walk<'a> {
    store: &'a Store,
    server_id: u64,
    heads: Heads,
    tier: Tier,
    /// The oldest hour of reports that is kept.
    raw_floor: i64,
    range_ms: Range<i64>,
    /// The metrics to read, and the aggregate that rows of a coarser tier are decoded for.
    metrics: &'a [(Metric, Aggregate)],
}

impl Walk<'_> {
    /// Reports of these hours, within a range of times: an hour at a time, and a large hour in parts. However long the range
    /// is, only one piece is held.
    fn reports(&self, hours: Range<i64>, range_ms: Range<i64>, visit: &mut dyn FnMut(Piece)) -> Result<(), StoreError> {
        let mut next = hours.start;
        while next < hours.end {
            let (mut gathered, is_large): (Option<Gathered>, Cell<bool>) = (None, Cell::new(false));
            // One look into the store for many hours, until one is too large to be gathered whole.
            let ranges = (next..hours.end).take_while(|_| !is_large.get());
            let ranges = ranges.map(|hour| key::raw_range(hour, self.server_id));
            self.store.scan_ranges(key::RAW, ranges, &mut |key, value| {
                let hour = key::raw_of(key).map_or(next, |(hour, ..)| hour);
                if let Some(done) = gathered.take_if(|gathered| gathered.hour != hour) {
                    self.hand_out(done, &mut next, &range_ms, visit);
                }
                let gathered = gathered.get_or_insert_with(|| Gathered::new(hour, within(&range_ms, hour)));
                self.gather(gathered, value);
                is_large.set(gathered.is_large());
                Ok(())
            })?;
            match gathered {
                Some(large) if large.is_large() => {
                    self.hand_out_heads(next..large.hour, &range_ms, visit);
                    self.in_parts(&large, visit)?;
                    next = large.hour + 1;
                }
                last => {
                    last.into_iter().for_each(|last| self.hand_out(last, &mut next, &range_ms, visit));
                    self.hand_out_heads(next..hours.end, &range_ms, visit);
                    next = hours.end;
                }
            }
        }
        Ok(())
    }

    /// Hands out an hour, after hours before it that are in heads only.
    fn hand_out(&self, done: Gathered, next: &mut i64, range_ms: &Range<i64>, visit: &mut dyn FnMut(Piece)) {
        self.hand_out_heads(*next..done.hour, range_ms, visit);
        *next = done.hour + 1;
        self.visit_in_order(done.pieces, &done.range_ms, visit);
    }

    fn hand_out_heads(&self, hours: Range<i64>, range_ms: &Range<i64>, visit: &mut dyn FnMut(Piece)) {
        let in_heads = self.heads.hours.iter().filter(|hour| hours.contains(hour));
        in_heads.for_each(|hour| self.visit_in_order(Vec::new(), &within(range_ms, *hour), visit));
    }

    /// Walks an hour that has more rows than may be held at once: part by part of its time, each in smaller parts if needed.
    fn in_parts(&self, large: &Gathered, visit: &mut dyn FnMut(Piece)) -> Result<(), StoreError> {
        let (from, to) = key::raw_range(large.hour, self.server_id);
        let Range { start, end } = large.range_ms;
        if end - start <= 1 {
            // All at one moment: they are in the order of time as they come, and those of the heads come last.
            self.store.scan_range(key::RAW, &from, &to, &mut |_, value| {
                let mut block = Gathered::new(large.hour, large.range_ms.clone());
                self.gather(&mut block, value);
                block.pieces.into_iter().for_each(|reports| reports.visit(visit));
                Ok(())
            })?;
            self.visit_in_order(Vec::new(), &large.range_ms, visit);
            return Ok(());
        }
        let parts = i64::try_from(large.rows.div_ceil(WALK_ROWS_MAX)).unwrap_or(i64::MAX).max(2);
        let width = ((end - start) / parts).max(1);
        let mut at = start;
        while at < end {
            let range_ms = at..end.min(at + width);
            at = range_ms.end;
            let mut part = Gathered::new(large.hour, range_ms);
            self.store.scan_range(key::RAW, &from, &to, &mut |_, value| {
                self.gather(&mut part, value);
                Ok(())
            })?;
            if part.is_large() {
                self.in_parts(&part, visit)?;
            } else {
                self.visit_in_order(part.pieces, &part.range_ms, visit);
            }
        }
        Ok(())
    }

    fn gather(&self, gathered: &mut Gathered, value: &[u8]) {
        // A corrupt block is skipped; upkeep and verification report it.
        let Ok(block) = Block::read(value) else { return };
        if block.header.time_last_ms < gathered.range_ms.start || block.header.time_first_ms >= gathered.range_ms.end {
            // A short block of an hour that is read in part.
            return;
        }
        if gathered.is_large() {
            gathered.rows += block.header.rows;
        } else if let Ok(mut reports) = self.block_reports(&block) {
            reports.clip(&gathered.range_ms);
            gathered.add(reports);
        }
    }

    fn block_reports(&self, block: &Block<'_>) -> Result<ReportRows, Corrupt> {
        let times_ms = block.times_ms()?;
        let columns = self.metrics.iter().map(|(metric, _)| block.values(*metric, &times_ms));
        let mut reports = ReportRows { columns: columns.collect::<Result<_, _>>()?, times_ms };
        if block.header.sequence_last >= self.heads.from_sequence {
            let sequences = block.sequences()?;
            reports.keep(|row| sequences[row] < self.heads.from_sequence);
        }
        Ok(reports)
    }

    /// Hands out reports of a range, in the order of time, with those of the heads.
    fn visit_in_order(&self, pieces: Vec<ReportRows>, range_ms: &Range<i64>, visit: &mut dyn FnMut(Piece)) {
        let mut all = ReportRows { times_ms: Vec::new(), columns: vec![Vec::new(); self.metrics.len()] };
        let in_range = |run: &&Run| run.times_ms.iter().any(|time_ms| range_ms.contains(time_ms));
        let of_heads = self.heads.runs.iter().filter(in_range).map(|run| {
            let columns = self.metrics.iter().map(|(metric, _)| run.column(*metric)).collect();
            let mut reports = ReportRows { times_ms: run.times_ms.clone(), columns };
            reports.clip(range_ms);
            reports
        });
        for mut piece in pieces.into_iter().chain(of_heads) {
            if all.times_ms.is_empty() {
                all = piece;
            } else {
                all.append(&mut piece);
            }
        }
        all.sort();
        all.visit(visit);
    }

    /// Rows of the plan's tier where it has them, of a finer one where it does not.
    fn tiers(&self, hours: Range<i64>, visit: &mut dyn FnMut(Piece)) -> Result<(), StoreError> {
        let mut open_hours = self.todo(key::TODO_HOUR, &hours)?;
        open_hours.extend(self.heads.hours.iter().copied());
        // A report that comes after its hour expired becomes part of no block: rows that were made in time are all there is.
        open_hours.retain(|hour| *hour >= self.raw_floor);
        let days = hours.start.div_euclid(24)..(hours.end - 1).div_euclid(24) + 1;
        let mut open_days = self.todo(key::TODO_DAY, &days)?;
        open_days.extend(open_hours.iter().map(|hour| hour.div_euclid(24)));
        if self.tier == Tier::Minute {
            return self.minutes(days, &hours, &open_hours, visit);
        }
        let mut day = days.start;
        while day < days.end {
            // As many days as possible of one sort at a time.
            let is_open = open_days.contains(&day);
            let end = (day..days.end).find(|day| open_days.contains(day) != is_open).unwrap_or(days.end);
            if is_open {
                for day in day..end {
                    let mut known = Vec::new();
                    self.quarters(day..day + 1, &mut |rows| known.push(rows))?;
                    self.fuller(known, &|visit| self.minutes(day..day + 1, &hours, &open_hours, visit), visit)?;
                }
            } else {
                self.quarters(day..end, visit)?;
            }
            day = end;
        }
        Ok(())
    }

    fn quarters(&self, days: Range<i64>, visit: &mut dyn FnMut(Piece)) -> Result<(), StoreError> {
        let range = |day| {
            let first = key::quarter_key(day, self.server_id).to_vec();
            let past = key::minute_key(day, self.server_id, 0).to_vec();
            (first, past)
        };
        self.store.scan_ranges(key::QUARTER, days.map(range), &mut |_, value| {
            if let Ok(rows) = self.block_rows(value) {
                visit(rows);
            }
            Ok(())
        })
    }

    /// Hands out what `read` reads of an hour or day with new reports, or the rows that are known of it, whichever is made of
    /// more reports. Of an hour whose reports are gone, a late one is all there is to read: the disk budget has taken the
    /// others, their block is corrupt, or they expired by a clock that was ahead.
    fn fuller(&self, known: Vec<Piece>, read: &Read<'_>, visit: &mut dyn FnMut(Piece)) -> Result<(), StoreError> {
        let of_known: u64 = known.iter().map(Piece::reports).sum();
        if of_known > 0 {
            let mut of_read = 0;
            read(&mut |piece| of_read += piece.reports())?;
            if of_read <= of_known {
                known.into_iter().for_each(visit);
                return Ok(());
            }
        }
        read(visit)
    }

    fn minutes(
        &self,
        days: Range<i64>,
        hours: &Range<i64>,
        open_hours: &BTreeSet<i64>,
        visit: &mut dyn FnMut(Piece),
    ) -> Result<(), StoreError> {
        for day in days {
            let mut by_hour: Vec<Vec<(u8, Piece)>> = (0..24).map(|_| Vec::new()).collect();
            let range = (
                key::minute_key(day, self.server_id, 0).to_vec(),
                key::minute_key(day, self.server_id, u8::MAX).to_vec(),
            );
            self.store.scan_ranges(key::MINUTE, std::iter::once(range), &mut |key, value| {
                let (Some(part), Ok(rows)) = (key::part_of(key), self.block_rows(value)) else { return Ok(()) };
                for (hour, piece) in rows.split_by_hour() {
                    by_hour[hour].push((part, piece));
                }
                Ok(())
            })?;
            for (hour, pieces) in (day * 24..).zip(by_hour) {
                if !hours.contains(&hour) {
                    continue;
                }
                // A block of one hour is newer than the same hour in the block of the whole day, which comes last.
                let known = pieces.into_iter().min_by_key(|(part, _)| *part).map(|(_, piece)| piece);
                if open_hours.contains(&hour) {
                    let range_ms = within(&self.range_ms, hour);
                    let read = |visit: &mut dyn FnMut(Piece)| self.reports(hour..hour + 1, range_ms.clone(), visit);
                    self.fuller(known.into_iter().collect(), &read, visit)?;
                } else {
                    known.into_iter().for_each(&mut *visit);
                }
            }
        }
        Ok(())
    }

    fn block_rows(&self, value: &[u8]) -> Result<Piece, Corrupt> {
        let block = Block::read(value)?;
        let (times_ms, counts) = (block.times_ms()?, block.counts()?);
        let columns = self.metrics.iter();
        let columns = columns.map(|(metric, aggregate)| block.summaries(*metric, Some(*aggregate), &counts));
        let columns = columns.collect::<Result<_, _>>()?;
        let mut piece = Piece::Rows { times_ms, counts, columns };
        piece.clip(&self.range_ms);
        Ok(piece)
    }

    fn todo(&self, kind: u8, times: &Range<i64>) -> Result<BTreeSet<i64>, StoreError> {
        let (from, to) =
            (key::todo_key(kind, self.server_id, times.start), key::todo_key(kind, self.server_id, times.end));
        let mut open = BTreeSet::new();
        self.store.scan_ranges(key::TODO, std::iter::once((from.to_vec(), to.to_vec())), &mut |key, _| {
            open.extend(key::todo_of(key).map(|(_, _, time)| time));
            Ok(())
        })?;
        Ok(open)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{HOUR, Made, RANGE_MS, SERVER, START_MS, in_order, orders, samples};
    use super::super::tier::Retention;
    use super::*;
    use crate::limits::HEAD_ROWS_MAX;
    use crate::sample::Sample;
    use crate::store::Changes;

    #[test]
    fn a_large_hour_is_walked_in_parts_and_in_the_order_of_time() {
        for (number, samples) in orders().iter().enumerate() {
            // Short blocks, and a head on top.
            let (early, late) = samples.split_at(samples.len() - 400);
            let (made, slot) = (Made::new(Retention::default(), None), Slot::of_test(SERVER));
            made.put(SERVER, early, HEAD_ROWS_MAX);
            for (sequence, sample) in (early.len() as u64 + 1..).zip(late) {
                slot.status.lock().push(sequence, sample, crate::intake::Position(1), 0);
            }
            let expected = in_order(samples);
            let metrics = [(Metric::MemUsed, Aggregate::Last)];
            let (mut read, mut largest) = (Vec::new(), 0);
            made.history
                .walk(&made.store, &slot, Tier::Raw, &RANGE_MS, &metrics, &mut |piece| {
                    let Piece::Reports { times_ms, columns } = piece else { panic!("reports are asked for") };
                    largest = largest.max(times_ms.len());
                    read.extend(times_ms.into_iter().zip(columns.into_iter().flatten()));
                })
                .expect("readable");
            let wanted = expected.iter().map(|(_, sample)| (sample.time_ms, sample.mem_used));
            assert!(read.into_iter().eq(wanted), "order {number}");
            assert!(largest <= WALK_ROWS_MAX + 400, "{largest} rows at once, order {number}");
        }
    }

    #[test]
    fn hours_that_are_in_heads_only_come_in_their_order() {
        let (made, slot) = (Made::new(Retention::default(), None), Slot::of_test(SERVER));
        made.put(SERVER, &samples(10, |number| number * 1000), HEAD_ROWS_MAX);
        for (sequence, hours) in [(11, -1), (12, 0), (13, 1)] {
            let sample = Sample { time_ms: START_MS + hours * HOUR_MS + 500, mem_used: sequence, ..Sample::default() };
            slot.status.lock().push(sequence, &sample, crate::intake::Position(1), 0);
        }
        let mut times = Vec::new();
        let walk = made.history.walk(&made.store, &slot, Tier::Raw, &RANGE_MS, &[], &mut |piece| {
            if let Piece::Reports { times_ms, .. } = piece {
                times.extend(times_ms);
            }
        });
        walk.expect("readable");
        assert_eq!(times.len(), 13);
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!(times[0].div_euclid(HOUR_MS), HOUR - 1);
    }

    #[test]
    fn a_report_that_comes_after_its_hour_expired_hides_none_of_its_minutes() {
        let (made, slot) = (Made::new(Retention::default(), None), Slot::of_test(SERVER));
        made.put(SERVER, &samples(10, |number| number * 60_000), HEAD_ROWS_MAX);
        let (mut state, mut upkeep) = Default::default();
        made.history.pack_hour(&mut state, &made.store, SERVER, HOUR, &mut upkeep).expect("a healthy store");
        let rows = || {
            let mut rows = 0;
            let mut count = |piece| rows += if let Piece::Rows { times_ms, .. } = piece { times_ms.len() } else { 0 };
            made.history.walk(&made.store, &slot, Tier::Minute, &RANGE_MS, &[], &mut count).expect("readable");
            rows
        };
        assert_eq!(rows(), 10);
        made.history.set_floor(Tier::Raw, HOUR + 1);
        let late = Sample { time_ms: START_MS + 500, ..Sample::default() };
        slot.status.lock().push(11, &late, crate::intake::Position(1), 0);
        assert_eq!(rows(), 10);
        made.history.set_floor(Tier::Raw, HOUR);
        assert_eq!(rows(), 0, "an hour that is kept and has new reports is read from them");
        let (from, to) = key::raw_range(HOUR, SERVER);
        let mut changes = Changes::default();
        changes.delete_range(key::RAW, &from, &to);
        made.store.write(&changes).expect("on disk");
        assert_eq!(rows(), 10, "unless they are gone");
    }
}

//! Hours and days that are over: their blocks become one, and a coarser tier is made of them.

use std::collections::{BTreeMap, BTreeSet};

use super::{DAY_MS, HOUR_MS, History, MINUTE_MS, Point, QUARTER_MS, State, Tier, Upkeep};
use crate::block::{Block, Effort, Run, SummaryRun};
use crate::limits::{
    BLOCK_ROWS_MAX, CORRUPT_BLOCKS_NAMED_MAX, DAY_GRACE_MS, HOUR_GRACE_MS, PACK_INTERVAL_MS, PACKS_PER_ROUND_MAX,
};
use crate::metric::Metric;
use crate::store::{Changes, Store, StoreError, key};
use crate::summary::Summary;

const HOURS_PER_DAY: i64 = DAY_MS / HOUR_MS;

/// What is due, from the family `todo`.
#[derive(Default)]
struct Due {
    hours: Vec<(u64, i64)>,
    days: Vec<(u64, i64)>,
    /// Oldest hour and day that are not packed, due or not.
    oldest: [Option<i64>; 2],
}

impl History {
    /// Packs what is due, a bounded number of hours and days. Whether more is due.
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
        for (server_id, hour) in due.hours.into_iter().take(PACKS_PER_ROUND_MAX) {
            self.pack_hour(state, store, server_id, hour, upkeep)?;
        }
        for (server_id, day) in due.days.into_iter().take(PACKS_PER_ROUND_MAX) {
            self.pack_day(state, store, server_id, day, upkeep)?;
        }
        let has_more = work > PACKS_PER_ROUND_MAX;
        if !has_more {
            state.packed_ms = now_ms;
        }
        Ok(has_more)
    }

    fn due(&self, store: &Store, now_ms: i64) -> Result<Due, StoreError> {
        let (mut due, mut open_days) = (Due::default(), BTreeSet::new());
        store.scan(key::TODO, &[key::TODO_HOUR], &mut |key, _| {
            let (_, server_id, hour) = todo(key)?;
            if (hour + 1).saturating_mul(HOUR_MS).saturating_add(HOUR_GRACE_MS) <= now_ms {
                due.hours.push((server_id, hour));
            }
            open_days.insert((server_id, hour.div_euclid(HOURS_PER_DAY)));
            due.oldest[0] = Some(due.oldest[0].map_or(hour, |oldest| oldest.min(hour)));
            Ok(())
        })?;
        let (from, to) = ([key::TODO_DAY], [key::TODO_DAY + 1]);
        store.scan_range(key::TODO, &from, &to, &mut |key, _| {
            let (_, server_id, day) = todo(key)?;
            let is_over = (day + 1).saturating_mul(DAY_MS).saturating_add(DAY_GRACE_MS) <= now_ms;
            if is_over && !open_days.contains(&(server_id, day)) {
                due.days.push((server_id, day));
            }
            due.oldest[1] = Some(due.oldest[1].map_or(day, |oldest| oldest.min(day)));
            Ok(())
        })?;
        Ok(due)
    }

    /// The oldest hour and day that still wait for being packed; nothing of them may expire.
    pub(super) fn oldest_unpacked(&self, store: &Store) -> Result<[Option<i64>; 2], StoreError> {
        Ok(self.due(store, i64::MIN)?.oldest)
    }

    fn pack_hour(
        &self,
        state: &mut State,
        store: &Store,
        server_id: u64,
        hour: i64,
        upkeep: &mut Upkeep,
    ) -> Result<(), StoreError> {
        let mut changes = Changes::default();
        changes.delete(key::TODO, &key::todo_key(key::TODO_HOUR, server_id, hour));
        let mut run = Run::default();
        let mut packed: Vec<Vec<u8>> = Vec::new();
        if hour >= self.floor(Tier::Raw) {
            let (from, to) = key::raw_range(hour, server_id);
            store.scan_range(key::RAW, &from, &to, &mut |key, value| {
                match Block::read(value).and_then(|block| block.run()) {
                    Ok(mut block) => {
                        run.append(&mut block);
                        packed.push(key.to_vec());
                    }
                    Err(error) => self.report_corrupt(state, key::RAW, key, &error, upkeep),
                }
                Ok(())
            })?;
        }
        if !run.is_empty() {
            let mut rows = 0;
            for part in run.chunks(BLOCK_ROWS_MAX) {
                let key = key::raw_key(hour, server_id, run.sequences[rows]);
                rows += part.len();
                packed.retain(|old| *old != key);
                changes.put(key::RAW, &key, part.encode(server_id, Effort::Dense));
            }
            packed.iter().for_each(|key| changes.delete(key::RAW, key));
            let day = hour.div_euclid(HOURS_PER_DAY);
            if day >= self.floor(Tier::Minute) {
                let part = u8::try_from(hour.rem_euclid(HOURS_PER_DAY)).unwrap_or_default();
                let minutes = minutes_of(&run);
                changes.put(key::MINUTE, &key::minute_key(day, server_id, part), minutes.encode(server_id));
                changes.put(key::TODO, &key::todo_key(key::TODO_DAY, server_id, day), Vec::new());
            }
        }
        self.pass(Point::HourPacked);
        store.write(&changes)?;
        self.pass(Point::HourWritten);
        upkeep.hours_packed += 1;
        Ok(())
    }

    fn pack_day(
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
            let quarters = minutes.coarser(QUARTER_MS);
            changes.put(key::QUARTER, &key::quarter_key(day, server_id), quarters.encode(server_id));
        }
        self.pass(Point::DayPacked);
        store.write(&changes)?;
        self.pass(Point::DayWritten);
        upkeep.days_packed += 1;
        Ok(())
    }

    /// Counts a corrupt block, and names it.
    fn report_corrupt(
        &self,
        state: &mut State,
        family: &'static str,
        key: &[u8],
        error: &StoreError,
        upkeep: &mut Upkeep,
    ) {
        upkeep.corrupt_blocks += 1;
        if state.corrupt.len() < CORRUPT_BLOCKS_NAMED_MAX {
            state.corrupt.push(format!("{}: {error}", key::describe(family, key)));
        }
    }
}

fn todo(key: &[u8]) -> Result<(u8, u64, i64), StoreError> {
    key::todo_of(key).ok_or_else(|| StoreError::Corrupt { what: "a key of todo".to_owned() })
}

/// Decodes a block under its key, or reports it and gives nothing.
type ReadMinutes<'a> = dyn FnMut(&[u8], Result<Block<'_>, StoreError>) -> Option<SummaryRun> + 'a;

/// The minutes of one server's day: what is packed for the whole day, overridden by hours that came later.
pub(super) fn read_day(
    store: &Store,
    server_id: u64,
    day: i64,
    read: &mut ReadMinutes<'_>,
) -> Result<SummaryRun, StoreError> {
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

/// The minutes of a run of reports, in the order of their times.
pub(super) fn minutes_of(run: &Run) -> SummaryRun {
    let mut order: Vec<usize> = (0..run.len()).collect();
    // Stable: reports of one moment stay in the order of their numbers.
    order.sort_by_key(|row| run.times_ms[*row]);
    let starts: Vec<i64> = order.iter().map(|row| run.times_ms[*row].div_euclid(MINUTE_MS) * MINUTE_MS).collect();
    let mut minutes = SummaryRun::default();
    for start in &starts {
        minutes.count(*start, 1);
    }
    for (metric, summaries) in Metric::ALL.into_iter().zip(&mut minutes.metrics) {
        let column = run.column(metric);
        let mut rows = order.iter().zip(&starts).peekable();
        for start in &minutes.times_ms {
            let mut summary = Summary::default();
            while let Some((row, _)) = rows.next_if(|(_, of)| *of == start) {
                if metric != Metric::Temperature || column[*row] != crate::block::ABSENT {
                    summary.add(metric.kind(), column[*row]);
                }
            }
            summaries.push(summary);
        }
    }
    minutes
}

impl SummaryRun {
    /// Adds `reports` to the row that starts at `start_ms`, which is the last one or a new one.
    fn count(&mut self, start_ms: i64, reports: u64) {
        match (self.times_ms.last(), self.counts.last_mut()) {
            (Some(last), Some(count)) if *last == start_ms => *count += reports,
            _ => {
                self.times_ms.push(start_ms);
                self.counts.push(reports);
            }
        }
    }

    /// Adds the rows of `other`, which come later.
    fn append(&mut self, other: &mut Self) {
        self.times_ms.append(&mut other.times_ms);
        self.counts.append(&mut other.counts);
        self.metrics.iter_mut().zip(&mut other.metrics).for_each(|(mine, theirs)| mine.append(theirs));
    }

    /// The rows of each hour.
    fn split_by_hour(self) -> Vec<(i64, Self)> {
        let mut hours: Vec<(i64, Self)> = Vec::new();
        for row in 0..self.times_ms.len() {
            let hour = self.times_ms[row].div_euclid(HOUR_MS);
            if hours.last().is_none_or(|(last, _)| *last != hour) {
                hours.push((hour, Self::default()));
            }
            if let Some((_, run)) = hours.last_mut() {
                run.times_ms.push(self.times_ms[row]);
                run.counts.push(self.counts[row]);
                run.metrics.iter_mut().zip(&self.metrics).for_each(|(to, from)| to.push(from[row]));
            }
        }
        hours
    }

    /// The same in rows of `row_ms`.
    pub(super) fn coarser(&self, row_ms: i64) -> Self {
        let start = |row: usize| self.times_ms[row].div_euclid(row_ms) * row_ms;
        let mut coarser = Self::default();
        for (row, count) in self.counts.iter().enumerate() {
            coarser.count(start(row), *count);
        }
        for (metric, (fine, coarse)) in Metric::ALL.into_iter().zip(self.metrics.iter().zip(&mut coarser.metrics)) {
            let mut rows = fine.iter().enumerate().peekable();
            for of in &coarser.times_ms {
                let mut summary = Summary::default();
                while let Some((_, later)) = rows.next_if(|(row, _)| start(*row) == *of) {
                    summary.merge(metric.kind(), later);
                }
                coarse.push(summary);
            }
        }
        coarser
    }
}

impl Run {
    /// The rows in runs of at most `rows`.
    fn chunks(&self, rows: usize) -> Vec<Self> {
        if self.len() <= rows {
            return vec![self.clone()];
        }
        let mut chunks = vec![Self::default()];
        for (sequence, sample) in self.reports() {
            if chunks.last().is_some_and(|chunk| chunk.len() == rows) {
                chunks.push(Self::default());
            }
            if let Some(chunk) = chunks.last_mut() {
                chunk.push(sequence, &sample);
            }
        }
        chunks
    }
}

//! What truly happened: every report that any agent made, what became of it, and where it was last seen in history.

use std::collections::{BTreeMap, BTreeSet};

use windfire_wire::{Report, Temperature};

/// Milliseconds of an hour.
pub(crate) const HOUR_MS: i64 = 3_600_000;
/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// Hours before the oldest kept one whose reports may have come too late for any block.
const LATE_HOURS: i64 = 2;

/// One report. Its number in the model, from 1, is in its values.
#[derive(Debug)]
pub(crate) struct Made {
    /// Number of the server it is of, in the world.
    pub(crate) server: usize,
    uptime_s: u64,
    /// When it was truly made, Unix milliseconds.
    made_ms: i64,
    /// An honest agent has let go of it, because the hub said that it has it.
    pub(crate) is_acked: bool,
    /// Where it was last seen in history, Unix milliseconds.
    pub(crate) placed_ms: Option<i64>,
}

/// A report as history has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its number in the model.
    pub(crate) number: u64,
    /// Unix milliseconds.
    pub(crate) time_ms: i64,
}

/// Reports of one server and hour by sequence number.
pub(crate) type Hour = BTreeMap<u64, Row>;

/// What truly happened.
#[derive(Debug, Default)]
pub(crate) struct Model {
    made: Vec<Made>,
    /// Hours of each server as they were seen last, also after their reports expired.
    pub(crate) hours: BTreeMap<(usize, i64), Hour>,
    /// Hours some of whose reports may have come too late to become part of a block.
    pub(crate) late: BTreeSet<i64>,
    /// The oldest hour of reports that was kept at any look.
    pub(crate) floor: i64,
    /// The highest time that upkeep was ever told.
    latest_ms: i64,
    /// Hours by which a report may lie beside its true time.
    off_hours: i64,
}

/// The report of that number: any other number has another.
fn values(number: u64, time_ms: i64, uptime_s: u64) -> Report {
    let sensor = |name: &str, celsius: u64| Temperature { name: name.to_owned(), celsius: celsius as f64 };
    let temperatures = match number % 7 {
        0 => vec![sensor("cpu", 30 + number % 50), sensor("disk", 20 + number % 30)],
        3 | 4 => vec![sensor("cpu", 30 + number % 50)],
        _ => Vec::new(),
    };
    Report {
        time_ms,
        uptime_s,
        mem_used: number,
        cpu: (number % 10_000) as f64 / 100.0,
        load1: (number as f64).sqrt(),
        net_in_transfer: number * 977,
        process_count: number % 300,
        temperatures,
        ..Report::default()
    }
}

impl Model {
    /// A model without reports, at a time before which nothing happens.
    pub(crate) fn new(start_ms: i64) -> Self {
        Self { floor: i64::MIN, latest_ms: start_ms, off_hours: 2, ..Self::default() }
    }

    /// A new report of a server, at a true time and at what the agent's clock shows.
    pub(crate) fn make(&mut self, server: usize, made_ms: i64, time_ms: i64, uptime_s: u64) -> Report {
        self.made.push(Made { server, uptime_s, made_ms, is_acked: false, placed_ms: None });
        values(self.made.len() as u64, time_ms, uptime_s)
    }

    /// The number in a report.
    pub(crate) const fn number_of(report: &Report) -> u64 {
        report.mem_used
    }

    /// The report of that number as it is in history at that time; `None` when nobody made it.
    pub(crate) fn report(&self, number: u64, time_ms: i64) -> Option<Report> {
        self.made(number).map(|made| values(number, time_ms, made.uptime_s))
    }

    /// What is known of a report.
    pub(crate) fn made(&self, number: u64) -> Option<&Made> {
        self.made.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// The same, to be changed.
    pub(crate) fn made_mut(&mut self, number: u64) -> Option<&mut Made> {
        self.made.get_mut(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// Every report of a server, and its number.
    pub(crate) fn all_of(&self, server: usize) -> impl Iterator<Item = (u64, &Made)> {
        (1..).zip(&self.made).filter(move |(_, made)| made.server == server)
    }

    /// An honest agent let go of a report.
    pub(crate) fn acked(&mut self, number: u64) {
        if let Some(made) = self.made_mut(number) {
            made.is_acked = true;
        }
    }

    /// Reports made, and those acknowledged.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.made.len() as u64, self.made.iter().filter(|made| made.is_acked).count() as u64)
    }

    /// Numbers of the reports that were acknowledged until now.
    pub(crate) fn all_acked(&self) -> BTreeSet<u64> {
        (1..).zip(&self.made).filter(|(_, made)| made.is_acked).map(|(number, _)| number).collect()
    }

    /// The hub has died: what nobody was told that it is durable may be lost, and come again to another place.
    pub(crate) fn hub_died(&mut self) {
        self.made.iter_mut().filter(|made| !made.is_acked).for_each(|made| made.placed_ms = None);
    }

    /// Upkeep is told that it is `now_ms`.
    pub(crate) fn upkeep_at(&mut self, now_ms: i64) {
        self.latest_ms = self.latest_ms.max(now_ms);
    }

    /// The first hour of which every report must still be there: expiry cannot have come further.
    pub(crate) fn kept_from(&self) -> i64 {
        (self.latest_ms - i64::from(crate::hub::RAW_DAYS) * DAY_MS).div_euclid(HOUR_MS)
    }

    /// From now on a report may lie beside its true time by so many hours: some clock is wrong.
    pub(crate) fn is_placed_within(&mut self, hours: i64) {
        self.off_hours = self.off_hours.max(hours);
    }

    /// Whether history may be without an acknowledged report: it has expired, or was too old for history when it came. Where
    /// history had it is known of those that were seen there.
    pub(crate) fn may_miss(&self, made: &Made) -> bool {
        match made.placed_ms {
            Some(placed_ms) => placed_ms.div_euclid(HOUR_MS) < self.kept_from(),
            None => made.made_ms.div_euclid(HOUR_MS) < self.kept_from().saturating_add(self.off_hours),
        }
    }

    /// Whether a day of a tier that is kept for so many days must still be there, by the latest time that upkeep was ever told.
    pub(crate) fn day_is_kept(&self, day: i64, days: u32) -> bool {
        day > (self.latest_ms - i64::from(days) * DAY_MS).div_euclid(DAY_MS)
    }

    /// Some reports may have been too old for any block: their minutes may be missing.
    pub(crate) fn some_came_late(&mut self) {
        let last = self.kept_from();
        let first = self.floor.max(last - 1000) - LATE_HOURS;
        self.late.extend(first..=last);
    }
}

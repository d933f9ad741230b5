//! Availability of a server, from its own reports: a minute counts when there is a report in it.

use super::piece::Piece;
use super::tier::{MINUTE_MS, Tier};
use super::upkeep::History;
use crate::slot::Slot;
use crate::store::{Store, StoreError};

/// When a server reported and when it did not. All times are Unix milliseconds of whole minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uptime {
    /// Start of the range: the time asked for, the server's creation, or the start of the minute tier, whichever is last.
    pub from_ms: i64,
    /// Until then.
    pub to_ms: i64,
    /// Minutes in between.
    pub minutes: i64,
    /// Minutes with a report.
    pub up_minutes: i64,
    /// Reports.
    pub reports: u64,
    /// Runs of minutes without a report.
    pub outages: u64,
    /// Minutes of the longest of them.
    pub longest_outage_minutes: i64,
}

impl History {
    /// Availability of one server.
    pub(crate) fn uptime(&self, store: &Store, slot: &Slot, from_ms: i64, to_ms: i64) -> Result<Uptime, StoreError> {
        // A creation time after the range was written while the hub's clock was ahead.
        let created_ms = slot.record.read().created_s.saturating_mul(1000);
        let created_ms = if created_ms < to_ms { created_ms } else { from_ms };
        let floor_ms = self.floor(Tier::Minute).saturating_mul(Tier::Minute.span_ms());
        let from_ms = from_ms.max(created_ms).max(floor_ms).div_euclid(MINUTE_MS) * MINUTE_MS;
        let to_ms = (to_ms.max(from_ms) - 1).div_euclid(MINUTE_MS) * MINUTE_MS + MINUTE_MS;
        let mut uptime = Uptime {
            from_ms,
            to_ms,
            minutes: (to_ms - from_ms) / MINUTE_MS,
            up_minutes: 0,
            reports: 0,
            outages: 0,
            longest_outage_minutes: 0,
        };
        if uptime.minutes <= 0 {
            return Ok(Uptime { minutes: 0, ..uptime });
        }
        let mut expected_ms = from_ms;
        let mut count = |uptime: &mut Uptime, minute_ms: i64, reports: u64| {
            uptime.reports += reports;
            if minute_ms < expected_ms {
                return;
            }
            uptime.up_minutes += 1;
            uptime.note_outage((minute_ms - expected_ms) / MINUTE_MS);
            expected_ms = minute_ms + MINUTE_MS;
        };
        self.walk(store, slot, Tier::Minute, &(from_ms..to_ms), &[], &mut |piece| match piece {
            Piece::Reports { times_ms, .. } => {
                times_ms.iter().for_each(|time| count(&mut uptime, time.div_euclid(MINUTE_MS) * MINUTE_MS, 1));
            }
            Piece::Rows { times_ms, counts, .. } => {
                times_ms.iter().zip(&counts).for_each(|(time, reports)| count(&mut uptime, *time, *reports));
            }
        })?;
        uptime.note_outage((to_ms - expected_ms) / MINUTE_MS);
        Ok(uptime)
    }
}

impl Uptime {
    fn note_outage(&mut self, minutes: i64) {
        self.outages += u64::from(minutes > 0);
        self.longest_outage_minutes = self.longest_outage_minutes.max(minutes);
    }
}

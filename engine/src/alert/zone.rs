//! Time zones, by their names in the IANA database. The database is a part of the program, so nothing is read from the
//! disk, and a machine without one has the same zones.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The day of the week and the time of day that clocks in some zone show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LocalTime {
    /// 0 for Monday to 6 for Sunday.
    pub(super) weekday: u8,
    /// Minutes since midnight.
    pub(super) minute: u16,
}

/// Whether there is a time zone of that name.
pub(super) fn is_known(zone: &str) -> bool {
    find(zone).is_some()
}

/// What clocks in that zone show. `None` if there is no such zone, or the time is thousands of years away.
pub(super) fn local_time(zone: &str, now_s: i64) -> Option<LocalTime> {
    let shown = find(zone)?.to_datetime(Timestamp::from_second(now_s).ok()?);
    let weekday = shown.weekday().to_monday_zero_offset().unsigned_abs();
    let (hour, minute) = (shown.hour().unsigned_abs(), shown.minute().unsigned_abs());
    Some(LocalTime { weekday, minute: u16::from(hour) * 60 + u16::from(minute) })
}

fn find(zone: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(zone).ok().filter(|zone| !zone.is_unknown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_show_the_time_of_their_zone() {
        // Sunday, 29 March 2026, 00:59:59 UTC: a second before Europe's clocks go forward.
        const BEFORE_S: i64 = 1_774_745_999;
        for (zone, now_s, weekday, minute) in [
            ("UTC", BEFORE_S, 6, 59),
            ("Europe/Berlin", BEFORE_S, 6, 119),
            ("Europe/Berlin", BEFORE_S + 1, 6, 180),
            ("asia/shanghai", BEFORE_S, 6, 8 * 60 + 59),
            ("America/New_York", BEFORE_S, 5, 20 * 60 + 59),
            ("Asia/Kathmandu", BEFORE_S, 6, 6 * 60 + 44),
            ("UTC", 0, 3, 0),
            ("UTC", -60, 2, 24 * 60 - 1),
        ] {
            assert_eq!(local_time(zone, now_s), Some(LocalTime { weekday, minute }), "{zone} {now_s}");
        }
        assert_eq!(local_time("UTC", i64::MAX), None);
    }

    #[test]
    fn only_names_of_zones_are_known() {
        assert!(["UTC", "Europe/Berlin", "Asia/Shanghai", "Etc/GMT+8"].iter().all(|zone| is_known(zone)));
        for unknown in ["", "CET+1", "+08:00", "Mars/Olympus", "Etc/Unknown", "../etc/passwd", "Europe/Berlin\n"] {
            assert!(!is_known(unknown), "{unknown:?}");
        }
    }
}

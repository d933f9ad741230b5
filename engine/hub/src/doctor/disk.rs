//! The disk of the data folder: its room, and how long it takes to keep something.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use windfire_doctor::Finding;

use crate::admin::StorageAnswer;
use crate::cli::size;

/// Free bytes below which history has no room to be packed.
const FREE_BYTES_MIN: u64 = 64 * 1024 * 1024;
/// Days until the disk is full, below which there is a warning.
const DAYS_WARN: f64 = 30.0;
/// Days below which that is bad.
const DAYS_BAD: f64 = 1.0;

/// Writes that are timed, and the bytes of each: a page, as a small commit is.
const WRITES: usize = 100;
const WRITE_BYTES: usize = 4096;
/// Of these, so many are faster than the time that is judged.
const WRITES_FASTER: usize = 99;
/// The time of a synced write above which reports wait: the default interval of commits.
const WRITE_WARN: Duration = Duration::from_millis(20);
/// The time above which every commit is late.
const WRITE_BAD: Duration = Duration::from_millis(200);
/// The file that is written, in the data folder. It is removed.
const FILE: &str = "doctor.tmp";

/// When history fills the free space.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fills {
    /// There is room for every tier at its full length.
    Never,
    /// In so many days.
    In(f64),
    /// History is too short for a forecast.
    Unknown,
}

/// Bytes that this user may still write.
pub(super) fn free_bytes(data: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(data)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// `storage` is the forecast of a running hub.
pub(super) fn judge_space(free: io::Result<u64>, storage: Option<&Result<StorageAnswer, String>>) -> Finding {
    const CHECK: &str = "free_space";
    let more = "free some, add a larger disk, or keep history for fewer days (\"windfire storage\")";
    let free = match free {
        Ok(free) => free,
        Err(error) => return Finding::warn(CHECK, format!("it cannot be read: {error}"), "run this as the hub's user"),
    };
    let seen = format!("{} free", size(free));
    if free < FREE_BYTES_MIN {
        return Finding::bad(CHECK, seen, more);
    }
    let storage = match storage {
        Some(Ok(storage)) => storage,
        Some(Err(error)) => return Finding::info(CHECK, format!("{seen}; there is no forecast: {error}")),
        None => return Finding::info(CHECK, format!("{seen}; a forecast needs a running hub")),
    };
    match fills(free, storage) {
        Fills::Unknown => Finding::info(CHECK, format!("{seen}; history is too short for a forecast")),
        Fills::Never => Finding::ok(CHECK, format!("{seen}, enough for all history that is kept")),
        Fills::In(days) => {
            let seen = format!("{seen}, full in {days:.1} days at the present rate");
            if days < DAYS_BAD {
                Finding::bad(CHECK, seen, more)
            } else if days < DAYS_WARN {
                Finding::warn(CHECK, seen, more)
            } else {
                Finding::ok(CHECK, seen)
            }
        }
    }
}

/// Each tier grows by its share of its forecast per day, until it is as long as it is kept.
fn fills(free: u64, storage: &StorageAnswer) -> Fills {
    // Days that a tier still grows, and bytes by which it does so per day.
    let mut growing: Vec<(f64, f64)> = Vec::new();
    let mut are_known = false;
    for tier in &storage.tiers {
        let Some(forecast) = tier.forecast_bytes else { continue };
        are_known = true;
        let bytes_per_day = forecast as f64 / f64::from(tier.days.max(1));
        let missing = forecast.saturating_sub(tier.bytes) as f64;
        if bytes_per_day > 0.0 && missing > 0.0 {
            growing.push((missing / bytes_per_day, bytes_per_day));
        }
    }
    if !are_known {
        return Fills::Unknown;
    }
    let mut free = free as f64;
    // A bound of the disk that history takes ends its growth.
    if storage.bytes_max > 0 && (storage.bytes_max.saturating_sub(storage.bytes) as f64) < free {
        return Fills::Never;
    }
    growing.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut day = 0.0;
    for (number, (until, _)) in growing.iter().enumerate() {
        let bytes_per_day: f64 = growing.iter().skip(number).map(|(_, bytes)| bytes).sum();
        let needed = bytes_per_day * (until - day);
        if needed > free {
            return Fills::In(day + free / bytes_per_day);
        }
        free -= needed;
        day = *until;
    }
    Fills::Never
}

/// A file that is removed at the end.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _gone_already = fs::remove_file(&self.0);
    }
}

/// The times of synced writes to the data folder.
pub(super) fn timed_writes(data: &Path) -> io::Result<Vec<Duration>> {
    let path = data.join(FILE);
    // A doctor that was killed may have left it.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    let _removed = Temporary(path);
    let bytes = [0x5a; WRITE_BYTES];
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        let begun = Instant::now();
        file.write_all(&bytes)?;
        file.sync_data()?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

pub(super) fn judge_writes(times: &io::Result<Vec<Duration>>) -> Finding {
    const CHECK: &str = "synced_writes";
    let times = match times {
        Ok(times) => times,
        Err(error) => {
            let remedy = "free space, or run this as the hub's user";
            return Finding::bad(CHECK, format!("the data folder cannot be written: {error}"), remedy);
        }
    };
    let mut sorted = times.clone();
    sorted.sort_unstable();
    let ms = |time: Option<&Duration>| time.map_or(0.0, |time| time.as_secs_f64() * 1000.0);
    let slow = sorted.get(WRITES_FASTER - 1).or(sorted.last()).copied().unwrap_or_default();
    let seen = format!(
        "{} writes of 4 KiB: {:.1} ms at most for half of them, {:.1} ms for 99 of 100",
        sorted.len(),
        ms(sorted.get(sorted.len() / 2)),
        ms(Some(&slow))
    );
    let remedy = "put the data folder on a faster disk, one that no other program keeps busy";
    if slow > WRITE_BAD {
        Finding::bad(CHECK, seen, remedy)
    } else if slow > WRITE_WARN {
        Finding::warn(CHECK, seen, remedy)
    } else {
        Finding::ok(CHECK, seen)
    }
}

#[cfg(test)]
mod tests {
    use windfire_doctor::Verdict;

    use super::*;
    use crate::admin::TierLine;

    const GIB: u64 = 1 << 30;

    fn tier(days: u32, bytes: u64, forecast_bytes: Option<u64>) -> TierLine {
        TierLine {
            tier: "raw".to_owned(),
            days,
            bytes,
            oldest: None,
            bytes_per_row: None,
            bytes_per_data_point: None,
            forecast_bytes,
            freed_bytes: 0,
        }
    }

    fn storage(tiers: Vec<TierLine>, bytes_max: u64) -> StorageAnswer {
        let bytes = tiers.iter().map(|tier| tier.bytes).sum();
        StorageAnswer {
            servers: 1,
            tiers,
            bytes,
            forecast_bytes: None,
            freed_bytes: 0,
            bytes_max,
            expiry_behind_s: 0,
            rollback: None,
        }
    }

    #[test]
    fn the_day_on_which_the_disk_is_full_is_reckoned_from_each_tiers_growth() {
        // 1 GiB per day for ten days, and 1 GiB per day for 100 days.
        let two = || vec![tier(10, 0, Some(10 * GIB)), tier(100, 0, Some(100 * GIB))];
        assert_eq!(fills(10 * GIB, &storage(two(), 0)), Fills::In(5.0));
        assert_eq!(fills(30 * GIB, &storage(two(), 0)), Fills::In(20.0));
        assert_eq!(fills(111 * GIB, &storage(two(), 0)), Fills::Never);
        assert_eq!(fills(10 * GIB, &storage(two(), 5 * GIB)), Fills::Never, "a bound that is smaller than the disk");
        assert_eq!(fills(10 * GIB, &storage(two(), 50 * GIB)), Fills::In(5.0));
        let full = vec![tier(10, 10 * GIB, Some(10 * GIB)), tier(100, 0, None)];
        assert_eq!(fills(GIB, &storage(full, 0)), Fills::Never);
        assert_eq!(fills(GIB, &storage(vec![tier(10, 0, None)], 0)), Fills::Unknown);
        assert_eq!(fills(GIB, &storage(vec![tier(10, 0, Some(0))], 0)), Fills::Never);
    }

    #[test]
    fn free_space_is_judged_by_the_days_that_it_lasts() {
        let with = |forecast: u64| Ok(storage(vec![tier(100, 0, Some(forecast))], 0));
        for (free, storage, verdict) in [
            (Ok(GIB), Some(with(GIB)), Verdict::Ok),
            (Ok(GIB), Some(with(2 * GIB)), Verdict::Ok),
            (Ok(GIB), Some(with(5 * GIB)), Verdict::Warn),
            (Ok(GIB), Some(with(200 * GIB)), Verdict::Bad),
            (Ok(GIB), Some(Ok(storage_of_nothing())), Verdict::Info),
            (Ok(GIB), Some(Err("gone".to_owned())), Verdict::Info),
            (Ok(GIB), None, Verdict::Info),
            (Ok(FREE_BYTES_MIN - 1), None, Verdict::Bad),
            (Err(io::ErrorKind::PermissionDenied.into()), None, Verdict::Warn),
        ] {
            let finding = judge_space(free, storage.as_ref());
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
    }

    fn storage_of_nothing() -> StorageAnswer {
        storage(Vec::new(), 0)
    }

    #[test]
    fn writes_are_judged_by_the_second_slowest_of_a_hundred() {
        let times = |slow: usize, ms: u64| {
            let time = |number| if number < slow { Duration::from_millis(ms) } else { Duration::from_millis(1) };
            Ok((0..WRITES).map(time).collect::<Vec<_>>())
        };
        for (times, verdict) in [
            (times(0, 0), Verdict::Ok),
            (times(1, 900), Verdict::Ok),
            (times(2, 20), Verdict::Ok),
            (times(2, 21), Verdict::Warn),
            (times(2, 201), Verdict::Bad),
            (Ok(Vec::new()), Verdict::Ok),
            (Err(io::ErrorKind::StorageFull.into()), Verdict::Bad),
        ] {
            let finding = judge_writes(&times);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
    }

    #[test]
    fn the_file_that_is_written_is_gone_afterwards() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join(FILE), "left by one that was killed").expect("room");
        assert_eq!(timed_writes(folder.path()).expect("room").len(), WRITES);
        assert_eq!(fs::read_dir(folder.path()).expect("there").count(), 0);
        assert!(timed_writes(&folder.path().join("missing")).is_err());
    }
}

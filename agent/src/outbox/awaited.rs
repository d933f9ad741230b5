//! A spool that cannot be used yet, because its disk is full, read-only or failing, or not any more, because a file of it
//! cannot be read. A machine with such a disk must still be watched: its readings are held in memory, and what the spool
//! has stays there. Once the disk is well, the spool is used: first goes what it had, then what was held.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::error::SpoolError;
use super::memory::Memory;
use super::spool::{LOCK, SetAside, Spool, SpoolOptions};
use crate::limits::{MEMORY_REPORTS_MAX, SPOOL_RETRY_INTERVAL, SPOOL_RETRY_INTERVAL_MAX};

#[derive(Debug)]
pub(super) struct Awaited {
    options: SpoolOptions,
    /// The machine's id.
    machine: Option<String>,
    /// Whether the folder was a spool at the start. If it is none later, its disk is away.
    was_used: bool,
    /// When it is tried again, and how long after that.
    due: Instant,
    interval: Duration,
    /// Why it could not be used, as it was last said.
    told: String,
    /// It was used by this process before.
    aside: Option<SetAside>,
}

impl Awaited {
    /// The spool that could not be used because of `error`.
    pub(super) fn new(options: &SpoolOptions, machine: Option<String>, error: &SpoolError) -> Self {
        // A disk that fails may not even say that.
        let was_used = options.folder.join(LOCK).try_exists().unwrap_or(true);
        Self::of(options.clone(), machine, was_used, None, SPOOL_RETRY_INTERVAL, error)
    }

    /// A spool that was used until now, and of which a segment cannot be read because of `error`. That happened so often before.
    pub(super) fn set_aside(spool: Spool, segment: PathBuf, times: u32, error: &SpoolError) -> Self {
        let interval = SPOOL_RETRY_INTERVAL.saturating_mul(1 << times.min(5)).min(SPOOL_RETRY_INTERVAL_MAX);
        let (aside, options, machine) = SetAside::new(spool, segment);
        Self::of(options, machine, true, Some(aside), interval, error)
    }

    fn of(
        options: SpoolOptions,
        machine: Option<String>,
        was_used: bool,
        aside: Option<SetAside>,
        interval: Duration,
        error: &SpoolError,
    ) -> Self {
        let due = Instant::now() + interval;
        let mut awaited = Self { options, machine, was_used, due, interval, told: String::new(), aside };
        awaited.tell(error);
        awaited
    }

    /// The spool, if it can be used by now, with the reports that the process has held in memory under that id.
    pub(super) fn try_open(&mut self, outbox_id: u128, memory: &Memory) -> Option<Spool> {
        if Instant::now() < self.due {
            return None;
        }
        let opened = self.open(outbox_id, memory);
        // A disk that fails may take long to say so, and readings wait meanwhile.
        self.interval = self.interval.saturating_mul(2).min(SPOOL_RETRY_INTERVAL_MAX);
        self.due = Instant::now() + self.interval;
        opened
    }

    fn open(&mut self, outbox_id: u128, memory: &Memory) -> Option<Spool> {
        // What is made beneath the mount point of a disk that is away would be hidden by the disk.
        if self.was_used && !self.options.folder.join(LOCK).exists() {
            return None;
        }
        if let Some(Err(error)) = self.aside.as_ref().map(SetAside::check) {
            self.tell(&error);
            return None;
        }
        match Spool::open_with(&self.options, outbox_id, self.machine.as_deref(), Some(memory), self.aside.as_ref()) {
            Ok(spool) => {
                let (folder, held) = (self.options.folder.display(), memory.end() - memory.first());
                tracing::info!(spool = %folder, held, "the spool can be used now: it takes the readings held in memory");
                Some(spool)
            }
            Err(error) => {
                self.tell(&error);
                None
            }
        }
    }

    #[cfg(test)]
    pub(super) fn make_due(&mut self) {
        self.due = Instant::now();
    }

    /// Once for each reason, and not at each try.
    fn tell(&mut self, error: &SpoolError) {
        let said = error.to_string();
        if said != self.told {
            tracing::warn!(
                max = MEMORY_REPORTS_MAX,
                "{said}: the spool cannot be used, and readings are held in memory until it can: see to its disk. The \
                 rest is sent if a file that stays unreadable is moved out of the spool, and its readings are lost then"
            );
            self.told = said;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io};

    use windfire_wire::{Report, Welcome};

    use super::*;
    use crate::limits::SPOOL_BYTES_MIN;
    use crate::outbox::numbers::STRIDE;
    use crate::outbox::{Outbox, Storage};

    fn options(folder: &std::path::Path) -> SpoolOptions {
        SpoolOptions { folder: folder.join("disk").join("spool"), bytes_max: SPOOL_BYTES_MIN }
    }

    fn read_only(options: &SpoolOptions) -> SpoolError {
        SpoolError::Io { path: options.folder.clone(), error: io::ErrorKind::ReadOnlyFilesystem.into() }
    }

    fn push(outbox: &mut Outbox, times: std::ops::RangeInclusive<i64>) {
        for time_ms in times {
            outbox.push(Report { time_ms, ..Report::default() }).expect("room");
        }
    }

    fn welcome(outbox: &mut Outbox, durable: u64, next: u64) {
        outbox.welcome(Welcome { server_id: 1, durable, next, report_interval_ms: 0 }).expect("welcome");
    }

    /// The next reports, at most so many, as they are sent: their numbers and times.
    fn send(outbox: &mut Outbox, max: usize) -> Vec<(u64, i64)> {
        let Some(pending) = outbox.next(max).expect("readable") else { return Vec::new() };
        outbox.sent(&pending, pending.reports.len());
        (pending.first_sequence..).zip(pending.reports.iter().map(|report| report.time_ms)).collect()
    }

    #[test]
    fn a_spool_that_can_be_used_later_loses_and_doubles_nothing() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut before = Outbox::in_spool(&options, 1).expect("new");
        push(&mut before, 1..=3);
        drop(before);
        let mut outbox = Outbox::in_memory_for_now(&options, None, 2, &read_only(&options));
        push(&mut outbox, 4..=6);
        assert_eq!((outbox.greet(), outbox.len()), (2, 3));
        welcome(&mut outbox, 0, 1);
        // The hub stores these two, and its ack is lost.
        assert_eq!(send(&mut outbox, 2), [(1, 4), (2, 5)]);
        // It is not time yet.
        push(&mut outbox, 7..=7);
        assert!(!outbox.has_moved_on());
        outbox.hasten();
        push(&mut outbox, 8..=8);
        assert!(outbox.has_moved_on(), "what the spool had goes first");
        assert_eq!((outbox.len(), outbox.unsent(), send(&mut outbox, 9)), (8, 0, vec![]));
        assert_eq!(outbox.greet(), 1);
        welcome(&mut outbox, 0, 3);
        assert_eq!(send(&mut outbox, 9), [(STRIDE + 1, 1), (STRIDE + 2, 2), (STRIDE + 3, 3)]);
        outbox.ack(STRIDE + 3);
        assert_eq!(outbox.greet(), 2);
        welcome(&mut outbox, 2, STRIDE + 4);
        assert_eq!(send(&mut outbox, 9), [(2 * STRIDE + 3, 6), (2 * STRIDE + 4, 7), (2 * STRIDE + 5, 8)]);
        drop(outbox);
        // All that was held is on the disk by now.
        let mut outbox = Outbox::in_spool(&options, 3).expect("found");
        assert_eq!(outbox.greet(), 2);
        welcome(&mut outbox, 2 * STRIDE + 4, 2 * STRIDE + 5);
        assert_eq!(send(&mut outbox, 9), [(2 * STRIDE + 5, 8)]);
    }

    #[test]
    fn a_spool_that_comes_between_hello_and_welcome_is_for_the_next_connection() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        let mut before = Outbox::in_spool(&options, 1).expect("new");
        push(&mut before, 1..=3);
        drop(before);
        let mut outbox = Outbox::in_memory_for_now(&options, None, 2, &read_only(&options));
        assert_eq!(outbox.greet(), 2);
        outbox.hasten();
        push(&mut outbox, 4..=4);
        // What the hub says is about the run of Hello. Of the other one it would be a loss.
        welcome(&mut outbox, 3, 4);
        assert!(outbox.has_moved_on());
        assert_eq!((outbox.len(), send(&mut outbox, 9)), (4, vec![]));
        assert_eq!(outbox.greet(), 1);
        welcome(&mut outbox, 0, 4);
        assert_eq!(send(&mut outbox, 9).len(), 3);
    }

    #[test]
    fn nothing_is_made_where_a_disk_is_away() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(folder.path());
        drop(Outbox::in_spool(&options, 1).expect("new"));
        let mut outbox = Outbox::in_memory_for_now(&options, None, 2, &read_only(&options));
        let (disk, away) = (folder.path().join("disk"), folder.path().join("away"));
        fs::rename(&disk, &away).expect("renamed");
        fs::create_dir(&disk).expect("a mount point");
        outbox.hasten();
        push(&mut outbox, 1..=1);
        assert_eq!(fs::read_dir(&disk).expect("listed").count(), 0);
        fs::remove_dir(&disk).expect("empty");
        fs::rename(&away, &disk).expect("renamed");
        outbox.hasten();
        push(&mut outbox, 2..=2);
        assert!(matches!(outbox.storage, Storage::Spool(_)));
        assert_eq!(outbox.len(), 2);
    }

    #[test]
    fn a_disk_is_waited_for_and_a_wrong_folder_is_not() {
        let error = |error: io::Error| SpoolError::Io { path: "spool".into(), error };
        let kinds = [io::ErrorKind::ReadOnlyFilesystem, io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        assert!(kinds.into_iter().all(|kind| error(kind.into()).is_of_disk()));
        #[cfg(unix)]
        assert!(error(rustix::io::Errno::IO.into()).is_of_disk());
        let kinds = [io::ErrorKind::PermissionDenied, io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        assert!(!kinds.into_iter().any(|kind| error(kind.into()).is_of_disk()));
        assert!(!SpoolError::Locked { folder: "spool".into() }.is_of_disk());
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::write(folder.path().join("disk"), "a file").expect("written");
        assert!(Outbox::in_spool(&options(folder.path()), 1).is_err());
    }
}

//! Reports that the hub does not have on disk yet.
//!
//! A report enters at the back, is read by the link at the cursor, and leaves at the front when the hub acknowledged it.
//! Readings are kept under raw numbers, which never change; the sequence number that the hub sees is the raw number plus
//! a shift. The shift changes only at a `Welcome` (see [`Outbox::welcome`]), when another outbox used numbers of the same
//! server meanwhile.

mod memory;
mod spool;

use windfire_wire::{Report, Welcome, WireError};

use memory::Memory;
use spool::Spool;
pub use spool::{SpoolError, SpoolOptions};
#[doc(hidden)]
pub use spool::{count_records, is_state};

use crate::limits::MEMORY_REPORTS_MAX;

/// Why a report was not kept.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The outbox holds all it may until the hub acknowledges some.
    #[error("the outbox is full")]
    Full,
    /// The report cannot be sent.
    #[error(transparent)]
    Report(#[from] WireError),
    /// The spool cannot be written.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

/// Consecutive reports to send.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// Sequence number of the first.
    pub first_sequence: u64,
    /// The reports.
    pub reports: Vec<Report>,
}

/// Reports that the hub does not have on disk yet.
#[derive(Debug)]
pub struct Outbox {
    storage: Storage,
    outbox_id: u128,
    numbering: Numbering,
    /// Raw number that is sent next.
    cursor: u64,
    /// Raw number below which the hub may have reports already: sent by this process, or found in the spool.
    maybe_sent: u64,
}

/// How raw numbers become sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbering {
    /// Sequence number minus raw number.
    shift: u64,
    /// Raw number below which everything is done with, whatever the shift.
    floor: u64,
}

#[derive(Debug)]
enum Storage {
    Memory(Memory),
    Spool(Spool),
}

impl Outbox {
    /// An empty outbox in memory. Its reports are lost with the process.
    pub fn in_memory(outbox_id: u128) -> Self {
        Self {
            storage: Storage::Memory(Memory::new(MEMORY_REPORTS_MAX)),
            outbox_id,
            numbering: Numbering { shift: 0, floor: 1 },
            cursor: 1,
            maybe_sent: 1,
        }
    }

    /// The outbox kept in a folder, with what an earlier process left there; `new_id` names a new one.
    ///
    /// # Errors
    /// The folder cannot be used, or another agent uses it.
    pub fn in_spool(options: &SpoolOptions, new_id: u128) -> Result<Self, SpoolError> {
        let (spool, outbox_id, numbering) = Spool::open(options, new_id)?;
        let (cursor, maybe_sent) = (spool.first(), spool.end());
        Ok(Self { storage: Storage::Spool(spool), outbox_id, numbering, cursor, maybe_sent })
    }

    /// Names the run of numbers; the hub remembers how far each run came.
    pub fn id(&self) -> u128 {
        self.outbox_id
    }

    /// Reports waiting for their ack.
    pub fn len(&self) -> u64 {
        self.end() - self.first()
    }

    /// Whether nothing waits for an ack.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reports kept since the outbox was new, over all processes that had it.
    pub fn kept_count(&self) -> u64 {
        self.end() - 1
    }

    /// Whether something was not sent on this connection yet.
    pub fn has_unsent(&self) -> bool {
        self.cursor < self.end()
    }

    /// Reports not sent on this connection yet.
    pub fn unsent(&self) -> u64 {
        self.end() - self.cursor.max(self.first())
    }

    /// Whether acks are wanted soon, because half of the room is used.
    pub fn is_half_full(&self) -> bool {
        match &self.storage {
            Storage::Memory(memory) => memory.is_half_full(),
            Storage::Spool(spool) => spool.is_half_full(),
        }
    }

    /// Keeps a report.
    ///
    /// # Errors
    /// No room, a report that cannot be sent, a spool that cannot be written. The report was not kept.
    pub fn push(&mut self, report: Report) -> Result<(), PushError> {
        report.check()?;
        match &mut self.storage {
            Storage::Memory(memory) => memory.push(report),
            Storage::Spool(spool) => spool.push(&report),
        }
    }

    /// Starts a connection by what the hub said: forgets what it has, renumbers what it has not if the numbers are taken,
    /// and sends from the front.
    ///
    /// Only reports that may have been sent can be the ones the hub has; a reading taken since the start was never sent,
    /// even if its number looks taken.
    ///
    /// # Errors
    /// The spool cannot be written. The connection must not go on, or numbers could be used twice.
    pub fn welcome(&mut self, welcome: Welcome) -> Result<(), SpoolError> {
        let durable = (welcome.durable + 1).saturating_sub(self.numbering.shift).min(self.maybe_sent);
        self.drop_below(durable)?;
        let first = self.first();
        if first + self.numbering.shift < welcome.next {
            self.numbering = Numbering { shift: welcome.next - first, floor: first };
            if let Storage::Spool(spool) = &mut self.storage {
                spool.store_numbering(self.outbox_id, self.numbering)?;
            }
        }
        self.cursor = first;
        Ok(())
    }

    /// The next reports to send on this connection, at most `max`; `None` when all were.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn next(&mut self, max: usize) -> Result<Option<Pending>, SpoolError> {
        if !self.has_unsent() {
            return Ok(None);
        }
        let (first, reports) = match &mut self.storage {
            Storage::Memory(memory) => memory.read(self.cursor, max),
            Storage::Spool(spool) => spool.read(self.cursor, max)?,
        };
        if reports.is_empty() {
            // Only unreadable records are left: there is nothing to send of them.
            self.cursor = self.end();
            return Ok(None);
        }
        Ok(Some(Pending { first_sequence: first + self.numbering.shift, reports }))
    }

    /// Sequence number of the report that is sent next on this connection.
    pub fn next_sequence(&self) -> u64 {
        self.cursor + self.numbering.shift
    }

    /// Moves the cursor past the first `count` of what [`Outbox::next`] gave. Call before they are written to the
    /// connection: from then on the hub may have them.
    pub fn sent(&mut self, pending: &Pending, count: usize) {
        self.cursor = pending.first_sequence - self.numbering.shift + count as u64;
        self.maybe_sent = self.maybe_sent.max(self.cursor);
    }

    /// Forgets every report up to and including `up_to`.
    ///
    /// # Errors
    /// A spool file cannot be deleted.
    pub fn ack(&mut self, up_to: u64) -> Result<(), SpoolError> {
        // A hub that acknowledges what it never got is not believed.
        let raw = (up_to + 1).saturating_sub(self.numbering.shift).min(self.cursor);
        self.drop_below(raw)
    }

    fn drop_below(&mut self, raw: u64) -> Result<(), SpoolError> {
        match &mut self.storage {
            Storage::Memory(memory) => memory.drop_below(raw),
            Storage::Spool(spool) => spool.drop_below(raw)?,
        }
        self.cursor = self.cursor.max(self.first());
        Ok(())
    }

    fn first(&self) -> u64 {
        match &self.storage {
            Storage::Memory(memory) => memory.first(),
            Storage::Spool(spool) => spool.first(),
        }
    }

    fn end(&self) -> u64 {
        match &self.storage {
            Storage::Memory(memory) => memory.end(),
            Storage::Spool(spool) => spool.end(),
        }
    }
}

/// A new outbox id from the operating system.
///
/// # Panics
/// When the operating system has no randomness to give.
pub fn new_outbox_id() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(time_ms: i64) -> Report {
        Report { time_ms, ..Report::default() }
    }

    fn welcome(durable: u64, next: u64) -> Welcome {
        Welcome { server_id: 1, durable, next, report_interval_ms: 0 }
    }

    fn sequences_and_times(outbox: &mut Outbox) -> Vec<(u64, i64)> {
        let mut all = Vec::new();
        while let Some(pending) = outbox.next(3).expect("readable") {
            outbox.sent(&pending, pending.reports.len());
            all.extend((pending.first_sequence..).zip(pending.reports.iter().map(|report| report.time_ms)));
        }
        all
    }

    fn both_kinds(check: impl Fn(&mut dyn FnMut() -> Outbox)) {
        check(&mut || Outbox::in_memory(7));
        let mut folders = Vec::new();
        check(&mut || {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let options = SpoolOptions { folder: folder.path().join("spool"), bytes_max: 4 << 20 };
            folders.push(folder);
            Outbox::in_spool(&options, 7).expect("a new spool")
        });
    }

    #[test]
    fn reports_stay_until_acked_and_go_out_in_order() {
        both_kinds(|new| {
            let mut outbox = new();
            (1..=5).for_each(|time| outbox.push(report(time)).expect("room"));
            outbox.welcome(welcome(0, 1)).expect("welcome");
            assert_eq!(sequences_and_times(&mut outbox), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
            outbox.ack(3).expect("ack");
            assert_eq!(outbox.len(), 2);
            // The next connection starts with what is not acked.
            outbox.welcome(welcome(3, 4)).expect("welcome");
            assert_eq!(sequences_and_times(&mut outbox), [(4, 4), (5, 5)]);
        });
    }

    #[test]
    fn what_the_hub_has_without_an_ack_is_not_sent_again() {
        both_kinds(|new| {
            let mut outbox = new();
            (1..=5).for_each(|time| outbox.push(report(time)).expect("room"));
            outbox.welcome(welcome(0, 1)).expect("welcome");
            sequences_and_times(&mut outbox);
            outbox.welcome(welcome(4, 5)).expect("welcome");
            assert_eq!(sequences_and_times(&mut outbox), [(5, 5)]);
        });
    }

    #[test]
    fn readings_never_sent_are_renumbered_not_forgotten() {
        both_kinds(|new| {
            let mut outbox = new();
            (1..=3).for_each(|time| outbox.push(report(time)).expect("room"));
            // The hub has 300 reports of this server, none of them from this outbox.
            outbox.welcome(welcome(0, 301)).expect("welcome");
            assert_eq!(sequences_and_times(&mut outbox), [(301, 1), (302, 2), (303, 3)]);
            outbox.ack(302).expect("ack");
            // Another outbox took 304 to 310 meanwhile; 303 was sent but is not durable.
            outbox.push(report(4)).expect("room");
            outbox.welcome(welcome(302, 311)).expect("welcome");
            assert_eq!(sequences_and_times(&mut outbox), [(311, 3), (312, 4)]);
        });
    }

    #[test]
    fn a_number_that_only_looks_taken_loses_no_reading() {
        both_kinds(|new| {
            let mut outbox = new();
            outbox.push(report(1)).expect("room");
            // This outbox's run is at 50 according to the hub, but this reading was never sent.
            outbox.welcome(welcome(50, 51)).expect("welcome");
            assert_eq!(sequences_and_times(&mut outbox), [(51, 1)]);
        });
    }

    #[test]
    fn an_ack_of_what_was_never_sent_is_not_believed() {
        both_kinds(|new| {
            let mut outbox = new();
            outbox.push(report(1)).expect("room");
            outbox.welcome(welcome(0, 1)).expect("welcome");
            outbox.ack(u64::MAX - 1).expect("ack");
            assert_eq!(outbox.len(), 1);
        });
    }

    #[test]
    fn a_reading_that_cannot_be_sent_is_refused() {
        both_kinds(|new| {
            let refused = new().push(Report { cpu: f64::NAN, ..Report::default() });
            assert!(matches!(refused, Err(PushError::Report(WireError::NonFinite { what: "cpu" }))));
        });
    }

    #[test]
    fn memory_is_bounded() {
        let mut outbox = Outbox::in_memory(7);
        (0..MEMORY_REPORTS_MAX).for_each(|_| outbox.push(report(1)).expect("room"));
        assert!(matches!(outbox.push(report(2)), Err(PushError::Full)));
        assert_eq!(outbox.len(), MEMORY_REPORTS_MAX);
    }
}

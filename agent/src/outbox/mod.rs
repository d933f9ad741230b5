//! Reports that the hub does not have on disk yet.
//!
//! A report enters at the back, is read by the link at the cursor, and leaves at the front when the hub acknowledged
//! it. Readings are kept under raw numbers, which never change. The sequence number that the hub sees is the raw number
//! plus a shift. The shift is chosen at each `Welcome` (see [`Outbox::welcome`]), because another outbox may have used
//! numbers of the same server in the meantime. It depends on that `Welcome` and on no earlier one, so a hub that lied
//! about its numbers leaves nothing behind that another hub would have to refuse.
//!
//! In memory there is one run of numbers, with one outbox id. A spool has one run of each process that left reports in
//! it. A connection is for one run, the front one. When that is settled, the next connection is for the next run. An
//! outbox whose spool cannot be used because of its disk is in memory until it can.

mod awaited;
mod error;
mod memory;
mod numbers;
mod spool;

use std::path::Path;

use windfire_wire::{Report, Welcome};

use awaited::Awaited;
pub use error::{PushError, SpoolError, WelcomeError};
use memory::{FIRST_RAW, Memory};
pub use numbers::new_outbox_id;
use numbers::{NEXT_MAX, STRIDE};
use spool::Spool;
pub use spool::SpoolOptions;
#[doc(hidden)]
pub use spool::{count_records, is_state};

use crate::identity::machine_id;
use crate::limits::MEMORY_REPORTS_MAX;

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
    /// The run that the connection is for.
    session: Option<u128>,
    /// The run that `Hello` named, until its `Welcome`.
    greeted: Option<u128>,
    /// Sequence number minus raw number, wrapping, on this connection.
    shift: u64,
    /// Raw number that is sent next.
    cursor: u64,
    /// Raw number after the last that was sent on this connection. Behind the cursor only where reports cannot be read.
    sent_end: u64,
    /// Raw number of this process's run below which the hub may have reports already.
    maybe_sent: u64,
}

#[derive(Debug)]
enum Storage {
    Memory {
        outbox_id: u128,
        /// Sequence numbers minus raw numbers, modulo [`STRIDE`].
        base: u64,
        memory: Memory,
        /// The spool that is used instead as soon as its disk is well.
        awaited: Option<Awaited>,
    },
    Spool(Spool),
}

impl Outbox {
    /// An empty outbox in memory. Its reports are lost with the process.
    pub fn in_memory(outbox_id: u128) -> Self {
        Self::held(outbox_id, None)
    }

    fn held(outbox_id: u128, awaited: Option<Awaited>) -> Self {
        let memory = Memory::new(MEMORY_REPORTS_MAX);
        Self::over(Storage::Memory { outbox_id, base: 0, memory, awaited })
    }

    /// The outbox in a folder, with the runs that earlier processes left there. `new_id` names this process's run: it
    /// must never have been used before. If the folder's disk is full, read-only or failing, reports are in memory
    /// until it is well.
    ///
    /// # Errors
    /// The folder cannot be used for another reason, or another agent uses it.
    pub fn in_spool(options: &SpoolOptions, new_id: u128) -> Result<Self, SpoolError> {
        Self::in_spool_of(Path::new("/"), options, new_id)
    }

    /// As [`Outbox::in_spool`], for the machine with that root. A spool belongs to one machine.
    ///
    /// # Errors
    /// Those of [`Outbox::in_spool`].
    pub fn in_spool_of(root: &Path, options: &SpoolOptions, new_id: u128) -> Result<Self, SpoolError> {
        let machine = machine_id(root).ok();
        match Spool::open(options, new_id, machine.as_deref()) {
            Ok(spool) => Ok(Self::over(Storage::Spool(spool))),
            Err(error) if error.is_of_disk() => Ok(Self::in_memory_for_now(options, machine, new_id, &error)),
            Err(error) => Err(error),
        }
    }

    /// An outbox whose spool cannot be used because of `error`. Its numbers are already those of a spool.
    fn in_memory_for_now(options: &SpoolOptions, machine: Option<String>, new_id: u128, error: &SpoolError) -> Self {
        Self::held(new_id, Some(Awaited::new(options, machine, error)))
    }

    fn over(storage: Storage) -> Self {
        let mut outbox =
            Self { storage, session: None, greeted: None, shift: 0, cursor: 0, sent_end: 0, maybe_sent: 0 };
        (outbox.cursor, outbox.sent_end) = (outbox.first(), outbox.first());
        outbox.maybe_sent = outbox.kept_count() + 1;
        outbox
    }

    /// Whether using it may wait for a disk.
    pub fn is_on_disk(&self) -> bool {
        matches!(self.storage, Storage::Spool(_) | Storage::Memory { awaited: Some(_), .. })
    }

    /// The run for which a connection is made: its id, for `Hello`. The next `Welcome` is about this run.
    pub fn greet(&mut self) -> u128 {
        let id = self.id();
        self.greeted = Some(id);
        id
    }

    /// Names the run of numbers that is sent now. The hub remembers the progress of each run.
    pub fn id(&self) -> u128 {
        match &self.storage {
            Storage::Memory { outbox_id, .. } => *outbox_id,
            Storage::Spool(spool) => spool.id(),
        }
    }

    /// Whether all reports of the connection's run are settled, and the next run needs its own connection.
    pub fn has_moved_on(&self) -> bool {
        self.session.is_some_and(|session| session != self.id())
    }

    /// Reports waiting for their ack.
    pub fn len(&self) -> u64 {
        match &self.storage {
            Storage::Memory { memory, .. } => memory.end() - memory.first(),
            Storage::Spool(spool) => spool.len(),
        }
    }

    /// Whether nothing waits for an ack.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reports kept since the outbox was new, over all processes that had it.
    pub fn kept_count(&self) -> u64 {
        match &self.storage {
            Storage::Memory { memory, .. } => memory.end() - 1,
            Storage::Spool(spool) => spool.own_end() - 1,
        }
    }

    /// Whether reports for this connection were not sent on it yet.
    pub fn has_unsent(&self) -> bool {
        self.unsent() > 0
    }

    /// Reports for this connection that were not sent on it yet.
    pub fn unsent(&self) -> u64 {
        if self.has_moved_on() { 0 } else { self.end() - self.cursor.max(self.first()) }
    }

    /// Whether acks are wanted soon, because half of the room is used.
    pub fn is_half_full(&self) -> bool {
        match &self.storage {
            Storage::Memory { memory, .. } => memory.is_half_full(),
            Storage::Spool(spool) => spool.is_half_full(),
        }
    }

    /// Keeps a report.
    ///
    /// # Errors
    /// No room, or a report that cannot be sent. The report was not kept.
    pub fn push(&mut self, report: Report) -> Result<(), PushError> {
        report.check()?;
        self.look_for_spool();
        match &mut self.storage {
            Storage::Memory { memory, .. } => memory.push(report),
            Storage::Spool(spool) => spool.push(&report),
        }
    }

    /// Uses the spool that could not be used before, if its disk is well by now. The readings that it had go first, so
    /// the present connection may be for a run that is not in front any more.
    fn look_for_spool(&mut self) {
        if let Storage::Memory { outbox_id, memory, awaited: Some(awaited), .. } = &mut self.storage
            && let Some(spool) = awaited.try_open(*outbox_id, memory)
        {
            self.storage = Storage::Spool(spool);
        }
    }

    /// Starts a connection, for the run whose id `Hello` named. Forgets the reports that the hub has, gives the others
    /// numbers that are not taken, and sends from the front.
    ///
    /// In memory, the hub can only have reports that may have been sent. A later reading was never sent, even if its
    /// number looks taken. Any report in a spool may have been sent by an agent with a copy of it.
    ///
    /// # Errors
    /// No numbers are left. The connection must end.
    pub fn welcome(&mut self, welcome: Welcome) -> Result<(), WelcomeError> {
        if welcome.next > NEXT_MAX {
            return Err(WelcomeError::Numbers { next: welcome.next });
        }
        self.session = self.greeted.take().or_else(|| Some(self.id()));
        if self.has_moved_on() {
            // The spool came to be used after Hello, and another run is in front now.
            return Ok(());
        }
        let durable_end =
            if welcome.durable == 0 { self.first() } else { self.raw_of(welcome.durable).saturating_add(1) };
        let is_spool = matches!(self.storage, Storage::Spool(_));
        let can_be_any = is_spool && (self.is_found() || durable_end <= self.end());
        let maybe_sent = if can_be_any { self.end() } else { self.maybe_sent };
        if durable_end > maybe_sent {
            let newer = durable_end - maybe_sent;
            tracing::warn!(
                newer,
                "the hub has newer reports of this run than the spool: it is old, or another agent has a copy of it"
            );
        }
        self.drop_below(durable_end.min(maybe_sent));
        let first = self.first();
        (self.cursor, self.sent_end) = (first, first);
        if let Storage::Memory { base, awaited: None, .. } = &mut self.storage
            && self.maybe_sent == FIRST_RAW
        {
            // No hub can know a number of this outbox yet, so the first one follows those of other outboxes.
            *base = welcome.next.wrapping_sub(first);
        }
        let ahead = first.wrapping_add(self.base()).wrapping_sub(welcome.next) % STRIDE;
        self.shift = (welcome.next + ahead).wrapping_sub(first);
        Ok(())
    }

    /// Sequence numbers of the front run minus its raw numbers, modulo [`STRIDE`].
    fn base(&self) -> u64 {
        match &self.storage {
            Storage::Memory { base, .. } => *base,
            Storage::Spool(spool) => spool.shift(),
        }
    }

    /// The raw number of the front run that was sent as `sequence`: if several can be, the one nearest to the front.
    fn raw_of(&self, sequence: u64) -> u64 {
        let first = self.first();
        match sequence.wrapping_sub(self.base()).wrapping_sub(first) % STRIDE {
            ahead if ahead < STRIDE / 2 => first + ahead,
            behind => first.saturating_sub(STRIDE - behind),
        }
    }

    /// The next reports to send on this connection, at most `max`. `None` when all were sent.
    ///
    /// # Errors
    /// The spool cannot be read. After a few tries in a row, what cannot be read is passed over instead.
    pub fn next(&mut self, max: usize) -> Result<Option<Pending>, SpoolError> {
        if !self.has_unsent() {
            return Ok(None);
        }
        let (first, reports) = match &mut self.storage {
            Storage::Memory { memory, .. } => memory.read(self.cursor, max),
            Storage::Spool(spool) => spool.read(self.cursor, max)?,
        };
        if reports.is_empty() {
            // Only unreadable records are left: there is nothing to send of them, and no ack will come for them.
            self.cursor = self.end();
            if self.sent_end <= self.first() {
                self.drop_below(self.cursor);
            }
            return Ok(None);
        }
        Ok(Some(Pending { first_sequence: first.wrapping_add(self.shift), reports }))
    }

    /// Sequence number of the report that is sent next on this connection.
    pub fn next_sequence(&self) -> u64 {
        self.cursor.wrapping_add(self.shift)
    }

    /// Moves the cursor past the first `count` reports of [`Outbox::next`]. Call it before they are written to the
    /// connection: from then on the hub may have them.
    pub fn sent(&mut self, pending: &Pending, count: usize) {
        self.cursor = pending.first_sequence.wrapping_sub(self.shift) + count as u64;
        self.sent_end = self.cursor;
        if !self.is_found() {
            self.maybe_sent = self.maybe_sent.max(self.cursor);
        }
    }

    /// Forgets every report up to and including `up_to`.
    pub fn ack(&mut self, up_to: u64) {
        if self.has_moved_on() {
            return;
        }
        let first_sequence = self.first().wrapping_add(self.shift);
        let acked_end = self.first().saturating_add(up_to.saturating_add(1).saturating_sub(first_sequence));
        // An ack does not count beyond the last sent report. Unreadable records after that report are dropped with it.
        self.drop_below(if acked_end >= self.sent_end { self.cursor } else { acked_end });
    }

    /// Whether the front run is one that earlier processes left.
    fn is_found(&self) -> bool {
        matches!(&self.storage, Storage::Spool(spool) if spool.is_found())
    }

    fn drop_below(&mut self, raw: u64) {
        match &mut self.storage {
            Storage::Memory { memory, .. } => memory.drop_below(raw),
            Storage::Spool(spool) => spool.drop_below(raw),
        }
        if !self.has_moved_on() {
            self.cursor = self.cursor.max(self.first());
            self.sent_end = self.sent_end.max(self.first());
        }
    }

    /// Oldest pending raw number of the front run.
    fn first(&self) -> u64 {
        match &self.storage {
            Storage::Memory { memory, .. } => memory.first(),
            Storage::Spool(spool) => spool.first(),
        }
    }

    /// Raw number after the front run's last report.
    fn end(&self) -> u64 {
        match &self.storage {
            Storage::Memory { memory, .. } => memory.end(),
            Storage::Spool(spool) => spool.end(),
        }
    }
}

#[cfg(test)]
mod tests {
    use windfire_wire::WireError;

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
            outbox.ack(3);
            assert_eq!(outbox.len(), 2);
            // The next connection starts with the first report without an ack.
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
        let mut outbox = Outbox::in_memory(7);
        (1..=3).for_each(|time| outbox.push(report(time)).expect("room"));
        // The hub has 300 reports of this server, none of them from this outbox.
        outbox.welcome(welcome(0, 301)).expect("welcome");
        assert_eq!(sequences_and_times(&mut outbox), [(301, 1), (302, 2), (303, 3)]);
        outbox.ack(302);
        // Another outbox took 304 to 310 in the meantime; 303 was sent but is not durable. The next number says which
        // reading it is, as 303 did.
        outbox.push(report(4)).expect("room");
        outbox.welcome(welcome(302, 311)).expect("welcome");
        assert_eq!(sequences_and_times(&mut outbox), [(STRIDE + 303, 3), (STRIDE + 304, 4)]);
    }

    /// Numbers that an honest hub lets a session leave out.
    const JUMP_MAX: u64 = 1 << 32;

    #[test]
    fn a_hub_that_lies_about_its_numbers_spoils_no_other_hub() {
        both_kinds(|new| {
            for lie in [1 << 50, NEXT_MAX] {
                let mut outbox = new();
                (1..=5).for_each(|time| outbox.push(report(time)).expect("room"));
                // The first welcome of all is the lie.
                outbox.welcome(welcome(0, lie)).expect("welcome");
                let told = sequences_and_times(&mut outbox);
                assert!(told.len() == 5 && told[0].0 >= lie, "{told:?}");
                // An honest hub has nothing of this server, and takes these numbers.
                outbox.welcome(welcome(0, 1)).expect("welcome");
                let told = sequences_and_times(&mut outbox);
                let first = told[0].0;
                assert!(first <= JUMP_MAX, "{first}");
                assert_eq!(told, (first..).zip(1..=5).collect::<Vec<(u64, i64)>>());
                // It stores two of them, and its ack is lost. Then the liar comes again, and then the honest one.
                outbox.welcome(welcome(0, lie)).expect("welcome");
                assert_eq!(sequences_and_times(&mut outbox).len(), 5);
                outbox.welcome(welcome(first + 1, first + 2)).expect("welcome");
                let rest = [(first + 2, 3), (first + 3, 4), (first + 4, 5)];
                assert_eq!(sequences_and_times(&mut outbox), rest, "each reading once");
            }
        });
    }

    #[test]
    fn a_number_that_only_looks_taken_loses_no_reading() {
        let mut outbox = Outbox::in_memory(7);
        outbox.push(report(1)).expect("room");
        // This outbox's run is at 50 according to the hub, but this reading was never sent.
        outbox.welcome(welcome(50, 51)).expect("welcome");
        assert_eq!(sequences_and_times(&mut outbox), [(51, 1)]);
    }

    #[test]
    fn an_ack_of_what_was_never_sent_is_not_believed() {
        both_kinds(|new| {
            let mut outbox = new();
            outbox.push(report(1)).expect("room");
            outbox.welcome(welcome(0, 1)).expect("welcome");
            outbox.ack(u64::MAX - 1);
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

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
    /// How often the spool was set aside.
    set_asides: u32,
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
        let mut outbox = Self {
            storage,
            session: None,
            greeted: None,
            set_asides: 0,
            shift: 0,
            cursor: 0,
            sent_end: 0,
            maybe_sent: 0,
        };
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
    /// The spool cannot be read. If that lasts, it is set aside instead, and the next connection is for what is in memory.
    pub fn next(&mut self, max: usize) -> Result<Option<Pending>, SpoolError> {
        if !self.has_unsent() {
            return Ok(None);
        }
        let (first, reports) = match &mut self.storage {
            Storage::Memory { memory, .. } => memory.read(self.cursor, max),
            Storage::Spool(spool) => match spool.read(self.cursor, max) {
                Ok(read) => read,
                Err(error) => {
                    return if self.set_spool_aside(&error) { Ok(None) } else { Err(error) };
                }
            },
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

    /// Goes on in memory, under another outbox id, if the spool could not be read for some time. Whether it does.
    fn set_spool_aside(&mut self, error: &SpoolError) -> bool {
        let Storage::Spool(spool) = &self.storage else { return false };
        let Some(segment) = spool.is_held_up_by().map(Path::to_owned) else { return false };
        let memory = Memory::beginning_at(spool.own_end(), MEMORY_REPORTS_MAX);
        let memory = Storage::Memory { outbox_id: new_outbox_id(), base: 0, memory, awaited: None };
        if let Storage::Spool(spool) = std::mem::replace(&mut self.storage, memory)
            && let Storage::Memory { awaited, .. } = &mut self.storage
        {
            *awaited = Some(Awaited::set_aside(spool, segment, self.set_asides, error));
        }
        self.set_asides = self.set_asides.saturating_add(1);
        // The connection was for none of the runs that there are from now on, whatever is in front.
        self.session = Some(new_outbox_id());
        (self.cursor, self.sent_end) = (self.first(), self.first());
        self.maybe_sent = self.kept_count() + 1;
        true
    }

    /// The time is over for which a spool may be unreadable, or after which it is tried again.
    #[cfg(test)]
    fn hasten(&mut self) {
        match &mut self.storage {
            Storage::Spool(spool) => spool.lose_patience(),
            Storage::Memory { awaited, .. } => awaited.as_mut().expect("a spool that is awaited").make_due(),
        }
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
mod tests;

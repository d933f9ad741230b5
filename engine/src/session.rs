//! One agent's conversation, as a state machine: frames in, frames out, no I/O and no clock.
//!
//! ```text
//! New ──Hello──► Opening ──everything taken before is durable──► Open ──► (Reports: apply, ack when durable)
//! ```
//! The hub feeds frames with [`Session::on_frame`], asks [`Session::on_watermark`] for what may be said after each commit,
//! and when a batch did not fit calls [`Session::retry`] before it reads on. An error ends the session: send the refusal.

use std::sync::Arc;

use windfire_wire::frame::PACE_SINCE;
use windfire_wire::{Down, Hello, RefuseReason, ReportChain, Reports, Up, Welcome, decode_reports, decode_up};

use crate::engine::Engine;
use crate::error::Refusal;
use crate::limits::{ACK_FRAMES_MIN, ACK_INTERVAL_MS, ACK_REPORTS_MAX};
use crate::sample::Sample;
use crate::shard::{Batch, NotApplied};
use crate::slot::{Kick, Slot};
use crate::watermark::Ticket;

/// Whether the hub may read the session's next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Read on.
    Read,
    /// A batch did not fit: call [`Session::retry`] after the next commit, and do not read before.
    Stalled,
}

/// One agent's conversation.
pub struct Session {
    state: State,
    /// Address of the agent as the hub sees it, shown when the agent does not name its own.
    peer_address: String,
    kick: Option<Kick>,
    chain: ReportChain,
    stalled: Option<Batch>,
    acks: Acks,
    pace: Pace,
}

/// Room for one frame, shared by all sessions of a thread: a report then takes no memory of its own on its way through.
#[derive(Default)]
pub struct Scratch {
    reports: Reports,
    batch: Batch,
}

enum State {
    New,
    Opening { seat: Seat, ticket: Ticket, welcome: Welcome },
    Open { seat: Seat },
}

/// What this agent was last told to gather; nothing for one whose protocol has no word for it.
#[derive(Clone, Copy)]
struct Pace {
    is_known: bool,
    samples_per_frame: u32,
}

/// The right to report for a server, until a newer session takes it.
#[derive(Clone)]
struct Seat {
    slot: Arc<Slot>,
    epoch: u64,
    outbox_id: u128,
}

/// When to acknowledge what. An ack costs a packet and the agent's answer to it, so acks are few; but the one that is due
/// covers everything taken until then.
#[derive(Default)]
struct Acks {
    /// The ack that is due, sent as soon as its commit is durable.
    due: Option<(Ticket, u64)>,
    /// The one after it: asked for while `due` waited.
    next: Option<(Ticket, u64)>,
    reports_since: u64,
    frames_since: u64,
    last_ms: i64,
}

impl Session {
    /// A session before its first frame. `kick` ends it from outside.
    pub fn new(peer_address: String, kick: Kick) -> Self {
        Self {
            state: State::New,
            peer_address,
            kick: Some(kick),
            chain: ReportChain::new(),
            stalled: None,
            acks: Acks::default(),
            pace: Pace { is_known: false, samples_per_frame: 1 },
        }
    }

    /// Takes the body of a frame that the agent said.
    pub fn on_body(
        &mut self,
        engine: &Engine,
        body: &[u8],
        scratch: &mut Scratch,
        now_ms: i64,
    ) -> Result<Flow, Refusal> {
        if decode_reports(body, &mut scratch.reports)? {
            self.take(engine, &scratch.reports, &mut scratch.batch, now_ms)
        } else {
            self.on_frame(engine, decode_up(body)?, now_ms)
        }
    }

    /// Takes what the agent said.
    pub fn on_frame(&mut self, engine: &Engine, up: Up, now_ms: i64) -> Result<Flow, Refusal> {
        match (&self.state, up) {
            (State::New, Up::Hello(hello)) => self.open(engine, &hello, now_ms),
            (State::Open { seat }, Up::Host(host)) => {
                let taken = engine.set_facts(&seat.slot, seat.epoch, *host, &self.peer_address, now_ms);
                taken.map_err(|_| superseded())?;
                Ok(Flow::Read)
            }
            (State::Open { .. }, Up::Clock(_)) => Ok(Flow::Read),
            (_, Up::Reports(reports)) => self.take(engine, &reports, &mut Batch::default(), now_ms),
            (State::New, _) => Err(too_early(&State::New)),
            (state @ State::Opening { .. }, _) => Err(too_early(state)),
            (State::Open { .. }, Up::Hello(_)) => Err(bad_frame("a second Hello")),
        }
    }

    /// Takes the batch that did not fit before.
    pub fn retry(&mut self, engine: &Engine, now_ms: i64) -> Result<Flow, Refusal> {
        match self.stalled.take() {
            Some(mut batch) => self.apply(engine, &mut batch, now_ms),
            None => Ok(Flow::Read),
        }
    }

    /// Makes samples of reports, in `batch`, and takes them.
    fn take(&mut self, engine: &Engine, reports: &Reports, batch: &mut Batch, now_ms: i64) -> Result<Flow, Refusal> {
        if !matches!(self.state, State::Open { .. }) {
            return Err(too_early(&self.state));
        }
        (batch.first_sequence, batch.ack_now) = (reports.first_sequence, reports.ack_now);
        batch.samples.clear();
        for delta in &reports.reports {
            batch.samples.push(Sample::from(self.chain.grow(delta).map_err(|error| bad_frame(&error.to_string()))?));
        }
        self.apply(engine, batch, now_ms)
    }

    /// Takes a batch, or keeps it until there is room.
    fn apply(&mut self, engine: &Engine, batch: &mut Batch, now_ms: i64) -> Result<Flow, Refusal> {
        let State::Open { seat } = &self.state else { return Ok(Flow::Read) };
        match engine.apply(&seat.slot, seat.epoch, seat.outbox_id, batch, now_ms) {
            Ok(applied) => {
                self.acks.on_applied(batch, applied.ticket, applied.last_sequence, now_ms);
                Ok(Flow::Read)
            }
            Err(NotApplied::Full) => {
                self.stalled = Some(std::mem::take(batch));
                Ok(Flow::Stalled)
            }
            Err(NotApplied::Closed) => Err(superseded()),
        }
    }

    /// Whether [`Session::on_watermark`] may have something to say after the next commit.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Opening { .. }) || self.acks.due.is_some()
    }

    /// What may be said now that the watermark stands where it stands.
    pub fn on_watermark(&mut self, engine: &Engine) -> Option<Down> {
        match &self.state {
            State::Opening { seat, ticket, welcome } if engine.is_durable(*ticket) => {
                let welcome = *welcome;
                self.state = State::Open { seat: seat.clone() };
                Some(Down::Welcome(welcome))
            }
            State::Opening { .. } | State::New => None,
            State::Open { seat } => {
                let wanted = engine.samples_per_frame_of(seat.slot.id);
                if self.pace.is_known && self.pace.samples_per_frame != wanted {
                    self.pace.samples_per_frame = wanted;
                    return Some(Down::Pace { samples_per_frame: wanted });
                }
                self.acks.on_watermark(engine).map(|up_to| Down::Ack { up_to })
            }
        }
    }

    /// The server that this session reports for.
    pub fn server_id(&self) -> Option<u64> {
        match &self.state {
            State::New => None,
            State::Opening { seat, .. } | State::Open { seat } => Some(seat.slot.id),
        }
    }

    fn open(&mut self, engine: &Engine, hello: &Hello, now_ms: i64) -> Result<Flow, Refusal> {
        let slot = engine.slot_for(hello, now_ms.div_euclid(1000))?;
        let mut status = slot.status.lock();
        if status.is_removed {
            return Err(Refusal::new(RefuseReason::BadCredential, "the server was removed"));
        }
        status.epoch += 1;
        let epoch = status.epoch;
        let previous = std::mem::replace(&mut status.kick, self.kick.take());
        // Reports of the session before may be taken but not durable yet: what Welcome says of them must be true, so it
        // waits for their commit.
        let ticket = status.last_ticket;
        let welcome = Welcome {
            server_id: slot.id,
            durable: status.progress.of_outbox(hello.outbox_id),
            next: status.progress.last_sequence + 1,
            report_interval_ms: engine.report_interval_ms(),
        };
        drop(status);
        if let Some(kick) = previous {
            kick(RefuseReason::Superseded);
        }
        self.acks.last_ms = now_ms;
        self.pace.is_known = hello.protocol >= PACE_SINCE;
        self.state = State::Opening { seat: Seat { slot, epoch, outbox_id: hello.outbox_id }, ticket, welcome };
        Ok(Flow::Read)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let State::Opening { seat, .. } | State::Open { seat } = &self.state {
            let mut status = seat.slot.status.lock();
            if status.epoch == seat.epoch {
                status.kick = None;
            }
        }
    }
}

impl Acks {
    fn on_applied(&mut self, batch: &Batch, ticket: Ticket, last_sequence: u64, now_ms: i64) {
        self.reports_since += batch.samples.len() as u64;
        self.frames_since += 1;
        // A clock that was set back must not silence acks until it has caught up.
        let is_time = !(0..ACK_INTERVAL_MS).contains(&(now_ms - self.last_ms));
        let is_due =
            batch.ack_now || self.reports_since >= ACK_REPORTS_MAX || is_time && self.frames_since >= ACK_FRAMES_MIN;
        if is_due {
            let ack = Some((ticket, last_sequence));
            let slot = if self.due.is_none() { &mut self.due } else { &mut self.next };
            *slot = ack;
            (self.reports_since, self.frames_since) = (0, 0);
            self.last_ms = now_ms;
        }
    }

    fn on_watermark(&mut self, engine: &Engine) -> Option<u64> {
        let mut durable = None;
        while let Some((_, sequence)) = self.due.filter(|(ticket, _)| engine.is_durable(*ticket)) {
            durable = Some(sequence);
            self.due = self.next.take();
        }
        durable
    }
}

fn bad_frame(detail: &str) -> Refusal {
    Refusal::new(RefuseReason::BadFrame, detail)
}

fn too_early(state: &State) -> Refusal {
    match state {
        State::New => bad_frame("the first frame is not Hello"),
        State::Opening { .. } | State::Open { .. } => bad_frame("a frame came before Welcome was sent"),
    }
}

fn superseded() -> Refusal {
    Refusal::new(RefuseReason::Superseded, "another agent came with this credential, or the credential was changed")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether an ack became due with each of these frames: milliseconds, samples, asked for.
    fn are_due<const N: usize>(frames: [(i64, usize, bool); N]) -> [bool; N] {
        let mut acks = Acks::default();
        frames.map(|(now_ms, samples, ack_now)| {
            let batch = Batch { first_sequence: 1, samples: vec![Sample::default(); samples], ack_now };
            acks.on_applied(&batch, Ticket(1), 1, now_ms);
            acks.due.take().is_some()
        })
    }

    #[test]
    fn time_makes_an_ack_due_only_after_a_few_frames() {
        // A report a second: with the first frame after eight seconds.
        let each_second: [_; 9] = std::array::from_fn(|second| (second as i64 * 1000 + 1, 1, false));
        assert_eq!(are_due(each_second).iter().position(|is_due| *is_due), Some(8));
        // Ten samples every ten seconds: with every third frame.
        let full: [_; 7] = std::array::from_fn(|frame| (frame as i64 * 10_000, 10, false));
        assert_eq!(are_due(full), [false, false, true, false, false, true, false]);
    }

    #[test]
    fn a_question_and_many_reports_make_an_ack_due_at_once() {
        assert_eq!(are_due([(1, 1, true), (2, 1, false), (3, 63, false), (4, 1, false)]), [true, false, true, false]);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_no_acks() {
        assert_eq!(are_due([(9000, 1, true), (1, 1, false), (2, 1, false), (3, 1, false)]), [true, false, false, true]);
    }
}

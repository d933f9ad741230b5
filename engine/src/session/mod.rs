//! One agent's conversation, as a state machine: frames in, frames out, no I/O and no clock.
//!
//! ```text
//! New ──Hello──► Opening ──everything taken before is durable──► Open ──► (Reports: apply, ack when durable)
//!  │                ▲
//!  └─Hello of a new server─► Enrolling ──its record is on disk──┘
//! ```
//! The hub feeds frames with [`Session::on_frame`]. After each commit it calls [`Session::on_watermark`] for the frames
//! to send. If a batch did not fit, it calls [`Session::retry`] before it reads on. A session never waits: on
//! [`Flow::Enrol`], the hub passes [`Session::enrolment`] to a thread that may wait for the disk, and calls
//! [`Session::enrolled`] with the result. An error ends the session: send the refusal.

mod acks;
mod asides;
mod front;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use windfire_wire::frame::PACE_SINCE;
use windfire_wire::limits::SEQUENCE_MAX;
use windfire_wire::{Down, Enrol, Hello, RefuseReason, ReportChain, Reports, Up, Welcome, decode_reports, decode_up};

use crate::engine::Engine;
use crate::error::Refusal;
use crate::intake::{Batch, NotApplied, Ticket};
use crate::limits::SEQUENCE_JUMP_MAX;
use crate::sample::Sample;
use crate::secret::SecretHash;
use crate::slot::Slot;
use crate::status::Kick;
use crate::timing::HubTime;
use crate::token::Enrolment;
use acks::Acks;
use asides::Asides;

/// Whether the hub may read the session's next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Continue to read.
    Read,
    /// A batch did not fit: call [`Session::retry`] after the next commit, and do not read before.
    Stalled,
    /// The agent wants its own server: have [`Session::enrolment`] done, and call [`Session::enrolled`]. Continue to
    /// read in the meantime.
    Enrol,
}

/// One agent's conversation.
pub struct Session {
    state: State,
    /// Address of the agent as the hub sees it, shown when the agent does not name its own.
    peer_address: String,
    /// The agent sent its `Host`, so there are facts that have its address.
    has_facts: bool,
    kick: Option<Kick>,
    chain: ReportChain,
    stalled: Option<Batch>,
    is_over_share: bool,
    acks: Acks,
    asides: Asides,
    pace: Pace,
}

/// Room for one frame, shared by all sessions of a thread, so that a report needs no further memory.
#[derive(Default)]
pub struct Scratch {
    reports: Reports,
    batch: Batch,
}

enum State {
    New,
    /// With the time when it came.
    Enrolling(Box<Hello>, HubTime),
    Opening {
        seat: Seat,
        ticket: Ticket,
        welcome: Welcome,
    },
    Open {
        seat: Seat,
    },
}

/// The pace that this agent got last. Unknown for an agent whose protocol has no `Pace`.
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
    /// Highest sequence number that is taken: at most [`SEQUENCE_JUMP_MAX`] numbers before it may be left out.
    sequence_max: u64,
}

impl Session {
    /// A session before its first frame. `kick` ends it from outside.
    pub fn new(peer_address: String, kick: Kick) -> Self {
        Self {
            state: State::New,
            peer_address,
            has_facts: false,
            kick: Some(kick),
            chain: ReportChain::new(),
            stalled: None,
            is_over_share: false,
            acks: Acks::default(),
            asides: Asides::default(),
            pace: Pace { is_known: false, samples_per_frame: 1 },
        }
    }

    /// Takes the body of a frame from the agent.
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

    /// Takes a frame from the agent.
    pub fn on_frame(&mut self, engine: &Engine, up: Up, now_ms: i64) -> Result<Flow, Refusal> {
        match (&self.state, up) {
            (State::New, Up::Hello(hello)) => self.greet(engine, hello, now_ms),
            (State::Open { seat }, Up::Host(host)) => {
                self.asides.spend(now_ms)?;
                let taken = engine.set_facts(&seat.slot, seat.epoch, *host, &self.peer_address, now_ms);
                taken.map_err(|_| superseded())?;
                self.has_facts = true;
                Ok(Flow::Read)
            }
            (State::Open { seat }, Up::Clock(clock)) => {
                self.asides.spend(now_ms)?;
                engine.take_clock(&seat.slot, clock, now_ms);
                Ok(Flow::Read)
            }
            (_, Up::Reports(reports)) => self.take(engine, &reports, &mut Batch::default(), now_ms),
            (State::New, _) => Err(too_early(&State::New)),
            (state @ (State::Enrolling(..) | State::Opening { .. }), _) => Err(too_early(state)),
            (State::Open { .. }, Up::Hello(_)) => Err(bad_frame("a second Hello")),
        }
    }

    /// Notes that the agent now has another address, in the middle of the session.
    pub fn on_peer_address(&mut self, engine: &Engine, address: String, now_ms: i64) -> Result<(), Refusal> {
        self.peer_address = address;
        match &self.state {
            State::Open { seat } if self.has_facts => {
                engine.set_peer_address(&seat.slot, seat.epoch, &self.peer_address, now_ms).map_err(|_| superseded())
            }
            // `Host` comes later, and gets this address then.
            _ => Ok(()),
        }
    }

    /// Takes the batch that did not fit before.
    pub fn retry(&mut self, engine: &Engine, now_ms: i64) -> Result<Flow, Refusal> {
        match self.stalled.take() {
            Some(mut batch) => self.apply(engine, &mut batch, now_ms),
            None => Ok(Flow::Read),
        }
    }

    /// Turns reports into samples, in `batch`, and takes them.
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
        let State::Open { seat } = &mut self.state else { return Ok(Flow::Read) };
        let count = batch.samples.len() as u64;
        // An empty batch is not checked, because it only asks for an ack.
        if count > 0 && batch.first_sequence + (count - 1) > seat.sequence_max {
            let detail = format!("report {} is far beyond those before it: nothing was taken", batch.first_sequence);
            return Err(bad_frame(&detail));
        }
        match engine.offer(&seat.slot, seat.epoch, seat.outbox_id, batch, now_ms) {
            Ok(applied) => {
                if applied.taken == 0 {
                    self.asides.spend(now_ms)?;
                }
                seat.sequence_max += applied.taken;
                self.acks.on_applied(batch, applied.ticket, applied.last_sequence, now_ms);
                Ok(Flow::Read)
            }
            Err(why @ (NotApplied::Full | NotApplied::OverShare)) => {
                self.is_over_share = why == NotApplied::OverShare;
                self.stalled = Some(std::mem::take(batch));
                Ok(Flow::Stalled)
            }
            Err(NotApplied::Closed) => Err(superseded()),
        }
    }

    /// Whether it is stalled until time has passed, and not until a commit, which may not come.
    pub fn waits_for_time(&self) -> bool {
        self.stalled.is_some() && self.is_over_share
    }

    /// Whether [`Session::on_watermark`] may have a frame to send after the next commit.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Opening { .. }) || self.acks.due.is_some()
    }

    /// The frame to send at the present watermark, if any.
    pub fn on_watermark(&mut self, engine: &Engine) -> Option<Down> {
        match &self.state {
            State::Opening { seat, ticket, welcome } if engine.is_seated(&seat.slot, seat.epoch, *ticket) => {
                let (seat, welcome) = seat.at_welcome(*welcome)?;
                self.state = State::Open { seat };
                Some(Down::Welcome(welcome))
            }
            State::Opening { .. } | State::Enrolling(..) | State::New => None,
            State::Open { seat } => {
                let wanted = engine.samples_per_frame_of(seat.slot.id);
                if self.pace.is_known && self.pace.samples_per_frame != wanted {
                    self.pace.samples_per_frame = wanted;
                    return Some(Down::Pace { samples_per_frame: wanted });
                }
                self.acks.on_watermark(engine, &seat.slot, seat.epoch).map(|up_to| Down::Ack { up_to })
            }
        }
    }

    /// The server that this session reports for.
    pub fn server_id(&self) -> Option<u64> {
        match &self.state {
            State::New | State::Enrolling(..) => None,
            State::Opening { seat, .. } | State::Open { seat } => Some(seat.slot.id),
        }
    }

    /// The request for [`Registry::enrol`](crate::registry::Registry::enrol) while the agent waits for it.
    pub fn enrolment(&self) -> Option<Enrolment> {
        match &self.state {
            State::Enrolling(hello, _) => enrolment_of(hello),
            State::New | State::Opening { .. } | State::Open { .. } => None,
        }
    }

    /// Continues with the result of [`Registry::enrol`](crate::registry::Registry::enrol) for this session's agent.
    pub fn enrolled(&mut self, engine: &Engine, result: Result<u64, Refusal>, now_ms: i64) -> Result<Flow, Refusal> {
        let State::Enrolling(mut hello, since) = std::mem::replace(&mut self.state, State::New) else {
            return Err(bad_frame("nothing was to be enrolled"));
        };
        result?;
        if let Some(clock) = &mut hello.clock {
            // The agent's clocks continued while it waited.
            let now = engine.clock().hub_time(now_ms);
            let leapt_ms = now.leapt_ms.saturating_sub(since.leapt_ms);
            let waited_ms = now.now_ms.saturating_sub(since.now_ms).saturating_sub(leapt_ms).max(0);
            clock.now_ms = clock.now_ms.saturating_add(waited_ms);
            clock.uptime_ms = clock.uptime_ms.saturating_add(waited_ms.unsigned_abs());
        }
        // Looked up again: the server may be removed by now.
        let slot = engine.registry().slot_by_credential(&hello.credential).ok_or_else(unknown_credential)?;
        self.open(engine, slot, &hello, now_ms)
    }

    fn greet(&mut self, engine: &Engine, hello: Hello, now_ms: i64) -> Result<Flow, Refusal> {
        if let Some(slot) = engine.registry().slot_by_credential(&hello.credential) {
            return self.open(engine, slot, &hello, now_ms);
        }
        let wish = enrolment_of(&hello).ok_or_else(unknown_credential)?;
        engine.registry().check_enrolment(&wish, now_ms.div_euclid(1000))?;
        self.state = State::Enrolling(Box::new(hello), engine.clock().hub_time(now_ms));
        Ok(Flow::Enrol)
    }

    /// Takes the seat at the server whose slot was found by the Hello's credential.
    fn open(&mut self, engine: &Engine, slot: Arc<Slot>, hello: &Hello, now_ms: i64) -> Result<Flow, Refusal> {
        let credential = SecretHash::of(&hello.credential);
        slot.status.lock().greet();
        if let Some(clock) = hello.clock {
            engine.take_clock(&slot, clock, now_ms);
        }
        let mut status = slot.status.lock();
        if status.is_removed() {
            return Err(Refusal::new(RefuseReason::BadCredential, "the server was removed"));
        }
        // It may have been changed since the slot was found. A change replaces the record first, and then ends the
        // session of this status. So either the new record is found here, or the change finds the kick that is left
        // below.
        if slot.record.read().credential != credential {
            return Err(Refusal::new(RefuseReason::BadCredential, "the credential was changed"));
        }
        let last_sequence = status.progress().last_sequence;
        if last_sequence >= SEQUENCE_MAX - SEQUENCE_JUMP_MAX {
            let detail = format!(
                "server {} has used up its sequence numbers with report {last_sequence}: remove it and add it again",
                slot.id
            );
            return Err(Refusal::new(RefuseReason::BadCredential, detail));
        }
        let (epoch, previous) = status.open(self.kick.take());
        // Reports of the session before may be taken but not durable yet. Welcome says which are durable, so it waits
        // for their commit. In a cluster it waits until this hub has followed the stream up to this session's marker,
        // and other hubs' reports may come in until then.
        let ticket = Ticket { shard: slot.shard(), position: status.last_position() };
        let welcome = Welcome {
            server_id: slot.id,
            durable: status.progress().of_outbox(hello.outbox_id),
            next: last_sequence + 1,
            report_interval_ms: engine.report_interval_ms(),
        };
        drop(status);
        if let Some(kick) = previous {
            kick(RefuseReason::Superseded);
        }
        engine.announce(&slot, epoch);
        let outbox_id = hello.outbox_id;
        let seat = Seat { slot, epoch, outbox_id, sequence_max: last_sequence + SEQUENCE_JUMP_MAX };
        self.acks.last_ms = now_ms;
        self.pace.is_known = hello.protocol >= PACE_SINCE;
        self.state = State::Opening { seat, ticket, welcome };
        Ok(Flow::Read)
    }
}

impl Seat {
    /// The seat and the welcome as they are when Welcome is sent. `None` if the server has used up its numbers since:
    /// the agent's next Hello is refused with words.
    fn at_welcome(&self, mut welcome: Welcome) -> Option<(Self, Welcome)> {
        let mut seat = self.clone();
        let status = self.slot.status.lock();
        // A superseded session hears that it is, with its next frame.
        if status.is_open(self.epoch) {
            let progress = status.progress();
            (welcome.durable, welcome.next) = (progress.of_outbox(self.outbox_id), progress.last_sequence + 1);
            seat.sequence_max = progress.last_sequence + SEQUENCE_JUMP_MAX;
            if progress.last_sequence >= SEQUENCE_MAX - SEQUENCE_JUMP_MAX {
                return None;
            }
        }
        drop(status);
        Some((seat, welcome))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let State::Opening { seat, .. } | State::Open { seat } = &self.state {
            seat.slot.status.lock().close(seat.epoch);
        }
    }
}

fn bad_frame(detail: &str) -> Refusal {
    Refusal::new(RefuseReason::BadFrame, detail)
}

fn too_early(state: &State) -> Refusal {
    match state {
        State::New => bad_frame("the first frame is not Hello"),
        State::Enrolling(..) | State::Opening { .. } | State::Open { .. } => {
            bad_frame("a frame came before Welcome was sent")
        }
    }
}

fn enrolment_of(hello: &Hello) -> Option<Enrolment> {
    let Enrol { token, name } = hello.enrol.clone()?;
    Some(Enrolment { token, name, credential: hello.credential.clone() })
}

fn unknown_credential() -> Refusal {
    Refusal::new(RefuseReason::BadCredential, "no server has this credential")
}

fn superseded() -> Refusal {
    Refusal::new(RefuseReason::Superseded, "another agent came with this credential, or the credential was changed")
}

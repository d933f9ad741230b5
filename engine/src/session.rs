//! One agent's conversation, as a state machine: frames in, frames out, no I/O and no clock.
//!
//! ```text
//! New ──Hello──► Opening ──everything taken before is durable──► Open ──► (Reports: apply, ack when durable)
//!  │                ▲
//!  └─Hello of a new server─► Enrolling ──its record is on disk──┘
//! ```
//! The hub feeds frames with [`Session::on_frame`], asks [`Session::on_watermark`] for what may be said after each commit,
//! and when a batch did not fit calls [`Session::retry`] before it reads on. A session waits for nothing itself: when it is
//! told to [`Flow::Enrol`], the hub hands [`Session::enrolment`] to a thread that may wait for the disk, and calls
//! [`Session::enrolled`] with what came of it. An error ends the session: send the refusal.

use std::sync::Arc;

use windfire_wire::frame::PACE_SINCE;
use windfire_wire::limits::SEQUENCE_MAX;
use windfire_wire::{Down, Enrol, Hello, RefuseReason, ReportChain, Reports, Up, Welcome, decode_reports, decode_up};

use crate::engine::Engine;
use crate::error::Refusal;
use crate::limits::{ACK_FRAMES_MIN, ACK_INTERVAL_MS, ACK_REPORTS_MAX, SEQUENCE_JUMP_MAX};
use crate::sample::Sample;
use crate::secret::SecretHash;
use crate::shard::{Batch, NotApplied};
use crate::slot::{Kick, Slot};
use crate::timing::HubTime;
use crate::token::Enrolment;
use crate::watermark::Ticket;

/// Whether the hub may read the session's next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Read on.
    Read,
    /// A batch did not fit: call [`Session::retry`] after the next commit, and do not read before.
    Stalled,
    /// The agent wants a server of its own: have [`Session::enrolment`] done, and call [`Session::enrolled`]. Read on
    /// meanwhile.
    Enrol,
}

/// One agent's conversation.
pub struct Session {
    state: State,
    /// Address of the agent as the hub sees it, shown when the agent does not name its own.
    peer_address: String,
    /// The agent said what it is, so there are facts that have its address.
    has_facts: bool,
    kick: Option<Kick>,
    chain: ReportChain,
    stalled: Option<Batch>,
    is_over_share: bool,
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
    /// With when it came.
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
    /// Highest sequence number that is taken: what was left out before it is no more than [`SEQUENCE_JUMP_MAX`].
    sequence_max: u64,
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
            has_facts: false,
            kick: Some(kick),
            chain: ReportChain::new(),
            stalled: None,
            is_over_share: false,
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
            (State::New, Up::Hello(hello)) => self.greet(engine, hello, now_ms),
            (State::Open { seat }, Up::Host(host)) => {
                let taken = engine.set_facts(&seat.slot, seat.epoch, *host, &self.peer_address, now_ms);
                taken.map_err(|_| superseded())?;
                self.has_facts = true;
                Ok(Flow::Read)
            }
            (State::Open { seat }, Up::Clock(clock)) => {
                engine.take_clock(&seat.slot, clock, now_ms);
                Ok(Flow::Read)
            }
            (_, Up::Reports(reports)) => self.take(engine, &reports, &mut Batch::default(), now_ms),
            (State::New, _) => Err(too_early(&State::New)),
            (state @ (State::Enrolling(..) | State::Opening { .. }), _) => Err(too_early(state)),
            (State::Open { .. }, Up::Hello(_)) => Err(bad_frame("a second Hello")),
        }
    }

    /// Takes that the agent comes from another address now, in mid-session.
    pub fn on_peer_address(&mut self, engine: &Engine, address: String, now_ms: i64) -> Result<(), Refusal> {
        self.peer_address = address;
        match &self.state {
            State::Open { seat } if self.has_facts => {
                engine.set_peer_address(&seat.slot, seat.epoch, &self.peer_address, now_ms).map_err(|_| superseded())
            }
            // What the agent is comes later, and has this address then.
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
        let State::Open { seat } = &mut self.state else { return Ok(Flow::Read) };
        let count = batch.samples.len() as u64;
        // Not of an empty batch, which only asks for an ack.
        if count > 0 && batch.first_sequence + (count - 1) > seat.sequence_max {
            let detail = format!("report {} is far beyond those before it: nothing was taken", batch.first_sequence);
            return Err(bad_frame(&detail));
        }
        match engine.apply(&seat.slot, seat.epoch, seat.outbox_id, batch, now_ms) {
            Ok(applied) => {
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
            State::Opening { .. } | State::Enrolling(..) | State::New => None,
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
            State::New | State::Enrolling(..) => None,
            State::Opening { seat, .. } | State::Open { seat } => Some(seat.slot.id),
        }
    }

    /// What the agent wants of [`Registry::enrol`](crate::registry::Registry::enrol) while it waits for that.
    pub fn enrolment(&self) -> Option<Enrolment> {
        match &self.state {
            State::Enrolling(hello, _) => enrolment_of(hello),
            State::New | State::Opening { .. } | State::Open { .. } => None,
        }
    }

    /// Goes on after [`Registry::enrol`](crate::registry::Registry::enrol) gave that for this session's agent.
    pub fn enrolled(&mut self, engine: &Engine, result: Result<u64, Refusal>, now_ms: i64) -> Result<Flow, Refusal> {
        let State::Enrolling(mut hello, since) = std::mem::replace(&mut self.state, State::New) else {
            return Err(bad_frame("nothing was to be enrolled"));
        };
        result?;
        if let Some(clock) = &mut hello.clock {
            // It went on while the agent waited.
            let now = engine.clock().hub_time(now_ms);
            let leapt_ms = now.leapt_ms.saturating_sub(since.leapt_ms);
            let waited_ms = now.now_ms.saturating_sub(since.now_ms).saturating_sub(leapt_ms).max(0);
            clock.now_ms = clock.now_ms.saturating_add(waited_ms);
            clock.uptime_ms = clock.uptime_ms.saturating_add(waited_ms.unsigned_abs());
        }
        // Looked up again: it may be gone by now.
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
        slot.status.lock().timing.on_session();
        if let Some(clock) = hello.clock {
            engine.take_clock(&slot, clock, now_ms);
        }
        let mut status = slot.status.lock();
        if status.is_removed {
            return Err(Refusal::new(RefuseReason::BadCredential, "the server was removed"));
        }
        // It may have been changed since the slot was found. Whoever changes it replaces the record first and ends the
        // session of this status then: it finds either the new record here, or the kick that is left below.
        if slot.record.read().credential != credential {
            return Err(Refusal::new(RefuseReason::BadCredential, "the credential was changed"));
        }
        let last_sequence = status.progress.last_sequence;
        if last_sequence >= SEQUENCE_MAX - SEQUENCE_JUMP_MAX {
            let detail = format!(
                "server {} has used up its sequence numbers with report {last_sequence}: remove it and add it anew",
                slot.id
            );
            return Err(Refusal::new(RefuseReason::BadCredential, detail));
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
            next: last_sequence + 1,
            report_interval_ms: engine.report_interval_ms(),
        };
        drop(status);
        if let Some(kick) = previous {
            kick(RefuseReason::Superseded);
        }
        let outbox_id = hello.outbox_id;
        let seat = Seat { slot, epoch, outbox_id, sequence_max: last_sequence + SEQUENCE_JUMP_MAX };
        self.acks.last_ms = now_ms;
        self.pace.is_known = hello.protocol >= PACE_SINCE;
        self.state = State::Opening { seat, ticket, welcome };
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

#[cfg(test)]
mod tests {
    use windfire_wire::{Host, PROTOCOL_VERSION, ReportDelta};

    use super::*;
    use crate::engine::{Options, Selection};
    use crate::error::Credentialed;
    use crate::server::NewServer;

    /// Whether an ack became due with each of these frames: milliseconds, samples, asked for.
    fn are_due<const N: usize>(frames: [(i64, usize, bool); N]) -> [bool; N] {
        let mut acks = Acks::default();
        frames.map(|(now_ms, samples, ack_now)| {
            let batch = Batch { first_sequence: 1, samples: vec![Sample::default(); samples], ack_now };
            acks.on_applied(&batch, Ticket(1), 1, now_ms);
            acks.due.take().is_some()
        })
    }

    fn engine() -> (tempfile::TempDir, Engine) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Engine::open(folder.path(), Options::default()).expect("a new store");
        (folder, engine)
    }

    fn hello(credential: &str, enrol: Option<Enrol>) -> Hello {
        let credential = credential.to_owned();
        Hello { protocol: PROTOCOL_VERSION, credential, enrol, agent_version: String::new(), outbox_id: 1, clock: None }
    }

    fn session() -> Session {
        Session::new(String::new(), Box::new(|_| {}))
    }

    fn open_session(engine: &Engine, credential: &str) -> (Session, Welcome) {
        let mut session = session();
        session.on_frame(engine, Up::Hello(hello(credential, None)), 0).expect("known");
        let Some(Down::Welcome(welcome)) = session.on_watermark(engine) else { panic!("no welcome") };
        (session, welcome)
    }

    /// Reports `count` times from that sequence number on.
    fn report(session: &mut Session, engine: &Engine, first_sequence: u64, count: usize) -> Result<Flow, RefuseReason> {
        let reports = vec![ReportDelta::default(); count];
        let frame = Up::Reports(Reports { first_sequence, ack_now: false, reports });
        session.on_frame(engine, frame, 0).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn a_credential_that_is_changed_after_its_slot_was_found_opens_nothing() {
        let (_folder, engine) = engine();
        let Credentialed { id, credential } = engine.registry().add_server(NewServer::default(), 0).expect("room");
        let mut found_before = session();
        let slot = engine.registry().slot_by_credential(&credential).expect("known");
        let fresh = engine.registry().rotate_credential(id).expect("known").credential;
        let opened = found_before.open(&engine, slot, &hello(&credential, None), 0);
        assert_eq!(opened.map_err(|refusal| refusal.reason), Err(RefuseReason::BadCredential));
        assert!(found_before.on_watermark(&engine).is_none());
        // Whoever came with the new one meanwhile is not pushed out either.
        let (mut honest, _) = open_session(&engine, &fresh);
        let slot = engine.registry().slot_by_credential(&fresh).expect("known");
        assert!(session().open(&engine, slot, &hello(&credential, None), 0).is_err());
        assert_eq!(report(&mut honest, &engine, 1, 1), Ok(Flow::Read));
    }

    #[test]
    fn an_address_that_changes_in_mid_session_is_the_one_that_is_shown() {
        let (_folder, engine) = engine();
        let Credentialed { credential, .. } = engine.registry().add_server(NewServer::default(), 0).expect("room");
        let shown = || engine.snapshot(Selection::All)[0].latest.facts.address.clone();
        let (mut session, _) = open_session(&engine, &credential);
        let move_to = |session: &mut Session, address: &str| session.on_peer_address(&engine, address.to_owned(), 0);
        move_to(&mut session, "192.0.2.1").expect("its own session");
        assert_eq!(shown(), "", "what it is was not said yet");
        let host = |ip: &str| Up::Host(Box::new(Host { ip: ip.to_owned(), ..Host::default() }));
        session.on_frame(&engine, host(""), 0).expect("facts");
        assert_eq!(shown(), "192.0.2.1");
        move_to(&mut session, "2001:db8::1").expect("its own session");
        assert_eq!(shown(), "2001:db8::1");
        session.on_frame(&engine, host("198.51.100.1"), 0).expect("facts");
        move_to(&mut session, "192.0.2.2").expect("its own session");
        assert_eq!(shown(), "198.51.100.1", "an agent that names its own address knows it better");
        session.on_frame(&engine, host(""), 0).expect("facts");
        assert_eq!(shown(), "192.0.2.2", "the present one when it names none any more");
        let (_newer, _) = open_session(&engine, &credential);
        assert!(move_to(&mut session, "192.0.2.3").is_err(), "the server is another session's by now");
        assert_eq!(shown(), "192.0.2.2");
    }

    #[test]
    fn an_enrolment_waits_outside_of_the_session() {
        let (_folder, engine) = engine();
        let (_, token) =
            engine.registry().add_enrol_token(String::new(), String::new(), Some(1), None, 0).expect("room");
        let greet = |token: &str, credential: &str| {
            let mut session = session();
            let enrol = Some(Enrol { token: token.to_owned(), name: "new".into() });
            let flow = session.on_frame(&engine, Up::Hello(hello(credential, enrol)), 0);
            (session, flow.map_err(|refusal| refusal.reason))
        };
        let own = "0123456789abcdef0123456789abcdef";
        let (mut session, flow) = greet(&token, own);
        assert_eq!((flow, engine.registry().server_count()), (Ok(Flow::Enrol), 0));
        assert!(!session.is_waiting() && session.on_watermark(&engine).is_none());
        let wish = session.enrolment().expect("a wish");
        let answer = engine.registry().enrol(&[wish], 0).remove(0);
        assert_eq!(session.enrolled(&engine, answer, 0), Ok(Flow::Read));
        assert!(matches!(session.on_watermark(&engine), Some(Down::Welcome(Welcome { server_id: 1, next: 1, .. }))));
        assert_eq!(report(&mut session, &engine, 1, 1), Ok(Flow::Read));
        // What can be refused at once does not wait: a token that is used up or unknown, a credential that is too short.
        assert_eq!(greet(&token, &own.replace('0', "1")).1, Err(RefuseReason::BadEnrolToken));
        assert_eq!(greet("unknown", &own.replace('0', "1")).1, Err(RefuseReason::BadEnrolToken));
        assert_eq!(greet(&token, "short").1, Err(RefuseReason::BadCredential));
        // The agent comes back and is known, with whatever token.
        assert_eq!(greet("unknown", own).1, Ok(Flow::Read));
    }

    #[test]
    fn a_server_that_is_gone_when_its_enrolment_is_told_opens_nothing() {
        let (_folder, engine) = engine();
        let (_, token) = engine.registry().add_enrol_token(String::new(), String::new(), None, None, 0).expect("room");
        let mut session = session();
        let enrol = Some(Enrol { token, name: "new".into() });
        let hello = hello("0123456789abcdef0123456789abcdef", enrol);
        session.on_frame(&engine, Up::Hello(hello), 0).expect("may wait");
        assert_eq!(report(&mut session, &engine, 1, 1), Err(RefuseReason::BadFrame), "not before Welcome");
        let answer = engine.registry().enrol(&[session.enrolment().expect("a wish")], 0).remove(0);
        engine.registry().remove_servers(&[1]).expect("made");
        let told = session.enrolled(&engine, answer, 0);
        assert_eq!(told.map_err(|refusal| refusal.reason), Err(RefuseReason::BadCredential));
        let twice = session.enrolled(&engine, Ok(1), 0);
        assert_eq!(twice.map_err(|refusal| refusal.reason), Err(RefuseReason::BadFrame));
    }

    #[test]
    fn numbers_far_beyond_those_before_are_refused_and_nothing_is_taken() {
        let (_folder, engine) = engine();
        let credential = engine.registry().add_server(NewServer::default(), 0).expect("room").credential;
        let taken = || engine.metrics().reports_taken.get();
        for first in [SEQUENCE_MAX - 1, SEQUENCE_MAX / 2, SEQUENCE_JUMP_MAX + 1, SEQUENCE_JUMP_MAX] {
            let (mut session, welcome) = open_session(&engine, &credential);
            assert_eq!(welcome.next, 1);
            assert_eq!(report(&mut session, &engine, first, 2), Err(RefuseReason::BadFrame), "{first}");
            assert_eq!(taken(), 0);
        }
        // A gap within the limit is taken: a hub that was put back from a backup meets such numbers.
        let (mut session, _) = open_session(&engine, &credential);
        assert_eq!(report(&mut session, &engine, SEQUENCE_JUMP_MAX - 9, 1), Ok(Flow::Read));
        assert_eq!(report(&mut session, &engine, SEQUENCE_JUMP_MAX - 8, 2), Ok(Flow::Read));
        // All gaps of a session count together; what only follows is no gap.
        assert_eq!(report(&mut session, &engine, SEQUENCE_JUMP_MAX + 4, 1), Err(RefuseReason::BadFrame));
        assert_eq!(report(&mut session, &engine, SEQUENCE_JUMP_MAX + 3, 1), Ok(Flow::Read));
        assert_eq!(report(&mut session, &engine, SEQUENCE_MAX - 1, 0), Ok(Flow::Read), "it only asks for an ack");
        assert_eq!(taken(), 4);
    }

    #[test]
    fn a_server_whose_numbers_are_used_up_is_refused_with_words_instead_of_an_impossible_welcome() {
        let (_folder, engine) = engine();
        let credential = engine.registry().add_server(NewServer::default(), 0).expect("room").credential;
        let progress = |last_sequence| {
            let slot = engine.registry().slot_by_credential(&credential).expect("known");
            slot.status.lock().progress.last_sequence = last_sequence;
        };
        progress(SEQUENCE_MAX - SEQUENCE_JUMP_MAX - 1);
        let (mut last, welcome) = open_session(&engine, &credential);
        assert_eq!(report(&mut last, &engine, welcome.next, 200), Ok(Flow::Read));
        for last_sequence in [SEQUENCE_MAX - SEQUENCE_JUMP_MAX, SEQUENCE_MAX - 1, SEQUENCE_MAX] {
            progress(last_sequence);
            let mut session = session();
            let refused = session.on_frame(&engine, Up::Hello(hello(&credential, None)), 0);
            let refusal = refused.expect_err("no number is left");
            assert_eq!(refusal.reason, RefuseReason::BadCredential);
            assert!(
                refusal.detail.contains("server 1") && refusal.detail.contains("add it anew"),
                "{}",
                refusal.detail
            );
        }
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

//! One agent's QUIC connection and its [`Session`]: carries frames to the session and its answers back. All decisions
//! are the session's. It does no I/O: the [`Listener`](super::listener::Listener) feeds packets and fetches packets.

use std::cell::RefCell;
use std::net::IpAddr;
use std::time::Instant;

use bytes::Bytes;
use quinn_proto::{
    Connection, ConnectionError, ConnectionHandle, Dir, Event, ReadError, StreamEvent, StreamId, VarInt, WriteError,
};
use windfire_engine::error::Refusal;
use windfire_engine::{Flow, Scratch, Session};
use windfire_wire::limits::FRAME_BODY_BYTES_MAX;
use windfire_wire::{Down, FrameReader, RefuseReason, WireError, encode_down};

use super::Ingest;
use super::mailbox::{Mail, Mailbox};
use super::places::Place;
use crate::counters::{Counters, Held};
use crate::limits::{
    ACK_HOLD, ADDRESS_SETTLE_TIME, CONNECTION_WINDOW_BYTES, HELLO_BYTES_MAX, HELLO_TIMEOUT, LAST_WORD_TIMEOUT,
    SAY_TIMEOUT, STALL_RETRY,
};

/// Why a conversation ended.
enum End {
    /// The agent or the network is gone.
    Gone(String),
    /// The agent does not take what was sent to it.
    Unread,
    /// The other side broke QUIC's rules.
    Breach(String),
    /// The hub ended it, and the agent gets the reason.
    Refused(Refusal),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<WireError> for End {
    fn from(error: WireError) -> Self {
        Self::Refused(error.into())
    }
}

/// The next thing to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// TLS is not done.
    Handshaking,
    /// Until `Welcome` is sent.
    Opening,
    /// Reports arrive.
    Open,
    /// The agent is reading why it was refused.
    Parting,
    /// Only QUIC still sends.
    Closed,
}

/// The state that one round passes to its conversations.
#[derive(Clone, Copy)]
pub(super) struct RoundContext<'a> {
    pub(super) ingest: &'a Ingest,
    pub(super) mailbox: &'a Mailbox,
    pub(super) scratch: &'a RefCell<Scratch>,
    pub(super) now: Instant,
    pub(super) now_ms: i64,
    /// Agents have waited for this round longer than they should.
    pub(super) is_late: bool,
    pub(super) is_stopping: bool,
}

/// One agent.
pub(super) struct Conversation {
    pub(super) connection: Connection,
    handle: ConnectionHandle,
    /// Distinguishes it from an earlier one with the same handle.
    pub(super) number: u64,
    /// It is in the listener's list of conversations to service.
    pub(super) is_touched: bool,
    /// It is in the listener's list of conversations that wait for a commit.
    pub(super) is_listed: bool,
    phase: Phase,
    /// The time at which the present phase has lasted too long.
    until: Option<Instant>,
    stream: Option<StreamId>,
    session: Option<Session>,
    /// The address that the session knows, and another one that the agent has come from since then.
    peer: IpAddr,
    moved: Option<(IpAddr, Instant)>,
    reader: FrameReader,
    flow: Flow,
    /// Bytes to send that QUIC has not taken, and the time by which it must take them.
    unsent: Vec<u8>,
    unsaid_until: Option<Instant>,
    /// Packets wait until then for an ack to go along.
    delayed_until: Option<Instant>,
    kicked: Option<RefuseReason>,
    /// The result of the enrolment that the session waits for.
    enrolled: Option<Result<u64, Refusal>>,
    /// Until its `Hello` is accepted.
    place: Option<Place>,
    /// It counts as a session from then on.
    counted: Option<Held>,
}

impl Conversation {
    pub(super) fn new(
        connection: Connection,
        handle: ConnectionHandle,
        number: u64,
        place: Place,
        context: RoundContext<'_>,
    ) -> Self {
        let peer = connection.remote_address().ip().to_canonical();
        Self {
            connection,
            handle,
            number,
            is_touched: false,
            is_listed: false,
            phase: Phase::Handshaking,
            until: Some(context.now + HELLO_TIMEOUT),
            stream: None,
            session: None,
            peer,
            moved: None,
            reader: FrameReader::of_stranger(HELLO_BYTES_MAX),
            flow: Flow::Read,
            unsent: Vec::new(),
            unsaid_until: None,
            delayed_until: None,
            kicked: None,
            enrolled: None,
            place: Some(place),
            counted: None,
        }
    }

    /// Takes everything that QUIC has, and answers.
    pub(super) fn poll(&mut self, context: RoundContext<'_>) {
        if let Err(end) = self.advance(context) {
            self.end(end, context);
        }
        self.delay_for_ack(context);
    }

    /// Takes a message. It has its effect when this is serviced next.
    pub(super) fn hear(&mut self, mail: Mail) {
        match mail {
            Mail::Kicked(reason) => self.kicked = Some(reason),
            Mail::Enrolled(result) => self.enrolled = Some(result),
        }
    }

    /// Whether a frame is due after the next commit.
    pub(super) fn waits_for_commit(&self) -> bool {
        self.flow == Flow::Stalled || self.session.as_ref().is_some_and(Session::is_waiting)
    }

    /// Whether its packets wait for an ack to go along.
    pub(super) fn is_held(&self, now: Instant) -> bool {
        self.delayed_until.is_some_and(|until| now < until)
    }

    /// When to service it, even if no packet comes.
    pub(super) fn deadline(&mut self, now: Instant) -> Option<Instant> {
        let held = self.delayed_until.filter(|until| now < *until);
        // A server that brought more than its share waits for time to pass, and not for a commit, which may not come.
        let waits_for_time = self.session.as_ref().is_some_and(Session::waits_for_time);
        let stalled = waits_for_time.then(|| now + STALL_RETRY);
        let settled = self.moved.map(|(_, since)| since + ADDRESS_SETTLE_TIME);
        [self.connection.poll_timeout(), self.until, self.unsaid_until, held, stalled, settled]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closes the connection without a reason.
    pub(super) fn close(&mut self, now: Instant) {
        self.connection.close(now, VarInt::from_u32(0), Bytes::new());
        self.part(Phase::Closed, None);
        (self.place, self.counted) = (None, None);
    }

    fn advance(&mut self, context: RoundContext<'_>) -> Result<(), End> {
        while let Some(event) = self.connection.poll() {
            self.on_event(event, context)?;
        }
        if self.until.is_some_and(|until| context.now >= until) {
            let why = if self.phase == Phase::Parting { "the agent did not read why" } else { "no Hello in time" };
            return Err(End::Gone(why.to_owned()));
        }
        if !matches!(self.phase, Phase::Opening | Phase::Open) {
            return Ok(());
        }
        if let Some(reason) = self.kicked.take() {
            let detail = match reason {
                RefuseReason::BadCredential => "the credential was changed or its server removed",
                _ => "another agent came with this credential",
            };
            return Err(Refusal::new(reason, detail).into());
        }
        if context.ingest.offered.as_ref().is_some_and(|offered| offered.state.is_cut_off()) {
            // Its reports would wait here. The agent still has them, and another hub may take them.
            let detail = "this hub does not reach the brokers of its cluster";
            return Err(Refusal::new(RefuseReason::Stopping, detail).into());
        }
        self.follow_address(context)?;
        if let Some((result, session)) = self.enrolled.take().zip(self.session.as_mut()) {
            self.flow = session.enrolled(&context.ingest.engine, result, context.now_ms)?;
        }
        while self.step(context)? {}
        // A stalled batch was not taken: the agent still has it.
        if context.is_stopping && !self.session.as_ref().is_some_and(Session::is_waiting) {
            return Err(Refusal::new(RefuseReason::Stopping, "the hub is stopping").into());
        }
        Ok(())
    }

    fn on_event(&mut self, event: Event, context: RoundContext<'_>) -> Result<(), End> {
        match event {
            Event::Connected if self.phase == Phase::Handshaking => {
                self.phase = Phase::Opening;
                self.until = Some(context.now + HELLO_TIMEOUT);
                self.peer = self.connection.remote_address().ip().to_canonical();
                if let Some(place) = &mut self.place {
                    place.prove(context.now);
                }
                self.session =
                    Some(Session::new(self.peer.to_string(), context.mailbox.kick_of(self.handle, self.number)));
            }
            Event::Stream(StreamEvent::Opened { dir: Dir::Bi }) if self.stream.is_none() => {
                self.stream = self.connection.streams().accept(Dir::Bi);
            }
            Event::Stream(StreamEvent::Finished { .. } | StreamEvent::Stopped { .. })
                if self.phase == Phase::Parting =>
            {
                self.close(context.now);
            }
            Event::Stream(StreamEvent::Stopped { .. }) => {
                return Err(End::Gone("the agent does not receive".to_owned()));
            }
            Event::ConnectionLost { reason: ConnectionError::TransportError(breach) } => {
                return Err(End::Breach(breach.to_string()));
            }
            Event::ConnectionLost { reason } => return Err(End::Gone(reason.to_string())),
            _ => {}
        }
        Ok(())
    }

    /// Tells the session when the agent's address has changed for good. QUIC follows a change at once and validates it
    /// afterwards: a forged change is reverted within this time.
    fn follow_address(&mut self, context: RoundContext<'_>) -> Result<(), End> {
        let present = self.connection.remote_address().ip().to_canonical();
        let Some(session) = self.session.as_mut().filter(|_| present != self.peer) else {
            self.moved = None;
            return Ok(());
        };
        let since = match self.moved {
            Some((address, since)) if address == present => since,
            _ => context.now,
        };
        self.moved = Some((present, since));
        if context.now >= since + ADDRESS_SETTLE_TIME {
            self.peer = present;
            self.moved = None;
            session.on_peer_address(&context.ingest.engine, present.to_string(), context.now_ms)?;
        }
        Ok(())
    }

    /// Sends the frames that are due, then takes one frame or one chunk. Returns whether there may be more to do.
    fn step(&mut self, context: RoundContext<'_>) -> Result<bool, End> {
        let (Some(stream), Some(session)) = (self.stream, &mut self.session) else { return Ok(false) };
        let ingest = context.ingest;
        if self.unsent.is_empty()
            && let Some(down) = session.on_watermark(&ingest.engine)
        {
            match down {
                Down::Welcome(_) => {
                    self.phase = Phase::Open;
                    self.connection.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES));
                    ingest.counters.sessions_opened.add(1);
                }
                Down::Ack { .. } => ingest.counters.acks_sent.add(1),
                Down::Pace { .. } | Down::Refuse { .. } => {}
            }
            encode_down(&down, &mut self.unsent)?;
        }
        self.send(stream, context.now)?;
        let Some(session) = &mut self.session else { return Ok(false) };
        if self.flow == Flow::Stalled {
            self.flow = session.retry(&ingest.engine, context.now_ms)?;
        }
        if self.flow == Flow::Stalled {
            return Ok(false);
        }
        if let Some(body) = self.reader.next_body()? {
            ingest.counters.frames_received.add(1);
            if self.place.is_some() && ingest.counters.sessions.get() >= ingest.sessions_max {
                return Err(Refusal::new(RefuseReason::Full, "the hub has reached its limit of sessions").into());
            }
            self.flow = session.on_body(&ingest.engine, body, &mut context.scratch.borrow_mut(), context.now_ms)?;
            if self.phase == Phase::Opening && self.until.take().is_some() {
                // That was Hello. From now on the agent may have to wait for the disk, so it has no deadline.
                self.reader.take_any();
                if let Some(place) = self.place.take() {
                    place.leave_known();
                }
                self.counted = Some(Counters::hold(&ingest.counters, |counters| &counters.sessions));
            }
            if self.flow == Flow::Enrol {
                self.ask_to_enrol(context)?;
            }
            return Ok(true);
        }
        if context.is_stopping {
            return Ok(false);
        }
        self.read(stream, ingest)
    }

    /// Asks the thread that may wait for the disk to create the agent's server.
    fn ask_to_enrol(&mut self, context: RoundContext<'_>) -> Result<(), End> {
        self.flow = Flow::Read;
        if let Some(wish) = self.session.as_ref().and_then(Session::enrolment) {
            context.ingest.enrolments.ask(wish, context.mailbox.enrolled_of(self.handle, self.number))?;
        }
        Ok(())
    }

    /// Takes the next chunk that has come. Returns whether there was one.
    fn read(&mut self, stream: StreamId, ingest: &Ingest) -> Result<bool, End> {
        // From an unknown peer, at most the bytes that are checked.
        let is_stranger = self.phase == Phase::Opening && self.until.is_some();
        let bytes_max = if is_stranger { HELLO_BYTES_MAX } else { FRAME_BODY_BYTES_MAX };
        let mut receiving = self.connection.recv_stream(stream);
        let mut chunks = receiving.read(true).map_err(|error| End::Gone(error.to_string()))?;
        match chunks.next(bytes_max) {
            Ok(Some(chunk)) => {
                ingest.counters.bytes_received.add(chunk.bytes.len() as u64);
                self.reader.feed(&chunk.bytes);
                // QUIC sends its own frames for that with the packets after every round.
                let _always_sent = chunks.finalize();
                Ok(true)
            }
            Ok(None) => Err(End::Gone("the agent ended the stream".to_owned())),
            Err(ReadError::Blocked) => Ok(false),
            Err(error @ ReadError::Reset(_)) => Err(End::Gone(error.to_string())),
        }
    }

    /// Passes frames to QUIC. A frame that QUIC does not take waits, and nothing else is sent before it. Acks are
    /// cumulative, so the waiting bytes never grow.
    fn send(&mut self, stream: StreamId, now: Instant) -> Result<(), End> {
        while !self.unsent.is_empty() {
            match self.connection.send_stream(stream).write(&self.unsent) {
                Ok(taken) => drop(self.unsent.drain(..taken)),
                Err(WriteError::Blocked) => {
                    let until = *self.unsaid_until.get_or_insert(now + SAY_TIMEOUT);
                    return if now < until { Ok(()) } else { Err(End::Unread) };
                }
                Err(error) => return Err(End::Gone(error.to_string())),
            }
        }
        self.unsaid_until = None;
        Ok(())
    }

    /// Holds packets back for the time of a commit when an ack is due: the ack then shares a packet with QUIC's own
    /// answer to the report. Not if the agent has already waited: it is about to send again.
    fn delay_for_ack(&mut self, context: RoundContext<'_>) {
        let is_waiting = self.session.as_ref().is_some_and(Session::is_waiting);
        if self.phase == Phase::Open && is_waiting && !context.is_late {
            self.delayed_until.get_or_insert(context.now + ACK_HOLD);
        } else {
            self.delayed_until = None;
        }
    }

    fn end(&mut self, end: End, context: RoundContext<'_>) {
        let peer = self.connection.remote_address();
        let server = self.session.as_ref().and_then(Session::server_id);
        let counters = &context.ingest.counters;
        let why = match end {
            End::Refused(refusal) => {
                let refusal = self.unless_unknown_yet(refusal, context);
                counters.count_refusal(refusal.reason);
                context.ingest.refusals.note(context.now, || {
                    let reason = refusal.reason.name();
                    tracing::info!(%peer, server, reason, detail = refusal.detail, "agent refused");
                });
                if self.send_refusal(refusal, context.now).is_none() {
                    self.close(context.now);
                }
                return;
            }
            End::Gone(why) => why,
            End::Unread => {
                counters.agents_unread.add(1);
                "the agent does not read".to_owned()
            }
            End::Breach(why) => {
                // A handshake that fails, for example because the client speaks another protocol, breaks no rule.
                counters.agents_in_breach.add(u64::from(self.phase != Phase::Handshaking));
                why
            }
        };
        match self.phase {
            Phase::Handshaking => counters.handshakes_failed.add(1),
            Phase::Opening if self.place.is_some() => counters.hellos_missed.add(1),
            Phase::Opening | Phase::Open | Phase::Parting | Phase::Closed => {}
        }
        tracing::debug!(%peer, server, why, "agent gone");
        self.close(context.now);
    }

    /// A hub that lags behind its cluster may not know yet what the agent shows. The agent hears that the hub is not
    /// ready, and goes to another one: after a wrong credential it would wait for minutes.
    fn unless_unknown_yet(&self, refusal: Refusal, context: RoundContext<'_>) -> Refusal {
        let is_unknown = matches!(refusal.reason, RefuseReason::BadCredential | RefuseReason::BadEnrolToken);
        let offered = context.ingest.offered.as_ref().filter(|_| is_unknown && self.phase == Phase::Opening);
        if offered.is_some_and(|offered| offered.state.is_registry_behind(context.now)) {
            let detail = "this hub is not ready: it is behind its cluster, and may not know this agent yet";
            return Refusal::new(RefuseReason::Stopping, detail);
        }
        refusal
    }

    /// Sends the reason, and leaves some time to read it: closing at once could overtake it.
    fn send_refusal(&mut self, refusal: Refusal, now: Instant) -> Option<()> {
        let stream = self.stream?;
        let down = Down::Refuse { reason: refusal.reason, detail: refusal.detail };
        encode_down(&down, &mut self.unsent).ok()?;
        self.send(stream, now).ok()?;
        self.connection.send_stream(stream).finish().ok()?;
        self.part(Phase::Parting, Some(now + LAST_WORD_TIMEOUT));
        Some(())
    }

    fn part(&mut self, phase: Phase, until: Option<Instant>) {
        self.phase = phase;
        self.until = until;
        self.session = None;
        self.moved = None;
        self.reader = FrameReader::new();
        self.flow = Flow::Read;
        self.unsent = Vec::new();
        self.unsaid_until = None;
    }
}

// If it were longer, agents would take their reports for lost.
const _: () = assert!(ACK_HOLD.as_millis() < 25);

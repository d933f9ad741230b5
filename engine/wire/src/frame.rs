//! The frames between agent and hub. `docs/wire.md` draws the bytes.
//!
//! A frame is a length and a body; the body starts with its kind. Nothing that travels down can make an agent run,
//! write or connect to anything: `Welcome`, `Ack` and `Pace` are numbers, `Refuse` is a reason to show.

use crate::body::{BodyReader, BodyWriter};
use crate::delta::ReportDelta;
use crate::error::WireError;
use crate::host::Host;
use crate::limits::{
    DETAIL_BYTES_MAX, FRAME_BODY_BYTES_MAX, HOST_TEXT_BYTES_MAX, LENGTH_PREFIX_BYTES, NAME_BYTES_MAX,
    REPORTS_PER_FRAME_MAX, SECRET_BYTES_MAX, SEQUENCE_MAX,
};

/// The protocol's name in TLS: a hub and an agent that offer another one do not connect.
pub const ALPN: &[u8] = b"windfire/1";

/// Protocol versions, newest first. A hub talks to this one and every one since [`PROTOCOL_VERSION_MIN`].
///
/// * 3: the agent's clock in `Hello`; `Clock` up.
/// * 2: `Pace` down.
/// * 1: the first. `Hello`, `Host`, `Reports` up; `Welcome`, `Ack`, `Refuse` down.
pub const PROTOCOL_VERSION: u16 = 3;

/// Oldest protocol version that a hub still talks to.
pub const PROTOCOL_VERSION_MIN: u16 = 1;

/// First protocol version whose agents know [`Down::Pace`].
pub const PACE_SINCE: u16 = 2;

/// First protocol version whose agents report their clock, in [`Hello::clock`] and [`Up::Clock`].
pub const CLOCK_SINCE: u16 = 3;

/// Frames from an agent.
#[derive(Debug, Clone, PartialEq)]
pub enum Up {
    /// Which agent connects. The first frame of a stream, once.
    Hello(Hello),
    /// The server's facts, after `Welcome` and whenever they change.
    Host(Box<Host>),
    /// Readings.
    Reports(Reports),
    /// The agent's clock, after `Welcome`: at once when it stepped, and now and then. Since [`CLOCK_SINCE`].
    Clock(HelloClock),
}

/// Which agent connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Version of the protocol that the agent speaks.
    pub protocol: u16,
    /// The server's credential. With `enrol`, the credential that the new server will have.
    pub credential: String,
    /// Asks for a new server if the credential is not known yet.
    pub enrol: Option<Enrol>,
    /// Version of the agent, for logs.
    pub agent_version: String,
    /// Names one run of sequence numbers: chosen at random with an empty outbox, kept as long as that outbox lives.
    pub outbox_id: u128,
    /// The agent's clock. Always present since [`CLOCK_SINCE`], never before.
    pub clock: Option<HelloClock>,
}

/// An agent's two clocks at the moment a frame is written. Their difference changes only when the wall clock steps
/// or drifts, so it shows which clock a report's time comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HelloClock {
    /// Unix milliseconds by the wall clock that dates the agent's reports. It may be wrong, and it may step.
    pub now_ms: i64,
    /// Uptime of the machine in milliseconds, as the readings have it; 0 before the first reading.
    pub uptime_ms: u64,
}

/// A request for a new server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrol {
    /// The enrolment token.
    pub token: String,
    /// The new server's name.
    pub name: String,
}

/// Consecutive reports.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reports {
    /// Sequence number of the first; the others follow one by one.
    pub first_sequence: u64,
    /// Asks for an ack as soon as these are durable, instead of with the next few.
    pub ack_now: bool,
    /// The reports, each as its difference from the one before on this stream. Empty with `ack_now` to ask only for the
    /// ack.
    pub reports: Vec<ReportDelta>,
}

/// Frames from a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Down {
    /// The agent may send.
    Welcome(Welcome),
    /// Every report up to and including `up_to` is durable.
    Ack {
        /// Highest durable sequence number.
        up_to: u64,
    },
    /// The agent gathers so many samples before it sends a frame, within its own bounds. Default: one.
    Pace {
        /// Samples, 1 to [`REPORTS_PER_FRAME_MAX`].
        samples_per_frame: u32,
    },
    /// The agent may not send. The connection ends.
    Refuse {
        /// Why, for the agent to act on.
        reason: RefuseReason,
        /// Why, for a person to read.
        detail: String,
    },
}

/// The values that an agent needs before it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Welcome {
    /// The server this agent reports for.
    pub server_id: u64,
    /// Highest durable sequence number of this agent's outbox; 0 when none is.
    pub durable: u64,
    /// Lowest sequence number that the hub takes next.
    pub next: u64,
    /// Milliseconds between reports that the hub asks for, within the agent's bounds. With 0 the agent uses its own.
    pub report_interval_ms: u32,
}

/// Why an agent may not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefuseReason {
    /// The credential is unknown, was removed or was rotated.
    BadCredential,
    /// The enrolment token is unknown, expired or used up.
    BadEnrolToken,
    /// Another agent connected with the same credential.
    Superseded,
    /// The agent's frames break the protocol.
    BadFrame,
    /// The hub does not speak the agent's protocol version.
    UnsupportedVersion,
    /// The hub has reached its limit of servers or sessions.
    Full,
    /// The hub is stopping. The agent tries again later.
    Stopping,
}

const HELLO: u32 = 0;
const HOST: u32 = 1;
const REPORTS: u32 = 2;
const CLOCK: u32 = 3;

const WELCOME: u32 = 0;
const ACK: u32 = 1;
const REFUSE: u32 = 2;
const PACE: u32 = 3;

/// Appends the frame of `up` to `out`, length first. On an error `out` is as it was.
pub fn encode_up(up: &Up, out: &mut Vec<u8>) -> Result<(), WireError> {
    framed(out, |body| match up {
        Up::Hello(hello) => {
            body.value(HELLO)?;
            hello.encode(body)
        }
        Up::Host(host) => {
            body.value(HOST)?;
            host.encode(body)
        }
        Up::Reports(reports) => {
            body.value(REPORTS)?;
            check_sequences(reports.first_sequence, reports.reports.len())?;
            body.value(reports.first_sequence)?;
            body.value(reports.ack_now)?;
            body.length("reports", reports.reports.len(), REPORTS_PER_FRAME_MAX)?;
            reports.reports.iter().try_for_each(|report| report.encode(body))
        }
        Up::Clock(clock) => {
            body.value(CLOCK)?;
            clock.encode(body)
        }
    })
}

/// The agent's frame in `body` (without its length).
pub fn decode_up(body: &[u8]) -> Result<Up, WireError> {
    check_length(body.len() as u64)?;
    let mut body = BodyReader::new(body);
    let up = match body.u32("frame kind")? {
        HELLO => Up::Hello(Hello::decode(&mut body)?),
        HOST => Up::Host(Box::new(Host::decode(&mut body)?)),
        REPORTS => {
            let mut reports = Reports::default();
            reports.decode(&mut body)?;
            Up::Reports(reports)
        }
        CLOCK => Up::Clock(HelloClock::decode(&mut body)?),
        kind => return Err(WireError::Unknown { what: "frame kind", found: u64::from(kind) }),
    };
    body.finish()?;
    Ok(up)
}

/// Reads `body` into `into` if it is a frame of reports; `false` if it is another. It allocates no memory once `into`
/// has had as many reports, for a hub that receives thousands per second. On an error the contents of `into` are
/// undefined.
pub fn decode_reports(body: &[u8], into: &mut Reports) -> Result<bool, WireError> {
    check_length(body.len() as u64)?;
    let mut body = BodyReader::new(body);
    if body.u32("frame kind")? != REPORTS {
        return Ok(false);
    }
    into.decode(&mut body)?;
    body.finish()?;
    Ok(true)
}

impl Hello {
    /// Writes the fields after the kind. Cold, because it is sent once per connection: the code for each second's
    /// frames stays small.
    #[cold]
    fn encode(&self, out: &mut BodyWriter<'_>) -> Result<(), WireError> {
        if self.clock.is_some() != (self.protocol >= CLOCK_SINCE) {
            return Err(WireError::OutOfRange { what: "hello's clock" });
        }
        out.value(self.protocol)?;
        out.text("credential", &self.credential, SECRET_BYTES_MAX)?;
        out.value(self.enrol.is_some())?;
        if let Some(enrol) = &self.enrol {
            out.text("enrolment token", &enrol.token, SECRET_BYTES_MAX)?;
            out.text("name", &enrol.name, NAME_BYTES_MAX)?;
        }
        out.text("agent version", &self.agent_version, HOST_TEXT_BYTES_MAX)?;
        out.value(self.outbox_id)?;
        self.clock.iter().try_for_each(|clock| clock.encode(out))
    }

    /// Reads the fields after the kind.
    #[cold]
    fn decode(body: &mut BodyReader<'_>) -> Result<Self, WireError> {
        let protocol = body.u16("protocol version")?;
        if !(PROTOCOL_VERSION_MIN..=PROTOCOL_VERSION).contains(&protocol) {
            // The following fields may have another meaning in that version.
            return Err(WireError::UnknownVersion { found: protocol, supported: PROTOCOL_VERSION });
        }
        let credential = body.text("credential", SECRET_BYTES_MAX)?;
        let enrol = match body.bool("enrol")? {
            false => None,
            true => Some(Enrol {
                token: body.text("enrolment token", SECRET_BYTES_MAX)?,
                name: body.text("name", NAME_BYTES_MAX)?,
            }),
        };
        let agent_version = body.text("agent version", HOST_TEXT_BYTES_MAX)?;
        let outbox_id = body.u128("outbox id")?;
        let clock = (protocol >= CLOCK_SINCE).then(|| HelloClock::decode(body)).transpose()?;
        Ok(Self { protocol, credential, enrol, agent_version, outbox_id, clock })
    }
}

impl HelloClock {
    #[cold]
    fn encode(&self, out: &mut BodyWriter<'_>) -> Result<(), WireError> {
        out.value(self.now_ms)?;
        out.value(self.uptime_ms)
    }

    #[cold]
    fn decode(body: &mut BodyReader<'_>) -> Result<Self, WireError> {
        Ok(Self { now_ms: body.i64("clock.now_ms")?, uptime_ms: body.u64("clock.uptime_ms")? })
    }
}

impl Reports {
    /// Reads the fields after the kind.
    fn decode(&mut self, body: &mut BodyReader<'_>) -> Result<(), WireError> {
        self.first_sequence = body.u64("first sequence")?;
        self.ack_now = body.bool("ack now")?;
        let count = body.length("reports", REPORTS_PER_FRAME_MAX)?;
        check_sequences(self.first_sequence, count)?;
        self.reports.resize_with(count, ReportDelta::default);
        self.reports.iter_mut().try_for_each(|report| report.decode(body))
    }
}

/// Appends the frame of `down` to `out`, length first. On an error `out` is as it was.
pub fn encode_down(down: &Down, out: &mut Vec<u8>) -> Result<(), WireError> {
    framed(out, |body| match down {
        Down::Welcome(welcome) => {
            body.value(WELCOME)?;
            body.value(welcome.server_id)?;
            body.value(welcome.durable)?;
            body.value(welcome.next)?;
            body.value(welcome.report_interval_ms)
        }
        Down::Ack { up_to } => {
            body.value(ACK)?;
            body.value(*up_to)
        }
        Down::Pace { samples_per_frame } => {
            check_pace(*samples_per_frame)?;
            body.value(PACE)?;
            body.value(*samples_per_frame)
        }
        Down::Refuse { reason, detail } => {
            body.value(REFUSE)?;
            body.value(reason.code())?;
            body.text("detail", detail, DETAIL_BYTES_MAX)
        }
    })
}

/// The hub's frame in `body` (without its length).
pub fn decode_down(body: &[u8]) -> Result<Down, WireError> {
    check_length(body.len() as u64)?;
    let mut body = BodyReader::new(body);
    let down = match body.u32("frame kind")? {
        WELCOME => {
            let welcome = Welcome {
                server_id: body.u64("server id")?,
                durable: body.u64("durable sequence")?,
                next: body.u64("next sequence")?,
                report_interval_ms: body.u32("report interval")?,
            };
            if welcome.next == 0 || welcome.next > SEQUENCE_MAX || welcome.durable >= welcome.next {
                return Err(WireError::Numbers { durable: welcome.durable, next: welcome.next });
            }
            Down::Welcome(welcome)
        }
        ACK => Down::Ack { up_to: body.u64("ack")? },
        PACE => {
            let samples_per_frame = body.u32("samples per frame")?;
            check_pace(samples_per_frame)?;
            Down::Pace { samples_per_frame }
        }
        REFUSE => {
            let reason = RefuseReason::from_code(body.u32("refuse reason")?)?;
            Down::Refuse { reason, detail: body.text("detail", DETAIL_BYTES_MAX)? }
        }
        kind => return Err(WireError::Unknown { what: "frame kind", found: u64::from(kind) }),
    };
    body.finish()?;
    Ok(down)
}

impl RefuseReason {
    /// Every reason, in the order of the codes. Metrics count by it.
    pub const ALL: [Self; 7] = [
        Self::BadCredential,
        Self::BadEnrolToken,
        Self::Superseded,
        Self::BadFrame,
        Self::UnsupportedVersion,
        Self::Full,
        Self::Stopping,
    ];

    /// The reason's number on the wire. Numbers are for ever.
    pub const fn code(self) -> u32 {
        match self {
            Self::BadCredential => 0,
            Self::BadEnrolToken => 1,
            Self::Superseded => 2,
            Self::BadFrame => 3,
            Self::UnsupportedVersion => 4,
            Self::Full => 5,
            Self::Stopping => 6,
        }
    }

    fn from_code(code: u32) -> Result<Self, WireError> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.code() == code)
            .ok_or(WireError::Unknown { what: "refuse reason", found: u64::from(code) })
    }

    /// The reason as one word, for logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadCredential => "bad_credential",
            Self::BadEnrolToken => "bad_enrol_token",
            Self::Superseded => "superseded",
            Self::BadFrame => "bad_frame",
            Self::UnsupportedVersion => "unsupported_version",
            Self::Full => "full",
            Self::Stopping => "stopping",
        }
    }
}

pub(crate) fn check_length(found: u64) -> Result<(), WireError> {
    match found {
        0 => Err(WireError::FrameEmpty),
        _ if found > FRAME_BODY_BYTES_MAX as u64 => Err(WireError::FrameTooLarge { found }),
        _ => Ok(()),
    }
}

fn check_pace(samples_per_frame: u32) -> Result<(), WireError> {
    let in_range = (1..=REPORTS_PER_FRAME_MAX).contains(&(samples_per_frame as usize));
    if in_range { Ok(()) } else { Err(WireError::OutOfRange { what: "samples per frame" }) }
}

fn check_sequences(first: u64, count: usize) -> Result<(), WireError> {
    let in_range = first >= 1 && first <= SEQUENCE_MAX - count as u64;
    if in_range { Ok(()) } else { Err(WireError::OutOfRange { what: "first sequence" }) }
}

fn framed(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut BodyWriter<'_>) -> Result<(), WireError>,
) -> Result<(), WireError> {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_PREFIX_BYTES]);
    let written = write(&mut BodyWriter::new(out)).and_then(|()| {
        let length = out.len() - start - LENGTH_PREFIX_BYTES;
        check_length(length as u64)?;
        u32::try_from(length).map_err(|_| WireError::FrameTooLarge { found: length as u64 })
    });
    match written {
        Ok(length) => {
            out[start..start + LENGTH_PREFIX_BYTES].copy_from_slice(&length.to_le_bytes());
            Ok(())
        }
        Err(error) => {
            out.truncate(start);
            Err(error)
        }
    }
}

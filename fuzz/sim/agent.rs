//! An honest agent: a real outbox, the link's own frames and its own understanding of the hub's, without a socket. It does
//! what `agent/src/link/mod.rs` does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use windfire_agent::clock::Told;
use windfire_agent::limits::SPOOL_BYTES_MIN;
use windfire_agent::link::{LinkError, Outgoing, Received, receive, receive_welcome};
use windfire_agent::outbox::{Outbox, PushError, SpoolOptions};
use windfire_wire::limits::REPORTS_PER_FRAME_MAX;
use windfire_wire::{FrameReader, Hello, HelloClock, Host, PROTOCOL_VERSION, RefuseReason, Up, decode_down, encode_up};

use crate::model::{DAY_MS, Model};
use crate::random::Random;

/// Parts of a million of a clock's drift, and what they are of.
const MILLION: i64 = 1_000_000;

/// A machine and the agent on it.
pub(crate) struct Agent {
    /// Number of its server.
    pub(crate) server: usize,
    credential: String,
    /// Where its spool is; without one its outbox is in memory.
    home: Option<PathBuf>,
    /// Absent only while it starts again.
    outbox: Option<Outbox>,
    /// Reports that this outbox ever took, in its order.
    pushed: Vec<u64>,
    /// How many of these it has let go of.
    settled: usize,
    /// Number of its connection.
    pub(crate) link: Option<u64>,
    talk: Option<Talk>,
    /// Its wall clock minus the truth, milliseconds, but for the drift.
    pub(crate) clock_off_ms: i64,
    /// By how much its clock is too fast, parts of a million.
    pub(crate) drift: i64,
    /// When the machine started.
    booted_ms: i64,
    /// Steps until it has a network.
    pub(crate) away: u64,
    /// Whether it asks for an ack of each frame.
    acks_each: bool,
    samples_per_frame: u64,
}

/// One connection as the agent sees it.
struct Talk {
    reader: FrameReader,
    first: HelloClock,
    /// After the welcome.
    outgoing: Option<Outgoing>,
    has_said_host: bool,
}

/// How a connection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It goes on.
    Open,
    /// The agent ends it.
    Over,
}

impl Agent {
    /// A new agent of a server. Its outbox is in `home`, or in memory.
    fn new(
        server: usize,
        credential: &str,
        home: Option<PathBuf>,
        outbox_id: u128,
        booted_ms: i64,
        acks_each: bool,
    ) -> Result<Self, String> {
        let mut agent = Self::stopped(server, credential, home, booted_ms);
        agent.acks_each = acks_each;
        agent.restart(outbox_id)?;
        Ok(agent)
    }

    /// A new agent on a machine that runs for some weeks and has its own drift.
    pub(crate) fn of_machine(
        (server, credential): (usize, &str),
        home: Option<PathBuf>,
        outbox_id: u128,
        now_ms: i64,
        random: &mut Random,
    ) -> Result<Self, String> {
        // Longer ago than any clock is ever off: a reading whose time could be from before its machine's start is
        // trusted, which is a known limit (docs/decisions/clocks.md).
        let booted_ms = now_ms - random.between(10 * DAY_MS, 40 * DAY_MS);
        let mut agent = Self::new(server, credential, home, outbox_id, booted_ms, random.chance(300))?;
        agent.drift = random.between(-300, 300);
        Ok(agent)
    }

    fn stopped(server: usize, credential: &str, home: Option<PathBuf>, booted_ms: i64) -> Self {
        Self {
            server,
            credential: credential.to_owned(),
            home,
            outbox: None,
            pushed: Vec::new(),
            settled: 0,
            link: None,
            talk: None,
            clock_off_ms: 0,
            drift: 0,
            booted_ms,
            away: 0,
            acks_each: false,
            samples_per_frame: 1,
        }
    }

    /// Ends the process, and starts the next one. `outbox_id` was never used before.
    pub(crate) fn restart(&mut self, outbox_id: u128) -> Result<(), String> {
        (self.link, self.talk) = (None, None);
        // It holds the folder's lock.
        self.outbox = None;
        let outbox = match &self.home {
            Some(folder) => Outbox::in_spool(&spool(folder), outbox_id).map_err(|error| error.to_string())?,
            None => Outbox::in_memory(outbox_id),
        };
        let waiting = usize::try_from(outbox.len()).unwrap_or(usize::MAX);
        self.settled = self.pushed.len().saturating_sub(waiting);
        if self.home.is_none() {
            (self.pushed, self.settled) = (Vec::new(), 0);
        } else if waiting > self.pushed.len() {
            return Err(format!("a spool that took {} reports holds {waiting}", self.pushed.len()));
        }
        self.outbox = Some(outbox);
        Ok(())
    }

    /// Loses what it holds, and starts with an empty outbox.
    pub(crate) fn replace(&mut self, outbox_id: u128) -> Result<(), String> {
        self.outbox = None;
        if let Some(folder) = &self.home {
            fs::remove_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        self.pushed.clear();
        self.restart(outbox_id)
    }

    /// Another machine with a copy of this one's spool. `None` where there is none.
    pub(crate) fn copy(&self, home: &Path, outbox_id: u128) -> Result<Option<Self>, String> {
        let Some(from) = &self.home else { return Ok(None) };
        copy_files(from, home).map_err(|error| format!("{}: {error}", home.display()))?;
        let mut agent = Self::stopped(self.server, &self.credential, Some(home.to_owned()), self.booted_ms);
        (agent.pushed, agent.acks_each) = (self.pushed.clone(), self.acks_each);
        agent.restart(outbox_id)?;
        Ok(Some(agent))
    }

    /// What its clocks show.
    fn clock(&self, true_ms: i64) -> HelloClock {
        let up_ms = true_ms - self.booted_ms;
        let now_ms = true_ms + self.clock_off_ms + up_ms * self.drift / MILLION;
        HelloClock { now_ms, uptime_ms: up_ms.unsigned_abs() }
    }

    /// Takes a reading. Whether there was room for it.
    pub(crate) fn read(&mut self, model: &mut Model, true_ms: i64) -> Result<bool, String> {
        let HelloClock { now_ms, uptime_ms } = self.clock(true_ms);
        let report = model.make(self.server, true_ms, now_ms, uptime_ms / 1000);
        let number = Model::number_of(&report);
        match self.outbox()?.push(report) {
            Ok(()) => self.pushed.push(number),
            Err(PushError::Full) => return Ok(false),
            Err(error) => return Err(format!("a reading was not kept: {error}")),
        }
        Ok(true)
    }

    /// Begins a connection: its first frame.
    pub(crate) fn greet(&mut self, true_ms: i64) -> Result<Vec<u8>, String> {
        let clock = self.clock(true_ms);
        self.talk = Some(Talk { reader: FrameReader::new(), first: clock, outgoing: None, has_said_host: false });
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            credential: self.credential.clone(),
            enrol: None,
            agent_version: String::new(),
            outbox_id: self.outbox()?.greet(),
            clock: Some(clock),
        };
        let mut bytes = Vec::new();
        frame(&Up::Hello(hello), &mut bytes)?;
        Ok(bytes)
    }

    /// Its connection is gone.
    pub(crate) fn hang_up(&mut self) {
        (self.link, self.talk) = (None, None);
    }

    /// Whether the hub said welcome on this connection.
    pub(crate) fn is_welcome(&self) -> bool {
        self.talk.as_ref().is_some_and(|talk| talk.outgoing.is_some())
    }

    /// Takes bytes that the hub said.
    pub(crate) fn hear(&mut self, bytes: &[u8], model: &mut Model) -> Result<Heard, String> {
        let Some(mut talk) = self.talk.take() else { return Ok(Heard::Over) };
        talk.reader.feed(bytes);
        loop {
            let body = talk.reader.next_body().map_err(|error| format!("the hub's frame: {error}"))?;
            let Some(body) = body else { break };
            let down = decode_down(body).map_err(|error| format!("the hub's frame: {error}"))?;
            if talk.outgoing.is_none() {
                match receive_welcome("the hub", Ok(down)) {
                    Ok(welcome) => {
                        let welcomed = self.outbox()?.welcome(welcome);
                        welcomed.map_err(|error| format!("a welcome is of no use: {error}"))?;
                        self.samples_per_frame = 1;
                        talk.outgoing = Some(Outgoing::new(Told::new(talk.first), self.acks_each));
                    }
                    Err(error) => return refused(error),
                }
            } else {
                match receive("the hub", down) {
                    Ok(Received::Ack(up_to)) => self.outbox()?.ack(up_to),
                    Ok(Received::Pace(samples)) => self.samples_per_frame = samples.into(),
                    Err(error) => return refused(error),
                }
            }
            self.settle(model);
        }
        self.talk = Some(talk);
        self.goes_on()
    }

    /// Whether the connection goes on. What the outbox says of its run is of the connection before, until this one is
    /// welcome.
    fn goes_on(&mut self) -> Result<Heard, String> {
        let is_over = self.is_welcome() && self.outbox()?.has_moved_on();
        Ok(if is_over { Heard::Over } else { Heard::Open })
    }

    /// What it says now, and whether the connection goes on.
    pub(crate) fn turn(&mut self, model: &mut Model, true_ms: i64) -> Result<(Vec<u8>, Heard), String> {
        let (mut bytes, clock, samples) = (Vec::new(), self.clock(true_ms), self.samples_per_frame);
        let Some(mut talk) = self.talk.take() else { return Ok((bytes, Heard::Over)) };
        if let Some(outgoing) = &mut talk.outgoing {
            if !std::mem::replace(&mut talk.has_said_host, true) {
                let host = Host { platform: format!("server {}", self.server), ..Host::default() };
                frame(&Up::Host(Box::new(host)), &mut bytes)?;
            }
            let outbox = self.outbox()?;
            if outgoing.begin_turn(false, outbox.unsent(), samples) {
                while let Some(pending) = outbox.next(REPORTS_PER_FRAME_MAX).map_err(|error| error.to_string())? {
                    let packed = outgoing.pack(outbox, &pending, samples).map_err(|error| error.to_string())?;
                    if let Some(news) = outgoing.clock_news(clock) {
                        frame(&Up::Clock(news), &mut bytes)?;
                    }
                    frame(&Up::Reports(packed), &mut bytes)?;
                }
            }
            if let Some(question) = outgoing.end_turn(outbox.next_sequence()) {
                frame(&question, &mut bytes)?;
            }
        }
        self.talk = Some(talk);
        self.settle(model);
        Ok((bytes, self.goes_on()?))
    }

    /// Whether it holds nothing any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.outbox.as_ref().is_some_and(|outbox| outbox.is_empty() && !outbox.has_moved_on())
    }

    /// Notes what the outbox has let go of: only the hub's word may be a reason.
    fn settle(&mut self, model: &mut Model) {
        let waiting = self.outbox.as_ref().map_or(0, Outbox::len);
        let settled = self.pushed.len().saturating_sub(usize::try_from(waiting).unwrap_or(usize::MAX));
        for number in self.pushed.iter().take(settled).skip(self.settled) {
            model.acked(*number);
        }
        self.settled = settled;
    }

    fn outbox(&mut self) -> Result<&mut Outbox, String> {
        self.outbox.as_mut().ok_or_else(|| "the agent does not run".to_owned())
    }
}

/// Why a connection ended: a hub has only one reason to refuse an honest agent.
fn refused(error: LinkError) -> Result<Heard, String> {
    match error {
        LinkError::Refused { reason: RefuseReason::Superseded, .. } => Ok(Heard::Over),
        error => Err(format!("an honest agent hears: {error}")),
    }
}

/// The agents that still hold something.
pub(crate) fn waiting(agents: &[Agent]) -> impl Iterator<Item = usize> {
    (0..agents.len()).filter(|agent| !agents[*agent].is_settled())
}

/// Of each server, the first of these: two of one server would only push each other out.
pub(crate) fn first_waiting(agents: &[Agent]) -> BTreeMap<usize, usize> {
    let mut first_of = BTreeMap::new();
    for agent in waiting(agents) {
        first_of.entry(agents[agent].server).or_insert(agent);
    }
    first_of
}

fn spool(folder: &Path) -> SpoolOptions {
    SpoolOptions { folder: folder.to_owned(), bytes_max: SPOOL_BYTES_MIN }
}

pub(crate) fn frame(up: &Up, bytes: &mut Vec<u8>) -> Result<(), String> {
    encode_up(up, bytes).map_err(|error| format!("an agent's frame: {error}"))
}

fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() != "lock" {
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

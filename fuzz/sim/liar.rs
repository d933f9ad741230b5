//! An agent with a true credential that lies about its numbers: gaps, repeats, numbers that go back or far ahead, a clock that
//! shows anything, bytes that are no frame. What it gets acknowledged is no promise, but nothing of it may be in history twice.

use windfire_wire::{
    Down, FrameReader, Hello, HelloClock, PROTOCOL_VERSION, Report, ReportChain, Reports, Up, decode_down,
};

use crate::agent::frame;
use crate::model::{HOUR_MS, Model};
use crate::random::Random;

/// Outboxes that it pretends to have. Few, because the hub remembers only so many of a server.
const OUTBOXES: u64 = 3;
/// A number that no honest agent has as an outbox id.
const OUTBOX_ID: u128 = 1 << 100;

/// The agent that lies.
pub(crate) struct Liar {
    server: usize,
    credential: String,
    /// Number of its connection.
    pub(crate) link: Option<u64>,
    reader: FrameReader,
    chain: ReportChain,
    /// The number that an honest agent would go on with; 0 before a welcome.
    next: u64,
    /// What it said, with the number of the first.
    said: Vec<(u64, Vec<Report>)>,
}

impl Liar {
    /// A liar with the credential of a server.
    pub(crate) fn new(server: usize, credential: &str) -> Self {
        Self {
            server,
            credential: credential.to_owned(),
            link: None,
            reader: FrameReader::new(),
            chain: ReportChain::new(),
            next: 0,
            said: Vec::new(),
        }
    }

    /// Begins a connection: its first frame.
    pub(crate) fn greet(&mut self, random: &mut Random, true_ms: i64) -> Result<Vec<u8>, String> {
        (self.reader, self.chain, self.next) = (FrameReader::new(), ReportChain::new(), 0);
        let now_ms = true_ms + random.between(-5, 5) * HOUR_MS;
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            credential: self.credential.clone(),
            enrol: None,
            agent_version: String::new(),
            outbox_id: OUTBOX_ID + u128::from(random.below(OUTBOXES)),
            clock: Some(HelloClock { now_ms, uptime_ms: random.below(1 << 30) }),
        };
        let mut bytes = Vec::new();
        frame(&Up::Hello(hello), &mut bytes)?;
        Ok(bytes)
    }

    /// Takes bytes that the hub said. Only the welcome interests it.
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        self.reader.feed(bytes);
        while let Ok(Some(body)) = self.reader.next_body() {
            if let Ok(Down::Welcome(welcome)) = decode_down(body) {
                self.next = welcome.next;
            }
        }
    }

    /// Something that is not so.
    pub(crate) fn lie(&mut self, random: &mut Random, model: &mut Model, true_ms: i64) -> Result<Vec<u8>, String> {
        if self.next == 0 {
            // It does not wait for the welcome either, now and then.
            return Ok(if random.chance(50) { vec![5, 0, 0, 0, 1, 2, 3, 4, 5] } else { Vec::new() });
        }
        let count = random.between(1, 5).unsigned_abs();
        let (first, is_repeat) = match random.below(12) {
            0 => (self.next + random.below(1000) + 1, false),
            1 => (self.next + (1 << 31), false),
            2 => (self.next + (1 << 33), false),
            3 => ((1 << 62) - 10, false),
            4 => (self.next.saturating_sub(random.below(20)).max(1), false),
            5..=7 if !self.said.is_empty() => (0, true),
            8 if random.chance(300) => return Ok(vec![0, 0, 0, 0]),
            9 if random.chance(300) => return Ok(vec![255; 9]),
            _ => (self.next, false),
        };
        let (first, reports) = if is_repeat {
            // The newest, mostly: just where the hub stands.
            let back = random.index(self.said.len().min(3));
            self.said[self.said.len() - 1 - back].clone()
        } else {
            let time_ms = true_ms + random.between(-60, 1) * random.between(1, 60_000);
            let reports =
                (0..count).map(|at| model.make(self.server, true_ms, time_ms + at.cast_signed(), 77)).collect();
            self.said.push((first, reports));
            self.said[self.said.len() - 1].clone()
        };
        // It may be believed: then that is where it goes on.
        let end = first + reports.len() as u64;
        if end > self.next && end < self.next + (1 << 32) {
            self.next = end;
        }
        let shrunk: Result<Vec<_>, _> = reports.iter().map(|report| self.chain.shrink(report)).collect();
        let reports = shrunk.map_err(|error| error.to_string())?;
        let mut bytes = Vec::new();
        frame(&Up::Reports(Reports { first_sequence: first, ack_now: random.chance(500), reports }), &mut bytes)?;
        Ok(bytes)
    }
}

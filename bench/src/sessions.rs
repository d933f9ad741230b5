//! Sessions over an engine in this process, fed with the bytes of frames, for benches of the hot path.

use std::path::Path;
use std::sync::Arc;

use windfire_engine::server::NewServer;
use windfire_engine::{Engine, Options, Scratch, Session};
use windfire_wire::limits::LENGTH_PREFIX_BYTES;
use windfire_wire::{Down, Hello, HelloClock, PROTOCOL_VERSION, ReportChain, Reports, Up, encode_up};

use crate::workload::{Machine, Trace, host};

/// Agents whose frames are bytes.
pub struct Sessions {
    /// The engine that they report to.
    pub engine: Arc<Engine>,
    sessions: Vec<Session>,
    machines: Vec<(ReportChain, Machine)>,
    trace: Trace,
    second: i64,
}

impl Sessions {
    /// Opens a store in `folder` with so many servers, each with facts and a session.
    ///
    /// # Panics
    /// When the engine refuses valid input.
    pub fn open(folder: &Path, servers: usize) -> Self {
        let engine = Arc::new(Engine::open(folder, Options::default()).expect("a new store"));
        let (mut sessions, mut machines) = (Vec::new(), Vec::new());
        for number in 0..servers {
            let new = NewServer { name: format!("server-{number}"), tag: "fleet".to_owned(), ..NewServer::default() };
            let credential = engine.registry().add_server(new, 0).expect("room").credential;
            let mut session = Session::new("127.0.0.1".to_owned(), Box::new(|_| {}));
            let hello = Hello {
                protocol: PROTOCOL_VERSION,
                credential,
                enrol: None,
                agent_version: String::new(),
                outbox_id: number as u128,
                clock: Some(HelloClock::default()),
            };
            session.on_frame(&engine, Up::Hello(hello), 0).expect("an open session");
            let Some(Down::Welcome(_)) = session.on_watermark(&engine) else { panic!("no welcome") };
            session.on_frame(&engine, Up::Host(Box::new(host(number))), 0).expect("taken");
            sessions.push(session);
            machines.push((ReportChain::new(), Machine::new(number as u64)));
        }
        Self { engine, sessions, machines, trace: Trace::new(), second: 0 }
    }

    /// The next frame of each server, without its length, with so many reports.
    ///
    /// # Panics
    /// When a frame cannot be encoded.
    pub fn frames(&mut self, per_frame: usize) -> Vec<Vec<u8>> {
        let first = self.second + 1;
        self.second += per_frame as i64;
        let (trace, second) = (&self.trace, self.second);
        let frame = |(chain, machine): &mut (ReportChain, Machine)| {
            let delta = |second: i64| chain.shrink(&machine.next(trace, second * 1000)).expect("finite");
            let reports = (first..=second).map(delta).collect();
            let mut bytes = Vec::new();
            let reports = Reports { first_sequence: first.unsigned_abs(), ack_now: false, reports };
            encode_up(&Up::Reports(reports), &mut bytes).expect("within limits");
            bytes.split_off(LENGTH_PREFIX_BYTES)
        };
        self.machines.iter_mut().map(frame).collect()
    }

    /// Takes a frame of each server, in order.
    ///
    /// # Panics
    /// When a session refuses.
    pub fn take(&mut self, frames: &[Vec<u8>], scratch: &mut Scratch) {
        for (session, frame) in self.sessions.iter_mut().zip(frames) {
            session.on_body(&self.engine, frame, scratch, self.second * 1000).expect("taken");
        }
    }

    /// Turns full heads into blocks.
    ///
    /// # Panics
    /// When the store fails.
    pub fn upkeep(&self) {
        while self.engine.upkeep(self.second * 1000).1.expect("a healthy store") {}
    }
}

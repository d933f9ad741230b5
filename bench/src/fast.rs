//! A fleet in fast time: an engine in this process, sessions without a network, a clock that the caller sets.

use std::ops::Range;
use std::path::Path;

use windfire_engine::history::Upkeep;
use windfire_engine::server::NewServer;
use windfire_engine::{Engine, Options, Selection, Session};
use windfire_wire::limits::REPORTS_PER_FRAME_MAX;
use windfire_wire::{Down, Hello, HelloClock, PROTOCOL_VERSION, Report, ReportChain, Reports, Up};

use crate::workload::host;

/// One server's agent.
struct Agent {
    server_id: u64,
    credential: String,
    session: Session,
    chain: ReportChain,
    next: u64,
}

/// The engine and the agents that report to it.
pub struct FastFleet {
    /// The engine, for queries.
    pub engine: Engine,
    agents: Vec<Agent>,
}

impl FastFleet {
    /// Opens the store in `folder` and connects an agent for each server. Creates servers until there are `servers`.
    ///
    /// # Panics
    /// When the engine refuses what it should take.
    pub fn open(folder: &Path, servers: usize, options: Options, now_ms: i64) -> Self {
        let engine = Engine::open(folder, options).expect("a store");
        for number in engine.registry().server_count()..servers {
            let tag = ["web", "db", "edge"][number % 3].to_owned();
            let new = NewServer { name: format!("server-{number}"), tag, ..NewServer::default() };
            engine.registry().add_server(new, now_ms / 1000).expect("room for a server");
        }
        let ids: Vec<u64> = engine.snapshot(Selection::All).iter().map(|view| view.record.id).collect();
        let agents = ids.into_iter().map(|id| Agent::connect(&engine, id, now_ms)).collect();
        Self { engine, agents }
    }

    /// Ids of the servers, in the order in which `report` of [`FastFleet::run`] numbers them.
    pub fn server_ids(&self) -> Vec<u64> {
        self.agents.iter().map(|agent| agent.server_id).collect()
    }

    /// The credential of a server's agent.
    pub fn credential(&self, server: usize) -> String {
        self.agents[server].credential.clone()
    }

    /// Number of the next report of a server.
    pub fn next_sequence(&self, server: usize) -> u64 {
        self.agents[server].next
    }

    /// [`FastFleet::commit`], then [`FastFleet::upkeep`].
    ///
    /// # Panics
    /// When the engine refuses what it should take.
    pub fn run(&mut self, now_ms: i64, report: &mut dyn FnMut(usize, u64) -> Option<Report>) -> Upkeep {
        self.commit(now_ms, report);
        self.upkeep(now_ms)
    }

    /// Takes the reports that `report` returns for each server and sequence number, until it returns none, and commits
    /// them.
    ///
    /// # Panics
    /// When the engine refuses what it should take.
    pub fn commit(&mut self, now_ms: i64, report: &mut dyn FnMut(usize, u64) -> Option<Report>) {
        self.offer(now_ms, report);
        self.engine.commit().expect("on disk");
    }

    /// As [`FastFleet::commit`], without the commit.
    ///
    /// # Panics
    /// When the engine refuses what it should take.
    pub fn offer(&mut self, now_ms: i64, report: &mut dyn FnMut(usize, u64) -> Option<Report>) {
        for (server, agent) in self.agents.iter_mut().enumerate() {
            let first_sequence = agent.next;
            let mut reports = Vec::new();
            while let Some(report) = report(server, agent.next) {
                reports.push(agent.chain.shrink(&report).expect("finite"));
                agent.next += 1;
                assert!(reports.len() <= REPORTS_PER_FRAME_MAX, "more than one frame between two commits");
            }
            if !reports.is_empty() {
                let frame = Up::Reports(Reports { first_sequence, ack_now: true, reports });
                agent.session.on_frame(&self.engine, frame, now_ms).expect("taken");
            }
        }
    }

    /// Takes one report of each of these servers and commits them.
    ///
    /// # Panics
    /// When the engine refuses what it should take.
    pub fn commit_one_each(&mut self, servers: Range<usize>, now_ms: i64, report: &mut dyn FnMut(usize) -> Report) {
        for (server, agent) in servers.clone().zip(&mut self.agents[servers]) {
            let reports = vec![agent.chain.shrink(&report(server)).expect("finite")];
            let frame = Up::Reports(Reports { first_sequence: agent.next, ack_now: true, reports });
            agent.session.on_frame(&self.engine, frame, now_ms).expect("taken");
            agent.next += 1;
        }
        self.engine.commit().expect("on disk");
    }

    /// Does the upkeep that is due at `now_ms`.
    ///
    /// # Panics
    /// When the store fails.
    pub fn upkeep(&mut self, now_ms: i64) -> Upkeep {
        let (mut done, mut has_more) = (Upkeep::default(), true);
        while has_more {
            let (upkeep, result) = self.engine.upkeep(now_ms);
            has_more = result.expect("a healthy store");
            done.heads_sealed += upkeep.heads_sealed;
            done.hours_packed += upkeep.hours_packed;
            done.days_packed += upkeep.days_packed;
            done.corrupt_blocks += upkeep.corrupt_blocks;
            done.expired_reports += upkeep.expired_reports;
            done.has_expired |= upkeep.has_expired;
        }
        for agent in &mut self.agents {
            // A batch that found the heads full is taken now that there is room.
            agent.session.retry(&self.engine, now_ms).expect("taken");
        }
        done
    }
}

impl Agent {
    fn connect(engine: &Engine, server_id: u64, now_ms: i64) -> Self {
        let credential = engine.registry().rotate_credential(server_id).expect("a known server").credential;
        let mut session = Session::new("127.0.0.1".to_owned(), Box::new(|_| {}));
        // An agent whose clock is the hub's.
        let clock = Some(HelloClock { now_ms, uptime_ms: 0 });
        let agent_version = String::new();
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            credential: credential.clone(),
            enrol: None,
            agent_version,
            outbox_id: 1,
            clock,
        };
        session.on_frame(engine, Up::Hello(hello), now_ms).expect("an open session");
        let Some(Down::Welcome(welcome)) = session.on_watermark(engine) else { panic!("no welcome") };
        let facts = host(usize::try_from(server_id).unwrap_or_default());
        session.on_frame(engine, Up::Host(Box::new(facts)), now_ms).expect("taken");
        Self { server_id, credential, session, chain: ReportChain::new(), next: welcome.next }
    }
}

//! Messages for the streams of a cluster, as a hub makes them, without agents, network and brokers: an engine takes
//! frames, and follows its own messages at once.

use std::path::Path;
use std::sync::Arc;

use windfire_engine::limits::SHARDS;
use windfire_engine::{Engine, Flow, Followed, Ledger, Member, Membership, Options, Proposal, Proposed, Session};
use windfire_wire::{Down, Hello, HelloClock, PROTOCOL_VERSION, Report, ReportChain, Reports, Up};

use crate::workload::{CalmMachine, host};

/// The hub as which messages are made. Ids of real hubs are hashes of their names.
const HUB_ID: u32 = 1;

/// A message, and where it is in its stream if nobody else writes there.
#[derive(Debug, Clone)]
pub struct Made {
    /// The partition.
    pub partition: usize,
    /// Its place, counted from 1.
    pub position: u64,
    /// What is published.
    pub bytes: Vec<u8>,
}

/// Makes messages of a fleet with a report each second.
pub struct Maker {
    stream: Stream,
    agents: Vec<Agent>,
    now_ms: i64,
    /// The number of the newest report of each server.
    number: u64,
}

/// An engine, and what it has made.
struct Stream {
    engine: Engine,
    positions: Vec<u64>,
    made: Vec<Made>,
}

struct Agent {
    session: Session,
    chain: ReportChain,
    machine: CalmMachine,
    next: u64,
}

/// Nothing changes the registry here.
struct NoLedger;

impl Ledger for NoLedger {
    fn propose(&self, _: &Proposal<'_>) -> Proposed {
        Proposed::Unknown
    }
}

/// Opens a store as that of a hub of a cluster, which follows streams.
///
/// # Panics
/// When it cannot be opened.
pub fn open_follower(folder: &Path, hub_id: u32) -> Engine {
    let own = Membership { member: Member { hub_id, boot_id: 1 }, ledger: Arc::new(NoLedger) };
    Engine::open(folder, Options { following: Some(own), ..Options::default() }).expect("a store")
}

/// Applies messages that come in the order of their places.
///
/// # Panics
/// When one is not applied, or was before.
pub fn follow(engine: &Engine, messages: &[Made]) {
    for Made { partition, position, bytes } in messages {
        let followed = engine.follow(*partition, *position, bytes).expect("a sound message");
        assert_eq!(followed, Followed::Applied, "message {position} of partition {partition}");
    }
}

/// Writes what is pending, and does the upkeep that is due.
///
/// # Panics
/// When the store fails.
pub fn settle(engine: &Engine, now_ms: i64) {
    engine.commit().expect("on disk");
    while engine.upkeep(now_ms).1.expect("a healthy store") {}
}

impl Maker {
    /// Opens the store in `folder`, which was never followed, and has a session for each of these credentials. The
    /// first message of each partition says so.
    ///
    /// # Panics
    /// When the engine refuses what it should take.
    pub fn open(folder: &Path, credentials: &[String], now_ms: i64) -> Self {
        let engine = open_follower(folder, HUB_ID);
        let mut stream = Stream { engine, positions: vec![0; SHARDS], made: Vec::new() };
        let greet = |(number, credential): (usize, &String)| stream.greet(number, credential, now_ms);
        let mut agents: Vec<Agent> = credentials.iter().enumerate().map(greet).collect();
        stream.publish(now_ms);
        for (number, agent) in agents.iter_mut().enumerate() {
            let Some(Down::Welcome(welcome)) = agent.session.on_watermark(&stream.engine) else { panic!("no welcome") };
            agent.next = welcome.next;
            agent.session.on_frame(&stream.engine, Up::Host(Box::new(host(number))), now_ms).expect("taken");
        }
        stream.publish(now_ms);
        Self { stream, agents, now_ms, number: 0 }
    }

    /// So many seconds pass, and each server brings a frame with its reports of these. Their counts of UDP sockets are
    /// their numbers, from 1, as in a swarm.
    ///
    /// # Panics
    /// When the engine refuses what it should take.
    pub fn round(&mut self, seconds: u64) {
        let Self { stream, agents, now_ms, number } = self;
        for agent in agents {
            let report = |ahead: u64| Report {
                udp_conn_count: *number + ahead,
                ..agent.machine.next(*now_ms + ahead.cast_signed() * 1000)
            };
            let reports: Vec<Report> = (1..=seconds).map(report).collect();
            let reports = reports.iter().map(|report| agent.chain.shrink(report).expect("finite")).collect();
            let frame = Up::Reports(Reports { first_sequence: agent.next, ack_now: false, reports });
            agent.next += seconds;
            let then_ms = *now_ms + seconds.cast_signed() * 1000;
            let mut flow = agent.session.on_frame(&stream.engine, frame, then_ms).expect("taken");
            while flow == Flow::Stalled {
                assert!(!agent.session.waits_for_time(), "a server brings more than its share");
                stream.publish(then_ms);
                flow = agent.session.retry(&stream.engine, then_ms).expect("taken");
            }
        }
        *number += seconds;
        *now_ms += seconds.cast_signed() * 1000;
        stream.publish(*now_ms);
    }

    /// The messages that were made since the last call, in the order of their places.
    pub fn take(&mut self) -> Vec<Made> {
        std::mem::take(&mut self.stream.made)
    }

    /// The time of the newest reports, Unix milliseconds.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }
}

impl Stream {
    fn greet(&self, number: usize, credential: &str, now_ms: i64) -> Agent {
        let mut session = Session::new("127.0.0.1".to_owned(), Box::new(|_| {}));
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            credential: credential.to_owned(),
            enrol: None,
            agent_version: String::new(),
            outbox_id: 1,
            // An agent whose clock is the hub's.
            clock: Some(HelloClock { now_ms, uptime_ms: 0 }),
        };
        session.on_frame(&self.engine, Up::Hello(hello), now_ms).expect("an open session");
        Agent { session, chain: ReportChain::new(), machine: CalmMachine::new(number as u64), next: 1 }
    }

    /// Makes a message of what has gathered in each partition, and follows it.
    fn publish(&mut self, now_ms: i64) {
        for (partition, position) in self.positions.iter_mut().enumerate() {
            while let Some(message) = self.engine.next_message(partition) {
                *position += 1;
                loop {
                    let followed = self.engine.follow(partition, *position, &message.bytes).expect("its own message");
                    if followed != Followed::Full {
                        break;
                    }
                    settle(&self.engine, now_ms);
                }
                self.made.push(Made { partition, position: *position, bytes: message.bytes.to_vec() });
            }
        }
        settle(&self.engine, now_ms);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use windfire_engine::Selection;

    use super::*;
    use crate::hub_process::HubProcess;

    const START_MS: i64 = 1_790_035_200_000;

    #[test]
    fn who_follows_what_was_made_has_every_report() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (source, target) = (folder.path().join("source"), folder.path().join("target"));
        let credentials = HubProcess::new(Path::new("windfire"), &source, &[]).make_servers(5, "");
        let copied = Command::new("cp").arg("-a").arg(&source).arg(&target).status();
        assert!(copied.is_ok_and(|status| status.success()));
        let mut maker = Maker::open(&source, &credentials, START_MS);
        (0..3).for_each(|_| maker.round(10));
        let follower = open_follower(&target, 2);
        let made = maker.take();
        assert!(made.len() >= 3 && maker.take().is_empty());
        follow(&follower, &made);
        settle(&follower, maker.now_ms());
        let mut numbers = Vec::new();
        for view in follower.snapshot(Selection::All) {
            let mut visit = |_, sample: &windfire_engine::sample::Sample| numbers.push(sample.udp_conn_count);
            let history = follower.history();
            history.reports(view.record.id, START_MS, START_MS + 3_600_000, &mut visit).expect("readable");
        }
        numbers.sort_unstable();
        let expected: Vec<u64> = (1..=30).flat_map(|number| [number; 5]).collect();
        assert_eq!(numbers, expected);
    }
}

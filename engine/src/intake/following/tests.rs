//! Hubs of a cluster and the streams between them, in one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use windfire_wire::{
    Down, Hello, HelloClock, Host, PROTOCOL_VERSION, RefuseReason, Report, ReportChain, Reports, Temperature, Up,
    Welcome,
};

mod lost;

use super::*;
use crate::error::Refusal;
use crate::sample::Sample;
use crate::server::NewServer;
use crate::slot::shard_of;
use crate::store::StoreError;
use crate::{Engine, Flow, Ledger, Membership, Options, Proposal, Proposed, Selection, Session};

const NOW_MS: i64 = 1_790_000_000_000;
const AROUND_MS: i64 = 40 * 86_400_000;

/// The streams of all partitions. A message's position is its place, from 1.
struct Streams(Vec<Vec<Arc<[u8]>>>);

impl Streams {
    fn new() -> Self {
        Self(vec![Vec::new(); SHARDS])
    }

    /// Takes everything that a hub has to say.
    fn take(&mut self, engine: &Engine) {
        for partition in 0..SHARDS {
            while let Some(message) = engine.next_message(partition) {
                self.0[partition].push(message.bytes);
                engine.settled(partition, message.number, Outcome::Stored);
            }
        }
    }

    /// Lets a hub follow to the end.
    fn bring(&self, engine: &Engine) {
        for (partition, messages) in self.0.iter().enumerate() {
            let followed = usize::try_from(engine.followed(partition)).expect("few");
            for (message, position) in messages[followed..].iter().zip(followed as u64 + 1..) {
                let result = engine.follow(partition, position, message);
                assert_eq!(result, Ok(Followed::Applied), "partition {partition}, message {position}");
            }
        }
    }
}

struct Cluster {
    folders: Vec<tempfile::TempDir>,
    engines: Vec<Engine>,
    streams: Streams,
    boots: u64,
    credentials: Vec<String>,
}

/// An agent's connection to one hub.
struct Talk {
    hub: usize,
    session: Session,
    chain: ReportChain,
    is_kicked: Arc<AtomicBool>,
    /// The number of its next report, once it is welcome.
    next: u64,
    acked: u64,
}

/// Hubs whose registry does not change.
struct NoLedger;

impl Ledger for NoLedger {
    fn propose(&self, _proposal: &Proposal<'_>) -> Proposed {
        Proposed::Unknown
    }
}

fn options(hub_id: u32, boot_id: u64) -> Options {
    let member = Member { hub_id, boot_id };
    Options { following: Some(Membership { member, ledger: Arc::new(NoLedger) }), ..Options::default() }
}

impl Cluster {
    /// Hubs that know the same servers.
    fn new(hubs: usize, servers: usize) -> Self {
        let folders: Vec<_> = (0..hubs).map(|_| tempfile::tempdir().expect("a temporary folder")).collect();
        let first = Engine::open(&folders[0].path().join("store"), Options::default()).expect("a new store");
        let add = |_| first.registry().add_server(NewServer::default(), 0).expect("room").credential;
        let credentials = (0..servers).map(add).collect();
        for folder in &folders[1..] {
            first.backup(&folder.path().join("store")).expect("room");
        }
        drop(first);
        let mut cluster = Self { folders, engines: Vec::new(), streams: Streams::new(), boots: 0, credentials };
        for hub in 0..hubs {
            let engine = cluster.open(hub);
            cluster.engines.push(engine);
        }
        cluster
    }

    fn open(&mut self, hub: usize) -> Engine {
        self.boots += 1;
        let hub_id = u32::try_from(hub).expect("few");
        Engine::open(&self.folders[hub].path().join("store"), options(hub_id, self.boots)).expect("a store")
    }

    /// Ends a hub without a word, and starts it again.
    fn restart(&mut self, hub: usize) {
        let spare = tempfile::tempdir().expect("a temporary folder");
        let nothing = Engine::open(spare.path(), Options::default()).expect("a new store");
        // The folder is locked until the old one is gone.
        drop(std::mem::replace(&mut self.engines[hub], nothing));
        self.engines[hub] = self.open(hub);
    }

    /// Everything that is published arrives everywhere.
    fn settle(&mut self) {
        for engine in &self.engines {
            self.streams.take(engine);
        }
        self.engines.iter().for_each(|engine| self.streams.bring(engine));
    }

    /// An agent comes to a hub with a server's credential.
    fn greet(&self, hub: usize, server: usize, outbox_id: u128) -> Talk {
        let is_kicked = Arc::new(AtomicBool::new(false));
        let kicked = Arc::clone(&is_kicked);
        let kick = Box::new(move |_: RefuseReason| kicked.store(true, Ordering::Relaxed));
        let mut session = Session::new("192.0.2.1".to_owned(), kick);
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            credential: self.credentials[server].clone(),
            enrol: None,
            agent_version: String::new(),
            outbox_id,
            clock: Some(HelloClock { now_ms: NOW_MS, uptime_ms: 1_000_000 }),
        };
        let flow = session.on_frame(&self.engines[hub], Up::Hello(hello), NOW_MS);
        assert_eq!(flow.map_err(|refusal| refusal.reason), Ok(Flow::Read));
        Talk { hub, session, chain: ReportChain::new(), is_kicked, next: 0, acked: 0 }
    }

    /// An agent comes to a hub and hears Welcome.
    fn open_talk(&mut self, hub: usize, server: usize, outbox_id: u128) -> Talk {
        let mut talk = self.greet(hub, server, outbox_id);
        self.settle();
        assert!(self.hear(&mut talk).is_some(), "the marker has come back");
        talk
    }

    /// What the hub says now. Returns Welcome if that came.
    fn hear(&self, talk: &mut Talk) -> Option<Welcome> {
        let mut heard = None;
        while let Some(down) = talk.session.on_watermark(&self.engines[talk.hub]) {
            match down {
                Down::Welcome(welcome) => {
                    talk.next = welcome.next;
                    heard = Some(welcome);
                }
                Down::Ack { up_to } => talk.acked = up_to,
                other => panic!("unexpected: {other:?}"),
            }
        }
        heard
    }

    /// Reports with these values, a second apart. The hub is asked for an ack.
    fn report(&self, talk: &mut Talk, values: std::ops::Range<u64>) -> Result<Flow, Refusal> {
        let first_sequence = talk.next;
        talk.next += values.end - values.start;
        let report = |value: u64| Report {
            time_ms: NOW_MS + value.cast_signed() * 1000,
            uptime_s: 1000 + value,
            mem_used: value,
            temperatures: vec![Temperature { name: "cpu".to_owned(), celsius: (value / 2) as f64 }],
            ..Report::default()
        };
        let reports = values.map(|value| talk.chain.shrink(&report(value)).expect("within limits")).collect();
        let frame = Up::Reports(Reports { first_sequence, ack_now: true, reports });
        talk.session.on_frame(&self.engines[talk.hub], frame, NOW_MS + talk.next.cast_signed() * 1000)
    }

    /// What readers of a hub see of a server: the newest report, when it came, and all of history.
    fn seen(&self, hub: usize, server: usize) -> (Sample, Option<i64>, Vec<(u64, Sample)>) {
        let (engine, id) = (&self.engines[hub], server as u64 + 1);
        let view = engine.snapshot(Selection::Ids(&[id])).remove(0);
        let mut reports = Vec::new();
        let mut visit = |sequence: u64, sample: &Sample| reports.push((sequence, sample.clone()));
        engine.history().reports(id, NOW_MS - AROUND_MS, NOW_MS + AROUND_MS, &mut visit).expect("a sound store");
        (view.latest.sample.clone(), view.latest.last_active_s(), reports)
    }

    fn assert_equal(&self) {
        for server in 0..self.credentials.len() {
            for hub in 1..self.engines.len() {
                assert_eq!(self.seen(hub, server), self.seen(0, server), "hub {hub}, server {server}");
            }
        }
    }

    fn values(&self, hub: usize, server: usize) -> Vec<u64> {
        self.seen(hub, server).2.iter().map(|(_, sample)| sample.mem_used).collect()
    }
}

#[test]
fn hubs_that_follow_the_same_streams_are_equal_though_agents_move_between_them() {
    let mut cluster = Cluster::new(3, 20);
    for round in 0..4u64 {
        for server in 0..20usize {
            let hub = (server + usize::try_from(round).expect("few")) % 3;
            let mut talk = cluster.open_talk(hub, server, 7);
            assert_eq!(talk.next, round * 8 + 1, "it goes on where the hub before was");
            let taken = cluster.report(&mut talk, round * 8..round * 8 + 5);
            assert!(taken.is_ok());
            assert!(cluster.report(&mut talk, round * 8 + 5..round * 8 + 8).is_ok());
            cluster.settle();
            cluster.hear(&mut talk);
            assert_eq!(talk.acked, round * 8 + 8);
        }
        cluster.assert_equal();
        for engine in &cluster.engines {
            engine.commit().expect("room");
        }
    }
    assert_eq!(cluster.values(2, 19), (0..32).collect::<Vec<u64>>());
    // A hub that seals its heads at another time has the same history.
    cluster.engines[1].upkeep(NOW_MS + 3_600_000).1.expect("a sound store");
    cluster.engines[1].upkeep(NOW_MS + 7_200_000).1.expect("a sound store");
    cluster.assert_equal();
    for engine in &cluster.engines {
        assert_eq!((engine.counters().reports_known.get(), engine.counters().reports_superseded.get()), (0, 0));
        assert_eq!(engine.counters().reports_taken.get(), 20 * 32);
    }
}

#[test]
fn an_ack_and_a_welcome_wait_for_the_own_follower() {
    let mut cluster = Cluster::new(2, 1);
    let mut talk = cluster.greet(0, 0, 1);
    assert!(cluster.hear(&mut talk).is_none(), "nothing is published");
    cluster.streams.take(&cluster.engines[0]);
    cluster.streams.bring(&cluster.engines[1]);
    assert!(cluster.hear(&mut talk).is_none(), "only the other hub has it");
    cluster.streams.bring(&cluster.engines[0]);
    assert!(cluster.hear(&mut talk).is_some_and(|welcome| welcome.next == 1));
    assert!(cluster.report(&mut talk, 0..3).is_ok());
    cluster.hear(&mut talk);
    assert_eq!((talk.acked, cluster.values(0, 0)), (0, vec![]), "an offered report is not shown");
    cluster.streams.take(&cluster.engines[0]);
    cluster.hear(&mut talk);
    assert_eq!(talk.acked, 0, "the brokers' answer is no ack");
    cluster.streams.bring(&cluster.engines[0]);
    cluster.hear(&mut talk);
    assert_eq!((talk.acked, cluster.values(0, 0)), (3, vec![0, 1, 2]));
}

#[test]
fn a_newer_session_on_another_hub_wins_and_what_the_older_one_still_brings_does_not_count() {
    let mut cluster = Cluster::new(2, 1);
    let mut old = cluster.open_talk(0, 0, 1);
    assert!(cluster.report(&mut old, 0..2).is_ok());
    cluster.settle();
    cluster.hear(&mut old);
    // The marker is in the stream before the last reports of the older session.
    let mut new = cluster.greet(1, 0, 2);
    cluster.streams.take(&cluster.engines[1]);
    assert!(cluster.report(&mut old, 2..5).is_ok());
    cluster.streams.take(&cluster.engines[0]);
    assert!(!old.is_kicked.load(Ordering::Relaxed), "this hub has not followed so far");
    cluster.settle();
    assert!(old.is_kicked.load(Ordering::Relaxed));
    cluster.hear(&mut old);
    assert_eq!(old.acked, 2, "though its message is applied");
    let welcome = cluster.hear(&mut new).expect("its marker has come back");
    assert_eq!((welcome.durable, welcome.next), (0, 3));
    assert!(cluster.report(&mut old, 5..6).is_err(), "it is superseded");
    assert!(cluster.report(&mut new, 10..12).is_ok());
    cluster.settle();
    cluster.hear(&mut new);
    assert_eq!((new.acked, cluster.values(0, 0)), (4, vec![0, 1, 10, 11]));
    cluster.assert_equal();
    assert_eq!(cluster.engines.iter().map(|engine| engine.counters().reports_superseded.get()).max(), Some(3));
}

#[test]
fn of_two_sessions_that_open_at_once_the_later_marker_wins() {
    let mut cluster = Cluster::new(2, 1);
    let (mut first, mut second) = (cluster.greet(0, 0, 1), cluster.greet(1, 0, 1));
    cluster.streams.take(&cluster.engines[1]);
    cluster.streams.take(&cluster.engines[0]);
    cluster.engines.iter().for_each(|engine| cluster.streams.bring(engine));
    assert!(cluster.hear(&mut first).is_some(), "its marker came last");
    assert!(cluster.hear(&mut second).is_none() && second.is_kicked.load(Ordering::Relaxed));
    assert!(!first.is_kicked.load(Ordering::Relaxed));
}

#[test]
fn a_session_that_has_ended_before_its_marker_was_sent_ends_no_other() {
    let mut cluster = Cluster::new(2, 1);
    // The first hub does not reach the brokers. The agent comes to it, gets no answer, and goes to the other one.
    drop(cluster.greet(0, 0, 1));
    let mut there = cluster.greet(1, 0, 1);
    cluster.streams.take(&cluster.engines[1]);
    // Now it reaches them.
    cluster.settle();
    assert!(cluster.hear(&mut there).is_some());
    cluster.report(&mut there, 1..3).expect("taken");
    cluster.settle();
    assert_eq!(cluster.values(0, 0), [1, 2]);
    assert!(!there.is_kicked.load(Ordering::Relaxed));
}

#[test]
fn a_hub_that_dies_at_any_moment_follows_again_from_where_its_store_ends() {
    let mut cluster = Cluster::new(2, 5);
    let mut number = 0;
    for round in 0..6u64 {
        for server in 0..5usize {
            // Also by way of the hub that dies.
            let hub = usize::from((round + server as u64).is_multiple_of(2));
            let mut talk = cluster.open_talk(hub, server, u128::from(round % 2));
            assert!(cluster.report(&mut talk, number..number + 3).is_ok());
            number += 3;
            cluster.settle();
            match (round + server as u64) % 4 {
                0 => cluster.engines[1].commit().map(|_| ()).expect("room"),
                1 => cluster.engines[1].checkpoint().map(|_| ()).expect("room"),
                _ => {}
            }
            if server as u64 == round % 5 {
                let before = cluster.engines[1].followed(shard_of(server as u64 + 1));
                cluster.restart(1);
                assert!(cluster.engines[1].followed(shard_of(server as u64 + 1)) <= before);
                cluster.streams.bring(&cluster.engines[1]);
            }
            cluster.assert_equal();
        }
    }
    // Who may report is remembered as well: the older session's last message comes after the restart.
    let mut old = cluster.open_talk(0, 0, 1);
    let _new = cluster.open_talk(1, 0, 2);
    cluster.engines[1].checkpoint().expect("room");
    cluster.restart(1);
    assert!(cluster.report(&mut old, 900..901).is_err(), "its hub knows");
    cluster.settle();
    cluster.assert_equal();
}

#[test]
fn a_session_that_a_restarted_hub_only_knows_from_its_store_still_counts() {
    let mut cluster = Cluster::new(2, 1);
    for with_checkpoint in [false, true] {
        let mut talk = cluster.open_talk(0, 0, 1);
        let engine = &cluster.engines[1];
        let committed = if with_checkpoint { engine.checkpoint() } else { engine.commit() };
        committed.expect("room");
        cluster.restart(1);
        let first = talk.next;
        assert!(cluster.report(&mut talk, first..first + 2).is_ok());
        cluster.settle();
        cluster.assert_equal();
        assert_eq!(cluster.values(1, 0).len() as u64, first + 1);
    }
}

#[test]
fn a_hub_that_has_left_its_cluster_follows_new_streams_from_their_beginning() {
    let mut cluster = Cluster::new(1, 1);
    let mut talk = cluster.open_talk(0, 0, 1);
    assert!(cluster.report(&mut talk, 0..2).is_ok());
    cluster.settle();
    cluster.engines[0].commit().expect("room");
    cluster.engines[0].forget_streams().expect("room");
    cluster.restart(0);
    assert_eq!((cluster.engines[0].followed(shard_of(1)), cluster.values(0, 0)), (0, vec![0, 1]));
    cluster.streams = Streams::new();
    let mut talk = cluster.open_talk(0, 0, 2);
    assert!(cluster.report(&mut talk, 2..4).is_ok());
    cluster.settle();
    assert_eq!(cluster.values(0, 0), [0, 1, 2, 3]);
}

#[test]
fn a_commit_that_fails_stores_neither_reports_nor_their_position() {
    let mut cluster = Cluster::new(1, 1);
    let mut talk = cluster.open_talk(0, 0, 1);
    cluster.engines[0].commit().expect("room");
    let before = cluster.engines[0].followed(shard_of(1));
    assert!(cluster.report(&mut talk, 0..2).is_ok());
    cluster.settle();
    let refuse = || Err(StoreError::Other("a test refused the write".to_owned()));
    *cluster.engines[0].store().at_write.lock() = Some(Box::new(refuse));
    assert!(cluster.engines[0].commit().is_err());
    assert_eq!(cluster.report(&mut talk, 2..3).ok(), Some(Flow::Stalled), "nothing is taken in the meantime");
    cluster.restart(0);
    assert_eq!((cluster.engines[0].followed(shard_of(1)), cluster.values(0, 0)), (before, vec![]));
    cluster.streams.bring(&cluster.engines[0]);
    assert_eq!(cluster.values(0, 0), [0, 1]);
}

#[test]
fn a_message_keeps_its_number_and_its_bytes_until_the_stream_has_it() {
    let mut cluster = Cluster::new(1, 1);
    let mut talk = cluster.open_talk(0, 0, 1);
    assert!(cluster.report(&mut talk, 0..1).is_ok());
    let partition = shard_of(1);
    let engine = &cluster.engines[0];
    let message = engine.next_message(partition).expect("a report");
    // More comes in while nobody knows what became of it.
    assert!(cluster.report(&mut talk, 1..2).is_ok());
    engine.settled(partition, message.number, Outcome::Unknown);
    assert_eq!(engine.next_message(partition), Some(message.clone()));
    engine.settled(partition, message.number - 1, Outcome::Stored);
    assert_eq!(engine.next_message(partition), Some(message.clone()), "that was another one");
    // It comes from the stream: that is an answer, too.
    let position = engine.followed(partition) + 1;
    assert_eq!(engine.follow(partition, position, &message.bytes), Ok(Followed::Applied));
    let next = engine.next_message(partition).expect("the report that came in since");
    assert_eq!(next.number, message.number + 1);
    engine.settled(partition, next.number, Outcome::Stored);
    assert_eq!(engine.next_message(partition), None);
}

#[test]
fn a_message_that_does_not_fit_changes_nothing() {
    let mut cluster = Cluster::new(2, 1);
    let mut talk = cluster.open_talk(0, 0, 1);
    assert!(cluster.report(&mut talk, 0..2).is_ok());
    let (partition, other) = (shard_of(1), &cluster.engines[1]);
    let message = cluster.engines[0].next_message(partition).expect("a report").bytes;
    let followed = other.followed(partition);
    let follow = |position: u64, bytes: &[u8]| other.follow(partition, position, bytes);
    assert_eq!(follow(followed, &message), Ok(Followed::Known), "it was applied before");
    assert_eq!(follow(followed + 2, &message), Err(FollowError::Gap { partition, followed, found: followed + 2 }));
    let of_another = other.follow(partition + 1, 1, &message).expect_err("it is of another partition");
    assert!(matches!(of_another, FollowError::Corrupt(_)), "{of_another}");
    assert_eq!(other.follow(SHARDS, 1, &message), Err(FollowError::NoPartition { partition: SHARDS }));
    let mut newer = message.to_vec();
    newer[0] += 1;
    assert!(matches!(follow(followed + 1, &newer), Err(FollowError::NewerFormat { found: 2, supported: 1 })));
    for at in 0..message.len() {
        let mut damaged = message.to_vec();
        damaged[at] ^= 0x40;
        assert!(follow(followed + 1, &damaged).is_err(), "byte {at}");
        assert!(follow(followed + 1, &message[..at]).is_err(), "{at} bytes");
    }
    assert_eq!((other.followed(partition), cluster.values(1, 0)), (followed, vec![]));
    assert_eq!(follow(followed + 1, &message), Ok(Followed::Applied));
    assert_eq!(cluster.values(1, 0), [0, 1]);
    let alone = tempfile::tempdir().expect("a temporary folder");
    let alone = Engine::open(alone.path(), Options::default()).expect("a new store");
    assert_eq!((alone.follow(0, 1, &message), alone.next_message(0)), (Err(FollowError::Alone), None));
}

#[test]
fn facts_are_the_same_on_every_hub() {
    let mut cluster = Cluster::new(2, 1);
    let mut talk = cluster.open_talk(0, 0, 1);
    let host = Host { platform: "debian".to_owned(), ..Host::default() };
    talk.session.on_frame(&cluster.engines[0], Up::Host(Box::new(host.clone())), NOW_MS).expect("its own session");
    // The address changes before the facts have come back.
    talk.session.on_peer_address(&cluster.engines[0], "192.0.2.9".to_owned(), NOW_MS).expect("its own session");
    cluster.settle();
    let facts = |hub: usize| cluster.engines[hub].snapshot(Selection::All).remove(0).latest.facts;
    assert_eq!((facts(0).host.platform.as_str(), facts(0).address.as_str()), ("debian", "192.0.2.9"));
    assert_eq!(facts(1), facts(0));
    talk.session.on_frame(&cluster.engines[0], Up::Host(Box::new(host)), NOW_MS).expect("its own session");
    assert_eq!(cluster.engines[0].next_message(shard_of(1)), None, "facts that every hub has are not sent again");
}

#[test]
fn a_partition_whose_messages_are_held_up_takes_no_more_than_its_bytes() {
    let mut cluster = Cluster::new(1, 1);
    let mut talk = cluster.open_talk(0, 0, 1);
    let mut value = 0;
    let stalled = (0..200).find(|_| {
        value += 200;
        cluster.report(&mut talk, value - 200..value).expect("its own session") == Flow::Stalled
    });
    assert!(stalled.is_some() && !talk.session.waits_for_time(), "the stream takes nothing");
    let engine = &cluster.engines[0];
    assert!(engine.offered_bytes() <= crate::limits::OFFERED_BYTES_MAX, "{}", engine.offered_bytes());
    let message = engine.next_message(shard_of(1)).expect("reports");
    assert!(message.bytes.len() <= crate::limits::STREAM_MESSAGE_BYTES_MAX);
    assert_eq!(engine.offered_bytes(), 0);
}

//! Sessions of two agents that have the credential of one server, against a naive model. They connect, come back with
//! another outbox, leave numbers out, repeat them with other values, lie about their clocks and say nonsense. Each
//! number is taken once, with the value that came first; only what is on disk is acknowledged; and in the end history
//! has exactly what the model has. `make sim` adds what this leaves out: crashes, clocks that leap, whole fleets.
#![no_main]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use windfire_engine::error::{IssuedCredential, Refusal};
use windfire_engine::limits::{ASIDES_BURST_MAX, SEQUENCE_JUMP_MAX};
use windfire_engine::sample::Sample;
use windfire_engine::server::NewServer;
use windfire_engine::{Engine, Flow, Options, Scratch, Session};
use windfire_wire::frame::CLOCK_SINCE;
use windfire_wire::limits::{DETAIL_BYTES_MAX, REPORTS_PER_FRAME_MAX};
use windfire_wire::{
    Down, Enrol, Hello, HelloClock, Host, PROTOCOL_VERSION, RefuseReason, Report, ReportChain, Reports, Up, Welcome,
    decode_up, encode_up,
};

/// Operations of one input: more of them find nothing new, and cost time.
const OPERATIONS_MAX: usize = 200;
// No session of the model brings so many frames without a new report that it is refused for them.
const _: () = assert!(OPERATIONS_MAX < ASIDES_BURST_MAX as usize);
/// Outboxes that the agents pretend to have. The hub remembers more of a server than these.
const OUTBOXES: u8 = 4;
/// Rounds after which a stalled session must go on: each one commits, tidies up, and lets time pass.
const STALLED_ROUNDS_MAX: usize = 100;
const ROUND_MS: i64 = 15_000;
const AROUND_MS: i64 = 400 * 24 * 3_600_000;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder").keep();
    Engine::open(&folder, Options::default()).expect("a new store")
});
/// The hub's time, Unix milliseconds. It goes on from input to input, as one engine serves them all.
static NOW_MS: AtomicI64 = AtomicI64::new(1_790_000_000_000);

/// What the hub must know of the server.
#[derive(Default)]
struct Model {
    /// The value of each number that was taken.
    taken: BTreeMap<u64, u64>,
    /// Highest number that is on disk.
    durable: u64,
    /// Highest number that was taken of each outbox.
    outboxes: BTreeMap<u128, u64>,
    /// Reports that were made.
    made: u64,
}

impl Model {
    fn last(&self) -> u64 {
        self.taken.last_key_value().map_or(0, |(sequence, _)| *sequence)
    }

    /// Takes the values whose numbers are new, and returns how many these are.
    fn offer(&mut self, outbox_id: u128, first: u64, values: &[u64]) -> u64 {
        let before = self.last();
        let new = (first..).zip(values).filter(|(sequence, _)| *sequence > before);
        let new: Vec<(u64, u64)> = new.map(|(sequence, value)| (sequence, *value)).collect();
        self.taken.extend(new.iter().copied());
        if let Some((last, _)) = new.last() {
            self.outboxes.insert(outbox_id, *last);
        }
        new.len() as u64
    }
}

/// One agent's connection.
struct Talk {
    session: Session,
    chain: ReportChain,
    outbox_id: u128,
    /// What Welcome must say.
    welcome: Welcome,
    /// Welcome has come.
    is_open: bool,
    /// Another agent has connected since.
    is_superseded: bool,
    kicked: Arc<AtomicBool>,
    /// The number that an honest agent would go on with.
    next: u64,
    /// Reports that were taken from this session.
    taken: u64,
    acked: u64,
    /// The ack that was asked for.
    asked: u64,
}

/// What happens to a frame that is well-formed.
fn expected(talk: &Talk, up: &Up) -> Result<(), RefuseReason> {
    let last = |reports: &Reports| reports.first_sequence + (reports.reports.len() as u64).saturating_sub(1);
    match up {
        Up::Hello(_) => Err(RefuseReason::BadFrame),
        _ if !talk.is_open => Err(RefuseReason::BadFrame),
        Up::Clock(_) => Ok(()),
        // All numbers that a session leaves out count together.
        Up::Reports(reports)
            if !reports.reports.is_empty()
                && last(reports).saturating_sub(talk.welcome.next - 1 + talk.taken) > SEQUENCE_JUMP_MAX =>
        {
            Err(RefuseReason::BadFrame)
        }
        _ if talk.is_superseded => Err(RefuseReason::Superseded),
        Up::Host(_) | Up::Reports(_) => Ok(()),
    }
}

fn reason(refusal: &Refusal) -> RefuseReason {
    assert!(!refusal.detail.is_empty() && refusal.detail.len() <= DETAIL_BYTES_MAX, "{refusal:?}");
    refusal.reason
}

struct World {
    engine: &'static Engine,
    server_id: u64,
    credential: String,
    now_ms: i64,
    model: Model,
    talks: [Option<Talk>; 2],
    scratch: Scratch,
}

impl World {
    fn new() -> Self {
        let engine = &*ENGINE;
        let IssuedCredential { id, credential } =
            engine.registry().add_server(NewServer::default(), 0).expect("room for a server");
        Self {
            engine,
            server_id: id,
            credential,
            now_ms: NOW_MS.load(Ordering::Relaxed),
            model: Model::default(),
            talks: [None, None],
            scratch: Scratch::default(),
        }
    }

    fn hello(&self, outbox_id: u128, protocol: u16) -> Up {
        let clock = HelloClock { now_ms: self.now_ms, uptime_ms: 1_000_000 };
        Up::Hello(Hello {
            protocol,
            credential: self.credential.clone(),
            enrol: None,
            agent_version: String::new(),
            outbox_id,
            clock: (protocol >= CLOCK_SINCE).then_some(clock),
        })
    }

    /// Opens a session in place of the one that this agent had. That one may end after the new one has begun.
    fn connect(&mut self, agent: usize, how: u8) {
        let ends_late = how & 0x80 != 0;
        let outbox_id = u128::from(how % OUTBOXES);
        let protocol = 1 + u16::from(how / OUTBOXES) % PROTOCOL_VERSION;
        let before = self.talks[agent].take().filter(|_| ends_late);
        let kicked = Arc::new(AtomicBool::new(false));
        let kick = Arc::clone(&kicked);
        let mut session = Session::new(String::new(), Box::new(move |_| kick.store(true, Ordering::Relaxed)));
        let hello = self.hello(outbox_id, protocol);
        let flow = session.on_frame(self.engine, hello, self.now_ms).expect("its credential is known");
        assert_eq!((flow, session.server_id()), (Flow::Read, Some(self.server_id)));
        self.talks.iter_mut().flatten().for_each(|talk| talk.is_superseded = true);
        if let Some(talk) = before {
            assert!(talk.is_superseded || talk.kicked.load(Ordering::Relaxed), "the session before is told to end");
        }
        let welcome = Welcome {
            server_id: self.server_id,
            durable: self.model.outboxes.get(&outbox_id).copied().unwrap_or_default(),
            next: self.model.last() + 1,
            report_interval_ms: 0,
        };
        self.talks[agent] = Some(Talk {
            session,
            chain: ReportChain::new(),
            outbox_id,
            welcome,
            is_open: false,
            is_superseded: false,
            kicked,
            next: welcome.next,
            taken: 0,
            acked: 0,
            asked: 0,
        });
    }

    /// An agent says a frame. Its session ends if that is refused.
    fn say(&mut self, agent: usize, up: &Up) {
        let Some(mut talk) = self.talks[agent].take() else { return };
        let mut frame = Vec::new();
        encode_up(up, &mut frame).expect("within limits");
        let expected = expected(&talk, up);
        let flow = talk.session.on_body(self.engine, &frame[4..], &mut self.scratch, self.now_ms);
        match &flow {
            Ok(Flow::Stalled) => self.wait(&mut talk),
            Ok(flow) => assert_eq!(*flow, Flow::Read),
            Err(_) => {}
        }
        assert_eq!(flow.as_ref().map(|_| ()).map_err(reason), expected, "{up:?}");
        if flow.is_err() {
            return;
        }
        if let Up::Reports(reports) = up {
            let first = reports.first_sequence;
            let values: Vec<u64> = (self.model.made - reports.reports.len() as u64..self.model.made).collect();
            talk.taken += self.model.offer(talk.outbox_id, first, &values);
            talk.next = talk.next.max(first + values.len() as u64);
            if reports.ack_now {
                talk.asked = self.model.last();
            }
        }
        self.talks[agent] = Some(talk);
    }

    /// A stalled session goes on after a while.
    fn wait(&mut self, talk: &mut Talk) {
        for _ in 0..STALLED_ROUNDS_MAX {
            self.commit();
            self.tidy_up();
            if talk.session.retry(self.engine, self.now_ms).expect("it was only stalled") != Flow::Stalled {
                return;
            }
        }
        panic!("stalled for {STALLED_ROUNDS_MAX} rounds");
    }

    /// Numbers `first` and following, each with a value of its own.
    fn report(&mut self, agent: usize, first: u64, count: usize, ack_now: bool) {
        let Some(talk) = &mut self.talks[agent] else { return };
        let time_ms = self.now_ms;
        let values = self.model.made..self.model.made + count as u64;
        let reports = values.map(|mem_used| Report { time_ms, mem_used, uptime_s: 1000, ..Report::default() });
        let reports = reports.map(|report| talk.chain.shrink(&report).expect("within limits")).collect();
        self.model.made += count as u64;
        self.say(agent, &Up::Reports(Reports { first_sequence: first, ack_now, reports }));
    }

    fn next_of(&self, agent: usize) -> u64 {
        self.talks[agent].as_ref().map_or(1, |talk| talk.next)
    }

    fn commit(&mut self) {
        self.engine.commit().expect("the disk takes it");
        self.model.durable = self.model.last();
    }

    /// A while passes.
    fn tidy_up(&mut self) {
        self.now_ms += ROUND_MS;
        self.engine.upkeep(self.now_ms).1.expect("the store is sound");
    }

    /// What the hub says to an agent now.
    fn hear(&mut self, agent: usize) {
        let Some(talk) = &mut self.talks[agent] else { return };
        while let Some(down) = talk.session.on_watermark(self.engine) {
            match down {
                Down::Welcome(welcome) => {
                    assert!(!talk.is_open, "a second Welcome");
                    assert_eq!(welcome, talk.welcome);
                    assert!(welcome.next <= self.model.durable + 1, "Welcome tells what is not on disk");
                    talk.is_open = true;
                }
                Down::Ack { up_to } => {
                    assert!(talk.is_open, "an ack before Welcome");
                    assert!(up_to >= talk.acked, "acks go back: {} and then {up_to}", talk.acked);
                    assert!(up_to <= self.model.durable, "{up_to} is acknowledged and not on disk");
                    talk.acked = up_to;
                }
                Down::Pace { .. } => panic!("a hub without load asked for another pace"),
                Down::Refuse { .. } => panic!("a session refuses by an error"),
            }
        }
    }

    /// Somebody without a credential. Whatever it says first, it is refused.
    fn stranger(&mut self, how: u8, said: &[u8]) {
        let text = String::from_utf8_lossy(said).into_owned();
        let enrol = Enrol { token: text.clone(), name: text.clone() };
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            credential: text,
            enrol: (how & 1 != 0).then_some(enrol),
            agent_version: String::new(),
            outbox_id: 1,
            clock: Some(HelloClock::default()),
        };
        let mut session = Session::new(String::new(), Box::new(|_| {}));
        let first = match how & 2 {
            0 => session.on_frame(self.engine, Up::Hello(hello), self.now_ms),
            _ => session.on_frame(self.engine, Up::Clock(HelloClock::default()), self.now_ms),
        };
        let refused = reason(&first.expect_err("it has no credential"));
        let wanted = [RefuseReason::BadCredential, RefuseReason::BadEnrolToken, RefuseReason::BadFrame];
        assert!(wanted.contains(&refused), "{refused:?}");
        assert!(session.on_watermark(self.engine).is_none() && session.server_id().is_none());
    }

    /// Bytes that are no frame end the session.
    fn nonsense(&mut self, agent: usize, body: &[u8]) {
        let Some(talk) = self.talks[agent].as_mut().filter(|_| decode_up(body).is_err()) else { return };
        let refused = talk.session.on_body(self.engine, body, &mut self.scratch, self.now_ms);
        reason(&refused.expect_err("no frame"));
        self.talks[agent] = None;
    }

    fn act(&mut self, operation: u8, input: &mut &[u8]) {
        let agent = usize::from(operation >> 7);
        let how = take(input, 1).first().copied().unwrap_or_default();
        let count = 1 + usize::from(how % 8);
        let next = self.next_of(agent);
        match operation % 16 {
            0 => self.connect(agent, how),
            1 | 2 => self.report(agent, next, count, how & 0x80 != 0),
            3 => self.report(agent, next, 1 + usize::from(how) % REPORTS_PER_FRAME_MAX, false),
            4 => self.report(agent, next + u64::from(how), count, true),
            5 => self.report(agent, next + (1u64 << (how % 60)), count, true),
            6 => self.report(agent, next.saturating_sub(u64::from(how)).max(1), count, true),
            7 => self.report(agent, 1 + u64::from(how), 0, true),
            8 => {
                self.commit();
                (0..self.talks.len()).for_each(|agent| self.hear(agent));
                for talk in self.talks.iter().flatten() {
                    assert!(talk.is_open, "everything is on disk, and Welcome has not come");
                    assert!(talk.acked >= talk.asked, "{} was asked for, {} acknowledged", talk.asked, talk.acked);
                }
            }
            9 => self.hear(agent),
            10 => self.talks[agent] = None,
            11 => self.tidy_up(),
            12 => {
                let ahead_ms = i64::from(how.cast_signed()) * 60_000;
                self.say(agent, &Up::Clock(HelloClock { now_ms: self.now_ms + ahead_ms, uptime_ms: 1_000_000 }));
            }
            13 if how & 1 == 0 => {
                let ip = format!("192.0.2.{how}");
                self.say(agent, &Up::Host(Box::new(Host { ip, ..Host::default() })));
            }
            13 => self.say(agent, &self.hello(7, PROTOCOL_VERSION)),
            14 => self.stranger(how, take(input, usize::from(how / 4))),
            _ => self.nonsense(agent, take(input, usize::from(how))),
        }
        for talk in self.talks.iter().flatten() {
            assert_eq!(talk.kicked.load(Ordering::Relaxed), talk.is_superseded, "who is told to end");
        }
    }

    /// History has what the model has, each number once.
    fn check(mut self) {
        self.commit();
        self.talks = [None, None];
        let mut found = BTreeMap::new();
        let mut visit = |sequence: u64, sample: &Sample| {
            assert_eq!(found.insert(sequence, sample.mem_used), None, "number {sequence} is in history twice");
        };
        let (from_ms, to_ms) = (self.now_ms - AROUND_MS, self.now_ms + AROUND_MS);
        self.engine.history().reports(self.server_id, from_ms, to_ms, &mut visit).expect("the store is sound");
        assert_eq!(found, self.model.taken);
        self.engine.registry().remove_servers(&[self.server_id]).expect("the disk takes it");
        NOW_MS.store(self.now_ms + 1, Ordering::Relaxed);
    }
}

/// The next bytes of the input, as many as there are.
fn take<'a>(input: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = input.split_at(count.min(input.len()));
    *input = rest;
    taken
}

fuzz_target!(|input: &[u8]| {
    let mut input = input;
    let mut world = World::new();
    for _ in 0..OPERATIONS_MAX {
        let Some(operation) = take(&mut input, 1).first().copied() else { break };
        world.act(operation, &mut input);
    }
    world.check();
});

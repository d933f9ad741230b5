//! One seed's cluster: hubs with their own stores, agents that move between them, a simulated stream for each partition
//! and one for the registry, and an operator who changes that. The same checker looks at every hub that has followed
//! its streams to the end, and in the end all hubs must be equal.
//!
//! Each step has some rounds: what hubs publish arrives at the streams (`publisher`, `stream`), hubs follow, and
//! sessions say what they may. A change of the registry is made at once, or its hub gives up on it (`ledger`). Brokers
//! fail by being silent, never by forgetting: whether they keep what they have stored is no question to a simulator.

mod calm;
mod ledger;
mod operator;
mod publisher;
mod stream;
mod traffic;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use windfire_engine::limits::SHARDS;
use windfire_engine::server::NewServer;
use windfire_engine::{Engine, Followed, Scratch};

use crate::agent::Agent;
use crate::check;
use crate::faults::{Fault, Rates};
use crate::hub::{Hub, options};
use crate::journal::Journal;
use crate::model::{DAY_MS, Model};
use crate::moments::{die, mortal, refuse};
use crate::network::Link;
use crate::random::Random;
use crate::run::Life;
use ledger::{RegistryHandle, SimLedger};
use operator::Operator;
use publisher::{Moment, Published, Publisher};
use stream::Stream;

/// About when it all begins, Unix milliseconds.
const START_MS: i64 = 1_790_035_200_000;
/// Servers that are watched, by id: two of them share a partition.
const IDS: [u64; 3] = [1, 2, 1 + SHARDS as u64];
/// Rounds of a step.
const ROUNDS: u64 = 4;
/// Milliseconds between two rounds of upkeep of a hub that runs, at the most.
const UPKEEP_MS_MAX: i64 = 15 * 60_000;
/// Rounds of upkeep that follow one another at once, at the most.
const UPKEEPS_MAX: usize = 50;

/// A hub of the cluster.
struct Member {
    hub: Hub,
    /// Steps until it starts again.
    down: u64,
    /// Steps until it reaches the brokers again.
    cut_off: u64,
    /// The true time of the last upkeep.
    upkeep_ms: i64,
    /// By partition.
    publishers: BTreeMap<usize, Publisher>,
    /// The next message that each stream brings.
    next: BTreeMap<usize, u64>,
    /// The next message that the registry's stream brings.
    next_registry: Option<u64>,
    ledger: Arc<SimLedger>,
}

/// One seed's cluster.
pub(crate) struct Cluster {
    seed: u64,
    step: u64,
    rates: Rates,
    journal: Journal,
    model: Model,
    members: Vec<Member>,
    streams: BTreeMap<usize, Stream>,
    registry: RegistryHandle,
    operator: Operator,
    scratch: Scratch,
    /// Servers that agents report for.
    ids: Vec<u64>,
    agents: Vec<Agent>,
    /// Each connection, and the hub that has its other end.
    links: BTreeMap<u64, (usize, Link)>,
    /// The hub that each agent tries next.
    homes: Vec<usize>,
    next_link: u64,
    next_outbox: u128,
    /// The true time, Unix milliseconds.
    now_ms: i64,
    /// By how much that was less before.
    passed_ms: i64,
    folder: PathBuf,
    /// Nothing goes wrong any more.
    is_calm: bool,
}

impl Cluster {
    /// The cluster of a seed at its beginning, in an empty folder.
    pub(crate) fn new(seed: u64, rates: Rates, folder: PathBuf, prints: bool) -> Result<Self, String> {
        let mut random = Random::new(seed, 0);
        let start_ms = START_MS + random.between(0, DAY_MS);
        let hubs = 2 + random.index(2);
        let folders: Vec<PathBuf> = (0..hubs).map(|hub| folder.join(format!("hub-{hub}"))).collect();
        let credentials = make_stores(&folders, start_ms)?;
        let registry = RegistryHandle::default();
        let member = |(hub_id, folder): (u32, PathBuf)| {
            let ledger = Arc::new(SimLedger::new(registry.clone()));
            Member {
                hub: Hub::of_cluster(folder, hub_id, Arc::clone(&ledger) as _),
                down: 0,
                cut_off: 0,
                upkeep_ms: start_ms,
                publishers: BTreeMap::new(),
                next: BTreeMap::new(),
                next_registry: None,
                ledger,
            }
        };
        let partitions: BTreeSet<usize> = IDS.iter().map(|id| partition_of(*id)).collect();
        let mut cluster = Self {
            seed,
            step: 0,
            rates,
            journal: Journal::new(prints),
            model: Model::new(start_ms),
            members: (0..).zip(folders).map(member).collect(),
            streams: partitions.into_iter().map(|partition| (partition, Stream::default())).collect(),
            registry,
            operator: Operator::default(),
            scratch: Scratch::default(),
            ids: IDS.to_vec(),
            agents: Vec::new(),
            links: BTreeMap::new(),
            homes: Vec::new(),
            next_link: 1,
            next_outbox: 1,
            now_ms: start_ms,
            passed_ms: 0,
            folder,
            is_calm: false,
        };
        for hub in 0..hubs {
            cluster.start(hub)?;
        }
        for (server, credential) in credentials.iter().enumerate() {
            // The same credential through two hubs.
            let twins = cluster.rates.has(Fault::Twin) && server == 1;
            for _ in 0..1 + usize::from(twins) {
                cluster.add_agent(server, credential, &mut random)?;
            }
        }
        let faults: Vec<&str> = cluster.rates.all().map(Fault::name).collect();
        cluster.journal.note(format!("seed {seed}, {hubs} hubs, with {}", faults.join(",")));
        Ok(cluster)
    }

    fn add_agent(&mut self, server: usize, credential: &str, random: &mut Random) -> Result<(), String> {
        let home = random.chance(500).then(|| self.folder.join(format!("spool-{}", self.agents.len())));
        let outbox_id = self.outbox_id();
        let mut agent = Agent::of_machine((server, credential), home, outbox_id, self.now_ms, random)?;
        if !self.rates.has(Fault::Drift) {
            agent.drift = 0;
        }
        self.agents.push(agent);
        self.homes.push(random.index(self.members.len()));
        Ok(())
    }

    /// An outbox id that was never used before.
    fn outbox_id(&mut self) -> u128 {
        self.next_outbox += 1;
        self.next_outbox - 1
    }

    fn note(&mut self, line: &str) {
        self.journal.note(format!("{:>4} {line}", self.step));
    }

    /// Lets time pass.
    fn pass_time(&mut self, random: &mut Random) -> Result<(), String> {
        self.passed_ms = match random.below(10) {
            0..=5 => random.between(1, 5_000),
            6..=8 => random.between(1_000, 60_000),
            _ => random.between(60_000, UPKEEP_MS_MAX),
        };
        self.now_ms += self.passed_ms;
        self.forget_silent();
        for hub in 0..self.members.len() {
            let member = &self.members[hub];
            if member.hub.engine.is_some() && self.now_ms - member.upkeep_ms >= UPKEEP_MS_MAX {
                self.commit(hub, false)?;
                self.upkeep(hub)?;
            }
        }
        Ok(())
    }

    /// What hubs do in a step: they publish, follow, speak, commit, look after history, and start again.
    fn serve(&mut self, random: &mut Random) -> Result<(), String> {
        let rounds = 1 + random.below(ROUNDS);
        for round in 0..rounds {
            let (stored, refused) = self.registry.land(self.tick() + round);
            self.journal.count("late changes stored", stored);
            self.journal.count("late changes overtaken", refused);
            for hub in 0..self.members.len() {
                self.publish(hub, round);
                self.follow_registry(hub, round)?;
                self.follow(hub, round)?;
            }
            self.hubs_speak();
        }
        for hub in 0..self.members.len() {
            let (commits, upkeeps) = (random.chance(500), random.chance(150));
            if commits {
                self.commit(hub, false)?;
            }
            if upkeeps {
                self.upkeep(hub)?;
            }
            let member = &mut self.members[hub];
            if member.hub.engine.is_none() {
                member.down = member.down.saturating_sub(1);
                if member.down == 0 {
                    self.start(hub)?;
                }
            }
        }
        Ok(())
    }

    /// The first moment of this step.
    fn tick(&self) -> u64 {
        self.step * ROUNDS
    }

    /// One moment between a hub and the brokers.
    fn moment(&self, hub: usize, round: u64) -> Moment {
        let tick = self.tick() + round;
        let place = tick + ((hub as u64 + 1) << 40);
        let mut late = Fault::Late.random(self.seed, place);
        let is_late = late.chance(self.rates.of_fault(Fault::Late)) && !self.is_calm;
        let mut lost = Fault::Lost.random(self.seed, place);
        let is_lossy = lost.chance(self.rates.of_fault(Fault::Lost)) && !self.is_calm;
        // Now and then longer than ids are remembered.
        let delay = if is_late { 1 + late.below(30) } else { 0 };
        Moment { tick, now_ms: self.now_ms, delay, is_lossy: is_lossy || self.members[hub].cut_off > 0 }
    }

    /// What the hub has to say goes to the streams.
    fn publish(&mut self, hub: usize, round: u64) {
        let (moment, mut counts) = (self.moment(hub, round), Published::default());
        let Some(member) = self.members.get_mut(hub) else { return };
        let own = (u32::try_from(hub).unwrap_or(u32::MAX), member.hub.boots);
        for (partition, stream) in &mut self.streams {
            let publisher = member.publishers.entry(*partition).or_default();
            if let Some(engine) = member.hub.engine.as_ref().filter(|_| member.cut_off == 0) {
                publisher.speak(engine, *partition, own, stream, moment, &mut counts);
            }
            publisher.land(stream, moment, &mut counts);
        }
        let Published { sent, repeated, lost, refused, found } = counts;
        if sent + lost + refused + found > 0 {
            self.note(&format!("hub {hub} publishes {sent}, {lost} unanswered, {refused} refused, {found} found"));
        }
        self.journal.count("messages published", sent);
        self.journal.count("messages published again", repeated);
        self.journal.count("lost answers", lost);
        self.journal.count("messages refused by a stream", refused);
        self.journal.count("messages found in a stream", found);
    }

    /// The hub takes what the registry's stream brings.
    fn follow_registry(&mut self, hub: usize, round: u64) -> Result<(), String> {
        let place = self.tick() + round + ((hub as u64 + 1) << 48);
        let mut random = Fault::Again.random(self.seed, place);
        let is_again = random.chance(self.rates.of_fault(Fault::Again)) && !self.is_calm;
        let is_slow = random.chance(self.rates.of_fault(Fault::Late)) && !self.is_calm;
        let mut left = if is_slow { random.below(2) } else { u64::MAX };
        let back = random.below(5);
        while left > 0 {
            let Some(member) = self.members.get_mut(hub).filter(|member| member.cut_off == 0) else { return Ok(()) };
            let Some(engine) = &member.hub.engine else { return Ok(()) };
            let next = member.next_registry.get_or_insert_with(|| engine.registry_followed() + 1);
            if is_again && left == u64::MAX {
                *next = next.saturating_sub(back).max(1);
            }
            let Some(message) = self.registry.get(*next) else { return Ok(()) };
            let followed = match mortal(|| engine.follow_registry(*next, &message)) {
                Ok(followed) => followed.map_err(|error| format!("hub {hub} does not follow the registry: {error}"))?,
                Err(died) => return self.died(hub, &died),
            };
            *next += 1;
            left -= 1;
            let what = if followed == Followed::Known { "changes brought again" } else { "changes followed" };
            self.journal.count(what, 1);
        }
        Ok(())
    }

    /// The hub takes what the streams bring.
    fn follow(&mut self, hub: usize, round: u64) -> Result<(), String> {
        let moment = self.moment(hub, round);
        let mut random = Fault::Again.random(self.seed, moment.tick + ((hub as u64 + 1) << 40));
        let (again, few) = (self.rates.of_fault(Fault::Again), self.rates.of_fault(Fault::Late));
        let (mut applied, mut is_full) = (0, false);
        let Some(member) = self.members.get_mut(hub).filter(|member| member.cut_off == 0) else { return Ok(()) };
        let Some(engine) = &member.hub.engine else { return Ok(()) };
        for (partition, stream) in self.streams.iter().filter(|(_, stream)| stream.leaderless == 0) {
            let next = member.next.entry(*partition).or_insert_with(|| engine.followed(*partition) + 1);
            let (is_again, is_slow) = (random.chance(again), random.chance(few));
            if is_again && !self.is_calm {
                *next = next.saturating_sub(random.below(5)).max(1);
            }
            let mut left = if is_slow && !self.is_calm { random.below(4) } else { u64::MAX };
            while left > 0
                && let Some(message) = stream.get(*next)
            {
                match engine.follow(*partition, *next, &message) {
                    Ok(Followed::Applied) => applied += 1,
                    Ok(Followed::Known) => self.journal.count("messages brought again", 1),
                    Ok(Followed::Full) => {
                        is_full = true;
                        break;
                    }
                    Ok(Followed::Waits) => {
                        self.journal.count("messages that wait for the registry", 1);
                        break;
                    }
                    Err(error) => return Err(format!("hub {hub} does not follow: {error}")),
                }
                *next += 1;
                left -= 1;
            }
        }
        let twice = engine.counters().reports_known.get();
        if twice > 0 {
            return Err(format!("hub {hub} meets {twice} reports that are in a stream twice"));
        }
        self.journal.count("messages followed", applied);
        if applied > 0 {
            self.note(&format!("hub {hub} follows {applied} messages"));
        }
        if is_full {
            self.journal.count("messages without room", 1);
            self.commit(hub, false)?;
            self.upkeep(hub)?;
        }
        Ok(())
    }

    /// Commits what is pending.
    fn commit(&mut self, hub: usize, with_checkpoint: bool) -> Result<(), String> {
        let Some(engine) = &self.members[hub].hub.engine else { return Ok(()) };
        let committed = mortal(|| if with_checkpoint { engine.checkpoint() } else { engine.commit() });
        match committed {
            Err(died) => self.died(hub, &died),
            Ok(Ok(committed)) => {
                self.journal.count("reports committed", committed.map_or(0, |committed| committed.reports));
                Ok(())
            }
            Ok(Err(error)) => Err(format!("a commit of hub {hub} fails: {error}")),
        }
    }

    /// Looks after history.
    fn upkeep(&mut self, hub: usize) -> Result<(), String> {
        if self.members[hub].hub.engine.is_none() {
            return Ok(());
        }
        self.look(hub, "before upkeep")?;
        let now_ms = self.members[hub].hub.now_ms(self.now_ms);
        self.model.upkeep_at(now_ms);
        self.members[hub].upkeep_ms = self.now_ms;
        for _ in 0..UPKEEPS_MAX {
            let Some(engine) = &self.members[hub].hub.engine else { return Ok(()) };
            let (done, result) = match mortal(|| engine.upkeep(now_ms)) {
                Ok(done) => done,
                Err(died) => {
                    self.model.some_came_late();
                    return self.died(hub, &died);
                }
            };
            if done.expired_reports > 0 || result.is_err() {
                self.model.some_came_late();
            }
            self.journal.count("heads sealed", done.heads_sealed);
            self.journal.count("hours packed", done.hours_packed);
            if done.corrupt_blocks > 0 {
                return Err(format!("upkeep of hub {hub} meets corrupt blocks: {:?}", done.corrupt));
            }
            match result {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(format!("upkeep of hub {hub} fails: {error}")),
            }
        }
        Err(format!("upkeep of hub {hub} finds no end"))
    }

    /// Whether the hub has applied all that the streams have, and has it in history.
    fn is_up_to_date(&self, hub: usize) -> bool {
        let has_followed = |engine: &Engine| {
            self.streams.iter().all(|(partition, stream)| engine.followed(*partition) == stream.end())
                && engine.registry_followed() == self.registry.lock().end()
        };
        let engine = self.members[hub].hub.engine.as_ref();
        engine.is_some_and(|engine| has_followed(engine) && engine.history().catch_up().is_none())
    }

    /// Compares what a hub has with what was made and acknowledged, if it has followed to the end.
    fn look(&mut self, hub: usize, when: &str) -> Result<(), String> {
        if !self.is_up_to_date(hub) {
            self.journal.count("looks at a hub that lags", 1);
            return Ok(());
        }
        let now_ms = self.members[hub].hub.now_ms(self.now_ms);
        let Some(engine) = &self.members[hub].hub.engine else { return Ok(()) };
        let count = check::reports(engine, &mut self.model, &self.ids, now_ms);
        let count = count.map_err(|wrong| format!("hub {hub}, {when}: {wrong}"))?;
        let (made, acked) = self.model.counts();
        self.journal.count("reports checked", count);
        self.note(&format!("hub {hub}, {when}: {count} of {made} in history, {acked} acked"));
        Ok(())
    }
}

impl Life for Cluster {
    fn advance(&mut self) -> Result<(), String> {
        let mut random = Random::new(self.seed, self.step * 64);
        self.pass_time(&mut random)?;
        self.trouble()?;
        self.act(&mut random)?;
        self.carry(&mut random)?;
        self.serve(&mut random)?;
        self.step += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        self.settle_down()
    }

    fn step(&self) -> u64 {
        self.step
    }

    fn journal(&mut self) -> &mut Journal {
        &mut self.journal
    }

    fn counts(&self) -> (u64, u64) {
        self.model.counts()
    }
}

fn partition_of(server_id: u64) -> usize {
    usize::try_from(server_id % SHARDS as u64).unwrap_or(0)
}

/// A store with the same servers for each hub. Returns the credentials of [`IDS`].
fn make_stores(folders: &[PathBuf], now_ms: i64) -> Result<Vec<String>, String> {
    // Another run may have ended in the middle of something.
    die(None);
    refuse(None);
    let first: &Path = folders.first().ok_or("no hubs")?;
    let engine = Engine::open(first, options()).map_err(|error| error.to_string())?;
    let mut credentials = BTreeMap::new();
    while credentials.len() < SHARDS + 1 {
        let new = NewServer { name: format!("server {}", credentials.len()), ..NewServer::default() };
        let made = engine.registry().add_server(new, now_ms / 1000).map_err(|error| error.to_string())?;
        credentials.insert(made.id, made.credential);
    }
    for folder in &folders[1..] {
        engine.backup(folder).map_err(|error| error.to_string())?;
    }
    IDS.iter().map(|id| credentials.remove(id).ok_or_else(|| format!("there is no server {id}"))).collect()
}

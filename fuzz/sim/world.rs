//! One seed: a hub, its agents and what is between them, step by step. Everything random comes from the seed, and the only
//! time is the one that is made here.

use std::collections::BTreeMap;
use std::path::PathBuf;

use windfire_engine::Scratch;
use windfire_engine::server::NewServer;

use crate::agent::Agent;
use crate::change::Changes;
use crate::check::{self, Backup};
use crate::faults::{Fault, Rates};
use crate::hub::Hub;
use crate::journal::Journal;
use crate::liar::Liar;
use crate::model::{DAY_MS, Model};
use crate::moments::AT_START;
use crate::network::Link;
use crate::random::Random;

/// About when it all begins, Unix milliseconds.
const START_MS: i64 = 1_790_035_200_000;
/// Hours by which the clock of the liar may move what the hub believes, and some.
const LIE_HOURS: i64 = 14;
/// Sets the choices of starts apart from others of the same step.
const START_STREAM: u64 = 0x5354_4152_54ff;
/// Starts in a thousand at which the hub dies, where it dies at points.
const DEATHS_AT_START: u64 = 200;
/// Servers that are watched.
const SERVERS: usize = 3;

/// One seed's world.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) step: u64,
    pub(crate) rates: Rates,
    pub(crate) journal: Journal,
    pub(crate) model: Model,
    pub(crate) hub: Hub,
    pub(crate) scratch: Scratch,
    /// Ids of the servers.
    pub(crate) ids: Vec<u64>,
    pub(crate) agents: Vec<Agent>,
    pub(crate) liar: Option<Liar>,
    pub(crate) links: BTreeMap<u64, Link>,
    next_link: u64,
    next_outbox: u128,
    /// The true time, Unix milliseconds.
    pub(crate) now_ms: i64,
    /// By how much that was less before.
    pub(crate) passed_ms: i64,
    /// Steps until the hub starts again.
    pub(crate) down: u64,
    /// Steps for which writes still fail.
    pub(crate) refusing: u64,
    /// The true time of the last upkeep.
    pub(crate) upkeep_ms: i64,
    /// Reports that this engine had taken at the last look.
    pub(crate) seen: u64,
    /// Where everything lies.
    pub(crate) folder: PathBuf,
    /// The backup, and what must be in it.
    pub(crate) backup: Option<(PathBuf, Backup)>,
    /// What an operator changed.
    pub(crate) changes: Changes,
    /// Nothing goes wrong any more.
    pub(crate) is_calm: bool,
}

impl World {
    /// The world of a seed at its beginning, in an empty folder.
    pub(crate) fn new(seed: u64, rates: Rates, folder: PathBuf, prints: bool) -> Result<Self, String> {
        let mut random = Random::new(seed, 0);
        let start_ms = START_MS + random.between(0, DAY_MS);
        let mut world = Self {
            seed,
            step: 0,
            rates,
            journal: Journal::new(prints),
            model: Model::new(start_ms),
            hub: Hub::new(folder.join("hub")),
            scratch: Scratch::default(),
            ids: Vec::new(),
            agents: Vec::new(),
            liar: None,
            links: BTreeMap::new(),
            next_link: 1,
            next_outbox: 1,
            now_ms: start_ms,
            passed_ms: 0,
            down: 0,
            refusing: 0,
            upkeep_ms: start_ms,
            seen: 0,
            folder,
            backup: None,
            changes: Changes::default(),
            is_calm: false,
        };
        world.hub.start(start_ms, false, None)?;
        world.settle_in(&mut random)?;
        let faults: Vec<&str> = world.rates.all().map(Fault::name).collect();
        world.journal.note(format!("seed {seed} with {}", faults.join(",")));
        Ok(world)
    }

    /// Makes the servers and their agents.
    fn settle_in(&mut self, random: &mut Random) -> Result<(), String> {
        for number in 0..SERVERS {
            let new = NewServer { name: format!("server {number}"), ..NewServer::default() };
            let engine = self.hub.engine.as_ref().ok_or("the hub does not run")?;
            let made = engine.registry().add_server(new, self.now_ms / 1000).map_err(|error| error.to_string())?;
            self.ids.push(made.id);
            let twins = self.rates.has(Fault::Twin) && number == 1;
            for _ in 0..1 + usize::from(twins) {
                self.add_agent(number, &made.credential, random)?;
            }
            if self.rates.has(Fault::Liar) && number == 2 {
                self.liar = Some(Liar::new(number, &made.credential));
                // What its clock shows may sway the hub.
                self.model.is_placed_within(LIE_HOURS);
            }
        }
        Ok(())
    }

    fn add_agent(&mut self, server: usize, credential: &str, random: &mut Random) -> Result<(), String> {
        let home = random.chance(500).then(|| self.folder.join(format!("spool-{}", self.agents.len())));
        let outbox_id = self.outbox_id();
        let mut agent = Agent::of_machine((server, credential), home, outbox_id, self.now_ms, random)?;
        if !self.rates.has(Fault::Drift) {
            agent.drift = 0;
        }
        self.agents.push(agent);
        Ok(())
    }

    /// An outbox id that was never used before.
    pub(crate) fn outbox_id(&mut self) -> u128 {
        self.next_outbox += 1;
        self.next_outbox - 1
    }

    /// Takes a new connection. Its number.
    pub(crate) fn add_link(&mut self, link: Link) -> u64 {
        self.next_link += 1;
        self.links.insert(self.next_link - 1, link);
        self.next_link - 1
    }

    /// What happens, with the step.
    pub(crate) fn note(&mut self, line: &str) {
        self.journal.note(format!("{:>4} {line}", self.step));
    }

    /// One step.
    pub(crate) fn advance(&mut self) -> Result<(), String> {
        let mut random = Random::new(self.seed, self.step * 64);
        self.pass_time(&mut random)?;
        self.trouble()?;
        self.act(&mut random)?;
        self.carry(&mut random)?;
        self.serve(&mut random)?;
        self.step += 1;
        Ok(())
    }

    /// The hub commits, looks after its history, and starts again where it is down.
    fn serve(&mut self, random: &mut Random) -> Result<(), String> {
        // While writes fail a hub tries once a second. It reopens its store for that, which costs more than a step.
        let (commits, upkeeps) = if self.refusing > 0 { (250, 100) } else { (700, 150) };
        if random.chance(commits) {
            self.commit(false)?;
        }
        if random.chance(upkeeps) {
            self.upkeep()?;
        }
        self.hub_speaks();
        if self.hub.engine.is_none() {
            self.down = self.down.saturating_sub(1);
            if self.down == 0 {
                self.start()?;
            }
        }
        Ok(())
    }

    /// Starts the hub and looks at what it found.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        // Every other start answers before history has read the log.
        let catches_up_later = Random::new(self.seed, self.step.wrapping_mul(START_STREAM)).chance(500);
        let mut random = Fault::Point.random(self.seed, self.step + (1 << 35));
        let dies = random.chance(DEATHS_AT_START) && self.rates.has(Fault::Point) && !self.is_calm;
        let dies_at = dies.then(|| AT_START[random.index(AT_START.len())]);
        if let Some(died) = self.hub.start(self.now_ms, catches_up_later, dies_at)? {
            return self.died(&died);
        }
        self.model.hub_died();
        self.journal.count("starts", 1);
        // What was never committed is gone, and what was late may be gone from everywhere.
        self.model.some_came_late();
        self.look("after a start")?;
        self.look_for_changes()?;
        if self.step.is_multiple_of(8) {
            self.look_closely()?;
        }
        Ok(())
    }

    /// Compares the reports in history with those that were made.
    pub(crate) fn look(&mut self, when: &str) -> Result<(), String> {
        let now_ms = self.hub.now_ms(self.now_ms);
        let Some(engine) = self.hub.engine.as_ref() else { return Ok(()) };
        if engine.history().catch_up().is_some() {
            self.journal.count("looks while history reads the log", 1);
            return Ok(());
        }
        let count = check::reports(engine, &mut self.model, &self.ids, now_ms);
        let count = count.map_err(|wrong| format!("{when}: {wrong}"))?;
        self.seen = engine.counters().reports_taken.get();
        let (made, acked) = self.model.counts();
        self.journal.count("reports checked", count);
        self.note(&format!("{when}: {count} of {made} in history, {acked} acked, hub believes {now_ms}"));
        Ok(())
    }

    /// Reads every block, and compares the coarser tiers with the reports.
    pub(crate) fn look_closely(&mut self) -> Result<(), String> {
        let Some(engine) = self.hub.engine.as_ref() else { return Ok(()) };
        if engine.history().catch_up().is_some() {
            return Ok(());
        }
        check::blocks(engine)?;
        let values = check::tiers(engine, &self.model, &self.ids)?;
        self.journal.count("values of tiers checked", values);
        self.note(&format!("{values} values of tiers"));
        Ok(())
    }
}

//! What goes wrong in a step. Each fault has its own numbers of the seed, so that leaving one out changes no other.

use std::fs;
use std::path::PathBuf;

use windfire_engine::{FailPoint, WritePoint, is_store};

use crate::agent::Agent;
use crate::check::Backup;
use crate::faults::Fault;
use crate::model::{DAY_MS, HOUR_MS};
use crate::moments::{Death, Died, die, mortal, refuse, while_running};
use crate::random::Random;
use crate::world::World;

/// Hours by which a report may lie beside its true time once a clock was off.
const OFF_HOURS: i64 = 10_000;
/// Agents that there may be: each is a machine with its spool.
const AGENTS_MAX: usize = 7;
/// Rounds of upkeep that follow one another at once, at the most.
const ROUNDS_MAX: usize = 50;

impl World {
    /// Whether a fault happens in this step, and the numbers that it may use.
    fn happens(&self, fault: Fault) -> Option<Random> {
        let mut random = fault.random(self.seed, self.step);
        (random.chance(self.rates.of_fault(fault)) && !self.is_calm).then_some(random)
    }

    /// Whether it happens to a running hub.
    fn happens_to_hub(&self, fault: Fault) -> Option<Random> {
        self.happens(fault).filter(|_| self.hub.engine.is_some())
    }

    /// Everything that goes wrong in this step.
    pub(crate) fn trouble(&mut self) -> Result<(), String> {
        self.trouble_of_clocks();
        self.trouble_of_disk();
        self.trouble_of_agents()?;
        self.trouble_of_hub()
    }

    fn trouble_of_clocks(&mut self) {
        if let Some(mut random) = self.happens(Fault::HubClock) {
            self.hub.wall_off_ms = if random.chance(400) { 0 } else { leap(&mut random) };
            self.note(&format!("the hub's clock is off by {}", self.hub.wall_off_ms));
            self.journal.count("steps of the hub's clock", 1);
        }
        if let Some(mut random) = self.happens(Fault::AgentClock) {
            let (agent, off_ms) = (random.index(self.agents.len()), leap(&mut random));
            self.agents[agent].clock_off_ms = if random.chance(400) { 0 } else { off_ms };
            self.note(&format!("the clock of agent {agent} is off by {}", self.agents[agent].clock_off_ms));
            self.journal.count("steps of agents' clocks", 1);
        }
        let is_right = |agent: &Agent| agent.clock_off_ms == 0;
        if self.hub.wall_off_ms != 0 || !self.agents.iter().all(is_right) {
            self.model.is_placed_within(OFF_HOURS);
        }
    }

    fn trouble_of_disk(&mut self) {
        if self.refusing > 0 {
            self.refusing -= 1;
            if self.refusing == 0 {
                refuse(None);
                self.note("writes succeed again");
            }
            return;
        }
        for (fault, point) in [(Fault::Refuse, WritePoint::Before), (Fault::Torn, WritePoint::After)] {
            if let Some(mut random) = self.happens_to_hub(fault) {
                self.refusing = random.between(1, 12).unsigned_abs();
                refuse(Some(point));
                self.note(&format!("writes fail, {point:?}"));
                self.journal
                    .count(if point == WritePoint::Before { "refusals" } else { "failures of what is written" }, 1);
                return;
            }
        }
    }

    fn trouble_of_agents(&mut self) -> Result<(), String> {
        if let Some(mut random) = self.happens(Fault::Restart) {
            let (agent, outbox_id) = (random.index(self.agents.len()), self.outbox_id());
            self.drop_link(agent, &mut random);
            self.agents[agent].restart(outbox_id)?;
            self.note(&format!("agent {agent} starts again"));
            self.journal.count("restarts of agents", 1);
        }
        if let Some(mut random) = self.happens(Fault::Replace) {
            let (agent, outbox_id) = (random.index(self.agents.len()), self.outbox_id());
            self.drop_link(agent, &mut random);
            self.agents[agent].replace(outbox_id)?;
            self.note(&format!("agent {agent} loses its outbox"));
            self.journal.count("lost outboxes", 1);
        }
        if let Some(mut random) = self.happens(Fault::Away) {
            let agent = random.index(self.agents.len());
            self.drop_link(agent, &mut random);
            self.agents[agent].away = random.between(2, 60).unsigned_abs();
            self.note(&format!("agent {agent} is away"));
            self.journal.count("absences", 1);
        }
        if let Some(mut random) = self.happens(Fault::Copy)
            && self.agents.len() < AGENTS_MAX
        {
            let (agent, outbox_id) = (random.index(self.agents.len()), self.outbox_id());
            let home = self.folder.join(format!("spool-{}", self.agents.len()));
            if let Some(copy) = self.agents[agent].copy(&home, outbox_id)? {
                self.agents.push(copy);
                self.note(&format!("agent {} has a copy of the spool of {agent}", self.agents.len() - 1));
                self.journal.count("copied spools", 1);
            }
        }
        self.agents.iter_mut().for_each(|agent: &mut Agent| agent.away = agent.away.saturating_sub(1));
        Ok(())
    }

    fn trouble_of_hub(&mut self) -> Result<(), String> {
        if self.happens_to_hub(Fault::Checkpoint).is_some() {
            self.journal.count("checkpoints", 1);
            self.commit(true)?;
        }
        if let Some(random) = self.happens_to_hub(Fault::Backup)
            && self.backup.is_none()
        {
            self.back_up(random)?;
        }
        if let Some(mut random) = self.happens_to_hub(Fault::Pace)
            && let Some(engine) = &self.hub.engine
        {
            engine.observe_load(random.below(100) as f64 / 100.0);
            self.journal.count("changes of pace", 1);
        }
        if let Some(mut random) = self.happens_to_hub(Fault::Point) {
            let points = while_running();
            let (is_named, moments, point) = (random.chance(500), random.below(40), points[random.index(points.len())]);
            die(Some(if is_named { Death::At(point) } else { Death::After(moments) }));
            let when = if is_named { format!("at {}", point.name()) } else { format!("after {moments} moments") };
            self.note(&format!("the hub dies {when}"));
        }
        if self.happens_to_hub(Fault::Change).is_some() {
            self.change()?;
        }
        if let Some(mut random) = self.happens_to_hub(Fault::Kill) {
            self.kill("kill", false, &mut random)?;
        }
        if let Some(mut random) = self.happens_to_hub(Fault::Power) {
            self.kill("power cut", true, &mut random)?;
        }
        Ok(())
    }

    fn back_up(&mut self, mut random: Random) -> Result<(), String> {
        self.look("before a backup")?;
        let now_ms = self.hub.now_ms(self.now_ms);
        let folder = self.folder.join("backup");
        let (Some(engine), wanted) = (&self.hub.engine, Backup::now(&self.model, now_ms)) else { return Ok(()) };
        match mortal(|| engine.backup(&folder)) {
            Ok(made) => made.map_err(|error| format!("the backup fails: {error}"))?,
            Err(died) => return self.died_in_a_backup(&died, folder, wanted),
        }
        self.note(&format!("a backup of {} acked reports", wanted.reports.len()));
        self.journal.count("backups", 1);
        self.backup = Some((folder, wanted));
        if random.chance(300) {
            self.kill("power cut after a backup", self.rates.has(Fault::Power), &mut random)?;
        }
        Ok(())
    }

    /// The hub has died while it made a backup. Half of one is no store, and is removed.
    fn died_in_a_backup(&mut self, died: &Died, folder: PathBuf, wanted: Backup) -> Result<(), String> {
        let is_whole = died.0 == FailPoint::BackupWritten.name();
        if is_store(&folder) != is_whole {
            return Err(format!("a hub died at {}, its backup is a store: {}", died.0, !is_whole));
        }
        if is_whole {
            self.backup = Some((folder, wanted));
        } else {
            fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        self.died(died)
    }

    /// Ends the hub without a word, and every connection with it.
    fn kill(&mut self, how: &str, is_power: bool, random: &mut Random) -> Result<(), String> {
        // What is acknowledged must be there afterwards. Where a wrong clock has put it is only known of what was seen.
        self.look("before the hub dies")?;
        // Sessions first: they have a part of the engine.
        self.links.clear();
        self.agents.iter_mut().for_each(Agent::hang_up);
        if let Some(liar) = &mut self.liar {
            liar.link = None;
        }
        let lost = self.hub.die(is_power.then_some(&mut *random))?;
        (self.refusing, self.down) = (0, random.between(1, 6).unsigned_abs());
        self.note(&format!("{how}: {} batches were not synced, {} stayed", lost.unsynced, lost.kept));
        self.journal.count(if is_power { "power cuts" } else { "kills" }, 1);
        self.journal.count("batches lost", (lost.unsynced - lost.kept) as u64);
        Ok(())
    }

    /// The hub has died at a point.
    pub(crate) fn died(&mut self, died: &Died) -> Result<(), String> {
        let mut random = Fault::Point.random(self.seed, self.step + (1 << 32));
        self.journal.count("deaths at a point", 1);
        self.journal.count(format!("deaths at {}", died.0), 1);
        let is_power = self.rates.has(Fault::Power) && random.chance(500);
        self.kill(&format!("dead at {}", died.0), is_power, &mut random)
    }

    /// Commits what is pending. A failure is one only while no write fails on purpose.
    pub(crate) fn commit(&mut self, with_checkpoint: bool) -> Result<(), String> {
        let Some(engine) = &self.hub.engine else { return Ok(()) };
        let committed = mortal(|| {
            if engine.store_failure().is_some() && engine.poison_reason().is_none() {
                // As the hub does once a second. What fails here is told by the commit.
                let _told_below = engine.mend_store();
            }
            if with_checkpoint { engine.checkpoint() } else { engine.commit() }
        });
        match committed {
            Err(died) => self.died(&died),
            Ok(Ok(committed)) => {
                self.journal.count("reports committed", committed.map_or(0, |committed| committed.reports));
                Ok(())
            }
            Ok(Err(_)) if self.refusing > 0 => {
                self.journal.count("failed commits", 1);
                Ok(())
            }
            Ok(Err(error)) => Err(format!("a commit fails: {error}")),
        }
    }

    /// Looks after history, once the model has seen what is there.
    pub(crate) fn upkeep(&mut self) -> Result<(), String> {
        let Some(engine) = &self.hub.engine else { return Ok(()) };
        if engine.counters().reports_taken.get() != self.seen {
            self.look("before upkeep")?;
        }
        let now_ms = self.hub.now_ms(self.now_ms);
        self.model.upkeep_at(now_ms);
        self.upkeep_ms = self.now_ms;
        for _ in 0..ROUNDS_MAX {
            let Some(engine) = &self.hub.engine else { return Ok(()) };
            let reads_the_log = engine.history().catch_up().is_some();
            let (done, result) = match mortal(|| engine.upkeep(now_ms)) {
                Ok(done) => done,
                Err(died) => {
                    self.model.some_came_late();
                    return self.died(&died);
                }
            };
            if done.expired_reports > 0 || result.is_err() {
                self.model.some_came_late();
            }
            self.journal.count("heads sealed", done.heads_sealed);
            self.journal.count("hours packed", done.hours_packed);
            self.journal.count("days packed", done.days_packed);
            self.journal.count("reports that came too late", done.expired_reports);
            self.journal.count("expiries", u64::from(done.has_expired));
            if done.corrupt_blocks > 0 {
                return Err(format!("upkeep meets corrupt blocks: {:?}", done.corrupt));
            }
            match result {
                // Before anything is made of what the log had, and expires.
                Ok(true) if reads_the_log => self.look("when the log is read")?,
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(_) if self.refusing > 0 => return Ok(()),
                Err(error) => return Err(format!("upkeep fails: {error}")),
            }
        }
        Err("upkeep finds no end".to_owned())
    }
}

/// By how much a clock that steps is off.
fn leap(random: &mut Random) -> i64 {
    let size_ms = match random.below(4) {
        0 => random.between(2_000, 10_000),
        1 => random.between(10_000, 600_000),
        2 => random.between(1, 12) * HOUR_MS,
        _ => random.between(1, 4) * DAY_MS,
    };
    if random.chance(500) { size_ms } else { -size_ms }
}

//! What goes wrong in a step of a cluster.

use super::Cluster;
use crate::agent::Agent;
use crate::faults::Fault;
use crate::model::{DAY_MS, HOUR_MS};
use crate::moments::{AT_START, Death, Died, die, while_running};
use crate::random::Random;

/// Hours by which a report may lie beside its true time once a clock was off.
const OFF_HOURS: i64 = 10_000;
/// Agents that there may be: each is a machine with its spool.
pub(super) const AGENTS_MAX: usize = 7;
/// Starts in a thousand at which a hub dies, where hubs die at points.
const DEATHS_AT_START: u64 = 200;

impl Cluster {
    /// Whether a fault happens in this step, and the numbers that it may use.
    fn happens(&self, fault: Fault) -> Option<Random> {
        let mut random = fault.random(self.seed, self.step);
        (random.chance(self.rates.of_fault(fault)) && !self.is_calm).then_some(random)
    }

    /// The same, with a hub that runs.
    fn happens_to_hub(&self, fault: Fault) -> Option<(usize, Random)> {
        let mut random = self.happens(fault)?;
        let hub = random.index(self.members.len());
        self.members[hub].hub.engine.is_some().then_some((hub, random))
    }

    /// Everything that goes wrong in this step.
    pub(super) fn trouble(&mut self) -> Result<(), String> {
        self.trouble_of_clocks();
        self.trouble_of_brokers();
        self.trouble_of_agents()?;
        self.trouble_of_hubs()
    }

    fn trouble_of_clocks(&mut self) {
        if let Some(mut random) = self.happens(Fault::HubClock) {
            let hub = random.index(self.members.len());
            let off_ms = if random.chance(400) { 0 } else { leap(&mut random) };
            self.members[hub].hub.wall_off_ms = off_ms;
            self.note(&format!("the clock of hub {hub} is off by {off_ms}"));
            self.journal.count("steps of hubs' clocks", 1);
        }
        if let Some(mut random) = self.happens(Fault::AgentClock) {
            let agent = random.index(self.agents.len());
            let off_ms = if random.chance(400) { 0 } else { leap(&mut random) };
            self.agents[agent].clock_off_ms = off_ms;
            self.note(&format!("the clock of agent {agent} is off by {off_ms}"));
            self.journal.count("steps of agents' clocks", 1);
        }
        let are_hubs_right = self.members.iter().all(|member| member.hub.wall_off_ms == 0);
        if !are_hubs_right || !self.agents.iter().all(|agent| agent.clock_off_ms == 0) {
            self.model.is_placed_within(OFF_HOURS);
        }
    }

    fn trouble_of_brokers(&mut self) {
        self.members.iter_mut().for_each(|member| member.cut_off = member.cut_off.saturating_sub(1));
        self.streams.values_mut().for_each(|stream| stream.leaderless = stream.leaderless.saturating_sub(1));
        {
            let mut registry = self.registry.lock();
            registry.leaderless = registry.leaderless.saturating_sub(1);
        }
        if let Some(mut random) = self.happens(Fault::Leader) {
            let (of, steps) = (random.index(self.streams.len() + 1), random.between(1, 8).unsigned_abs());
            let line = match self.streams.iter_mut().nth(of) {
                Some((partition, stream)) => {
                    stream.leaderless = steps;
                    format!("the stream of partition {partition} has no leader")
                }
                None => {
                    self.registry.lock().leaderless = steps;
                    "the stream of the registry has no leader".to_owned()
                }
            };
            self.note(&line);
            self.journal.count("changes of leader", 1);
        }
        if let Some(mut random) = self.happens(Fault::CutOff) {
            let (hub, steps) = (random.index(self.members.len()), random.between(1, 20).unsigned_abs());
            self.members[hub].cut_off = steps;
            self.note(&format!("hub {hub} is cut off from the brokers"));
            self.journal.count("hubs cut off", 1);
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
        if let Some(mut random) = self.happens(Fault::Move) {
            let agent = random.index(self.agents.len());
            self.drop_link(agent, &mut random);
            self.homes[agent] = random.index(self.members.len());
            self.note(&format!("agent {agent} goes to hub {}", self.homes[agent]));
            self.journal.count("moves of agents", 1);
        }
        if let Some(mut random) = self.happens(Fault::Copy)
            && self.agents.len() < AGENTS_MAX
        {
            let (agent, outbox_id) = (random.index(self.agents.len()), self.outbox_id());
            let home = self.folder.join(format!("spool-{}", self.agents.len()));
            if let Some(copy) = self.agents[agent].copy(&home, outbox_id)? {
                self.agents.push(copy);
                self.homes.push(random.index(self.members.len()));
                self.note(&format!("agent {} has a copy of the spool of {agent}", self.agents.len() - 1));
                self.journal.count("copied spools", 1);
            }
        }
        self.agents.iter_mut().for_each(|agent: &mut Agent| agent.away = agent.away.saturating_sub(1));
        Ok(())
    }

    fn trouble_of_hubs(&mut self) -> Result<(), String> {
        if let Some((hub, mut random)) = self.happens_to_hub(Fault::Change) {
            self.operate(hub, &mut random)?;
        }
        if let Some((hub, _)) = self.happens_to_hub(Fault::Checkpoint) {
            self.journal.count("checkpoints", 1);
            self.commit(hub, true)?;
        }
        if let Some((hub, mut random)) = self.happens_to_hub(Fault::Pace)
            && let Some(engine) = &self.members[hub].hub.engine
        {
            engine.observe_load(random.below(100) as f64 / 100.0);
            self.journal.count("changes of pace", 1);
        }
        if let Some(mut random) = self.happens(Fault::Point) {
            let points = while_running();
            let (is_named, moments, point) = (random.chance(500), random.below(20), points[random.index(points.len())]);
            die(Some(if is_named { Death::At(point) } else { Death::After(moments) }));
            let when = if is_named { format!("at {}", point.name()) } else { format!("after {moments} moments") };
            self.note(&format!("the first hub that comes there dies {when}"));
        }
        if let Some((hub, mut random)) = self.happens_to_hub(Fault::Kill) {
            self.kill(hub, "kill", false, &mut random)?;
        }
        if let Some((hub, mut random)) = self.happens_to_hub(Fault::Power) {
            let is_everywhere = random.chance(300);
            for other in 0..self.members.len() {
                if (other == hub || is_everywhere) && self.members[other].hub.engine.is_some() {
                    self.kill(other, "power cut", true, &mut random)?;
                }
            }
        }
        Ok(())
    }

    /// Ends a hub without a word, and every connection with it.
    pub(super) fn kill(&mut self, hub: usize, how: &str, is_power: bool, random: &mut Random) -> Result<(), String> {
        // Sessions first: they have a part of the engine.
        let gone: Vec<u64> = self.links.iter().filter(|(_, (of, _))| *of == hub).map(|(number, _)| *number).collect();
        for number in gone {
            self.links.remove(&number);
            self.agents.iter_mut().filter(|agent| agent.link == Some(number)).for_each(Agent::hang_up);
        }
        let Some(member) = self.members.get_mut(hub) else { return Ok(()) };
        let lost = member.hub.die(is_power.then_some(&mut *random))?;
        member.down = random.between(1, 12).unsigned_abs();
        member.next.clear();
        member.next_registry = None;
        member.publishers.values_mut().for_each(super::publisher::Publisher::die);
        self.note(&format!("{how} of hub {hub}: {} batches were not synced, {} stayed", lost.unsynced, lost.kept));
        self.journal.count(if is_power { "power cuts" } else { "kills" }, 1);
        self.journal.count("batches lost", (lost.unsynced - lost.kept) as u64);
        Ok(())
    }

    /// A hub has died at a point.
    pub(super) fn died(&mut self, hub: usize, died: &Died) -> Result<(), String> {
        let mut random = Fault::Point.random(self.seed, self.step + (1 << 32));
        self.journal.count("deaths at a point", 1);
        self.journal.count(format!("deaths at {}", died.0), 1);
        let is_power = self.rates.has(Fault::Power) && random.chance(500);
        self.kill(hub, &format!("death at {}", died.0), is_power, &mut random)
    }

    /// Starts a hub.
    pub(super) fn start(&mut self, hub: usize) -> Result<(), String> {
        let place = self.step + ((hub as u64 + 1) << 40);
        let mut random = Fault::Point.random(self.seed, place);
        // Every other start answers before history has read the log.
        let catches_up_later = random.chance(500);
        let dies = random.chance(DEATHS_AT_START) && self.rates.has(Fault::Point) && !self.is_calm;
        let dies_at = dies.then(|| AT_START[random.index(AT_START.len())]);
        if let Some(died) = self.members[hub].hub.start(self.now_ms, catches_up_later, dies_at)? {
            return self.died(hub, &died);
        }
        self.model.some_came_late();
        self.journal.count("starts", 1);
        self.note(&format!("hub {hub} starts"));
        Ok(())
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

//! The end of a run: everything works again, every agent gets its reports acknowledged, and all of history is compared with
//! what truly happened; then once more after a start, and in the backup.

use windfire_engine::Engine;

use crate::agent::{Agent, first_waiting, waiting};
use crate::check;
use crate::hub::options;
use crate::moments::{die, refuse};
use crate::random::Random;
use crate::world::World;

/// Steps within which every outbox must be empty.
const STEPS_MAX: u64 = 600;
/// Steps after which an agent that still waits connects again.
const PATIENCE: u64 = 20;

impl World {
    /// Settles everything and checks it.
    pub(crate) fn finish(&mut self) -> Result<(), String> {
        self.note("calm");
        self.is_calm = true;
        die(None);
        refuse(None);
        self.refusing = 0;
        let mut random = Random::new(self.seed, u64::MAX);
        for agent in 0..self.agents.len() {
            self.drop_link(agent, &mut random);
        }
        self.links.clear();
        self.liar = None;
        if self.hub.engine.is_none() {
            self.start()?;
        }
        let mut steps = 0;
        while !self.agents.iter().all(Agent::is_settled) {
            steps += 1;
            self.step += 1;
            if steps > STEPS_MAX {
                let waiting: Vec<usize> = waiting(&self.agents).collect();
                return Err(format!("agents {waiting:?} are not rid of their reports"));
            }
            self.calm_step(steps, &mut random)?;
        }
        self.note("settled");
        self.upkeep()?;
        self.look("at the end")?;
        self.look_closely()?;
        self.links.clear();
        let lost = self.hub.die(Some(&mut random))?;
        self.note(&format!("the last power cut: {} batches were not synced", lost.unsynced));
        self.start()?;
        self.upkeep()?;
        self.look("after the last start")?;
        self.look_closely()?;
        self.check_backup()
    }

    /// One agent of each server after the other: two of them would only push each other out.
    fn calm_step(&mut self, steps: u64, random: &mut Random) -> Result<(), String> {
        self.now_ms += 1_000;
        let first_of = first_waiting(&self.agents);
        for agent in 0..self.agents.len() {
            let is_first = first_of.get(&self.agents[agent].server) == Some(&agent);
            match self.agents[agent].link {
                Some(_) if !is_first || steps.is_multiple_of(PATIENCE) => self.drop_link(agent, random),
                Some(_) => self.speak(agent)?,
                None if is_first => self.connect(agent)?,
                None => {}
            }
        }
        self.carry(random)?;
        self.commit(false)?;
        if steps.is_multiple_of(10) {
            self.upkeep()?;
        }
        self.hub_speaks();
        self.carry(random)
    }

    fn check_backup(&mut self) -> Result<(), String> {
        let Some((folder, wanted)) = self.backup.take() else { return Ok(()) };
        let engine = Engine::open(&folder, options()).map_err(|error| format!("the backup does not open: {error}"))?;
        check::backup(&engine, &self.model, &self.ids, &wanted)?;
        self.note(&format!("the backup has its {} reports", wanted.reports.len()));
        self.journal.count("reports checked in backups", wanted.reports.len() as u64);
        Ok(())
    }
}

//! Time passes: seconds mostly, sometimes hours.

use crate::faults::Fault;
use crate::model::HOUR_MS;
use crate::random::Random;
use crate::world::World;

/// Milliseconds between two rounds of upkeep while the hub runs, at the most.
const UPKEEP_MS_MAX: i64 = 15 * 60_000;
/// Silence after which a connection is gone.
const SILENCE_MS_MAX: i64 = 15_000;

impl World {
    /// Lets time pass.
    pub(crate) fn pass_time(&mut self, random: &mut Random) -> Result<(), String> {
        let by_ms = match random.below(10) {
            0..=5 => random.between(1, 5_000),
            6..=8 => random.between(1_000, 60_000),
            _ => random.between(60_000, UPKEEP_MS_MAX),
        };
        self.pass(by_ms)?;
        let mut jump = Fault::Jump.random(self.seed, self.step);
        if jump.chance(self.rates.of_fault(Fault::Jump)) && self.refusing == 0 {
            self.jump(&mut jump)?;
        }
        Ok(())
    }

    /// Lets hours pass, with agents that report now and then, or are silent.
    fn jump(&mut self, random: &mut Random) -> Result<(), String> {
        let (hours, is_busy) = (random.between(1, 12), random.chance(500));
        self.note(&format!("{hours} hours pass, busy: {is_busy}"));
        self.journal.count("jumps", 1);
        for _ in 0..hours * HOUR_MS / UPKEEP_MS_MAX {
            self.pass(UPKEEP_MS_MAX)?;
            self.read_some(random, 300)?;
            let speaks = is_busy && random.chance(500);
            if !speaks || self.hub.engine.is_none() {
                continue;
            }
            for agent in 0..self.agents.len() {
                match self.agents[agent].link {
                    None if self.agents[agent].away == 0 => self.connect(agent)?,
                    None => {}
                    Some(_) => self.speak(agent)?,
                }
            }
            self.carry(random)?;
            self.commit(false)?;
            self.hub_speaks();
            self.carry(random)?;
        }
        Ok(())
    }

    /// Lets so much time pass. A hub that runs looks after its history on the way.
    fn pass(&mut self, by_ms: i64) -> Result<(), String> {
        self.now_ms += by_ms;
        self.passed_ms = by_ms;
        if by_ms > SILENCE_MS_MAX {
            self.forget_silent();
        }
        if self.hub.engine.is_some() && self.now_ms - self.upkeep_ms >= UPKEEP_MS_MAX {
            self.commit(false)?;
            self.upkeep()?;
        }
        Ok(())
    }

    /// Ends connections of which nobody has heard for too long: those that the agent has left, and those without a welcome. A
    /// Hello that was on its way for hours would also say what a clock showed hours ago.
    fn forget_silent(&mut self) {
        self.links.retain(|_, link| link.is_open);
        for agent in &mut self.agents {
            if let Some(number) = agent.link.filter(|_| !agent.is_welcome()) {
                self.links.remove(&number);
                agent.hang_up();
            }
        }
    }
}

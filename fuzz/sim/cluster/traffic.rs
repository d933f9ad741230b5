//! What agents of a cluster do in a step, and what becomes of the bytes between them and their hubs.

use windfire_engine::Engine;

use super::Cluster;
use crate::agent::Heard;
use crate::faults::Fault;
use crate::network::{Link, Peer};
use crate::random::Random;

/// Silence after which a connection is gone.
const SILENCE_MS_MAX: i64 = 15_000;

impl Cluster {
    /// Every agent takes readings, connects, says what it has to say, or loses its connection.
    pub(super) fn act(&mut self, random: &mut Random) -> Result<(), String> {
        self.read_some(random)?;
        let mut order: Vec<usize> = (0..self.agents.len()).collect();
        random.shuffle(&mut order);
        for agent in order {
            let (connects, speaks, moves) = (random.chance(500), random.chance(800), random.chance(300));
            let mut breaks = Fault::Break.random(self.seed, self.step * 16 + agent as u64 + (1 << 33));
            let is_broken = breaks.chance(self.rates.of_fault(Fault::Break));
            match self.agents[agent].link {
                None if connects && self.agents[agent].away == 0 => {
                    let is_down = self.members[self.homes[agent]].hub.engine.is_none();
                    if is_down || moves {
                        self.homes[agent] = random.index(self.members.len());
                    }
                    self.connect(agent)?;
                }
                Some(_) if is_broken => {
                    self.journal.count("broken connections", 1);
                    self.drop_link(agent, &mut breaks);
                }
                Some(_) if speaks => self.speak(agent)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Some agents take readings.
    fn read_some(&mut self, random: &mut Random) -> Result<(), String> {
        for agent in 0..self.agents.len() {
            let (reads, count) = (random.chance(700), random.between(1, 4));
            for later in (0..count).rev().filter(|_| reads) {
                // Spread over the time that has just passed.
                let true_ms = self.now_ms - self.passed_ms * later / count;
                let kept = self.agents[agent].read(&mut self.model, true_ms)?;
                self.journal.count(if kept { "reports made" } else { "readings without room" }, 1);
            }
        }
        Ok(())
    }

    /// An agent connects to its hub, if that runs.
    pub(super) fn connect(&mut self, agent: usize) -> Result<(), String> {
        let (hub, id) = (self.homes[agent], self.ids[self.agents[agent].server]);
        // A hub that does not know the server yet refuses an agent that it will take later.
        let knows = |engine: &Engine| engine.registry().server(id).is_some();
        if !self.members[hub].hub.engine.as_ref().is_some_and(knows) {
            return Ok(());
        }
        let mut random = Fault::Deaf.random(self.seed, self.step * 16 + agent as u64 + (1 << 34));
        let is_deaf = random.chance(self.rates.of_fault(Fault::Deaf)) && !self.is_calm;
        let mut link = Link::new(Peer::Agent(agent), is_deaf);
        link.say(&self.agents[agent].greet(self.now_ms)?);
        let number = self.next_link;
        self.next_link += 1;
        self.links.insert(number, (hub, link));
        self.agents[agent].link = Some(number);
        self.note(&format!("agent {agent} connects to hub {hub} as {number}{}", if is_deaf { ", deaf" } else { "" }));
        self.journal.count("connections", 1);
        self.journal.count("deaf connections", u64::from(is_deaf));
        Ok(())
    }

    fn link_of(&mut self, agent: usize) -> Option<&mut Link> {
        let number = self.agents[agent].link?;
        self.links.get_mut(&number).map(|(_, link)| link)
    }

    /// An agent says what it has to say.
    pub(super) fn speak(&mut self, agent: usize) -> Result<(), String> {
        let (bytes, heard) = self.agents[agent].turn(&mut self.model, self.now_ms)?;
        if let Some(link) = self.link_of(agent) {
            link.say(&bytes);
        }
        if !bytes.is_empty() {
            self.note(&format!("agent {agent} says {} bytes", bytes.len()));
        }
        if heard == Heard::Over {
            self.part(agent);
        }
        Ok(())
    }

    /// The connection of an agent breaks: some of what it said arrives, perhaps much later.
    pub(super) fn drop_link(&mut self, agent: usize, random: &mut Random) {
        let lingers = random.chance(self.rates.of_fault(Fault::Linger));
        let number = self.agents[agent].link;
        if let Some(link) = self.link_of(agent) {
            let kept = random.index(link.up_bytes() + 1);
            link.end(kept);
            if !lingers {
                link.close();
            }
            self.note(&format!("connection {number:?} breaks, {kept} bytes are on their way, lingers: {lingers}"));
            self.journal.count("lingering sessions", u64::from(lingers));
        }
        self.agents[agent].hang_up();
    }

    /// An agent ends its connection in good order.
    fn part(&mut self, agent: usize) {
        if let Some(link) = self.link_of(agent) {
            link.end(usize::MAX);
            link.close();
        }
        self.agents[agent].hang_up();
    }

    /// Ends connections of which nobody has heard for too long: those that the agent has left, and those whose Hello
    /// has not arrived. It would say what a clock showed long ago.
    pub(super) fn forget_silent(&mut self) {
        if self.passed_ms <= SILENCE_MS_MAX {
            return;
        }
        self.links.retain(|_, (_, link)| link.is_open);
        for agent in &mut self.agents {
            let Some(number) = agent.link.filter(|_| !agent.is_welcome()) else { continue };
            if self.links.get(&number).is_none_or(|(_, link)| link.up_bytes() > 0) {
                self.links.remove(&number);
                agent.hang_up();
            }
        }
    }

    /// Bytes arrive on both ends of every connection, all of them or some.
    pub(super) fn carry(&mut self, random: &mut Random) -> Result<(), String> {
        let mut numbers: Vec<u64> = self.links.keys().copied().collect();
        random.shuffle(&mut numbers);
        for number in numbers {
            self.carry_up(number);
            self.carry_down(number)?;
        }
        self.links.retain(|_, (_, link)| !link.is_over());
        Ok(())
    }

    fn carry_up(&mut self, number: u64) {
        let mut random = Fault::Delay.random(self.seed, self.step + (number << 32));
        let Some(bytes) = self.links.get(&number).map(|(_, link)| link.up_bytes()) else { return };
        let bytes = self.rates.portion(&mut random, self.is_calm, bytes);
        let Some((hub, link)) = self.links.get_mut(&number) else { return };
        let of = &self.members[*hub].hub;
        let now_ms = of.now_ms(self.now_ms);
        let Some(engine) = &of.engine else { return };
        let refused = link.pump(engine, &mut self.scratch, now_ms, bytes);
        if !link.is_open && link.up_bytes() == 0 && random.chance(500) {
            link.close();
        }
        if let Some(refusal) = refused {
            self.note(&format!("connection {number} is refused: {} ({})", refusal.reason.name(), refusal.detail));
            self.journal.count("refused sessions", 1);
        }
    }

    fn carry_down(&mut self, number: u64) -> Result<(), String> {
        let mut random = Fault::Delay.random(self.seed, self.step + (number << 32) + (1 << 31));
        let Some(down) = self.links.get(&number).map(|(_, link)| link.down_bytes()) else { return Ok(()) };
        let bytes = self.rates.portion(&mut random, self.is_calm, down);
        let Some((_, link)) = self.links.get_mut(&number).filter(|(_, link)| link.is_open) else { return Ok(()) };
        let Peer::Agent(agent) = link.peer else { return Ok(()) };
        let is_heard = !link.is_deaf || !self.agents[agent].is_welcome();
        let bytes = if is_heard { link.arrive(bytes) } else { Vec::new() };
        let is_over = link.is_hung_up();
        let heard = self.agents[agent].hear(&bytes, &mut self.model)?;
        if !bytes.is_empty() {
            let (_, acked) = self.model.counts();
            self.note(&format!("agent {agent} hears {} bytes, {acked} acked", bytes.len()));
        }
        if is_over || heard == Heard::Over {
            self.part(agent);
        }
        Ok(())
    }

    /// Hubs say what may be said after they have followed.
    pub(super) fn hubs_speak(&mut self) {
        for (hub, link) in self.links.values_mut() {
            let of = &self.members[*hub].hub;
            let now_ms = of.now_ms(self.now_ms);
            if let Some(engine) = &of.engine {
                // Whoever is refused here hears why with the next bytes.
                let _is_heard_later = link.pump(engine, &mut self.scratch, now_ms, 0);
            }
        }
    }
}

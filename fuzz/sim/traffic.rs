//! What agents do in a step, and what becomes of the bytes between them and the hub.

use crate::agent::Heard;
use crate::faults::Fault;
use crate::network::{Link, Peer};
use crate::random::Random;
use crate::world::World;

impl World {
    /// Every agent takes readings, connects, says what it has to say, or loses its connection.
    pub(crate) fn act(&mut self, random: &mut Random) -> Result<(), String> {
        self.read_some(random, 700)?;
        let mut order: Vec<usize> = (0..self.agents.len()).collect();
        random.shuffle(&mut order);
        for agent in order {
            let (connects, speaks) = (random.chance(500), random.chance(800));
            let mut breaks = Fault::Break.random(self.seed, self.step * 16 + agent as u64 + (1 << 33));
            let is_broken = breaks.chance(self.rates.of_fault(Fault::Break));
            match self.agents[agent].link {
                None if connects && self.agents[agent].away == 0 => self.connect(agent)?,
                Some(_) if is_broken => {
                    self.journal.count("broken connections", 1);
                    self.drop_link(agent, &mut breaks);
                }
                Some(_) if speaks => self.speak(agent)?,
                _ => {}
            }
        }
        self.lie()
    }

    /// Some agents take readings.
    pub(crate) fn read_some(&mut self, random: &mut Random, chance: u64) -> Result<(), String> {
        for agent in 0..self.agents.len() {
            let (reads, count) = (random.chance(chance), random.between(1, 4));
            for later in (0..count).rev().filter(|_| reads) {
                // Spread over the time that has just passed.
                let true_ms = self.now_ms - self.passed_ms * later / count;
                let kept = self.agents[agent].read(&mut self.model, true_ms)?;
                self.journal.count(if kept { "reports made" } else { "readings without room" }, 1);
            }
        }
        Ok(())
    }

    /// An agent connects, if there is a hub.
    pub(crate) fn connect(&mut self, agent: usize) -> Result<(), String> {
        if self.hub.engine.is_none() {
            return Ok(());
        }
        let mut random = Fault::Deaf.random(self.seed, self.step * 16 + agent as u64 + (1 << 34));
        let is_deaf = random.chance(self.rates.of_fault(Fault::Deaf)) && !self.is_calm;
        let mut link = Link::new(Peer::Agent(agent), is_deaf);
        link.say(&self.agents[agent].greet(self.now_ms)?);
        let number = self.add_link(link);
        self.agents[agent].link = Some(number);
        self.note(&format!("agent {agent} connects as {number}{}", if is_deaf { ", deaf" } else { "" }));
        self.journal.count("connections", 1);
        self.journal.count("deaf connections", u64::from(is_deaf));
        Ok(())
    }

    /// An agent says what it has to say.
    pub(crate) fn speak(&mut self, agent: usize) -> Result<(), String> {
        let (bytes, heard) = self.agents[agent].turn(&mut self.model, self.now_ms)?;
        if let Some(link) = self.agents[agent].link.and_then(|number| self.links.get_mut(&number)) {
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
    pub(crate) fn drop_link(&mut self, agent: usize, random: &mut Random) {
        let number = self.agents[agent].link;
        self.agents[agent].hang_up();
        let Some(number) = number else { return };
        let Some(link) = self.links.get_mut(&number) else { return };
        let kept = random.index(link.up_bytes() + 1);
        link.end(kept);
        let lingers = random.chance(self.rates.of_fault(Fault::Linger));
        if !lingers {
            link.close();
        }
        self.note(&format!("connection {number} breaks, {kept} bytes are on their way, lingers: {lingers}"));
        self.journal.count("lingering sessions", u64::from(lingers));
    }

    /// An agent ends its connection in good order.
    fn part(&mut self, agent: usize) {
        if let Some(link) = self.agents[agent].link.and_then(|number| self.links.get_mut(&number)) {
            link.end(usize::MAX);
            link.close();
        }
        self.agents[agent].hang_up();
    }

    /// The liar connects or lies.
    fn lie(&mut self) -> Result<(), String> {
        let mut random = Fault::Liar.random(self.seed, self.step);
        let lies = random.chance(self.rates.of_fault(Fault::Liar)) && !self.is_calm;
        let Some(liar) = self.liar.as_mut().filter(|_| lies && self.hub.engine.is_some()) else { return Ok(()) };
        match liar.link {
            None => {
                let bytes = liar.greet(&mut random, self.now_ms)?;
                let mut link = Link::new(Peer::Liar, false);
                link.say(&bytes);
                let number = self.add_link(link);
                self.liar.iter_mut().for_each(|liar| liar.link = Some(number));
                self.note(&format!("the liar connects as {number}"));
            }
            Some(number) => {
                let bytes = liar.lie(&mut random, &mut self.model, self.now_ms)?;
                if let Some(link) = self.links.get_mut(&number) {
                    link.say(&bytes);
                }
                self.journal.count("lies", 1);
                if random.chance(100) {
                    self.end_of_liar();
                }
            }
        }
        Ok(())
    }

    fn end_of_liar(&mut self) {
        let Some(liar) = &mut self.liar else { return };
        if let Some(link) = liar.link.take().and_then(|number| self.links.get_mut(&number)) {
            link.end(usize::MAX);
        }
    }

    /// Bytes arrive on both ends of every connection, all of them or some.
    pub(crate) fn carry(&mut self, random: &mut Random) -> Result<(), String> {
        let mut numbers: Vec<u64> = self.links.keys().copied().collect();
        random.shuffle(&mut numbers);
        for number in numbers {
            self.carry_up(number);
            self.carry_down(number)?;
        }
        self.links.retain(|_, link| !link.is_over());
        Ok(())
    }

    fn carry_up(&mut self, number: u64) {
        let mut random = Fault::Delay.random(self.seed, self.step + (number << 32));
        let now_ms = self.hub.now_ms(self.now_ms);
        let Some(up) = self.links.get(&number).map(Link::up_bytes) else { return };
        let bytes = self.rates.portion(&mut random, self.is_calm, up);
        let Some((link, engine)) = self.links.get_mut(&number).zip(self.hub.engine.as_ref()) else { return };
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
        let Some(down) = self.links.get(&number).map(Link::down_bytes) else { return Ok(()) };
        let bytes = self.rates.portion(&mut random, self.is_calm, down);
        let Some(link) = self.links.get_mut(&number).filter(|link| link.is_open) else { return Ok(()) };
        match link.peer {
            Peer::Liar => {
                let bytes = link.arrive(bytes);
                let is_over = link.is_hung_up();
                if let Some(liar) = &mut self.liar {
                    liar.hear(&bytes);
                }
                if is_over {
                    self.end_of_liar();
                }
            }
            Peer::Agent(agent) => {
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
            }
        }
        Ok(())
    }

    /// The hub says what may be said after a commit.
    pub(crate) fn hub_speaks(&mut self) {
        let now_ms = self.hub.now_ms(self.now_ms);
        let Some(engine) = &self.hub.engine else { return };
        for link in self.links.values_mut() {
            // Whoever is refused here hears why with the next bytes.
            let _is_heard_later = link.pump(engine, &mut self.scratch, now_ms, 0);
        }
    }
}

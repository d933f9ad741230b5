//! The end of a cluster's run: everything works again, every agent gets its reports acknowledged, every hub follows to
//! the end, and all of them are compared with what truly happened and with one another; then once more after a power
//! cut of all.

use std::collections::BTreeMap;

use windfire_engine::sample::Sample;
use windfire_engine::{Engine, Selection};

use super::Cluster;
use super::operator::registry_of;
use crate::agent::{Agent, first_waiting, waiting};
use crate::check;
use crate::model::HOUR_MS;
use crate::moments::{die, refuse};
use crate::random::Random;

/// Steps within which every outbox must be empty.
const STEPS_MAX: u64 = 600;
/// Steps after which an agent that still waits connects again.
const PATIENCE: u64 = 20;
/// Steps within which hubs must have followed to the end.
const FOLLOW_STEPS_MAX: u64 = 100;
/// Milliseconds on either side of now within which everything of a run lies.
const AROUND_MS: i64 = 400 * 24 * HOUR_MS;

/// What readers of a hub see of a server: the newest report, when it came, what its agent says of its machine, and all
/// of history that is kept.
#[derive(Debug, PartialEq)]
struct Seen {
    latest: Sample,
    last_active_s: Option<i64>,
    platform: String,
    reports: BTreeMap<u64, Sample>,
}

impl Cluster {
    /// Settles everything and checks it.
    pub(super) fn settle_down(&mut self) -> Result<(), String> {
        self.note("calm");
        self.is_calm = true;
        die(None);
        refuse(None);
        let mut random = Random::new(self.seed, u64::MAX);
        for agent in 0..self.agents.len() {
            self.drop_link(agent, &mut random);
        }
        self.links.clear();
        self.streams.values_mut().for_each(|stream| stream.leaderless = 0);
        self.registry.lock().leaderless = 0;
        for hub in 0..self.members.len() {
            self.members[hub].cut_off = 0;
            if self.members[hub].hub.engine.is_none() {
                self.start(hub)?;
            }
        }
        let mut steps = 0;
        while !self.agents.iter().all(Agent::is_settled) {
            steps += 1;
            if steps > STEPS_MAX {
                let waiting: Vec<usize> = waiting(&self.agents).collect();
                return Err(format!("agents {waiting:?} are not rid of their reports"));
            }
            self.calm_step(steps, &mut random)?;
        }
        self.note("settled");
        self.compare("at the end")?;
        self.links.clear();
        self.agents.iter_mut().for_each(Agent::hang_up);
        for hub in 0..self.members.len() {
            self.kill(hub, "the last power cut", true, &mut random)?;
        }
        for hub in 0..self.members.len() {
            self.start(hub)?;
        }
        self.compare("after the last start")
    }

    /// One agent of each server after the other: two of them would only push each other out.
    fn calm_step(&mut self, steps: u64, random: &mut Random) -> Result<(), String> {
        self.step += 1;
        self.now_ms += 1_000;
        self.passed_ms = 1_000;
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
        self.serve(random)?;
        self.carry(random)
    }

    /// Lets every hub follow to the end, and compares it with the truth and with the first one.
    fn compare(&mut self, when: &str) -> Result<(), String> {
        let mut random = Random::new(self.seed, u64::MAX - 1);
        let mut steps = 0;
        while !(0..self.members.len()).all(|hub| self.is_up_to_date(hub)) {
            steps += 1;
            if steps > FOLLOW_STEPS_MAX {
                return Err(format!("{when}: a hub does not come to the end of its streams"));
            }
            self.step += 1;
            self.now_ms += 1_000;
            self.serve(&mut random)?;
            for hub in 0..self.members.len() {
                self.upkeep(hub)?;
            }
        }
        for hub in 0..self.members.len() {
            self.commit(hub, false)?;
            self.upkeep(hub)?;
            self.look(hub, when)?;
            let Some(engine) = &self.members[hub].hub.engine else { continue };
            check::blocks(engine).map_err(|wrong| format!("hub {hub}, {when}: {wrong}"))?;
            let values = check::tiers(engine, &self.model, &self.ids);
            let values = values.map_err(|wrong| format!("hub {hub}, {when}: {wrong}"))?;
            self.journal.count("values of tiers checked", values);
        }
        self.are_registries_equal().map_err(|wrong| format!("{when}: {wrong}"))?;
        self.are_equal().map_err(|wrong| format!("{when}: {wrong}"))?;
        self.journal.count("comparisons of hubs", 1);
        Ok(())
    }

    /// All hubs have the same registry, in which is what the operator was told.
    fn are_registries_equal(&self) -> Result<(), String> {
        let mut first: Option<Vec<String>> = None;
        for (hub, member) in self.members.iter().enumerate() {
            let engine = member.hub.engine.as_ref().ok_or_else(|| format!("hub {hub} does not run"))?;
            self.look_at_registry(engine).map_err(|wrong| format!("registry of hub {hub}: {wrong}"))?;
            let listed = registry_of(engine);
            match &first {
                None => first = Some(listed),
                Some(first) if *first == listed => {}
                Some(first) => {
                    let other = listed.iter().find(|line| !first.contains(line));
                    let missing = first.iter().find(|line| !listed.contains(line));
                    return Err(format!("hub {hub} has {other:?}, and hub 0 has {missing:?}"));
                }
            }
        }
        Ok(())
    }

    /// All hubs show the same. Hours that may have expired are left out, because each hub deletes them in its own time.
    fn are_equal(&self) -> Result<(), String> {
        let from_ms = (self.model.floor.max(self.model.kept_from()) + 1).saturating_mul(HOUR_MS);
        for (server, id) in self.ids.iter().enumerate() {
            let mut first: Option<Seen> = None;
            for (hub, member) in self.members.iter().enumerate() {
                let engine = member.hub.engine.as_ref().ok_or_else(|| format!("hub {hub} does not run"))?;
                let seen = self.seen(engine, *id, from_ms)?;
                match &first {
                    None => first = Some(seen),
                    Some(first) if *first == seen => {}
                    Some(first) => {
                        let differs = difference(first, &seen);
                        return Err(format!("hubs 0 and {hub} differ in server {server}: {differs}"));
                    }
                }
            }
        }
        Ok(())
    }

    fn seen(&self, engine: &Engine, id: u64, from_ms: i64) -> Result<Seen, String> {
        let view = engine.snapshot(Selection::Ids(&[id])).into_iter().next().ok_or("a server is gone")?;
        let mut reports = BTreeMap::new();
        let mut visit = |sequence: u64, sample: &Sample| {
            reports.insert(sequence, sample.clone());
        };
        let to_ms = self.now_ms + AROUND_MS;
        let read = engine.history().reports(id, from_ms.max(self.now_ms - AROUND_MS), to_ms, &mut visit);
        read.map_err(|error| format!("history cannot be read: {error}"))?;
        let last_active_s = view.latest.last_active_s();
        let platform = view.latest.facts.host.platform.clone();
        Ok(Seen { latest: view.latest.sample, last_active_s, platform, reports })
    }
}

/// The first difference in words.
fn difference(first: &Seen, other: &Seen) -> String {
    let numbers = |seen: &Seen| seen.reports.len();
    let is_other = |(sequence, sample): (&u64, &Sample)| {
        (first.reports.get(sequence) != Some(sample)).then(|| format!("report {sequence}: {sample:?}"))
    };
    let of_other = other.reports.iter().find_map(is_other);
    let missing = first.reports.keys().find(|sequence| !other.reports.contains_key(sequence));
    format!(
        "{} and {} reports; {of_other:?} is another; {missing:?} is missing; latest {:?} and {:?}",
        numbers(first),
        numbers(other),
        (first.latest.mem_used, first.latest.time_ms, first.last_active_s, &first.platform),
        (other.latest.mem_used, other.latest.time_ms, other.last_active_s, &other.platform),
    )
}

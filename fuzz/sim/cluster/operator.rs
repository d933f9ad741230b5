//! An operator's changes of the registry, by way of any hub. A change that a hub has confirmed is on all hubs in the
//! end. One of which the hub did not know what became of it is there once or never.

use std::collections::{BTreeMap, BTreeSet};

use windfire_engine::alert::measure::Measure;
use windfire_engine::alert::rule::{Condition, NewRule, Operator as Compared, Severity};
use windfire_engine::error::ChangeError;
use windfire_engine::server::{NewServer, ServerEdit};
use windfire_engine::token::NewToken;
use windfire_engine::{Engine, Selection};

use super::ledger::Reach;
use super::trouble::AGENTS_MAX;
use super::{Cluster, partition_of};
use crate::faults::Fault;
use crate::moments::mortal;
use crate::random::Random;

/// Things that the operator has at once, at the most.
const THINGS_MAX: usize = 12;

/// What the operator creates and removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Server,
    Token,
    Rule,
}

const KINDS: [Kind; 3] = [Kind::Server, Kind::Token, Kind::Rule];

/// What is known of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It may have been created.
    MaybeThere,
    There,
    /// It was there, and may have been removed.
    MaybeGone,
    Gone,
}

#[derive(Debug)]
struct Thing {
    kind: Kind,
    /// No other thing has it.
    name: String,
    /// Once it is confirmed.
    id: Option<u64>,
    known: Known,
    /// An agent reports for it, so it stays.
    is_watched: bool,
}

/// What the operator did and was told.
#[derive(Debug, Default)]
pub(super) struct Operator {
    things: Vec<Thing>,
    /// The number that the first server's note had last, for certain.
    note: u64,
    /// Numbers that it may have instead.
    notes_maybe: BTreeSet<u64>,
    notes_asked: u64,
    /// Every id that was confirmed, and whose it is.
    ids: BTreeMap<(Kind, u64), String>,
}

/// What became of a change.
enum Told<T> {
    Confirmed(T),
    /// It was not made, and never will be.
    Refused,
    Unknown,
}

impl Cluster {
    /// The operator changes something by way of a hub that runs.
    pub(super) fn operate(&mut self, hub: usize, random: &mut Random) -> Result<(), String> {
        let is_reached = self.members[hub].cut_off == 0;
        let is_lossy = random.chance(self.rates.of_fault(Fault::Lost));
        let is_late = random.chance(self.rates.of_fault(Fault::Late) / 4);
        let delay = 1 + random.below(40);
        let arrives_at = is_late.then(|| self.tick() + delay);
        let (arrives, is_answered) = (is_reached && !(is_lossy && random.chance(300)), !is_lossy);
        let follows = !random.chance(self.rates.of_fault(Fault::Late) / 4);
        self.members[hub].ledger.set_reach(Reach { arrives, arrives_at, is_answered, follows });
        let result = match random.below(10) {
            0..=3 => self.write_note(hub),
            4..=6 => self.add_thing(hub, random),
            _ => self.remove_thing(hub, random),
        };
        self.members[hub].ledger.set_reach(Reach::default());
        result
    }

    /// Has a hub make a change. `None`: there is nothing more to say of it.
    fn ask<T>(
        &mut self,
        hub: usize,
        change: impl FnOnce(&Engine) -> Result<T, ChangeError>,
    ) -> Result<Option<Told<T>>, String> {
        let Some(engine) = &self.members[hub].hub.engine else { return Ok(None) };
        let told = match mortal(|| change(engine)) {
            Ok(Ok(made)) => Told::Confirmed(made),
            Ok(Err(ChangeError::Overtaken)) => Told::Refused,
            // A hub that lags does not know yet what another one has.
            Ok(Err(ChangeError::NoServer { .. } | ChangeError::NoSuch { .. })) => Told::Refused,
            Ok(Err(ChangeError::Undecided)) => Told::Unknown,
            Ok(Err(error)) => return Err(format!("a change by way of hub {hub} fails: {error}")),
            Err(died) => {
                self.died(hub, &died)?;
                Told::Unknown
            }
        };
        let what = match told {
            Told::Confirmed(_) => "changes",
            Told::Refused => "changes refused",
            Told::Unknown => "changes of unknown fate",
        };
        self.journal.count(what, 1);
        Ok(Some(told))
    }

    fn write_note(&mut self, hub: usize) -> Result<(), String> {
        self.operator.notes_asked += 1;
        let (id, number) = (self.ids[0], self.operator.notes_asked);
        let edit = ServerEdit { note: Some(number.to_string()), ..ServerEdit::default() };
        let told = self.ask(hub, |engine| engine.registry().edit_server(id, edit))?;
        match told {
            Some(Told::Confirmed(_)) => {
                // It is behind all that may have been stored before it, and what is still on its way comes too late.
                (self.operator.note, self.operator.notes_maybe) = (number, BTreeSet::new());
            }
            Some(Told::Unknown) => {
                self.operator.notes_maybe.insert(number);
            }
            Some(Told::Refused) | None => {}
        }
        self.note(&format!("note {number} by way of hub {hub}: {} is confirmed", self.operator.note));
        Ok(())
    }

    fn add_thing(&mut self, hub: usize, random: &mut Random) -> Result<(), String> {
        let there = self.operator.things.iter().filter(|thing| thing.known != Known::Gone).count();
        if there >= THINGS_MAX {
            return Ok(());
        }
        let kind = KINDS[random.index(KINDS.len())];
        let is_watched = random.chance(500);
        let name = format!("{kind:?} {}", self.operator.things.len());
        let now_s = self.now_ms.div_euclid(1000);
        let told = self.ask(hub, |engine| add(engine, kind, &name, now_s))?;
        let mut thing = Thing { kind, name, id: None, known: Known::Gone, is_watched: false };
        let mut watched = None;
        match told {
            Some(Told::Confirmed((id, credential))) => {
                (thing.id, thing.known) = (Some(id), Known::There);
                if let Some(other) = self.operator.ids.insert((kind, id), thing.name.clone()) {
                    return Err(format!("{} has the id of {other}: {id}", thing.name));
                }
                watched = credential.filter(|_| is_watched && self.agents.len() < AGENTS_MAX).map(|of| (id, of));
            }
            Some(Told::Unknown) => thing.known = Known::MaybeThere,
            Some(Told::Refused) | None => {}
        }
        self.note(&format!("{} by way of hub {hub}: {:?}", thing.name, thing.known));
        if let Some((id, credential)) = watched {
            thing.is_watched = true;
            self.watch(id, &credential, random)?;
        }
        self.operator.things.push(thing);
        Ok(())
    }

    /// An agent comes for a new server. Its first hub need not know the server yet.
    fn watch(&mut self, id: u64, credential: &str, random: &mut Random) -> Result<(), String> {
        self.streams.entry(partition_of(id)).or_default();
        self.ids.push(id);
        self.journal.count("agents of new servers", 1);
        self.add_agent(self.ids.len() - 1, credential, random)
    }

    fn remove_thing(&mut self, hub: usize, random: &mut Random) -> Result<(), String> {
        let is_removable = |thing: &Thing| thing.known == Known::There && !thing.is_watched;
        let removable = self.operator.things.iter().enumerate().filter(|(_, thing)| is_removable(thing));
        let removable: Vec<usize> = removable.map(|(index, _)| index).collect();
        if removable.is_empty() {
            return Ok(());
        }
        let index = removable[random.index(removable.len())];
        let (kind, id) = (self.operator.things[index].kind, self.operator.things[index].id.unwrap_or(0));
        let told = self.ask(hub, |engine| match kind {
            Kind::Server => engine.registry().remove_servers(&[id]),
            Kind::Token => engine.registry().remove_token(id),
            Kind::Rule => engine.registry().remove_rule(id),
        })?;
        let thing = &mut self.operator.things[index];
        thing.known = match told {
            Some(Told::Confirmed(())) => Known::Gone,
            Some(Told::Unknown) => Known::MaybeGone,
            Some(Told::Refused) | None => Known::There,
        };
        let line = format!("without {} by way of hub {hub}: {:?}", thing.name, thing.known);
        self.note(&line);
        Ok(())
    }

    /// Whether a hub that has followed to the end has what was confirmed, and nothing that was not asked for.
    pub(super) fn look_at_registry(&self, engine: &Engine) -> Result<(), String> {
        let found = found(engine);
        for thing in &self.operator.things {
            let of_thing = found.iter().filter(|(kind, _, name)| (*kind, name) == (thing.kind, &thing.name));
            let ids: Vec<u64> = of_thing.map(|(_, id, _)| *id).collect();
            let is_right = match thing.known {
                Known::There => ids.len() == 1 && thing.id == ids.first().copied(),
                Known::Gone => ids.is_empty(),
                Known::MaybeThere | Known::MaybeGone => ids.len() <= 1,
            };
            if !is_right {
                return Err(format!("{thing:?} is there with ids {ids:?}"));
            }
        }
        let view = engine.snapshot(Selection::Ids(&[self.ids[0]])).into_iter().next();
        let note = view.ok_or("the first server is gone")?.record.note.clone();
        let note: u64 = if note.is_empty() { 0 } else { note.parse().unwrap_or(u64::MAX) };
        if note == self.operator.note || self.operator.notes_maybe.contains(&note) {
            return Ok(());
        }
        let Operator { note: confirmed, notes_maybe, .. } = &self.operator;
        Err(format!("note {confirmed} was confirmed, {notes_maybe:?} may be, and {note} is there"))
    }
}

/// Creates a thing. Returns its id, and a server's credential.
fn add(engine: &Engine, kind: Kind, name: &str, now_s: i64) -> Result<(u64, Option<String>), ChangeError> {
    match kind {
        Kind::Server => {
            let new = NewServer { name: name.to_owned(), ..NewServer::default() };
            engine.registry().add_server(new, now_s).map(|made| (made.id, Some(made.credential)))
        }
        Kind::Token => engine.registry().add_token(NewToken::of_v0(name), now_s).map(|(id, _)| (id, None)),
        Kind::Rule => {
            let condition = Condition { measure: Measure::Cpu, operator: Compared::Above, value: 90.0, clear: None };
            let new = NewRule::of(name, Severity::Warning, vec![condition]);
            engine.registry().add_rule(new, now_s).map(|id| (id, None))
        }
    }
}

/// Every server, token and rule: its kind, id and name.
fn found(engine: &Engine) -> Vec<(Kind, u64, String)> {
    let servers = engine.snapshot(Selection::All).into_iter();
    let mut found: Vec<_> = servers.map(|view| (Kind::Server, view.record.id, view.record.name.clone())).collect();
    found.extend(engine.registry().tokens().into_iter().map(|token| (Kind::Token, token.id, token.note)));
    found.extend(engine.registry().rules().iter().map(|rule| (Kind::Rule, rule.id, rule.name.clone())));
    found
}

/// The whole registry of a hub in words, but for uses of tokens.
pub(super) fn registry_of(engine: &Engine) -> Vec<String> {
    let servers = engine.snapshot(Selection::All).into_iter();
    let mut listed: Vec<String> = servers.map(|view| format!("{:?}", view.record)).collect();
    listed.extend(engine.registry().tokens().iter().map(|token| format!("{token:?}")));
    listed.extend(engine.registry().rules().iter().map(|rule| format!("{rule:?}")));
    listed
}

//! Which rules are about which server, found once and not in every pass.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::machine::{Seen, Terms};
use super::measure::{Measure, MeasureKind};
use super::rule::{Rule, Scope};
use crate::latest::{HostFacts, Latest};
use crate::slot::Slot;
use crate::store::rules;

/// A rule that servers are judged by, with what a pass asks of it.
pub(super) struct Judged {
    pub(super) rule: Arc<Rule>,
    pub(super) terms: Terms,
    /// A number that is another one when the rule judges otherwise.
    pub(super) edition: u32,
    /// It has a condition on the absence of reports.
    pub(super) is_of_absence: bool,
    is_of_event: bool,
    /// It says that the hub hears nobody.
    pub(super) is_of_isolation: bool,
    /// It says that the hub cannot write.
    pub(super) is_of_failing_commits: bool,
}

impl Judged {
    pub(super) fn of(rule: &Arc<Rule>) -> Self {
        let has = |kind| rule.when.iter().any(|condition| condition.measure.kind() == kind);
        let looks_at = |measure| rule.when.iter().any(|condition| condition.measure == measure);
        let ms = |seconds: u32| i64::from(seconds) * 1000;
        // Another name is no other rule.
        let judging = Rule { name: String::new(), note: String::new(), ..Rule::clone(rule) };
        Self {
            terms: Terms { for_ms: ms(rule.for_s), share: rule.share, keep_ms: ms(rule.keep_s) },
            edition: crc32fast::hash(&rules::write(&judging)),
            is_of_absence: has(MeasureKind::Absence),
            is_of_event: has(MeasureKind::Event),
            is_of_isolation: looks_at(Measure::HubIsolated),
            is_of_failing_commits: looks_at(Measure::HubCommitsFailing),
            rule: Arc::clone(rule),
        }
    }
}

/// What the values of a rule's conditions say together, and the first of them.
pub(super) fn judge(rule: &Rule, value_of: impl Fn(Measure) -> Option<f64>) -> (Seen, Option<f64>) {
    let (mut is_bad, mut is_clear, mut first) = (true, false, None);
    for condition in &rule.when {
        let Some(value) = value_of(condition.measure).filter(|value| !value.is_nan()) else {
            return (Seen::Nothing, None);
        };
        first = first.or(Some(value));
        is_bad &= condition.is_bad(value);
        is_clear |= condition.is_clear(value);
    }
    let seen = match (is_bad, is_clear) {
        (true, _) => Seen::Bad,
        (false, true) => Seen::Good,
        (false, false) => Seen::Between,
    };
    (seen, first)
}

/// What an earlier look saw of a server, so that a later one can tell what has happened.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    uptime_s: u64,
    time_ms: i64,
    facts: Arc<HostFacts>,
}

impl Looked {
    pub(super) fn at(latest: &Latest) -> Self {
        Self { uptime_s: latest.sample.uptime_s, time_ms: latest.sample.time_ms, facts: Arc::clone(&latest.facts) }
    }

    /// Whether the machine has started again since then.
    pub(super) fn has_rebooted(&self, latest: &Latest) -> bool {
        latest.sample.time_ms > self.time_ms && latest.sample.uptime_s < self.uptime_s
    }

    /// Whether the server has another address since then. One that was not known is no other.
    pub(super) fn has_moved(&self, latest: &Latest) -> bool {
        let (before, after) = (&self.facts.address, &latest.facts.address);
        !Arc::ptr_eq(&self.facts, &latest.facts) && before != after && !before.is_empty() && !after.is_empty()
    }
}

/// A server and the rules about it.
pub(super) struct Member {
    pub(super) slot: Arc<Slot>,
    /// Which of the roster's sets of rules.
    set: usize,
}

/// All servers with the rules about them.
#[derive(Default)]
pub(super) struct Roster {
    /// The registry's version, and its rules, of which this was made.
    made_of: Option<(u64, Vec<Arc<Rule>>)>,
    /// Those that are enabled. First those of absence: whether a server is away decides what its other alerts mean.
    pub(super) rules: Vec<Judged>,
    /// Numbers of rules. Most servers share a few sets.
    sets: Vec<Vec<usize>>,
    /// In ascending id.
    pub(super) members: Vec<Member>,
    /// Of each member, when there are rules about events.
    pub(super) looks: Vec<Option<Looked>>,
    /// The rules about the hub.
    pub(super) of_hub: Vec<usize>,
}

impl Roster {
    /// Whether there are still the same rules and servers.
    pub(super) fn is_current(&self, version: u64, rules: &[Arc<Rule>]) -> bool {
        self.made_of.as_ref().is_some_and(|(made_of, known)| {
            *made_of == version
                && known.len() == rules.len()
                && known.iter().zip(rules).all(|(known, rule)| Arc::ptr_eq(known, rule))
        })
    }

    /// The roster of these servers, in ascending id, and rules. It takes over what the old one saw.
    pub(super) fn new(version: u64, slots: Vec<Arc<Slot>>, all: Vec<Arc<Rule>>, old: &mut Self) -> Self {
        let mut rules: Vec<Judged> = all.iter().filter(|rule| rule.enabled).map(Judged::of).collect();
        rules.sort_by_key(|judged| !judged.is_of_absence);
        let singled_out: HashSet<u64> = rules.iter().flat_map(|judged| named_ids(&judged.rule)).copied().collect();
        let has_events = rules.iter().any(|judged| judged.is_of_event);
        let about = |server_id: u64, tag: &str| -> Vec<usize> {
            (0..rules.len()).filter(|number| rules[*number].rule.is_about(server_id, tag)).collect()
        };
        let (mut sets, mut by_tag) = (Sets::default(), HashMap::<String, usize>::new());
        let mut members = Vec::with_capacity(slots.len());
        for slot in slots {
            let record = Arc::clone(&slot.record.read());
            let set = match by_tag.get(&record.tag) {
                _ if singled_out.contains(&slot.id) => sets.number_of(about(slot.id, &record.tag)),
                Some(set) => *set,
                None => {
                    let set = sets.number_of(about(slot.id, &record.tag));
                    by_tag.insert(record.tag.clone(), set);
                    set
                }
            };
            members.push(Member { slot, set });
        }
        let look = |member: &Member| old.index_of(member.slot.id).and_then(|index| old.looks.get_mut(index)?.take());
        let looks = if has_events { members.iter().map(look).collect() } else { Vec::new() };
        let of_hub = (0..rules.len()).filter(|number| rules[*number].rule.is_of_hub()).collect();
        Self { made_of: Some((version, all)), rules, sets: sets.all, members, looks, of_hub }
    }

    /// Numbers of the rules about a member.
    pub(super) fn rules_of(&self, member: &Member) -> &[usize] {
        self.sets.get(member.set).map_or(&[], Vec::as_slice)
    }

    pub(super) fn member(&self, server_id: u64) -> Option<&Member> {
        self.index_of(server_id).and_then(|index| self.members.get(index))
    }

    /// Every rule, also those that are not enabled.
    pub(super) fn all_rules(&self) -> &[Arc<Rule>] {
        self.made_of.as_ref().map_or(&[], |(_, rules)| rules.as_slice())
    }

    fn index_of(&self, server_id: u64) -> Option<usize> {
        self.members.binary_search_by_key(&server_id, |member| member.slot.id).ok()
    }
}

/// The servers that a rule is about, or is not about, by their ids.
fn named_ids(rule: &Rule) -> impl Iterator<Item = &u64> {
    let ids: &[u64] = match &rule.scope {
        Scope::Ids(ids) => ids,
        Scope::All | Scope::Tags(_) => &[],
    };
    ids.iter().chain(&rule.except_ids)
}

/// Sets of rules, each kept once.
#[derive(Default)]
struct Sets {
    all: Vec<Vec<usize>>,
    numbers: HashMap<Vec<usize>, usize>,
}

impl Sets {
    fn number_of(&mut self, set: Vec<usize>) -> usize {
        if let Some(number) = self.numbers.get(&set) {
            return *number;
        }
        self.numbers.insert(set.clone(), self.all.len());
        self.all.push(set);
        self.all.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::rule::{Condition, NewRule, Operator, Severity};
    use crate::sample::Sample;
    use crate::server::ServerRecord;
    use crate::status::Status;

    fn condition(measure: Measure, value: f64, clear: Option<f64>) -> Condition {
        Condition { measure, operator: Operator::Above, value, clear }
    }

    fn slot(id: u64, tag: &str) -> Arc<Slot> {
        let record = ServerRecord::clone(&Slot::of_test(id).record.read());
        Arc::new(Slot::new(ServerRecord { tag: tag.to_owned(), ..record }, Status::default()))
    }

    #[test]
    fn each_server_has_the_rules_that_are_about_it() {
        let rule = |id: u64, scope: Scope, except_ids: Vec<u64>, measure: Measure| {
            let new = NewRule::of("r", Severity::Info, vec![condition(measure, 60.0, None)]);
            Arc::new(NewRule { scope, except_ids, ..new }.into_rule(id, 0))
        };
        let tags = |tags: &[&str]| Scope::Tags(tags.iter().map(|tag| (*tag).to_owned()).collect());
        let rules = vec![
            rule(1, Scope::All, vec![4], Measure::Cpu),
            rule(2, tags(&["web", "db"]), vec![], Measure::Offline),
            rule(3, Scope::Ids(vec![2, 5]), vec![], Measure::Mem),
            rule(4, Scope::All, vec![], Measure::HubDiskFree),
        ];
        let slots: Vec<Arc<Slot>> =
            (1..=300).zip(["", "web", "db"].into_iter().cycle()).map(|(id, tag)| slot(id, tag)).collect();
        let roster = Roster::new(7, slots, rules.clone(), &mut Roster::default());
        assert_eq!(roster.rules[0].rule.id, 2, "absence comes first");
        for member in &roster.members {
            let tag = member.slot.record.read().tag.clone();
            let found: HashSet<u64> =
                roster.rules_of(member).iter().map(|number| roster.rules[*number].rule.id).collect();
            let expected = rules.iter().filter(|rule| rule.is_about(member.slot.id, &tag));
            assert_eq!(found, expected.map(|rule| rule.id).collect(), "server {}", member.slot.id);
        }
        assert!(roster.sets.len() <= 2 + 3, "{} sets", roster.sets.len());
        assert!(roster.is_current(7, &rules) && !roster.is_current(8, &rules) && !roster.is_current(7, &rules[1..]));
    }

    #[test]
    fn conditions_are_judged_together() {
        let rule = |when: Vec<Condition>| NewRule::of("r", Severity::Info, when).into_rule(1, 0);
        let both = rule(vec![condition(Measure::Cpu, 90.0, Some(80.0)), condition(Measure::Mem, 50.0, None)]);
        for (cpu, mem, seen) in [
            (Some(91.0), Some(51.0), Seen::Bad),
            (Some(85.0), Some(51.0), Seen::Between),
            (Some(80.0), Some(51.0), Seen::Good),
            (Some(91.0), Some(50.0), Seen::Good),
            (Some(91.0), None, Seen::Nothing),
            (Some(f64::NAN), Some(51.0), Seen::Nothing),
        ] {
            let value_of = |measure| if measure == Measure::Cpu { cpu } else { mem };
            let value = if seen == Seen::Nothing { None } else { cpu };
            assert_eq!(judge(&both, value_of), (seen, value), "{cpu:?} {mem:?}");
        }
    }

    #[test]
    fn a_start_of_the_machine_and_another_address_are_seen() {
        let latest = |time_ms, uptime_s, address: &str| Latest {
            facts: Arc::new(HostFacts { address: address.to_owned(), ..HostFacts::default() }),
            sample: Sample { time_ms, uptime_s, ..Sample::default() },
            last_active_ms: Some(time_ms),
        };
        let looked = Looked::at(&latest(1_000, 500, "192.0.2.1"));
        let after = |time_ms, uptime_s, address: &str| {
            let latest = latest(time_ms, uptime_s, address);
            (looked.has_rebooted(&latest), looked.has_moved(&latest))
        };
        assert_eq!(after(2_000, 501, "192.0.2.1"), (false, false));
        assert_eq!(after(2_000, 3, "192.0.2.2"), (true, true));
        assert_eq!(after(1_000, 3, ""), (false, false), "the same report, and an address that is not known");
    }

    #[test]
    fn a_rule_is_another_one_when_it_judges_otherwise() {
        let rule = NewRule::of("r", Severity::Info, vec![condition(Measure::Cpu, 1.0, None)]).into_rule(1, 0);
        let edition = |rule: Rule| Judged::of(&Arc::new(rule)).edition;
        let same = Rule { name: "other".to_owned(), note: "n".to_owned(), ..rule.clone() };
        assert_eq!(edition(rule.clone()), edition(same));
        assert_ne!(edition(rule.clone()), edition(Rule { for_s: 5, ..rule }));
    }
}

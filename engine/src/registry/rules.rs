//! Rules of alerts.

use std::sync::Arc;

use super::Registry;
use super::change::{Change, Changing};
use super::ids::IdKind;
use crate::alert::measure::Measure;
use crate::alert::rule::{Condition, NewRule, Operator, Rule, RuleEdit, Scope, Severity};
use crate::error::{ChangeError, check_room};
use crate::limits::RULES_MAX;

/// The id of the first rule. Once it is given out, a store never gets the default rules again.
const FIRST_ID: u64 = 1;

impl Registry {
    /// Creates the rules that a new hub has, if this store never had a rule.
    ///
    /// # Errors
    /// A failed write. The next call tries again.
    pub fn begin_rules(&self, now_s: i64) -> Result<(), ChangeError> {
        self.change(|changing| {
            if *changing.next_ids.of(IdKind::Rule) != FIRST_ID {
                return Ok((Vec::new(), ()));
            }
            // They are used up when the write has succeeded, and not before: the same rules get the same ids when it is
            // tried again, even if a failed write reached the disk.
            let rule = |(id, (new, is_built_in)): (u64, (NewRule, bool))| {
                Change::Rule(Arc::new(Rule { is_built_in, ..new.into_rule(id, now_s) }))
            };
            let mut changes: Vec<Change> = (FIRST_ID..).zip(default_rules()).map(rule).collect();
            changes.push(Change::NextId(IdKind::Rule, FIRST_ID + changes.len() as u64));
            Ok((changes, ()))
        })
    }

    /// Creates a rule and returns its id.
    ///
    /// # Errors
    /// A field with a wrong value, an unknown channel or server, too many rules, a failed write.
    pub fn add_rule(&self, new: NewRule, now_s: i64) -> Result<u64, ChangeError> {
        self.begin_rules(now_s)?;
        self.change(move |changing| {
            check_room("rules", self.rules.read().len(), RULES_MAX)?;
            // Ids of rules that are refused are not used up.
            let rule = new.clone().into_rule(*changing.next_ids.of(IdKind::Rule), now_s);
            rule.check()?;
            self.check_links(changing, &rule)?;
            let id = changing.take_id(IdKind::Rule);
            Ok((vec![Change::Rule(Arc::new(rule)), changing.next_id(IdKind::Rule)], id))
        })
    }

    /// Changes a rule, and returns it.
    ///
    /// # Errors
    /// No such rule, one of the hub's own, a field with a wrong value, an unknown channel or server, a failed write.
    pub fn edit_rule(&self, id: u64, edit: RuleEdit) -> Result<Arc<Rule>, ChangeError> {
        let of_built_in = RuleEdit { enabled: edit.enabled, channels: edit.channels.clone(), ..RuleEdit::default() };
        self.change(move |changing| {
            let old = self.rule(id).ok_or(ChangeError::NoSuch { what: "rule", id })?;
            if old.is_built_in && edit != of_built_in {
                return Err(ChangeError::BuiltIn { id });
            }
            let rule = Arc::new(edit.clone().applied_to(&old));
            rule.check()?;
            self.check_links(changing, &rule)?;
            Ok((vec![Change::Rule(Arc::clone(&rule))], rule))
        })
    }

    /// Removes a rule.
    ///
    /// # Errors
    /// No such rule, one of the hub's own, a failed write.
    pub fn remove_rule(&self, id: u64) -> Result<(), ChangeError> {
        self.change(|_| {
            let rule = self.rule(id).ok_or(ChangeError::NoSuch { what: "rule", id })?;
            if rule.is_built_in {
                return Err(ChangeError::BuiltIn { id });
            }
            Ok((vec![Change::RuleRemoved(id)], ()))
        })
    }

    /// Every rule, in ascending id. A rule that was changed is another one; one that was not is the same.
    pub fn rules(&self) -> Vec<Arc<Rule>> {
        self.rules.read().values().cloned().collect()
    }

    /// The rule of that id.
    pub fn rule(&self, id: u64) -> Option<Arc<Rule>> {
        self.rules.read().get(&id).cloned()
    }

    /// Whether there is everything that a rule names.
    fn check_links(&self, changing: &Changing<'_>, rule: &Rule) -> Result<(), ChangeError> {
        if let Scope::Ids(ids) = &rule.scope {
            check_given_out("scope.ids", "server", ids, changing.next_ids.server)?;
        }
        check_given_out("except_ids", "server", &rule.except_ids, changing.next_ids.server)?;
        let channels = self.channels.read();
        match rule.channels.iter().find(|id| !channels.contains_key(*id)) {
            Some(id) => Err(ChangeError::bad_field("channels", format!("no channel has id {id}"))),
            None => Ok(()),
        }
    }
}

/// Whether each of these ids, in ascending order, was given out at some time. What had it may be removed by now: lists
/// keep it, and no other thing gets it.
pub(super) fn check_given_out(
    field: &'static str,
    what: &'static str,
    ids: &[u64],
    next_id: u64,
) -> Result<(), ChangeError> {
    let strange = ids.iter().find(|id| **id == 0 || **id >= next_id);
    match strange {
        Some(id) => Err(ChangeError::bad_field(field, format!("no {what} has id {id}, or ever had it"))),
        None => Ok(()),
    }
}

/// The rules of a new hub, and whether each is the hub's own.
fn default_rules() -> [(NewRule, bool); 5] {
    let rule = |name: &str, severity, measure, operator, value, clear| {
        NewRule::of(name, severity, vec![Condition { measure, operator, value, clear }])
    };
    let above =
        |name: &str, severity, measure, value, clear| rule(name, severity, measure, Operator::Above, value, clear);
    let disk = above("Disk almost full", Severity::Warning, Measure::Disk, 90.0, Some(85.0));
    let hub_disk =
        rule("Hub disk almost full", Severity::Warning, Measure::HubDiskFree, Operator::Below, 10.0, Some(15.0));
    [
        (above("Server offline", Severity::Critical, Measure::Offline, 60.0, None), false),
        (NewRule { for_s: 60, ..disk }, false),
        (hub_disk, true),
        (above("Commits failing", Severity::Critical, Measure::HubCommitsFailing, 0.0, None), true),
        (above("Hub isolated", Severity::Critical, Measure::HubIsolated, 0.0, None), true),
    ]
}

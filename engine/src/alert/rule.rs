//! A rule: which measures of which servers are bad, for how long, and who is told.

use super::measure::{Measure, MeasureKind};
use crate::error::{ChangeError, check_length};
use crate::limits::{
    CHANNELS_MAX, CONDITIONS_MAX, FOR_S_MAX, KEEP_S_MAX, NAME_CHARS_MAX, NOTE_CHARS_MAX, OFFLINE_S_MIN, REPEAT_S_MAX,
    REPEAT_S_MIN, RULE_IDS_MAX, RULE_TAGS_MAX,
};

/// Default of [`Rule::keep_s`].
pub const KEEP_S_USUAL: u32 = 60;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// To be looked at.
    Warning,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// Every severity, the mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The severity as one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The severity of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.name() == name)
    }
}

/// On which side of its bound a value is bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// A value above the bound is bad.
    Above,
    /// A value below the bound is bad.
    Below,
}

impl Operator {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Above, Self::Below];

    /// The operator as people write it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Above => ">",
            Self::Below => "<",
        }
    }

    /// The operator that people write so.
    pub fn of_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.text() == text)
    }

    /// Whether `value` is bad. The bound itself never is.
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Above => value > bound,
            Self::Below => value < bound,
        }
    }
}

/// A measure and its bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// What it looks at.
    pub measure: Measure,
    /// On which side of the bound a value is bad.
    pub operator: Operator,
    /// The bound, in the measure's unit. 0 for a measure without numbers.
    pub value: f64,
    /// The bound at which an alert ends, on the good side of `value`, so that a value that hovers around the bound is
    /// one alert and not many. `None` for `value`.
    pub clear: Option<f64>,
}

impl Condition {
    /// Whether a value is bad.
    pub fn is_bad(&self, value: f64) -> bool {
        self.operator.holds(value, self.value)
    }

    /// Whether a value is good enough for an alert to end.
    pub fn is_clear(&self, value: f64) -> bool {
        !self.operator.holds(value, self.clear.unwrap_or(self.value))
    }

    /// `place` is where it is in its rule, such as `when[0]`.
    fn check(&self, place: &str) -> Result<(), ChangeError> {
        let wrong = |field: &str, reason: String| Err(ChangeError::bad_field(format!("{place}.{field}"), reason));
        let (name, kind, value) = (self.measure.name(), self.measure.kind(), self.value);
        for (field, bound) in [("value", Some(value)), ("clear", self.clear)] {
            let Some(bound) = bound else { continue };
            if !bound.is_finite() {
                return wrong(field, format!("{bound} is not a number that can be compared"));
            }
            if self.measure.unit() == "percent" && !(0.0..=100.0).contains(&bound) {
                return wrong(field, format!("{bound} is not within 0 to 100, the percents that {name} can have"));
            }
        }
        if self.measure.unit().is_empty() && (self.operator, value, self.clear) != (Operator::Above, 0.0, None) {
            return wrong(
                "value",
                format!("{value} is refused: {name} has no numbers, so write \"> 0\" without clear"),
            );
        }
        if kind == MeasureKind::Absence {
            if self.operator != Operator::Above {
                return wrong(
                    "op",
                    format!("\"<\" is refused: {name} counts seconds without a report, so write \">\""),
                );
            }
            if value < f64::from(OFFLINE_S_MIN) {
                return wrong(
                    "value",
                    format!(
                        "{value} s is too short for {name}: agents may gather readings for some time before they send them, so write at least {OFFLINE_S_MIN}"
                    ),
                );
            }
        }
        match self.clear {
            Some(clear) if self.operator.holds(clear, value) => {
                let (operator, good) = match self.operator {
                    Operator::Above => (">", "below"),
                    Operator::Below => ("<", "above"),
                };
                wrong(
                    "clear",
                    format!("{clear} is bad itself, by {name} {operator} {value}: it must be {value} or {good}"),
                )
            }
            _ => Ok(()),
        }
    }
}

/// The servers that a rule is about. Servers that are created later are judged alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those of exactly these tags.
    Tags(Vec<String>),
    /// These, in ascending order.
    Ids(Vec<u64>),
}

impl Scope {
    fn includes(&self, server_id: u64, tag: &str) -> bool {
        match self {
            Self::All => true,
            Self::Tags(tags) => tags.iter().any(|found| found == tag),
            Self::Ids(ids) => ids.binary_search(&server_id).is_ok(),
        }
    }

    fn check(&self) -> Result<(), ChangeError> {
        match self {
            Self::All => Ok(()),
            Self::Tags(tags) if tags.is_empty() => {
                Err(ChangeError::bad_field("scope.tags", "empty: name a tag, or write {\"all\":true}"))
            }
            Self::Tags(tags) => check_tags("scope.tags", tags),
            Self::Ids(ids) if ids.is_empty() => {
                Err(ChangeError::bad_field("scope.ids", "empty: name a server, or write {\"all\":true}"))
            }
            Self::Ids(ids) => check_count("scope.ids", "servers", ids.len(), RULE_IDS_MAX),
        }
    }
}

/// A rule of alerts.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Given out once, never again.
    pub id: u64,
    /// Shown name.
    pub name: String,
    /// Shown to administrators only.
    pub note: String,
    /// Whether servers are judged by it.
    pub enabled: bool,
    /// How bad it is.
    pub severity: Severity,
    /// What is bad: all of these together.
    pub when: Vec<Condition>,
    /// Seconds for which it must be bad before the alert fires.
    pub for_s: u32,
    /// The part of that time in which it must be bad, 0.5–1.
    pub share: f64,
    /// Seconds for which it must be good before the alert is resolved.
    pub keep_s: u32,
    /// The servers that it is about. A rule about the hub has [`Scope::All`].
    pub scope: Scope,
    /// Servers that it is not about, in ascending order.
    pub except_ids: Vec<u64>,
    /// Whether a server that never reported counts as offline.
    pub never: bool,
    /// Channels that are told, in ascending order. Without any the alert is shown only.
    pub channels: Vec<u64>,
    /// Seconds after which a message is repeated while the alert lasts; 0 for never.
    pub repeat_s: u32,
    /// Whether the end of an alert is told.
    pub resolved: bool,
    /// Whether it is one of the hub's own, of which only `channels` and `enabled` can be changed.
    pub is_built_in: bool,
    /// Unix seconds.
    pub created_s: i64,
}

impl Rule {
    /// Whether it is about the hub, and about no server.
    pub fn is_of_hub(&self) -> bool {
        self.when.iter().any(|condition| condition.measure.kind() == MeasureKind::Hub)
    }

    /// Whether it is about the server of that id and tag.
    pub fn is_about(&self, server_id: u64, tag: &str) -> bool {
        !self.is_of_hub() && self.scope.includes(server_id, tag) && self.except_ids.binary_search(&server_id).is_err()
    }

    /// Brings lists into the order in which they are looked through.
    pub(crate) fn put_in_order(&mut self) {
        match &mut self.scope {
            Scope::All => {}
            Scope::Tags(tags) => in_order(tags),
            Scope::Ids(ids) => in_order(ids),
        }
        in_order(&mut self.except_ids);
        in_order(&mut self.channels);
    }

    /// Checks everything that can be checked without knowing which servers and channels there are.
    ///
    /// # Errors
    /// The field that has a wrong value.
    pub fn check(&self) -> Result<(), ChangeError> {
        check_name("rule", &self.name)?;
        check_length("note", &self.note, NOTE_CHARS_MAX)?;
        if !(1..=CONDITIONS_MAX).contains(&self.when.len()) {
            let found = self.when.len();
            return Err(ChangeError::bad_field(
                "when",
                format!("{found} conditions: a rule has 1 to {CONDITIONS_MAX}"),
            ));
        }
        self.when.iter().enumerate().try_for_each(|(index, condition)| condition.check(&format!("when[{index}]")))?;
        self.check_kinds()?;
        check_most("for_s", self.for_s, FOR_S_MAX)?;
        check_most("keep_s", self.keep_s, KEEP_S_MAX)?;
        if !(0.5..=1.0).contains(&self.share) {
            return Err(ChangeError::bad_field("share", format!("{} is not within 0.5 to 1", self.share)));
        }
        if self.repeat_s != 0 && !(REPEAT_S_MIN..=REPEAT_S_MAX).contains(&self.repeat_s) {
            let reason = format!("{} is neither 0 (never) nor within {REPEAT_S_MIN} to {REPEAT_S_MAX}", self.repeat_s);
            return Err(ChangeError::bad_field("repeat_s", reason));
        }
        self.scope.check()?;
        check_count("except_ids", "servers", self.except_ids.len(), RULE_IDS_MAX)?;
        check_count("channels", "channels", self.channels.len(), CHANNELS_MAX)
    }

    /// Whether its conditions go together, and with what they are about.
    fn check_kinds(&self) -> Result<(), ChangeError> {
        let has = |kind| self.when.iter().any(|condition| condition.measure.kind() == kind);
        if self.is_of_hub() {
            if self.when.iter().any(|condition| condition.measure.kind() != MeasureKind::Hub) {
                let reason = "a rule is either about the hub or about servers: make two rules of it";
                return Err(ChangeError::bad_field("when", reason));
            }
            if self.scope != Scope::All || !self.except_ids.is_empty() {
                let reason = "a rule about the hub is about no server: write {\"all\":true}, without except_ids";
                return Err(ChangeError::bad_field("scope", reason));
            }
        }
        if has(MeasureKind::Event) && self.for_s > 0 {
            let reason = format!("{} is refused: an event has no duration, so write 0", self.for_s);
            return Err(ChangeError::bad_field("for_s", reason));
        }
        if self.never && !has(MeasureKind::Absence) {
            let reason = "only a rule with a condition on offline judges servers that never reported";
            return Err(ChangeError::bad_field("never", reason));
        }
        Ok(())
    }
}

/// A rule to be created.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each field is that of Rule")]
pub struct NewRule {
    pub name: String,
    pub note: String,
    pub enabled: bool,
    pub severity: Severity,
    pub when: Vec<Condition>,
    pub for_s: u32,
    pub share: f64,
    pub keep_s: u32,
    pub scope: Scope,
    pub except_ids: Vec<u64>,
    pub never: bool,
    pub channels: Vec<u64>,
    pub repeat_s: u32,
    pub resolved: bool,
}

impl NewRule {
    /// A rule about all servers that fires at once, with the defaults of everything else.
    pub fn of(name: &str, severity: Severity, when: Vec<Condition>) -> Self {
        Self {
            name: name.to_owned(),
            note: String::new(),
            enabled: true,
            severity,
            when,
            for_s: 0,
            share: 1.0,
            keep_s: KEEP_S_USUAL,
            scope: Scope::All,
            except_ids: Vec::new(),
            never: false,
            channels: Vec::new(),
            repeat_s: 0,
            resolved: true,
        }
    }

    /// The rule, with its lists in order. It is not checked yet.
    pub fn into_rule(self, id: u64, created_s: i64) -> Rule {
        let mut rule = Rule {
            id,
            name: self.name,
            note: self.note,
            enabled: self.enabled,
            severity: self.severity,
            when: self.when,
            for_s: self.for_s,
            share: self.share,
            keep_s: self.keep_s,
            scope: self.scope,
            except_ids: self.except_ids,
            never: self.never,
            channels: self.channels,
            repeat_s: self.repeat_s,
            resolved: self.resolved,
            is_built_in: false,
            created_s,
        };
        rule.put_in_order();
        rule
    }
}

/// A change to a rule. Fields that are `None` stay as they are.
#[derive(Debug, Clone, Default, PartialEq)]
#[expect(missing_docs, reason = "each field is that of Rule")]
pub struct RuleEdit {
    pub name: Option<String>,
    pub note: Option<String>,
    pub enabled: Option<bool>,
    pub severity: Option<Severity>,
    pub when: Option<Vec<Condition>>,
    pub for_s: Option<u32>,
    pub share: Option<f64>,
    pub keep_s: Option<u32>,
    pub scope: Option<Scope>,
    pub except_ids: Option<Vec<u64>>,
    pub never: Option<bool>,
    pub channels: Option<Vec<u64>>,
    pub repeat_s: Option<u32>,
    pub resolved: Option<bool>,
}

impl RuleEdit {
    /// The rule with this change, its lists in order. It is not checked yet.
    pub(crate) fn applied_to(self, rule: &Rule) -> Rule {
        let old = rule.clone();
        let mut rule = Rule {
            name: self.name.unwrap_or(old.name),
            note: self.note.unwrap_or(old.note),
            enabled: self.enabled.unwrap_or(old.enabled),
            severity: self.severity.unwrap_or(old.severity),
            when: self.when.unwrap_or(old.when),
            for_s: self.for_s.unwrap_or(old.for_s),
            share: self.share.unwrap_or(old.share),
            keep_s: self.keep_s.unwrap_or(old.keep_s),
            scope: self.scope.unwrap_or(old.scope),
            except_ids: self.except_ids.unwrap_or(old.except_ids),
            never: self.never.unwrap_or(old.never),
            channels: self.channels.unwrap_or(old.channels),
            repeat_s: self.repeat_s.unwrap_or(old.repeat_s),
            resolved: self.resolved.unwrap_or(old.resolved),
            ..old
        };
        rule.put_in_order();
        rule
    }
}

/// Whether the list of tags of a rule, or of a silence, is one.
pub(super) fn check_tags(field: &'static str, tags: &[String]) -> Result<(), ChangeError> {
    check_count(field, "tags", tags.len(), RULE_TAGS_MAX)?;
    tags.iter().try_for_each(|tag| check_length("tag", tag, NAME_CHARS_MAX))
}

pub(super) fn check_count(
    field: &'static str,
    what: &'static str,
    found: usize,
    max: usize,
) -> Result<(), ChangeError> {
    if found > max {
        Err(ChangeError::bad_field(field, format!("{found} {what} are over the limit of {max}")))
    } else {
        Ok(())
    }
}

/// Whether what people know by its name has one.
pub(super) fn check_name(what: &str, name: &str) -> Result<(), ChangeError> {
    if name.trim().is_empty() {
        return Err(ChangeError::bad_field("name", format!("it is empty: a {what} needs one")));
    }
    check_length("name", name, NAME_CHARS_MAX)
}

fn check_most(field: &'static str, found: u32, max: u32) -> Result<(), ChangeError> {
    if found > max { Err(ChangeError::bad_field(field, format!("{found} is over its limit of {max}"))) } else { Ok(()) }
}

pub(super) fn in_order<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

#[cfg(test)]
mod tests;

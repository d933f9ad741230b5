//! Rules of alerts.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use windfire_engine::alert::measure::Measure;
use windfire_engine::alert::rule::{Condition, NewRule, Operator, Rule, RuleEdit, Scope as ServerScope, Severity};
use windfire_engine::limits::{
    CHANNELS_MAX, CONDITIONS_MAX, FOR_S_MAX, KEEP_S_MAX, REPEAT_S_MAX, RULE_IDS_MAX, RULE_TAGS_MAX,
};
use windfire_engine::token::Scope;

use crate::admission::Work;
use crate::answer::Answer;
use crate::object::Object;
use crate::operation::{Access, ID_IN_PATH, MANAGE, Operation};
use crate::request::{ApiError, ApiRequest, ApiResult, success};
use crate::schema::{
    Schemas, at_most, body, envelope, flag, integer, list, maybe, name, natural, note, nullable, number, object,
    one_of, short, some, text,
};
use crate::whole_number::WholeNumber;

pub(crate) const OPERATIONS: [Operation; 4] = [
    Operation {
        name: "Rules",
        answered_by: |request| Ok(show(request)),
        work: Work::Whole,
        path: "/api/v1/alert/rule",
        access: Access::Scope(Scope::Read),
        about: "Rules of alerts",
        answer: "Rules",
        ..MANAGE
    },
    Operation {
        name: "AddRule",
        answered_by: add,
        path: "/api/v1/alert/rule",
        method: "POST",
        body: Some("AddRule"),
        about: "Creates a rule of alerts",
        answer: "Added",
        ..MANAGE
    },
    Operation {
        name: "EditRule",
        answered_by: edit,
        path: "/api/v1/alert/rule/{id}",
        method: "PATCH",
        body: Some("EditRule"),
        about: "Changes the given settings. Of the hub's own rules, only `channels` and `enabled` can be changed",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        name: "RemoveRule",
        answered_by: remove,
        path: "/api/v1/alert/rule/{id}",
        method: "DELETE",
        about: "Removes a rule of alerts. The hub's own rules stay",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleBody {
    name: Option<String>,
    note: Option<String>,
    enabled: Option<bool>,
    severity: Option<String>,
    when: Option<Vec<Object<ConditionBody>>>,
    for_s: Option<WholeNumber<u32>>,
    share: Option<f64>,
    keep_s: Option<WholeNumber<u32>>,
    scope: Option<ScopeBody>,
    except_ids: Option<Vec<WholeNumber<u64>>>,
    never: Option<bool>,
    channels: Option<Vec<WholeNumber<u64>>>,
    repeat_s: Option<WholeNumber<u32>>,
    resolved: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionBody {
    metric: String,
    /// `>` when it is not given.
    op: Option<String>,
    /// Not for a measure without numbers.
    value: Option<f64>,
    clear: Option<f64>,
}

/// An object with one of these keys.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScopeBody {
    /// Always true.
    All(bool),
    Tags(Vec<String>),
    Ids(Vec<WholeNumber<u64>>),
}

fn show(request: &ApiRequest<'_>) -> Answer {
    let (rules, firing) = (request.engine.registry().rules(), request.engine.alerts().firing());
    let line = |rule: &Arc<Rule>| {
        let mut line = seen(request, rule)?;
        let servers = firing.get(&rule.id).map_or(&[][..], Vec::as_slice);
        // The hub is the server 0, whose rules only those see who see all.
        line["firing"] = json!(request.viewer.seen_ids(request.engine, servers).len());
        Some(line)
    };
    success(rules.iter().filter_map(line).collect::<Vec<_>>())
}

/// The part of a rule that the viewer sees; nothing when it is about none of the viewer's servers. Only administrators
/// see the note, as that of a server. A viewer who is limited to tags learns of no other tag, of no other server and of
/// no channel.
fn seen(request: &ApiRequest<'_>, rule: &Rule) -> Option<Value> {
    let (viewer, engine) = (request.viewer, request.engine);
    let scope = match &rule.scope {
        ServerScope::All if rule.is_of_hub() && !viewer.sees_all() => return None,
        ServerScope::All => json!({"all": true}),
        ServerScope::Tags(tags) => json!({"tags": Some(viewer.seen_tags(tags)).filter(|tags| !tags.is_empty())?}),
        ServerScope::Ids(ids) => json!({"ids": Some(viewer.seen_ids(engine, ids)).filter(|ids| !ids.is_empty())?}),
    };
    let when = rule.when.iter().map(|condition| {
        let Condition { measure, operator, value, clear } = condition;
        json!({"metric": measure.name(), "op": operator.text(), "value": value, "clear": clear})
    });
    Some(json!({
        "id": rule.id,
        "name": rule.name,
        "note": if viewer.may(Scope::Admin) { rule.note.as_str() } else { "" },
        "enabled": rule.enabled,
        "severity": rule.severity.name(),
        "when": when.collect::<Vec<_>>(),
        "for_s": rule.for_s,
        "share": rule.share,
        "keep_s": rule.keep_s,
        "scope": scope,
        "except_ids": viewer.seen_ids(engine, &rule.except_ids),
        "never": rule.never,
        "channels": if viewer.sees_all() { rule.channels.as_slice() } else { &[] },
        "repeat_s": rule.repeat_s,
        "resolved": rule.resolved,
        "built_in": rule.is_built_in,
        "created": rule.created_s,
    }))
}

/// Of these rules, those that the viewer sees.
pub(super) fn seen_rules(request: &ApiRequest<'_>, ids: &[u64]) -> Vec<u64> {
    let registry = request.engine.registry();
    let is_seen = |id: &&u64| registry.rule(**id).is_some_and(|rule| seen(request, &rule).is_some());
    if request.viewer.sees_all() { ids.to_vec() } else { ids.iter().filter(is_seen).copied().collect() }
}

fn add(request: &ApiRequest<'_>) -> ApiResult {
    let id = request.engine.registry().add_rule(wanted(request)?, request.now_s())?;
    Ok(success(json!({"id": id})))
}

fn edit(request: &ApiRequest<'_>) -> ApiResult {
    request.engine.registry().edit_rule(request.number, request.body::<RuleBody>()?.into_edit()?)?;
    Ok(success(()))
}

fn remove(request: &ApiRequest<'_>) -> ApiResult {
    request.engine.registry().remove_rule(request.number)?;
    Ok(success(()))
}

/// The rule that the body describes.
pub(super) fn wanted(request: &ApiRequest<'_>) -> Result<NewRule, ApiError> {
    let given = request.body::<RuleBody>()?.into_edit()?;
    let missing = |field: &str| ApiError::new(400, format!("{field}: it is missing, and a rule needs it"));
    let name = given.name.ok_or_else(|| missing("name"))?;
    let severity = given.severity.ok_or_else(|| missing("severity"))?;
    let usual = NewRule::of(&name, severity, given.when.ok_or_else(|| missing("when"))?);
    Ok(NewRule {
        note: given.note.unwrap_or(usual.note),
        enabled: given.enabled.unwrap_or(usual.enabled),
        for_s: given.for_s.unwrap_or(usual.for_s),
        share: given.share.unwrap_or(usual.share),
        keep_s: given.keep_s.unwrap_or(usual.keep_s),
        scope: given.scope.unwrap_or(usual.scope),
        except_ids: given.except_ids.unwrap_or(usual.except_ids),
        never: given.never.unwrap_or(usual.never),
        channels: given.channels.unwrap_or(usual.channels),
        repeat_s: given.repeat_s.unwrap_or(usual.repeat_s),
        resolved: given.resolved.unwrap_or(usual.resolved),
        ..usual
    })
}

impl RuleBody {
    fn into_edit(self) -> Result<RuleEdit, ApiError> {
        let conditions = |when: Vec<Object<ConditionBody>>| -> Result<Vec<Condition>, ApiError> {
            when.into_iter().enumerate().map(|(index, Object(condition))| condition.read(index)).collect()
        };
        Ok(RuleEdit {
            name: self.name,
            note: self.note,
            enabled: self.enabled,
            severity: self.severity.map(|severity| severity_named(&severity)).transpose()?,
            when: self.when.map(conditions).transpose()?,
            for_s: self.for_s.map(|WholeNumber(seconds)| seconds),
            share: self.share,
            keep_s: self.keep_s.map(|WholeNumber(seconds)| seconds),
            scope: self.scope.map(ScopeBody::read).transpose()?,
            except_ids: self.except_ids.map(ids),
            never: self.never,
            channels: self.channels.map(ids),
            repeat_s: self.repeat_s.map(|WholeNumber(seconds)| seconds),
            resolved: self.resolved,
        })
    }
}

impl ConditionBody {
    /// `index` is its place among the conditions of its rule.
    fn read(self, index: usize) -> Result<Condition, ApiError> {
        let wrong = |field: &str, reason: String| ApiError::new(400, format!("when[{index}].{field}: {reason}"));
        let measure = Measure::named(&self.metric).ok_or_else(|| {
            let all = Measure::ALL.map(Measure::name).join(", ");
            wrong("metric", format!("{:?} must be one of {all}", self.metric))
        })?;
        let operator = Operator::of_text(self.op.as_deref().unwrap_or(">"))
            .ok_or_else(|| wrong("op", format!("{:?} must be \">\" or \"<\"", self.op.unwrap_or_default())))?;
        let value = match self.value {
            Some(value) => value,
            None if measure.unit().is_empty() => 0.0,
            None => {
                let reason = format!("it is missing, and {} needs a number of {}", measure.name(), measure.unit());
                return Err(wrong("value", reason));
            }
        };
        Ok(Condition { measure, operator, value, clear: self.clear })
    }
}

impl ScopeBody {
    fn read(self) -> Result<ServerScope, ApiError> {
        match self {
            Self::All(true) => Ok(ServerScope::All),
            Self::All(false) => {
                Err(ApiError::new(400, "scope.all: false says nothing: write true, or name tags or ids"))
            }
            Self::Tags(tags) => Ok(ServerScope::Tags(tags)),
            Self::Ids(numbers) => Ok(ServerScope::Ids(ids(numbers))),
        }
    }
}

fn severity_named(name: &str) -> Result<Severity, ApiError> {
    let all = Severity::ALL.map(Severity::name).join(", ");
    Severity::named(name).ok_or_else(|| ApiError::new(400, format!("severity {name:?} must be one of {all}")))
}

/// Ids as they are written.
pub(super) fn ids(numbers: Vec<WholeNumber<u64>>) -> Vec<u64> {
    numbers.into_iter().map(|WholeNumber(id)| id).collect()
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let condition = json!({"metric": text(), "op": text(), "value": number(), "clear": maybe("number")});
    let rule = json!({
        "id": integer(), "name": text(), "note": text(), "enabled": flag(), "severity": text(),
        "when": list(object(condition)), "for_s": integer(), "share": number(), "keep_s": integer(),
        "scope": {"type": "object"}, "except_ids": list(integer()), "never": flag(), "channels": list(integer()),
        "repeat_s": integer(), "resolved": flag(), "built_in": flag(), "created": integer(), "firing": integer(),
    });
    let mut add = fields();
    add["name"] = name();
    add["severity"] = one_of(&Severity::ALL.map(Severity::name));
    add["when"] = conditions();
    vec![
        ("Rules", envelope(list(object(rule)))),
        ("AddRule", body(add, &["name", "severity", "when"])),
        ("EditRule", body(fields(), &[])),
    ]
}

/// What a rule is described by, each `null` as if it were not given.
fn fields() -> Value {
    let scope = json!({"type": ["object", "null"], "oneOf": [
        {"type": "null"},
        body(json!({"all": {"const": true}}), &["all"]),
        body(json!({"tags": some(short(), 1, RULE_TAGS_MAX)}), &["tags"]),
        body(json!({"ids": some(natural(), 1, RULE_IDS_MAX)}), &["ids"]),
    ]});
    json!({
        "name": nullable(name()), "note": nullable(note()), "enabled": nullable(flag()),
        "severity": nullable(one_of(&Severity::ALL.map(Severity::name))), "when": nullable(conditions()),
        "for_s": nullable(at_most(FOR_S_MAX)),
        "share": {"type": ["number", "null"], "minimum": 0.5, "maximum": 1},
        "keep_s": nullable(at_most(KEEP_S_MAX)), "scope": scope,
        "except_ids": nullable(some(natural(), 0, RULE_IDS_MAX)), "never": nullable(flag()),
        "channels": nullable(some(natural(), 0, CHANNELS_MAX)), "repeat_s": nullable(at_most(REPEAT_S_MAX)),
        "resolved": nullable(flag()),
    })
}

fn conditions() -> Value {
    let condition = json!({
        "metric": one_of(&Measure::ALL.map(Measure::name)), "op": nullable(one_of(&Operator::ALL.map(Operator::text))),
        "value": maybe("number"), "clear": maybe("number"),
    });
    some(body(condition, &["metric"]), 1, CONDITIONS_MAX)
}

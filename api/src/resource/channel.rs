//! Channels that messages about alerts go to.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use windfire_engine::alert::channel::{Channel, ChannelEdit, ChannelKind, Language, NewChannel};
use windfire_engine::limits::{MESSAGES_PER_MINUTE_MAX, TEMPLATE_CHARS_MAX};
use windfire_engine::token::Scope;

use super::channel_settings::{changed, kinds, read, shapes, shown};
use crate::admission::Work;
use crate::answer::Answer;
use crate::object::given;
use crate::operation::{Access, ID_IN_PATH, MANAGE, Operation};
use crate::request::{ApiError, ApiRequest, ApiResult, success};
use crate::schema::{Schemas, body, envelope, flag, integer, list, maybe, name, nullable, object, one_of, short, text};
use crate::whole_number::WholeNumber;

pub(crate) const OPERATIONS: [Operation; 5] = [
    Operation {
        name: "Channels",
        answered_by: |request| Ok(show(request)),
        work: Work::Whole,
        path: "/api/v1/alert/channel",
        access: Access::Scope(Scope::Read),
        about: "Channels that messages about alerts go to, without their secrets",
        answer: "Channels",
        ..MANAGE
    },
    Operation {
        name: "AddChannel",
        answered_by: add,
        path: "/api/v1/alert/channel",
        method: "POST",
        body: Some("AddChannel"),
        about: "Creates a channel",
        answer: "Added",
        ..MANAGE
    },
    Operation {
        name: "EditChannel",
        answered_by: edit,
        path: "/api/v1/alert/channel/{id}",
        method: "PATCH",
        body: Some("EditChannel"),
        about: "Changes the given settings of a channel. A secret that is sent back as it was shown stays",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        name: "RemoveChannel",
        answered_by: remove,
        path: "/api/v1/alert/channel/{id}",
        method: "DELETE",
        about: "Removes a channel that no rule names",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
    Operation {
        name: "TestChannel",
        answered_by: test,
        path: "/api/v1/alert/channel/{id}/test",
        method: "POST",
        about: "Sends a test message to a channel. How that went is in the list of channels",
        parameters: &[ID_IN_PATH],
        ..MANAGE
    },
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChannelBody {
    name: Option<String>,
    enabled: Option<bool>,
    kind: Option<String>,
    settings: Option<Map<String, Value>>,
    /// `null` for the default text.
    #[serde(default, deserialize_with = "given")]
    subject: Option<Option<String>>,
    /// `null` for the default text.
    #[serde(default, deserialize_with = "given")]
    body: Option<Option<String>>,
    messages_per_minute: Option<WholeNumber<u32>>,
    tls_verify: Option<bool>,
    time_zone: Option<String>,
    language: Option<String>,
}

/// A viewer who is limited to tags sees none: a channel is of no server, and has the addresses of people.
fn show(request: &ApiRequest<'_>) -> Answer {
    let channels = if request.viewer.sees_all() { request.engine.registry().channels() } else { Vec::new() };
    let line = |channel: &Channel| {
        let health = request.engine.alerts().channel_health(channel.id);
        json!({
            "id": channel.id,
            "name": channel.name,
            "enabled": channel.enabled,
            "kind": channel.kind.name(),
            "settings": shown(&channel.kind),
            "subject": channel.subject,
            "body": channel.body,
            "messages_per_minute": channel.messages_per_minute,
            "tls_verify": channel.tls_verify,
            "time_zone": channel.time_zone,
            "language": channel.language.name(),
            "created": channel.created_s,
            "failing_since": health.failing_since_ms.map(seconds),
            "failure": health.failure,
            "last_sent": health.last_sent_ms.map(seconds),
            "sent": health.sent,
            "failed": health.failed,
        })
    };
    success(channels.iter().map(|channel| line(channel)).collect::<Vec<_>>())
}

fn add(request: &ApiRequest<'_>) -> ApiResult {
    let given = request.body::<ChannelBody>()?.into_edit(None)?;
    let missing = |field: &str| ApiError::new(400, format!("{field}: it is missing, and a channel needs it"));
    let name = given.name.ok_or_else(|| missing("name"))?;
    let usual = NewChannel::of(&name, given.kind.ok_or_else(|| missing("kind and settings"))?);
    let new = NewChannel {
        enabled: given.enabled.unwrap_or(usual.enabled),
        subject: given.subject.unwrap_or(usual.subject),
        body: given.body.unwrap_or(usual.body),
        messages_per_minute: given.messages_per_minute.unwrap_or(usual.messages_per_minute),
        tls_verify: given.tls_verify.unwrap_or(usual.tls_verify),
        time_zone: given.time_zone.unwrap_or(usual.time_zone),
        language: given.language.unwrap_or(usual.language),
        name: usual.name,
        kind: usual.kind,
    };
    check_templates(request, &new)?;
    let id = request.engine.registry().add_channel(new, request.now_s())?;
    Ok(success(json!({"id": id})))
}

fn edit(request: &ApiRequest<'_>) -> ApiResult {
    let body = request.body::<ChannelBody>()?;
    let registry = request.engine.registry();
    let before = registry.channel(request.number);
    let edit = body.into_edit(before.as_ref().map(|before| &before.kind))?;
    if let Some(before) = &before {
        check_templates(request, &changed_by(before, &edit))?;
    }
    registry.edit_channel(request.number, edit)?;
    Ok(success(()))
}

fn remove(request: &ApiRequest<'_>) -> ApiResult {
    request.engine.registry().remove_channel(request.number)?;
    Ok(success(()))
}

fn test(request: &ApiRequest<'_>) -> ApiResult {
    let id = request.number;
    // One that is not there is said by the engine.
    if request.engine.registry().channel(id).is_some_and(|channel| !channel.enabled) {
        return Err(ApiError::new(409, format!("channel {id} is disabled: enable it first")));
    }
    request.engine.alerts().test(id, request.caller.now_ms)?;
    Ok(success(()))
}

fn check_templates(request: &ApiRequest<'_>, channel: &NewChannel) -> Result<(), ApiError> {
    (request.api.check_templates)(channel).map_err(|wrong| ApiError::new(400, wrong))
}

/// A channel as it would be after a change. Secrets that stay need not be known to look at its templates.
fn changed_by(before: &Channel, edit: &ChannelEdit) -> NewChannel {
    let edit = edit.clone();
    NewChannel {
        name: edit.name.unwrap_or_else(|| before.name.clone()),
        enabled: edit.enabled.unwrap_or(before.enabled),
        kind: edit.kind.unwrap_or_else(|| before.kind.clone()),
        subject: edit.subject.unwrap_or_else(|| before.subject.clone()),
        body: edit.body.unwrap_or_else(|| before.body.clone()),
        messages_per_minute: edit.messages_per_minute.unwrap_or(before.messages_per_minute),
        tls_verify: edit.tls_verify.unwrap_or(before.tls_verify),
        time_zone: edit.time_zone.unwrap_or_else(|| before.time_zone.clone()),
        language: edit.language.unwrap_or(before.language),
    }
}

/// Unix seconds.
fn seconds(ms: i64) -> i64 {
    ms.div_euclid(1000)
}

impl ChannelBody {
    /// `before` is the kind that there is. Settings of the same kind are changed one by one.
    fn into_edit(self, before: Option<&ChannelKind>) -> Result<ChannelEdit, ApiError> {
        let same = before.filter(|before| self.kind.as_deref().is_none_or(|kind| kind == before.name()));
        let kind = match (self.kind.as_deref(), same, self.settings) {
            (_, Some(before), Some(settings)) => Some(changed(before, settings)?),
            (Some(kind), None, Some(settings)) => Some(read(kind, settings)?),
            (None, None, Some(_)) => {
                return Err(ApiError::new(400, "kind: it is missing, and settings are those of a kind"));
            }
            (Some(_), None, None) => {
                return Err(ApiError::new(400, "settings: they are missing, and a kind needs its own"));
            }
            (_, _, None) => None,
        };
        Ok(ChannelEdit {
            name: self.name,
            enabled: self.enabled,
            kind,
            subject: self.subject,
            body: self.body,
            messages_per_minute: self.messages_per_minute.map(|WholeNumber(messages)| messages),
            tls_verify: self.tls_verify,
            time_zone: self.time_zone,
            language: self.language.map(|language| language_named(&language)).transpose()?,
        })
    }
}

fn language_named(name: &str) -> Result<Language, ApiError> {
    let all = Language::ALL.map(Language::name).join(", ");
    Language::named(name).ok_or_else(|| ApiError::new(400, format!("language {name:?} must be one of {all}")))
}

/// Schemas of its bodies and answers.
pub(crate) fn schemas() -> Schemas {
    let channel = json!({
        "id": integer(), "name": text(), "enabled": flag(), "kind": text(), "settings": {"type": "object"},
        "subject": maybe("string"), "body": maybe("string"), "messages_per_minute": integer(), "tls_verify": flag(),
        "time_zone": text(), "language": text(), "created": integer(), "failing_since": maybe("integer"),
        "failure": maybe("string"), "last_sent": maybe("integer"), "sent": integer(), "failed": integer(),
    });
    let kinds: Vec<&str> = kinds().collect();
    let template = || json!({"type": ["string", "null"], "maxLength": TEMPLATE_CHARS_MAX});
    let settings = |are_complete| json!({"type": "object", "anyOf": shapes(are_complete)});
    let fields = json!({
        "name": nullable(name()), "enabled": nullable(flag()), "kind": nullable(one_of(&kinds)),
        "settings": {"anyOf": [{"type": "null"}, settings(false)]}, "subject": template(), "body": template(),
        "messages_per_minute": {"type": ["integer", "null"], "minimum": 1, "maximum": MESSAGES_PER_MINUTE_MAX},
        "tls_verify": nullable(flag()), "time_zone": nullable(short()),
        "language": nullable(one_of(&Language::ALL.map(Language::name))),
    });
    let mut add = fields.clone();
    add["name"] = name();
    add["kind"] = one_of(&kinds);
    add["settings"] = settings(true);
    vec![
        ("Channels", envelope(list(object(channel)))),
        ("AddChannel", body(add, &["name", "kind", "settings"])),
        ("EditChannel", body(fields, &[])),
    ]
}

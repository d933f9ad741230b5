//! The settings of each kind of channel, as JSON.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use windfire_engine::alert::channel::{ChannelKind, Content, Method, Security, TemplateEngine};
use windfire_engine::alert::preset::{PRESETS, Preset};
use windfire_engine::limits::{HEADER_CHARS_MAX, HEADERS_MAX, RECIPIENTS_MAX, TEMPLATE_CHARS_MAX, URL_CHARS_MAX};

use crate::request::ApiError;
use crate::schema::{body, nullable, one_of, some, text};
use crate::whole_number::WholeNumber;

/// Default of ntfy's address.
const NTFY_URL: &str = "https://ntfy.sh";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebhookSettings {
    method: Option<String>,
    url: String,
    headers: Option<BTreeMap<String, String>>,
    content: Option<String>,
    subject: Option<String>,
    body: Option<String>,
    engine: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UrlSettings {
    url: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TelegramSettings {
    base_url: Option<String>,
    token: String,
    chat_id: ChatId,
    thread_id: Option<WholeNumber<i64>>,
}

/// As people find it written: a number, or a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum ChatId {
    Number(i64),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NtfySettings {
    url: Option<String>,
    topic: String,
    token: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EmailSettings {
    host: String,
    port: Option<WholeNumber<u16>>,
    security: Option<String>,
    user: Option<String>,
    password: Option<String>,
    from: String,
    to: Vec<String>,
}

/// Reads the settings of a kind, or of a preset, which is a webhook.
///
/// # Errors
/// A sentence for the client.
pub(super) fn read(kind: &str, settings: Map<String, Value>) -> Result<ChannelKind, ApiError> {
    Ok(match kind {
        "webhook" => webhook(None, of(settings)?)?,
        "alertmanager" => ChannelKind::Alertmanager { url: of::<UrlSettings>(settings)?.url },
        "telegram" => {
            let TelegramSettings { base_url, token, chat_id, thread_id } = of(settings)?;
            let chat_id = match chat_id {
                ChatId::Number(number) => number.to_string(),
                ChatId::Text(text) => text,
            };
            ChannelKind::Telegram { base_url, token, chat_id, thread_id: thread_id.map(|WholeNumber(id)| id) }
        }
        "slack" => ChannelKind::Slack { url: of::<UrlSettings>(settings)?.url },
        "discord" => ChannelKind::Discord { url: of::<UrlSettings>(settings)?.url },
        "ntfy" => {
            let NtfySettings { url, topic, token } = of(settings)?;
            ChannelKind::Ntfy { url: url.unwrap_or_else(|| NTFY_URL.to_owned()), topic, token }
        }
        "email" => {
            let EmailSettings { host, port, security, user, password, from, to } = of(settings)?;
            let all = Security::ALL.map(Security::name);
            let security = named("security", security, Security::named, &all)?.unwrap_or(Security::StartTls);
            let usual = match security {
                Security::StartTls => 587,
                Security::Tls => 465,
                Security::Plain => 25,
            };
            let port = port.map_or(usual, |WholeNumber(port)| port);
            ChannelKind::Email { host, port, security, user, password, from, to }
        }
        name => match Preset::named(name) {
            Some(preset) => webhook(Some(preset), of(settings)?)?,
            None => {
                let all: Vec<&str> = kinds().collect();
                return Err(ApiError::new(400, format!("kind {name:?} must be one of {}", all.join(", "))));
            }
        },
    })
}

/// Reads settings that replace those of a channel, each one by its name.
///
/// # Errors
/// As [`read`].
pub(super) fn changed(before: &ChannelKind, settings: Map<String, Value>) -> Result<ChannelKind, ApiError> {
    let Value::Object(mut all) = shown(before) else { return read(before.name(), settings) };
    all.extend(settings);
    read(before.name(), all)
}

/// Names of all kinds and presets.
pub(super) fn kinds() -> impl Iterator<Item = &'static str> {
    ChannelKind::NAMES.into_iter().chain(PRESETS.iter().map(|preset| preset.name))
}

fn of<T: DeserializeOwned>(settings: Map<String, Value>) -> Result<T, ApiError> {
    T::deserialize(Value::Object(settings)).map_err(|error| ApiError::new(400, format!("settings: {error}")))
}

/// A webhook, with what the preset has where nothing is given.
fn webhook(preset: Option<&Preset>, settings: WebhookSettings) -> Result<ChannelKind, ApiError> {
    let WebhookSettings { method, url, headers, content, subject, body, engine } = settings;
    let usual = preset.map_or(Method::Post, |preset| preset.method);
    let engines = TemplateEngine::ALL.map(TemplateEngine::name);
    Ok(ChannelKind::Webhook {
        method: named("method", method, Method::named, &Method::ALL.map(Method::name))?.unwrap_or(usual),
        url,
        headers: headers.unwrap_or_default().into_iter().collect(),
        content: named("content", content, Content::named, &Content::ALL.map(Content::name))?.unwrap_or(Content::Json),
        subject,
        body: body.or_else(|| preset.map(|preset| preset.body.to_owned())),
        engine: named("engine", engine, TemplateEngine::named, &engines)?.unwrap_or(TemplateEngine::Plain),
    })
}

/// The value of that name. `None` when no name is given.
fn named<T>(
    field: &str,
    name: Option<String>,
    of_name: fn(&str) -> Option<T>,
    all: &[&str],
) -> Result<Option<T>, ApiError> {
    let wrong =
        |name: &str| ApiError::new(400, format!("settings.{field}: {name:?} must be one of {}", all.join(", ")));
    name.map(|name| of_name(&name).ok_or_else(|| wrong(&name))).transpose()
}

/// The settings of a channel, without its secrets.
pub(super) fn shown(kind: &ChannelKind) -> Value {
    match kind.with_secrets_hidden() {
        ChannelKind::Webhook { method, url, headers, content, subject, body, engine } => json!({
            "method": method.name(),
            "url": url,
            "headers": headers.into_iter().collect::<BTreeMap<_, _>>(),
            "content": content.name(),
            "subject": subject,
            "body": body,
            "engine": engine.name(),
        }),
        ChannelKind::Alertmanager { url } | ChannelKind::Slack { url } | ChannelKind::Discord { url } => {
            json!({"url": url})
        }
        ChannelKind::Telegram { base_url, token, chat_id, thread_id } => {
            json!({"base_url": base_url, "token": token, "chat_id": chat_id, "thread_id": thread_id})
        }
        ChannelKind::Ntfy { url, topic, token } => json!({"url": url, "topic": topic, "token": token}),
        ChannelKind::Email { host, port, security, user, password, from, to } => json!({
            "host": host,
            "port": port,
            "security": security.name(),
            "user": user,
            "password": password,
            "from": from,
            "to": to,
        }),
    }
}

/// The shape of the settings of each kind: of all of them together, or of some that are changed.
pub(super) fn shapes(are_complete: bool) -> Vec<Value> {
    let short = || json!({"type": "string", "maxLength": URL_CHARS_MAX});
    let template = || json!({"type": ["string", "null"], "maxLength": TEMPLATE_CHARS_MAX});
    let header = json!({"type": "string", "maxLength": HEADER_CHARS_MAX});
    let headers = json!({"type": ["object", "null"], "additionalProperties": header, "maxProperties": HEADERS_MAX});
    let webhook = json!({
        "method": nullable(one_of(&Method::ALL.map(Method::name))), "url": short(), "headers": headers,
        "content": nullable(one_of(&Content::ALL.map(Content::name))), "subject": template(), "body": template(),
        "engine": nullable(one_of(&TemplateEngine::ALL.map(TemplateEngine::name))),
    });
    let telegram = json!({
        "base_url": nullable(short()), "token": short(), "chat_id": {"type": ["string", "integer"]},
        "thread_id": {"type": ["integer", "null"], "minimum": 1},
    });
    let ntfy = json!({"url": nullable(short()), "topic": text(), "token": nullable(short())});
    let email = json!({
        "host": short(), "port": {"type": ["integer", "null"], "minimum": 1, "maximum": u16::MAX},
        "security": nullable(one_of(&Security::ALL.map(Security::name))), "user": nullable(short()),
        "password": nullable(short()), "from": text(), "to": some(text(), 1, RECIPIENTS_MAX),
    });
    let shapes: [(Value, &[&str]); 4] =
        [(webhook, &["url"]), (telegram, &["token", "chat_id"]), (ntfy, &["topic"]), (email, &["host", "from", "to"])];
    shapes.into_iter().map(|(shape, required)| body(shape, if are_complete { required } else { &[] })).collect()
}

#[cfg(test)]
mod tests {
    use windfire_engine::alert::channel::{NewChannel, SECRET_SHOWN};

    use super::*;

    fn of_json(kind: &str, settings: Value) -> Result<ChannelKind, String> {
        let Value::Object(settings) = settings else { panic!("{settings} is no object") };
        read(kind, settings).map_err(|error| error.message)
    }

    #[test]
    fn each_kind_is_read_with_its_defaults_and_shown_without_its_secrets() {
        let url = "https://hooks.example.org/secret";
        let email =
            json!({"host": "mail.example.org", "from": "a@b", "to": ["c@d"], "user": "u", "password": "secret"});
        let mut secrets = 0;
        for (kind, settings, expected) in [
            ("slack", json!({"url": url}), json!({"url": SECRET_SHOWN})),
            ("discord", json!({"url": url}), json!({"url": SECRET_SHOWN})),
            ("alertmanager", json!({"url": "http://127.0.0.1:9093"}), json!({"url": "http://127.0.0.1:9093"})),
            (
                "telegram",
                json!({"token": "1:secret", "chat_id": -1001}),
                json!({"base_url": null, "token": SECRET_SHOWN, "chat_id": "-1001", "thread_id": null}),
            ),
            ("ntfy", json!({"topic": "t"}), json!({"url": NTFY_URL, "topic": "t", "token": null})),
            (
                "email",
                email,
                json!({
                    "host": "mail.example.org", "port": 587, "security": "starttls", "user": "u",
                    "password": SECRET_SHOWN, "from": "a@b", "to": ["c@d"],
                }),
            ),
            (
                "webhook",
                json!({"url": url, "headers": {"X-Key": "secret"}}),
                json!({
                    "method": "POST", "url": SECRET_SHOWN, "headers": {"X-Key": SECRET_SHOWN}, "content": "json",
                    "subject": null, "body": null, "engine": "plain",
                }),
            ),
        ] {
            let read = of_json(kind, settings.clone()).expect("legal");
            assert_eq!((read.name(), shown(&read)), (kind, expected));
            assert!(!shown(&read).to_string().contains("secret"));
            secrets += settings.to_string().matches("secret").count();
            assert_eq!(NewChannel::of("ops", read).into_channel(1, 0).check(), Ok(()), "{kind}");
        }
        assert_eq!(secrets, 6);
    }

    #[test]
    fn a_preset_fills_in_what_is_not_given() {
        let matrix = Preset::named("matrix").expect("there");
        let url = "https://matrix.example.org/_matrix/client/v3/rooms/r/send/m.room.message/{key}";
        let read = of_json("matrix", json!({"url": url, "headers": {"Authorization": "Bearer x"}})).expect("legal");
        let ChannelKind::Webhook { method, body, .. } = read else { panic!("{read:?}") };
        assert_eq!((method, body.as_deref()), (Method::Put, Some(matrix.body)));
        let read = of_json("matrix", json!({"url": url, "method": "POST", "body": "{}"})).expect("legal");
        let ChannelKind::Webhook { method, body, .. } = read else { panic!("{read:?}") };
        assert_eq!((method, body.as_deref()), (Method::Post, Some("{}")));
    }

    #[test]
    fn settings_are_changed_one_by_one_and_secrets_stay() {
        let before = of_json("telegram", json!({"token": "1:secret", "chat_id": "1", "thread_id": 7})).expect("legal");
        let change = |settings: Value| {
            let Value::Object(settings) = settings else { panic!("{settings} is no object") };
            let kind = changed(&before, settings).map_err(|error| error.message)?;
            kind.with_secrets_of(Some(&before)).map_err(|error| error.to_string())
        };
        let expected = of_json("telegram", json!({"token": "1:secret", "chat_id": "@ops"})).expect("legal");
        assert_eq!(change(json!({"chat_id": "@ops", "thread_id": null})), Ok(expected));
        let said = change(json!({"base_url": "https://evil.example"})).expect_err("the token would go elsewhere");
        assert!(said.starts_with("settings.token: "), "{said}");
        assert!(change(json!({"topic": "t"})).expect_err("of another kind").contains("unknown field `topic`"));
    }

    #[test]
    fn what_a_kind_does_not_take_is_named() {
        for (kind, settings, words) in [
            ("sms", json!({}), "kind \"sms\" must be one of webhook, "),
            ("slack", json!({}), "settings: missing field `url`"),
            ("slack", json!({"url": "x", "token": "y"}), "settings: unknown field `token`"),
            ("webhook", json!({"url": "x", "method": "PATCH"}), "settings.method: \"PATCH\" must be one of GET"),
            ("webhook", json!({"url": "x", "content": "xml"}), "settings.content: \"xml\" must be one of json, form"),
            ("email", json!({"host": "h", "from": "a", "to": [], "security": "ssl"}), "settings.security: \"ssl\""),
            ("email", json!({"host": "h", "from": "a", "to": [], "port": 65536}), "settings: 65536 is out of bounds"),
            ("telegram", json!({"token": "t", "chat_id": [1]}), "settings: "),
        ] {
            let said = of_json(kind, settings).expect_err("refused");
            assert!(said.starts_with(words), "{words} {said}");
        }
    }

    #[test]
    fn the_shape_of_each_kind_is_described() {
        let shapes = shapes(true);
        for kind in ChannelKind::NAMES {
            let keys = match kind {
                "webhook" => vec!["method", "url", "headers", "content", "subject", "body", "engine"],
                "telegram" => vec!["base_url", "token", "chat_id", "thread_id"],
                "ntfy" => vec!["url", "topic", "token"],
                "email" => vec!["host", "port", "security", "user", "password", "from", "to"],
                _ => vec!["url"],
            };
            let takes = |shape: &Value| {
                let required = shape["required"].as_array().expect("a list");
                let has_all = keys.iter().all(|key| shape["properties"].get(key).is_some());
                has_all && required.iter().all(|name| keys.iter().any(|key| name == key))
            };
            assert!(shapes.iter().any(takes), "{kind}");
        }
    }
}

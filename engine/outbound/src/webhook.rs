//! A webhook: a request of HTTP as somebody wrote it down.

use http::Method;
use http::header::CONTENT_TYPE;
use minijinja::AutoEscape;
use serde_json::Value;
use windfire_engine::alert::channel::{self, Channel, ChannelKind, Content, TemplateEngine};
use windfire_engine::alert::notice::Message;

use crate::client::Call;
use crate::error::Failure;
use crate::facts::Facts;
use crate::nezha::{Values, form};
use crate::shape;
use crate::style::Style;
use crate::template::{Texts, render, variables};

/// The settings of a webhook that its request is made of.
pub(crate) struct Webhook<'a> {
    method: channel::Method,
    url: &'a str,
    headers: &'a [(String, String)],
    content: Content,
    body: Option<&'a str>,
    engine: TemplateEngine,
}

impl<'a> Webhook<'a> {
    /// The settings of a channel, if it is a webhook.
    pub(crate) fn of(kind: &'a ChannelKind) -> Option<Self> {
        match kind {
            ChannelKind::Webhook { method, url, headers, content, body, engine, .. } => {
                Some(Self { method: *method, url, headers, content: *content, body: body.as_deref(), engine: *engine })
            }
            _ => None,
        }
    }

    /// The request. Otherwise the field that it cannot be made of, and why.
    pub(crate) fn call(
        &self,
        message: &Message,
        channel: &Channel,
        facts: Option<&Facts>,
        texts: &Texts,
    ) -> Result<Call, Failure> {
        self.checked_call(message, channel, facts, texts).map_err(Failure::never)
    }

    /// The same, for who saves the channel.
    pub(crate) fn checked_call(
        &self,
        message: &Message,
        channel: &Channel,
        facts: Option<&Facts>,
        texts: &Texts,
    ) -> Result<Call, String> {
        let (url, body) = match self.engine {
            TemplateEngine::Plain => (self.url.to_owned(), self.plain_body(message, channel, facts, texts)?),
            TemplateEngine::Nezha => self.filled(message, channel, facts, texts)?,
        };
        let (method, body) = match self.method {
            channel::Method::Get => (Method::GET, String::new()),
            channel::Method::Post => (Method::POST, body),
            channel::Method::Put => (Method::PUT, body),
        };
        let content_type = match self.content {
            Content::Json => "application/json",
            Content::Form => "application/x-www-form-urlencoded",
        };
        let content_type = (method != Method::GET).then(|| (CONTENT_TYPE.to_string(), content_type.to_owned()));
        let headers = content_type.into_iter().chain(self.headers.iter().cloned());
        let url = url.replace("{key}", &message.key);
        Ok(Call { method, url, headers: headers.collect(), body: body.into_bytes() })
    }

    /// The body by its template, or all of the message.
    fn plain_body(
        &self,
        message: &Message,
        channel: &Channel,
        facts: Option<&Facts>,
        texts: &Texts,
    ) -> Result<String, String> {
        let Some(template) = self.body else {
            let all = Value::Object(shape::of_message(message, channel));
            return match self.content {
                Content::Json => Ok(all.to_string()),
                Content::Form => Ok(form([
                    ("subject".to_owned(), texts.subject.clone()),
                    ("text".to_owned(), texts.text.clone()),
                    ("message".to_owned(), all.to_string()),
                ])),
            };
        };
        let mut known = variables(message, channel, facts);
        known.insert("subject".to_owned(), Value::from(texts.subject.clone()));
        known.insert("text".to_owned(), Value::from(texts.text.clone()));
        let body = render("settings.body", template, known, &Style::of(channel), AutoEscape::Json)?;
        let read: Result<Value, _> = serde_json::from_str(&body);
        let wrong = |reason: &str| format!("settings.body: the template cannot be used: {reason}");
        match (self.content, read) {
            (Content::Json, Ok(_)) => Ok(body),
            // A header may say that it is something else.
            (Content::Json, Err(_)) if self.has_content_type() => Ok(body),
            (_, Err(error)) => Err(wrong(&format!("it does not make JSON: {error}"))),
            (Content::Form, Ok(Value::Object(fields))) => {
                Ok(form(fields.into_iter().map(|(name, value)| match value {
                    Value::String(text) => (name, text),
                    other => (name, other.to_string()),
                })))
            }
            (Content::Form, Ok(_)) => Err(wrong("it must make a JSON object, whose keys are the fields of the form")),
        }
    }

    /// The URL and the body, with Nezha's placeholders filled in.
    fn filled(
        &self,
        message: &Message,
        channel: &Channel,
        facts: Option<&Facts>,
        texts: &Texts,
    ) -> Result<(String, String), String> {
        let (style, told) = (Style::of(channel), texts.joined());
        let time_ms = message.ended_ms.unwrap_or(message.since_ms);
        let values = Values { message: &told, time_ms, style: &style, facts };
        let body = match (self.body, self.content) {
            (None, _) => String::new(),
            (Some(body), Content::Json) => values.in_json(body),
            (Some(body), Content::Form) => {
                values.in_form(body).map_err(|reason| format!("settings.body: the form cannot be used: {reason}"))?
            }
        };
        Ok((values.in_url(self.url), body))
    }

    fn has_content_type(&self) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()))
    }
}

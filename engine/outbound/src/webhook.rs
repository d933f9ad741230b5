//! A webhook: a request of HTTP as somebody wrote it down.

use http::Method;
use http::header::CONTENT_TYPE;
use minijinja::AutoEscape;
use serde_json::Value;
use windfire_engine::alert::channel::{self, Channel, ChannelKind, Content, TemplateEngine};
use windfire_engine::alert::notice::Message;
use windfire_engine::limits::MESSAGE_BYTES_MAX;

use crate::client::Call;
use crate::error::Failure;
use crate::facts::Facts;
use crate::fit::{fit, utf8};
use crate::nezha::{MESSAGE_PLACE, Values, form};
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
        let style = Style::of(channel);
        // There may be thousands of places for one long text.
        let places = [Some(self.url), self.body].into_iter().flatten().map(|text| text.matches(MESSAGE_PLACE).count());
        let told = fit(&texts.joined(), MESSAGE_BYTES_MAX / places.sum::<usize>().max(1), utf8);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use windfire_engine::alert::channel::NewChannel;
    use windfire_engine::alert::preset::PRESETS;

    use super::*;
    use crate::samples;
    use crate::template::texts;

    fn webhook(content: Content, body: Option<&str>) -> Channel {
        let url = "https://hooks.example.org/{key}".to_owned();
        let (body, engine) = (body.map(str::to_owned), TemplateEngine::Plain);
        let (method, headers) = (channel::Method::Post, Vec::new());
        let kind = ChannelKind::Webhook { method, url, headers, content, subject: None, body, engine };
        NewChannel::of("hook", kind).into_channel(1, 0)
    }

    fn body(message: &Message, channel: &Channel) -> Result<String, TestCaseError> {
        let facts = samples::facts();
        let texts = texts(message, channel, Some(&facts));
        let webhook = Webhook::of(&channel.kind).ok_or_else(|| TestCaseError::fail("not a webhook"))?;
        let call = webhook.checked_call(message, channel, Some(&facts), &texts).map_err(TestCaseError::fail)?;
        String::from_utf8(call.body).map_err(|error| TestCaseError::fail(error.to_string()))
    }

    fn read(body: &str) -> Result<Value, TestCaseError> {
        serde_json::from_str(body).map_err(|error| TestCaseError::fail(format!("{error}: {body}")))
    }

    #[test]
    fn a_long_text_in_many_places_is_no_huge_body() {
        let kind = ChannelKind::Webhook {
            method: channel::Method::Post,
            url: "https://hooks.example.org/".to_owned(),
            headers: Vec::new(),
            content: Content::Json,
            subject: None,
            body: Some(MESSAGE_PLACE.repeat(2_000)),
            engine: TemplateEngine::Nezha,
        };
        let channel = NewChannel::of("v0", kind).into_channel(1, 0);
        let texts = Texts { subject: "s".to_owned(), text: "x".repeat(MESSAGE_BYTES_MAX) };
        let webhook = Webhook::of(&channel.kind).expect("a webhook");
        let made = webhook.checked_call(&samples::firing(), &channel, None, &texts).map(|call| call.body.len());
        println!("{made:?} bytes");
        assert!(made.is_ok_and(|bytes| (MESSAGE_BYTES_MAX / 2..=2 * MESSAGE_BYTES_MAX).contains(&bytes)));
    }

    proptest! {
        #[test]
        fn whatever_names_there_are_a_body_is_json(
            server in "(?s).{0,40}",
            tag in "(?s).{0,20}",
            rule in "(?s).{0,40}",
            value in proptest::option::of(any::<f64>()),
        ) {
            let mut message = samples::firing();
            message.rule = Some((3, rule.clone()));
            for named in &mut message.servers {
                (named.name, named.tag, named.value) = (server.clone(), tag.clone(), value);
            }
            let all = read(&body(&message, &webhook(Content::Json, None))?)?;
            let line = |text: &str| text.replace(char::is_control, " ");
            let (server, rule) = (line(&server), line(&rule));
            prop_assert_eq!(all["servers"][0]["name"].as_str(), Some(server.as_str()));
            prop_assert_eq!(all["rule"]["name"].as_str(), Some(rule.as_str()));
            for preset in &PRESETS {
                let made = read(&body(&message, &webhook(Content::Json, Some(preset.body)))?)?;
                prop_assert!(made.is_object(), "{}: {}", preset.name, made);
            }
            let fields = r#"{"a":{{ text }},"b":{{ servers[0].name }}}"#;
            let form = body(&message, &webhook(Content::Form, Some(fields)))?;
            prop_assert!(form.starts_with("a=") && form.matches(['&', '=']).count() == 3, "{}", form);
        }
    }
}

//! Subjects and texts of messages: the channel's own templates, or the default words.

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, Value};
use serde_json::Map;
use windfire_engine::alert::channel::{Channel, ChannelKind, Language};
use windfire_engine::alert::notice::Message;
use windfire_engine::limits::MESSAGE_BYTES_MAX;

use crate::facts::Facts;
use crate::fit::{fit, utf8};
use crate::limits::{FUEL, SUBJECT_CHARS_MAX};
use crate::style::{Style, bytes, percent, time_in, zone_named};
use crate::{shape, words};

/// A message in the words of its channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Texts {
    /// In one line.
    pub(crate) subject: String,
    pub(crate) text: String,
}

impl Texts {
    /// Both together, for receivers that know no subject.
    pub(crate) fn joined(&self) -> String {
        format!("{}\n{}", self.subject, self.text)
    }
}

/// What templates know: the message as webhooks send it, and its server.
pub(crate) fn variables(message: &Message, channel: &Channel, facts: Option<&Facts>) -> Map<String, serde_json::Value> {
    let mut known = shape::of_message(message, channel);
    known.insert("server".to_owned(), shape::of_facts(facts, channel));
    known
}

/// The words of a message. Where a template does not work, the default words and the reason take its place: what is to
/// be told is not lost because of how it is told.
pub(crate) fn texts(message: &Message, channel: &Channel, facts: Option<&Facts>) -> Texts {
    let style = Style::of(channel);
    rendered(message, channel, facts).unwrap_or_else(|wrong| {
        let reason = match channel.language {
            Language::En => format!("The channel's template did not work: {wrong}"),
            Language::Zh => format!("通知方式的模板无法使用：{wrong}"),
        };
        let text = format!("{}\n{reason}", words::text(message, &style));
        Texts { subject: one_line(&words::subject(message, channel, &style)), text: within_bounds(&text) }
    })
}

/// The words of a message, if each template works. Otherwise the field that does not, and why.
pub(crate) fn rendered(message: &Message, channel: &Channel, facts: Option<&Facts>) -> Result<Texts, String> {
    let style = Style::of(channel);
    let known = variables(message, channel, facts);
    let subject = match subject_template(channel) {
        Some((field, template)) => render(field, template, known.clone(), &style, AutoEscape::None)?,
        None => words::subject(message, channel, &style),
    };
    let text = match &channel.body {
        Some(template) => render("body", template, known, &style, AutoEscape::None)?,
        None => words::text(message, &style),
    };
    Ok(Texts { subject: one_line(&subject), text: within_bounds(&text) })
}

/// The template of the subject, and the field that it stands in.
fn subject_template(channel: &Channel) -> Option<(&'static str, &str)> {
    if let ChannelKind::Webhook { subject: Some(subject), .. } = &channel.kind {
        return Some(("settings.subject", subject));
    }
    channel.subject.as_deref().map(|subject| ("subject", subject))
}

/// Renders one template. Otherwise its field, and why not.
pub(crate) fn render(
    field: &str,
    template: &str,
    known: Map<String, serde_json::Value>,
    style: &Style,
    escape: AutoEscape,
) -> Result<String, String> {
    let wrong = |reason: String| format!("{field}: the template cannot be used: {reason}");
    let environment = environment(style, escape);
    let text = environment.render_named_str(field, template, Value::from(Serde(known)));
    let text = text.map_err(|error| wrong(error.to_string()))?;
    match text.len() {
        length if length > MESSAGE_BYTES_MAX => {
            Err(wrong(format!("it makes {length} bytes, and a message has {MESSAGE_BYTES_MAX} at most")))
        }
        _ => Ok(text),
    }
}

fn environment(style: &Style, escape: AutoEscape) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(move |_| escape.clone());
    environment.add_filter("bytes", bytes);
    environment.add_filter("percent", percent);
    let (durations, times) = (style.clone(), style.clone());
    environment.add_filter("duration", move |seconds: f64| durations.duration(seconds));
    environment.add_filter("time", move |seconds: f64, zone: Option<String>| time_of(seconds, zone, &times));
    environment
}

/// Unix seconds as clocks show them, in the zone of that name or in the channel's.
#[expect(clippy::cast_possible_truncation, reason = "milliseconds of Unix time; it saturates")]
fn time_of(seconds: f64, zone: Option<String>, style: &Style) -> Result<String, Error> {
    let time_ms = (seconds * 1000.0).round() as i64;
    match zone {
        None => Ok(style.time(time_ms)),
        Some(name) => match zone_named(&name) {
            Some(zone) => Ok(time_in(&zone, time_ms)),
            None => Err(Error::new(ErrorKind::InvalidOperation, format!("there is no time zone {name}"))),
        },
    }
}

fn one_line(subject: &str) -> String {
    let line: String = subject.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    fit(line.trim(), SUBJECT_CHARS_MAX, |_| 1)
}

fn within_bounds(text: &str) -> String {
    fit(text.trim_end(), MESSAGE_BYTES_MAX, utf8)
}

#[cfg(test)]
mod tests {
    use windfire_engine::alert::channel::NewChannel;

    use super::*;
    use crate::samples;

    fn channel(subject: Option<&str>, body: Option<&str>) -> Channel {
        let kind = ChannelKind::Ntfy { url: "http://127.0.0.1:1".to_owned(), topic: "t".to_owned(), token: None };
        let (subject, body) = (subject.map(str::to_owned), body.map(str::to_owned));
        NewChannel { subject, body, ..NewChannel::of("ops", kind) }.into_channel(1, 0)
    }

    fn body(template: &str) -> Result<String, String> {
        let facts = samples::facts();
        rendered(&samples::firing(), &channel(None, Some(template)), Some(&facts)).map(|texts| texts.text)
    }

    #[test]
    fn templates_know_the_message_and_its_server() {
        for (template, expected) in [
            ("{{ status }} {{ severity }} {{ rule.name }} {{ count }}", "firing critical CPU 1"),
            ("{% for s in servers %}{{ s.name }}/{{ s.tag }}: {{ s.value|percent }}{% endfor %}", "web-1/prod: 97.5 %"),
            ("{{ since|time }}", "2026-09-21 14:13:20 UTC"),
            ("{{ since|time('Asia/Shanghai') }}", "2026-09-21 22:13:20 CST"),
            ("{{ 90|duration }} {{ 1536|bytes }} {{ 12|percent }}", "1 min 30 s 1.5 KiB 12 %"),
            ("{{ server.name }} {{ server.ip }} {{ server.mem_used|bytes }}", "web-1 203.0.113.7 4.0 GiB"),
            ("{% if ended %}over{% else %}still{% endif %}", "still"),
            ("<{{ rule.name }}> & \"{{ link }}\"", "<CPU> & \"https://hub.example.org/alerts\""),
        ] {
            assert_eq!(body(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn what_cannot_be_rendered_names_its_field() {
        for (template, reason) in [
            ("{{ nothing }}", "undefined"),
            ("{{ rule.colour }}", "undefined"),
            ("{{ rule.", "syntax"),
            ("{{ since|time('Mars/Olympus') }}", "no time zone Mars/Olympus"),
            ("{{ ended|duration }}", ""),
            ("{% for a in range(9000) %}{% for b in range(9000) %}x{% endfor %}{% endfor %}", "fuel"),
            ("{% for a in range(9000) %}0123456789{% endfor %}", "90000 bytes"),
            ("{% include 'x' %}", ""),
        ] {
            let wrong = body(template).expect_err(template);
            println!("{template}: {wrong}");
            assert!(wrong.starts_with("body: ") && wrong.contains(reason), "{template}: {wrong}");
            let subject = rendered(&samples::firing(), &channel(Some(template), None), None).expect_err(template);
            assert!(subject.starts_with("subject: "), "{subject}");
        }
    }

    #[test]
    fn a_template_that_does_not_work_costs_no_message() {
        let told = texts(&samples::bare(), &channel(Some("{{ server.name }}"), Some("x")), None);
        assert_eq!(told.subject, "TEST: channel ops");
        let lines: Vec<&str> = told.text.lines().collect();
        assert_eq!(lines.first(), Some(&"A test: messages of this hub come here."));
        assert!(lines.last().is_some_and(|line| line.contains("subject: the template cannot be used")), "{lines:?}");
    }

    #[test]
    fn subjects_are_one_short_line() {
        let subject = "a\r\nBcc: b{% for a in range(300) %}x{% endfor %}";
        let told = rendered(&samples::firing(), &channel(Some(subject), None), None).expect("a subject");
        assert!(told.subject.starts_with("a  Bcc: bx") && told.subject.ends_with('…'), "{}", told.subject);
        assert_eq!(told.subject.chars().count(), SUBJECT_CHARS_MAX);
    }
}

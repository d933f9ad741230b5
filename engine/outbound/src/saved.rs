//! Templates that are tried before a channel is saved.

use http::Uri;
use windfire_engine::alert::channel::NewChannel;
use windfire_engine::alert::notice::{Message, NoticeKind};

use crate::facts::Facts;
use crate::samples;
use crate::template::rendered;
use crate::webhook::Webhook;

/// Whether the templates of a channel work for each kind of message.
///
/// # Errors
/// The field that does not, for which message, and why.
pub fn check_templates(channel: &NewChannel) -> Result<(), String> {
    let channel = channel.clone().into_channel(0, 0);
    let facts = samples::facts();
    let over = Message { kind: NoticeKind::Resolved, ..samples::over() };
    let digest = Message { kind: NoticeKind::Digest, rule: None, measure: None, ..samples::many() };
    let tried: [(&str, Message, Option<&Facts>); 5] = [
        ("a test, which is about no rule and no server", samples::bare(), None),
        ("a fault of one server", samples::firing(), Some(&facts)),
        ("the end of a fault", over, Some(&facts)),
        ("a fault of many servers, where server is none", samples::many(), None),
        ("a digest, which is about no one rule", digest, None),
    ];
    for (what, message, facts) in &tried {
        let wrong = |reason: String| format!("{reason}; tried with {what}");
        let texts = rendered(message, &channel, *facts).map_err(wrong)?;
        let Some(webhook) = Webhook::of(&channel.kind) else { continue };
        let call = webhook.checked_call(message, &channel, *facts, &texts).map_err(wrong)?;
        call.url.parse::<Uri>().map_err(|error| wrong(format!("settings.url: it cannot be used: {error}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use windfire_engine::alert::channel::{ChannelKind, Content, Method, TemplateEngine};
    use windfire_engine::alert::preset::PRESETS;

    use super::*;

    fn webhook(content: Content, body: &str, engine: TemplateEngine) -> NewChannel {
        let url = "https://hooks.example.org/x?text=#NEZHA#".to_owned();
        let (body, method) = (Some(body.to_owned()), Method::Post);
        let kind = ChannelKind::Webhook { method, url, headers: Vec::new(), content, subject: None, body, engine };
        NewChannel::of("hook", kind)
    }

    #[test]
    fn templates_that_work_for_every_message_are_saved() {
        for preset in &PRESETS {
            let channel = webhook(Content::Json, preset.body, TemplateEngine::Plain);
            assert_eq!(check_templates(&channel), Ok(()), "{}", preset.name);
        }
        for (content, body, engine) in [
            (Content::Json, "{% if server %}{{ server.name }}{% else %}null{% endif %}", TemplateEngine::Plain),
            (Content::Form, r#"{"title":{{ subject }},"n":{{ count }}}"#, TemplateEngine::Plain),
            (Content::Form, r##"{"desp":"#NEZHA#"}"##, TemplateEngine::Nezha),
            (Content::Json, "text #NEZHA#", TemplateEngine::Nezha),
        ] {
            assert_eq!(check_templates(&webhook(content, body, engine)), Ok(()), "{body}");
        }
    }

    #[test]
    fn templates_that_fail_for_one_message_are_refused_with_their_field() {
        for (content, body, engine, expected) in [
            (Content::Json, "{{ rule.name }}", TemplateEngine::Plain, "about no rule"),
            (Content::Json, r#"{"a":"{{ subject }}"}"#, TemplateEngine::Plain, "it does not make JSON"),
            (Content::Form, "[1]", TemplateEngine::Plain, "a JSON object"),
            (Content::Form, "a=#NEZHA#", TemplateEngine::Nezha, "the form cannot be used"),
        ] {
            let wrong = check_templates(&webhook(content, body, engine)).expect_err(body);
            println!("{body}: {wrong}");
            assert!(wrong.starts_with("settings.body: ") && wrong.contains(expected), "{body}: {wrong}");
        }
        let kind = ChannelKind::Slack { url: "https://hooks.example.org/x".to_owned() };
        for (subject, body, field) in
            [(Some("{{ x }}"), None, "subject: "), (None, Some("{{ server.name }}"), "body: ")]
        {
            let (subject, body) = (subject.map(str::to_owned), body.map(str::to_owned));
            let channel = NewChannel { subject, body, ..NewChannel::of("slack", kind.clone()) };
            let wrong = check_templates(&channel).expect_err(field);
            assert!(wrong.starts_with(field), "{wrong}");
        }
    }
}

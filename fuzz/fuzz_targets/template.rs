//! The templates of a channel, and what is filled into them: names that servers and rules have, and what agents say of
//! themselves. Whatever is in them, a message is made within its bounds. A webhook that was saved sends JSON as JSON, and its
//! URL stays a URL.
//!
//! The input has fields with a zero byte between them: five digits that choose, the subject, the body, the URL, a server's name
//! and tag, a rule's name, and an address.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use windfire_engine::alert::channel::{Channel, ChannelKind, Content, Language, Method, NewChannel, TemplateEngine};
use windfire_engine::alert::notice::{Message, NoticeKind};
use windfire_engine::latest::HostFacts;
use windfire_engine::limits::{MESSAGE_BYTES_MAX, NAME_CHARS_MAX, TEMPLATE_CHARS_MAX};
use windfire_outbound::{Facts, Written, check_templates, samples, write};

/// Characters of a subject, and the bytes that one may have.
const SUBJECT_BYTES_MAX: usize = 250 * 4;
/// A name in a URL or a form: each of its bytes takes three.
const ESCAPED: usize = 3;

struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn of<T: Copy>(&self, index: usize, all: &[T]) -> T {
        all[usize::from(self.0.get(index).copied().unwrap_or(b'0').wrapping_sub(b'0')) % all.len()]
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(NAME_CHARS_MAX).collect()
}

fn channel(choices: &Choices<'_>, subject: &str, body: &str, url: &str) -> NewChannel {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let kind = match choices.of(0, &[Some(Method::Post), Some(Method::Get), Some(Method::Put), None]) {
        None => {
            let kind = ChannelKind::Slack { url: "https://hooks.example.org/".to_owned() };
            return NewChannel { subject: given(subject), body: given(body), ..NewChannel::of("chat", kind) };
        }
        Some(method) => ChannelKind::Webhook {
            method,
            url: given(url).unwrap_or_else(|| "https://hooks.example.org/{key}".to_owned()),
            headers: Vec::new(),
            content: choices.of(1, &[Content::Json, Content::Form]),
            subject: given(subject),
            body: given(body),
            engine: choices.of(2, &[TemplateEngine::Plain, TemplateEngine::Nezha]),
        },
    };
    NewChannel { language: choices.of(3, &[Language::En, Language::Zh]), ..NewChannel::of("hook", kind) }
}

/// A message with these names, and its server if it has one.
fn message(choices: &Choices<'_>, [name, tag, rule, address]: [&str; 4]) -> (Message, Option<Facts>) {
    let mut message = match choices.of(4, &[0, 1, 2, 3, 4]) {
        0 => samples::firing(),
        1 => Message { kind: NoticeKind::Resolved, ..samples::over() },
        2 => samples::many(),
        3 => Message { kind: NoticeKind::Digest, rule: None, measure: None, ..samples::many() },
        _ => samples::bare(),
    };
    for server in &mut message.servers {
        (server.name, server.tag) = (clipped(name), clipped(tag));
    }
    if let Some((_, known)) = &mut message.rule {
        *known = clipped(rule);
    }
    let mut facts = samples::facts();
    let record = Arc::make_mut(&mut facts.record);
    (record.name, record.tag) = (clipped(name), clipped(tag));
    if let Some(latest) = &mut facts.latest {
        let host = HostFacts { address: clipped(address), ..(*latest.facts).clone() };
        Arc::make_mut(latest).facts = Arc::new(host);
    }
    let is_of_one = message.servers.len() == 1;
    (message, is_of_one.then_some(facts))
}

fn check(channel: &Channel, is_saved: bool, written: &Written) {
    assert!(written.subject.len() <= SUBJECT_BYTES_MAX && !written.subject.contains(char::is_control), "{written:?}");
    assert!(written.text.len() <= MESSAGE_BYTES_MAX, "{} bytes of text", written.text.len());
    let Some(Ok((url, body))) = &written.request else { return };
    let places = (TEMPLATE_CHARS_MAX / "#SERVER.ID#".len()) * NAME_CHARS_MAX * 4;
    assert!(body.len() <= 2 * ESCAPED * (MESSAGE_BYTES_MAX + TEMPLATE_CHARS_MAX * 4 + places), "{} bytes", body.len());
    let ChannelKind::Webhook { content, engine, method, .. } = &channel.kind else { return };
    if *engine == TemplateEngine::Plain && *content == Content::Json && *method != Method::Get {
        serde_json::from_slice::<serde_json::Value>(body).unwrap_or_else(|error| panic!("{error}: {written:?}"));
    }
    // What is filled in makes no other URL of it.
    if is_saved {
        url.parse::<http::Uri>().unwrap_or_else(|error| panic!("{url}: {error}"));
    }
}

fuzz_target!(|input: &[u8]| {
    let text = String::from_utf8_lossy(input);
    let mut fields = text.split('\0');
    let mut next = || fields.next().unwrap_or_default();
    let choices = Choices(next().as_bytes());
    let new = channel(&choices, next(), next(), next());
    let (message, facts) = message(&choices, [next(), next(), next(), next()]);
    let (is_saved, channel) = (check_templates(&new).is_ok(), new.into_channel(1, 0));
    // Its lengths are checked whenever one is saved, and its templates since they have been tried.
    if channel.check().is_err() {
        return;
    }
    check(&channel, is_saved, &write(&message, &channel, facts.as_ref()));
});

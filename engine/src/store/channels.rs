//! Channels that messages go to. Their secrets are stored in clear, because the hub must send them.
//!
//! ```text
//! channel = 1 name enabled kind settings subject? body? messages_per_minute tls_verify time_zone language created
//! settings of
//!   webhook        method url count { name value }* content subject? body? engine
//!   alertmanager   url
//!   telegram       base_url? token chat_id thread_id?
//!   slack          url
//!   discord        url
//!   ntfy           url topic token?
//!   email          host port security user? password? from to[]
//! ```
//! The first byte is the record's version. Kinds and choices are stored by their names. A new kind is a new format of
//! the store, because an older hub does not know how to send there.

use crate::alert::channel::{Channel, ChannelKind, Content, Language, Method, Security, TemplateEngine};
use crate::record::{Corrupt, RecordReader, RecordWriter};

const VERSION: u8 = 1;

pub(crate) fn write(channel: &Channel) -> Vec<u8> {
    let mut value = Vec::with_capacity(256);
    let mut record = RecordWriter(&mut value);
    record.u8(VERSION);
    record.text(&channel.name);
    record.u8(u8::from(channel.enabled));
    record.text(channel.kind.name());
    write_settings(&mut record, &channel.kind);
    record.option_text(channel.subject.as_deref());
    record.option_text(channel.body.as_deref());
    record.u64(channel.messages_per_minute.into());
    record.u8(u8::from(channel.tls_verify));
    record.text(&channel.time_zone);
    record.text(channel.language.name());
    record.i64(channel.created_s);
    value
}

fn write_settings(record: &mut RecordWriter<'_>, kind: &ChannelKind) {
    match kind {
        ChannelKind::Webhook { method, url, headers, content, subject, body, engine } => {
            record.text(method.name());
            record.text(url);
            record.u64(headers.len() as u64);
            for (name, value) in headers {
                record.text(name);
                record.text(value);
            }
            record.text(content.name());
            record.option_text(subject.as_deref());
            record.option_text(body.as_deref());
            record.text(engine.name());
        }
        ChannelKind::Alertmanager { url } | ChannelKind::Slack { url } | ChannelKind::Discord { url } => {
            record.text(url);
        }
        ChannelKind::Telegram { base_url, token, chat_id, thread_id } => {
            record.option_text(base_url.as_deref());
            record.text(token);
            record.text(chat_id);
            record.option(*thread_id);
        }
        ChannelKind::Ntfy { url, topic, token } => {
            record.text(url);
            record.text(topic);
            record.option_text(token.as_deref());
        }
        ChannelKind::Email { host, port, security, user, password, from, to } => {
            record.text(host);
            record.u64((*port).into());
            record.text(security.name());
            record.option_text(user.as_deref());
            record.option_text(password.as_deref());
            record.text(from);
            record.texts(to);
        }
    }
}

pub(crate) fn read(id: u64, value: &[u8]) -> Result<Channel, Corrupt> {
    let mut record = RecordReader::new("a channel", value);
    record.version(VERSION)?;
    let channel = Channel {
        id,
        name: record.text()?,
        enabled: record.bool()?,
        kind: read_kind(&mut record)?,
        subject: record.option_text()?,
        body: record.option_text()?,
        messages_per_minute: u32::try_from(record.u64()?).map_err(|_| record.corrupt())?,
        tls_verify: record.bool()?,
        time_zone: record.text()?,
        language: named(&mut record, Language::named)?,
        created_s: record.i64()?,
    };
    record.finish()?;
    Ok(channel)
}

fn read_kind(record: &mut RecordReader<'_>) -> Result<ChannelKind, Corrupt> {
    Ok(match record.text()?.as_str() {
        "webhook" => ChannelKind::Webhook {
            method: named(record, Method::named)?,
            url: record.text()?,
            headers: (0..record.length()?)
                .map(|_| Ok((record.text()?, record.text()?)))
                .collect::<Result<_, Corrupt>>()?,
            content: named(record, Content::named)?,
            subject: record.option_text()?,
            body: record.option_text()?,
            engine: named(record, TemplateEngine::named)?,
        },
        "alertmanager" => ChannelKind::Alertmanager { url: record.text()? },
        "telegram" => ChannelKind::Telegram {
            base_url: record.option_text()?,
            token: record.text()?,
            chat_id: record.text()?,
            thread_id: record.option()?,
        },
        "slack" => ChannelKind::Slack { url: record.text()? },
        "discord" => ChannelKind::Discord { url: record.text()? },
        "ntfy" => ChannelKind::Ntfy { url: record.text()?, topic: record.text()?, token: record.option_text()? },
        "email" => ChannelKind::Email {
            host: record.text()?,
            port: u16::try_from(record.u64()?).map_err(|_| record.corrupt())?,
            security: named(record, Security::named)?,
            user: record.option_text()?,
            password: record.option_text()?,
            from: record.text()?,
            to: record.texts()?,
        },
        _ => return Err(record.corrupt()),
    })
}

fn named<T>(record: &mut RecordReader<'_>, of_name: fn(&str) -> Option<T>) -> Result<T, Corrupt> {
    of_name(&record.text()?).ok_or_else(|| record.corrupt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::NewChannel;

    fn kinds() -> Vec<ChannelKind> {
        let text = || Some("S<3>&\"é".to_owned());
        let url = || "https://example.org".to_owned();
        let webhook = |subject, body| ChannelKind::Webhook {
            method: Method::Put,
            url: url(),
            headers: vec![("X".into(), "a".into()), ("Y".into(), String::new())],
            content: Content::Form,
            subject,
            body,
            engine: TemplateEngine::Nezha,
        };
        let telegram = |base_url, thread_id| ChannelKind::Telegram {
            base_url,
            token: "1:a".into(),
            chat_id: "-100".into(),
            thread_id,
        };
        let email = |user: Option<String>| ChannelKind::Email {
            host: "localhost".into(),
            port: u16::MAX,
            security: Security::Plain,
            password: user.clone(),
            user,
            from: "a@b".into(),
            to: vec!["c@d".into(), "e@f".into()],
        };
        vec![
            webhook(text(), None),
            webhook(None, text()),
            ChannelKind::Alertmanager { url: url() },
            telegram(None, Some(i64::MIN)),
            telegram(text(), None),
            ChannelKind::Slack { url: url() },
            ChannelKind::Discord { url: url() },
            ChannelKind::Ntfy { url: url(), topic: "t".into(), token: None },
            ChannelKind::Ntfy { url: url(), topic: "t".into(), token: text() },
            email(None),
            email(text()),
        ]
    }

    #[test]
    fn channels_of_each_kind_round_trip_and_every_truncation_is_corrupt() {
        let mut seen: Vec<&str> = kinds().iter().map(ChannelKind::name).collect();
        seen.dedup();
        assert_eq!(seen, ChannelKind::NAMES, "each kind is tried");
        for (number, kind) in kinds().into_iter().enumerate() {
            let new = NewChannel {
                enabled: number % 2 == 0,
                subject: (number % 3 == 0).then(|| "subject".to_owned()),
                body: (number % 3 == 1).then(|| "body".to_owned()),
                messages_per_minute: 300,
                tls_verify: number % 2 == 1,
                time_zone: "Europe/Berlin".into(),
                language: if number % 2 == 0 { Language::Zh } else { Language::En },
                ..NewChannel::of("ops", kind)
            };
            let channel = new.into_channel(9, 1_790_000_000);
            let value = write(&channel);
            assert_eq!(read(9, &value).expect("written"), channel);
            assert!((0..value.len()).all(|length| read(9, &value[..length]).is_err()));
            assert!(read(9, &[&value[..], &[0]].concat()).is_err(), "a byte too many");
            assert!(read(9, &[&[VERSION + 1][..], &value[1..]].concat()).is_err(), "a later version");
        }
    }
}

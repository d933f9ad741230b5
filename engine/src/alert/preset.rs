//! Webhooks that many people want: what their services take.
//!
//! A template knows the message, and also its `subject` and its `text`, which are written as JSON strings with their
//! quotes.

use super::channel::Method;

/// A webhook that is filled in but for what only its owner knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name, which is written in place of the kind `webhook`.
    pub name: &'static str,
    /// The method.
    pub method: Method,
    /// What the URL looks like. Words in capitals are to be replaced; `{key}` stays.
    pub url: &'static str,
    /// Headers, with words in capitals to be replaced.
    pub headers: &'static [(&'static str, &'static str)],
    /// The template of the body.
    pub body: &'static str,
}

/// Every preset.
pub static PRESETS: [Preset; 6] = [
    Preset {
        name: "bark",
        method: Method::Post,
        url: "https://api.day.app/DEVICE_KEY",
        headers: &[],
        body: r#"{"title":{{ subject }},"body":{{ text }}}"#,
    },
    Preset {
        name: "dingtalk",
        method: Method::Post,
        url: "https://oapi.dingtalk.com/robot/send?access_token=TOKEN",
        headers: &[],
        body: r#"{"msgtype":"text","text":{"content":{{ subject ~ "\n" ~ text }}}}"#,
    },
    Preset {
        name: "wecom",
        method: Method::Post,
        url: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY",
        headers: &[],
        body: r#"{"msgtype":"text","text":{"content":{{ subject ~ "\n" ~ text }}}}"#,
    },
    Preset {
        name: "matrix",
        method: Method::Put,
        // The last part tells a repetition from a new message.
        url: "https://HOST/_matrix/client/v3/rooms/ROOM_ID/send/m.room.message/{key}",
        headers: &[("Authorization", "Bearer TOKEN")],
        body: r#"{"msgtype":"m.text","body":{{ subject ~ "\n" ~ text }}}"#,
    },
    Preset {
        name: "lark",
        method: Method::Post,
        url: "https://open.feishu.cn/open-apis/bot/v2/hook/TOKEN",
        headers: &[],
        body: r#"{"msg_type":"text","content":{"text":{{ subject ~ "\n" ~ text }}}}"#,
    },
    Preset {
        name: "gotify",
        method: Method::Post,
        url: "https://HOST/message",
        headers: &[("X-Gotify-Key", "TOKEN")],
        body: r#"{"title":{{ subject }},"message":{{ text }},"priority":8}"#,
    },
];

impl Preset {
    /// The preset of that name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::channel::{ChannelKind, Content, NewChannel, TemplateEngine};

    #[test]
    fn each_preset_is_a_channel_once_it_is_filled_in() {
        for preset in &PRESETS {
            let headers = preset.headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let kind = ChannelKind::Webhook {
                method: preset.method,
                url: preset.url.to_owned(),
                headers: headers.collect(),
                content: Content::Json,
                subject: None,
                body: Some(preset.body.to_owned()),
                engine: TemplateEngine::Plain,
            };
            let checked = NewChannel::of(preset.name, kind).into_channel(1, 0).check();
            assert_eq!(checked, Ok(()), "{}", preset.name);
            assert_eq!(Preset::named(preset.name), Some(preset));
            assert!(!ChannelKind::NAMES.contains(&preset.name), "{} is a kind already", preset.name);
        }
        assert_eq!(Preset::named("webhook"), None);
    }
}

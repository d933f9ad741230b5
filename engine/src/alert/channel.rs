//! A channel: where messages go to, and how they are written.

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};

use super::address::{
    check_headers, check_host, check_mail, check_secret, check_telegram, check_topic, check_url, is_loopback,
};
use super::rule::{check_count, check_name};
use super::zone;
use crate::error::{ChangeError, check_length};
use crate::limits::{MESSAGES_PER_MINUTE_MAX, NAME_CHARS_MAX, RECIPIENTS_MAX, TEMPLATE_CHARS_MAX};

/// What is shown in place of a secret. Written back, it keeps the secret.
pub const SECRET_SHOWN: &str = "••••";
/// Default of [`Channel::messages_per_minute`]: what Telegram allows in a group.
pub const MESSAGES_PER_MINUTE_USUAL: u32 = 20;

/// Defines an enum whose values have names, which are also stored.
macro_rules! named {
    ($about:literal $name:ident { $($value:ident $text:literal $value_about:literal,)* }) => {
        #[doc = $about]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $(
                #[doc = $value_about]
                $value,
            )*
        }

        impl $name {
            const COUNT: usize = [$(Self::$value),*].len();

            /// Every one.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$value),*];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)*
                }
            }

            /// The one of that name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|one| one.name() == name)
            }
        }
    };
}

named! {
    "The method of a webhook's request."
    Method {
        Get "GET" "Without a body.",
        Post "POST" "Usual.",
        Put "PUT" "As Matrix wants it.",
    }
}

named! {
    "What the body of a webhook's request is."
    Content {
        Json "json" "JSON.",
        Form "form" "Fields of a form.",
    }
}

named! {
    "How the templates of a webhook are read."
    TemplateEngine {
        Plain "plain" "As those of any other channel.",
        Nezha "nezha" "With Nezha v0's placeholders, such as `#SERVER.NAME#`, also in the URL.",
    }
}

named! {
    "How a connection to a mail server is secured."
    Security {
        StartTls "starttls" "It begins in clear and goes over to TLS, or ends.",
        Tls "tls" "TLS from the beginning.",
        Plain "plain" "Not at all: only to this machine.",
    }
}

named! {
    "The language of default texts."
    Language {
        En "en" "English.",
        Zh "zh" "Chinese.",
    }
}

/// A kind of channel, with its settings.
#[derive(Clone, PartialEq, Eq)]
pub enum ChannelKind {
    /// A request of HTTP.
    Webhook {
        /// Its method.
        method: Method,
        /// Where it goes. `{key}` in it stands for the message's key. A secret.
        url: String,
        /// Its headers. The values are secrets.
        headers: Vec<(String, String)>,
        /// What its body is.
        content: Content,
        /// The text that `body` knows as `subject`, as a template. `None` for the channel's.
        subject: Option<String>,
        /// The request's body, as a template, which knows the message, its `subject` and its `text`. `None` for all of
        /// the message as JSON.
        body: Option<String>,
        /// How the templates are read.
        engine: TemplateEngine,
    },
    /// Prometheus' Alertmanager.
    Alertmanager {
        /// Where it is, without `/api/v2/alerts`.
        url: String,
    },
    /// A bot of Telegram.
    Telegram {
        /// Where the Bot API is. `None` for Telegram's.
        base_url: Option<String>,
        /// The bot's token. A secret.
        token: String,
        /// A number, or `@name`.
        chat_id: String,
        /// The topic of a group.
        thread_id: Option<i64>,
    },
    /// Slack, or what takes the same: Mattermost, Rocket.Chat.
    Slack {
        /// The hook. A secret.
        url: String,
    },
    /// Discord.
    Discord {
        /// The hook. A secret.
        url: String,
    },
    /// ntfy.
    Ntfy {
        /// Where it is, without the topic.
        url: String,
        /// The topic.
        topic: String,
        /// An access token. A secret.
        token: Option<String>,
    },
    /// E-mail.
    Email {
        /// The mail server.
        host: String,
        /// Its port.
        port: u16,
        /// How the connection is secured.
        security: Security,
        /// Who signs in there.
        user: Option<String>,
        /// And with what. A secret.
        password: Option<String>,
        /// The sender's address.
        from: String,
        /// The recipients' addresses.
        to: Vec<String>,
    },
}

/// Most settings are secrets, so none is shown.
impl Debug for ChannelKind {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct(self.name()).finish_non_exhaustive()
    }
}

impl ChannelKind {
    /// Names of all kinds.
    pub const NAMES: [&'static str; 7] = ["webhook", "alertmanager", "telegram", "slack", "discord", "ntfy", "email"];

    /// The kind as one word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Webhook { .. } => "webhook",
            Self::Alertmanager { .. } => "alertmanager",
            Self::Telegram { .. } => "telegram",
            Self::Slack { .. } => "slack",
            Self::Discord { .. } => "discord",
            Self::Ntfy { .. } => "ntfy",
            Self::Email { .. } => "email",
        }
    }

    /// The same with [`SECRET_SHOWN`] in place of each secret.
    #[must_use]
    pub fn with_secrets_hidden(&self) -> Self {
        let mut hidden = self.clone();
        hidden.secrets().into_iter().for_each(|(_, secret)| SECRET_SHOWN.clone_into(secret));
        hidden
    }

    /// The same with the secrets of `stored` where this has [`SECRET_SHOWN`]. A stored secret never goes to another
    /// place than before: otherwise somebody who may edit a channel, but does not know its secret, could have it sent
    /// to a place where it can be read.
    ///
    /// # Errors
    /// A secret that is not stored, or is for another place.
    pub fn with_secrets_of(mut self, stored: Option<&Self>) -> Result<Self, ChangeError> {
        let kept = stored.filter(|stored| self.goes_where(stored)).cloned();
        let kept: HashMap<String, String> = match kept {
            Some(mut kept) => kept.secrets().into_iter().map(|(place, secret)| (place, secret.clone())).collect(),
            None => HashMap::new(),
        };
        for (place, secret) in self.secrets() {
            if secret == SECRET_SHOWN {
                let Some(stored) = kept.get(&place) else {
                    let reason = format!("write it out: {SECRET_SHOWN} keeps a stored one, for the same place only");
                    return Err(ChangeError::bad_field(format!("settings.{place}"), reason));
                };
                secret.clone_from(stored);
            }
        }
        Ok(self)
    }

    /// Whether secrets of `stored` would go to the same place.
    fn goes_where(&self, stored: &Self) -> bool {
        match (self, stored) {
            (Self::Webhook { url, .. }, Self::Webhook { url: before, .. })
            | (Self::Slack { url }, Self::Slack { url: before })
            | (Self::Discord { url }, Self::Discord { url: before }) => url == SECRET_SHOWN || url == before,
            (Self::Telegram { base_url, .. }, Self::Telegram { base_url: before, .. }) => base_url == before,
            (Self::Ntfy { url, .. }, Self::Ntfy { url: before, .. }) => url == before,
            (Self::Email { host, port, security, .. }, Self::Email { host: before, port: at, security: by, .. }) => {
                (host, port, security) == (before, at, by)
            }
            _ => false,
        }
    }

    /// Its secrets, and the setting that each is.
    fn secrets(&mut self) -> Vec<(String, &mut String)> {
        match self {
            Self::Webhook { url, headers, .. } => {
                let headers = headers.iter_mut().map(|(name, value)| (format!("headers.{name}"), value));
                std::iter::once(("url".to_owned(), url)).chain(headers).collect()
            }
            Self::Slack { url } | Self::Discord { url } => vec![("url".to_owned(), url)],
            Self::Telegram { token, .. } | Self::Ntfy { token: Some(token), .. } => vec![("token".to_owned(), token)],
            Self::Email { password: Some(password), .. } => vec![("password".to_owned(), password)],
            Self::Alertmanager { .. } | Self::Ntfy { token: None, .. } | Self::Email { password: None, .. } => {
                Vec::new()
            }
        }
    }

    fn check(&self) -> Result<(), ChangeError> {
        match self {
            Self::Webhook { method, url, headers, subject, body, engine, .. } => {
                check_url("settings.url", url, *engine == TemplateEngine::Nezha)?;
                check_headers(headers)?;
                if *method == Method::Get && body.is_some() {
                    let reason = "a GET request has none: write it into the URL, or choose POST";
                    return Err(ChangeError::bad_field("settings.body", reason));
                }
                check_template("settings.subject", subject.as_deref())?;
                check_template("settings.body", body.as_deref())
            }
            Self::Alertmanager { url } | Self::Slack { url } | Self::Discord { url } => {
                check_url("settings.url", url, false)
            }
            Self::Telegram { base_url, token, chat_id, thread_id } => {
                base_url.as_deref().map_or(Ok(()), |url| check_url("settings.base_url", url, false))?;
                check_secret("settings.token", token)?;
                if let Some(thread_id) = thread_id.filter(|thread_id| *thread_id < 1) {
                    let reason = format!("{thread_id} is no topic of a group: they are numbers from 1 on");
                    return Err(ChangeError::bad_field("settings.thread_id", reason));
                }
                check_telegram(token, chat_id)
            }
            Self::Ntfy { url, topic, token } => {
                check_url("settings.url", url, false)?;
                token.as_deref().map_or(Ok(()), |token| check_secret("settings.token", token))?;
                check_topic(topic)
            }
            Self::Email { host, port, security, user, password, from, to } => {
                check_host("settings.host", host)?;
                if *port == 0 {
                    return Err(ChangeError::bad_field("settings.port", "0 is no port: 587 and 465 are usual"));
                }
                if *security == Security::Plain && !is_loopback(host) {
                    let reason = format!("plain is refused: {host} is another machine, so choose starttls or tls");
                    return Err(ChangeError::bad_field("settings.security", reason));
                }
                if user.is_some() != password.is_some() {
                    let reason = "a user and a password go together: write both, or neither";
                    return Err(ChangeError::bad_field("settings.user", reason));
                }
                user.as_deref().map_or(Ok(()), |user| check_secret("settings.user", user))?;
                password.as_deref().map_or(Ok(()), |password| check_secret("settings.password", password))?;
                check_mail("settings.from", from)?;
                if to.is_empty() {
                    return Err(ChangeError::bad_field("settings.to", "empty: name a recipient"));
                }
                check_count("settings.to", "recipients", to.len(), RECIPIENTS_MAX)?;
                to.iter().try_for_each(|address| check_mail("settings.to", address))
            }
        }
    }
}

/// A channel that messages go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Given out once, never again.
    pub id: u64,
    /// Shown name.
    pub name: String,
    /// Whether anything is sent there.
    pub enabled: bool,
    /// Where it goes.
    pub kind: ChannelKind,
    /// The template of a message's subject. `None` for the default text.
    pub subject: Option<String>,
    /// The template of a message's text. `None` for the default text.
    pub body: Option<String>,
    /// Messages that are sent in a minute. What is more becomes one digest.
    pub messages_per_minute: u32,
    /// Whether the certificate of the other side is checked.
    pub tls_verify: bool,
    /// The time zone of times in texts, by its name in the IANA database.
    pub time_zone: String,
    /// The language of default texts.
    pub language: Language,
    /// Unix seconds.
    pub created_s: i64,
}

impl Channel {
    /// Checks its settings. Templates are checked where they are rendered.
    ///
    /// # Errors
    /// The field that has a wrong value.
    pub fn check(&self) -> Result<(), ChangeError> {
        check_name("channel", &self.name)?;
        self.kind.check()?;
        check_template("subject", self.subject.as_deref())?;
        check_template("body", self.body.as_deref())?;
        if !(1..=MESSAGES_PER_MINUTE_MAX).contains(&self.messages_per_minute) {
            let reason = format!("{} is not within 1 to {MESSAGES_PER_MINUTE_MAX}", self.messages_per_minute);
            return Err(ChangeError::bad_field("messages_per_minute", reason));
        }
        check_zone("time_zone", &self.time_zone)
    }
}

/// A channel to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is that of Channel")]
pub struct NewChannel {
    pub name: String,
    pub enabled: bool,
    pub kind: ChannelKind,
    pub subject: Option<String>,
    pub body: Option<String>,
    pub messages_per_minute: u32,
    pub tls_verify: bool,
    pub time_zone: String,
    pub language: Language,
}

impl NewChannel {
    /// A channel with the defaults of everything else.
    pub fn of(name: &str, kind: ChannelKind) -> Self {
        Self {
            name: name.to_owned(),
            enabled: true,
            kind,
            subject: None,
            body: None,
            messages_per_minute: MESSAGES_PER_MINUTE_USUAL,
            tls_verify: true,
            time_zone: "UTC".to_owned(),
            language: Language::En,
        }
    }

    /// The channel. It is not checked yet.
    pub fn into_channel(self, id: u64, created_s: i64) -> Channel {
        Channel {
            id,
            name: self.name,
            enabled: self.enabled,
            kind: self.kind,
            subject: self.subject,
            body: self.body,
            messages_per_minute: self.messages_per_minute,
            tls_verify: self.tls_verify,
            time_zone: self.time_zone,
            language: self.language,
            created_s,
        }
    }
}

/// A change to a channel. Fields that are `None` stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "each field is that of Channel")]
pub struct ChannelEdit {
    pub name: Option<String>,
    pub enabled: Option<bool>,
    /// With [`SECRET_SHOWN`] for secrets that stay.
    pub kind: Option<ChannelKind>,
    pub subject: Option<Option<String>>,
    pub body: Option<Option<String>>,
    pub messages_per_minute: Option<u32>,
    pub tls_verify: Option<bool>,
    pub time_zone: Option<String>,
    pub language: Option<Language>,
}

impl ChannelEdit {
    /// The channel with this change. It is not checked yet.
    pub(crate) fn applied_to(self, channel: &Channel) -> Result<Channel, ChangeError> {
        let old = channel.clone();
        let kind = self.kind.map(|kind| kind.with_secrets_of(Some(&old.kind))).transpose()?;
        Ok(Channel {
            name: self.name.unwrap_or(old.name),
            enabled: self.enabled.unwrap_or(old.enabled),
            kind: kind.unwrap_or(old.kind),
            subject: self.subject.unwrap_or(old.subject),
            body: self.body.unwrap_or(old.body),
            messages_per_minute: self.messages_per_minute.unwrap_or(old.messages_per_minute),
            tls_verify: self.tls_verify.unwrap_or(old.tls_verify),
            time_zone: self.time_zone.unwrap_or(old.time_zone),
            language: self.language.unwrap_or(old.language),
            ..old
        })
    }
}

/// Whether there is a time zone of that name.
pub(super) fn check_zone(field: &'static str, name: &str) -> Result<(), ChangeError> {
    check_length(field, name, NAME_CHARS_MAX)?;
    if zone::is_known(name) {
        return Ok(());
    }
    Err(ChangeError::bad_field(
        field,
        format!("there is no time zone {name:?}: write one such as Europe/Berlin or UTC"),
    ))
}

fn check_template(field: &'static str, template: Option<&str>) -> Result<(), ChangeError> {
    check_length(field, template.unwrap_or_default(), TEMPLATE_CHARS_MAX)
}

#[cfg(test)]
mod tests;

//! The secrets of a channel, so that no text shows them: receivers like to repeat what they were sent.

use std::cmp::Reverse;

use windfire_engine::alert::channel::{ChannelKind, SECRET_SHOWN};

/// A shorter text is found in ordinary words, and protects nothing.
const SECRET_BYTES_MIN: usize = 4;
/// The same for a part of a URL.
const URL_PART_BYTES_MIN: usize = 6;

/// The secrets of one channel.
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    pub(crate) fn of(kind: &ChannelKind) -> Self {
        let mut found = Vec::new();
        match kind {
            ChannelKind::Webhook { url, headers, .. } => {
                add_url(&mut found, url);
                for (_, value) in headers {
                    add(&mut found, value);
                    value.split_whitespace().for_each(|word| add(&mut found, word));
                }
            }
            ChannelKind::Slack { url } | ChannelKind::Discord { url } => add_url(&mut found, url),
            ChannelKind::Telegram { token, .. } => {
                add(&mut found, token);
                token.split(':').for_each(|part| add(&mut found, part));
            }
            ChannelKind::Ntfy { token, .. } => token.iter().for_each(|token| add(&mut found, token)),
            ChannelKind::Email { password, .. } => password.iter().for_each(|password| add(&mut found, password)),
            ChannelKind::Alertmanager { .. } => {}
        }
        // A secret that contains another one is cut out as a whole.
        found.sort_by_key(|secret| Reverse(secret.len()));
        found.dedup();
        Self(found)
    }

    /// The text with something else in place of each secret.
    pub(crate) fn cut(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), SECRET_SHOWN))
    }
}

fn add(found: &mut Vec<String>, secret: &str) {
    if secret.len() >= SECRET_BYTES_MIN {
        found.push(secret.to_owned());
    }
}

/// All of a URL, what comes behind its host, its host, and its parts: an error page may show any of them.
fn add_url(found: &mut Vec<String>, url: &str) {
    add(found, url);
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    add(found, host);
    add(found, host.split(':').next().unwrap_or_default());
    add(found, path);
    for part in path.split(['/', '?', '&', '=', '#']).filter(|part| part.len() >= URL_PART_BYTES_MIN) {
        add(found, part);
    }
}

#[cfg(test)]
mod tests {
    use windfire_engine::alert::channel::{Content, Method, TemplateEngine};

    use super::*;

    #[test]
    fn what_a_receiver_repeats_is_cut_out() {
        let webhook = ChannelKind::Webhook {
            method: Method::Post,
            url: "https://hooks.example.org:8443/services/T0001/abcdef123?token=hunter22&x=1".to_owned(),
            headers: vec![("Authorization".to_owned(), "Bearer tk_secret".to_owned())],
            content: Content::Json,
            subject: None,
            body: None,
            engine: TemplateEngine::Plain,
        };
        let telegram = ChannelKind::Telegram {
            base_url: None,
            token: "123456:AAF-secret".to_owned(),
            chat_id: "1".to_owned(),
            thread_id: None,
        };
        for (kind, said, shown) in [
            (&webhook, "no abcdef123 here", "no •••• here"),
            (&webhook, "POST /services/T0001/abcdef123?token=hunter22&x=1 failed", "POST •••• failed"),
            (&webhook, "{\"path\":\"\\/services\\/T0001\\/abcdef123\"}", "{\"path\":\"\\/••••\\/T0001\\/••••\"}"),
            (&webhook, "bad token hunter22 of tk_secret", "bad token •••• of ••••"),
            (&webhook, "certificate not valid for hooks.example.org", "certificate not valid for ••••"),
            (&webhook, "HTTP 400: x=1 is wrong", "HTTP 400: x=1 is wrong"),
            (&telegram, "/bot123456:AAF-secret/sendMessage", "/bot••••/sendMessage"),
            (&telegram, "AAF-secret", "••••"),
        ] {
            assert_eq!(Secrets::of(kind).cut(said), shown, "{said}");
        }
    }
}

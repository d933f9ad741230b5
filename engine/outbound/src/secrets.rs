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
            ChannelKind::Email { user, password: Some(password), .. } => {
                add(&mut found, password);
                // As it is sent, with the user's name and alone: a server may repeat a command that it does not know.
                let user = user.as_deref().unwrap_or_default();
                add(&mut found, &base64(format!("\0{user}\0{password}").as_bytes()));
                add(&mut found, &base64(password.as_bytes()));
            }
            ChannelKind::Alertmanager { .. } | ChannelKind::Email { password: None, .. } => {}
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

/// Bytes as SMTP sends what nobody shall read by chance.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut written = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * at) & 63];
            written.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use windfire_engine::alert::channel::{Content, Method, Security, TemplateEngine};

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
        let mail = ChannelKind::Email {
            host: "mail.example.org".to_owned(),
            port: 587,
            security: Security::StartTls,
            user: Some("ops".to_owned()),
            password: Some("pass-word".to_owned()),
            from: "a@example.org".to_owned(),
            to: vec!["b@example.org".to_owned()],
        };
        for (kind, said, shown) in [
            (&mail, "500 what is AUTH PLAIN AG9wcwBwYXNzLXdvcmQ=", "500 what is AUTH PLAIN ••••"),
            (&mail, "500 what is cGFzcy13b3Jk, or pass-word?", "500 what is ••••, or ••••?"),
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

    #[test]
    fn bytes_are_written_as_mail_servers_read_them() {
        for (bytes, written) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob\u{ff}", "Zm9vYsO/")] {
            assert_eq!(base64(bytes.as_bytes()), written);
        }
    }
}

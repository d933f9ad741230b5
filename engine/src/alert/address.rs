//! Addresses that messages go to: what makes one wrong before anything is sent there.

use std::net::IpAddr;

use super::rule::check_count;
use crate::error::ChangeError;
use crate::limits::{HEADER_CHARS_MAX, HEADERS_MAX, URL_CHARS_MAX};

/// Characters of a mail address, as SMTP bounds it.
const MAIL_CHARS_MAX: usize = 254;

/// Headers that belong to the connection, and not to the one who writes a webhook.
const HEADERS_OF_CONNECTION: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "upgrade"];

/// A URL of HTTP or HTTPS. One with placeholders of another program may have any characters behind its host.
pub(super) fn check_url(field: &'static str, url: &str, has_placeholders: bool) -> Result<(), ChangeError> {
    let wrong = |reason: &str| Err(ChangeError::bad_field(field, reason));
    check_size(field, url)?;
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest else {
        return wrong("not a URL: it must begin with https:// or http://");
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.contains('@') {
        return wrong("a name and a password in a URL are refused: send them in the header Authorization");
    }
    if host.is_empty() || host.starts_with(':') || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("the URL has no host that can be looked up: write an ASCII name or an address");
    }
    if has_placeholders && rest[host.len()..].starts_with('#') {
        // Servers may name themselves: such a name would say to whom messages go, with what secrets they have.
        return wrong("the URL's host would be filled in: write it out, and placeholders behind its path or query");
    }
    if rest.contains(char::is_control) {
        return wrong("the URL has a line break or another control character");
    }
    if !has_placeholders && !rest.bytes().all(|byte| byte.is_ascii_graphic()) {
        return wrong("the URL has a space, or a letter that must be percent-encoded");
    }
    Ok(())
}

/// A name or an address of a machine.
pub(super) fn check_host(field: &'static str, host: &str) -> Result<(), ChangeError> {
    check_size(field, host)?;
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_of_host) {
        let reason = format!("{host:?} is no name or address of a machine: write one such as mail.example.org");
        return Err(ChangeError::bad_field(field, reason));
    }
    Ok(())
}

/// Whether what is sent to that host stays on this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// A mail address, without a name before it.
pub(super) fn check_mail(field: &'static str, address: &str) -> Result<(), ChangeError> {
    let is_plain = |text: &str| {
        let is_apart = |character: char| character.is_whitespace() || character.is_control();
        !text.is_empty() && !text.contains(['<', '>', ',', ';', '"', '@']) && !text.contains(is_apart)
    };
    let is_address = address.rsplit_once('@').is_some_and(|(user, host)| is_plain(user) && is_plain(host));
    if !is_address || address.chars().count() > MAIL_CHARS_MAX {
        let reason = format!("{address:?} is no mail address: write one such as ops@example.org, without a name");
        return Err(ChangeError::bad_field(field, reason));
    }
    Ok(())
}

/// A secret that goes into a header or a line of a protocol.
pub(super) fn check_secret(field: &'static str, secret: &str) -> Result<(), ChangeError> {
    check_size(field, secret)?;
    if secret.is_empty() || secret.contains(char::is_control) {
        let reason = "it is empty, or has a line break or another control character";
        return Err(ChangeError::bad_field(field, reason));
    }
    Ok(())
}

/// Headers of a webhook.
pub(super) fn check_headers(headers: &[(String, String)]) -> Result<(), ChangeError> {
    check_count("settings.headers", "headers", headers.len(), HEADERS_MAX)?;
    for (index, (name, value)) in headers.iter().enumerate() {
        let wrong = |reason: &str| Err(ChangeError::bad_field("settings.headers", format!("{name:?} {reason}")));
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > HEADER_CHARS_MAX || !name.bytes().all(is_of_name) {
            return wrong("is no name of a header");
        }
        if HEADERS_OF_CONNECTION.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return wrong("is refused: the hub writes it");
        }
        if headers[..index].iter().any(|(before, _)| before.eq_ignore_ascii_case(name)) {
            return wrong("is there twice");
        }
        if value.len() > HEADER_CHARS_MAX || !value.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return wrong("has a value that is too long, or has a line break or another letter than ASCII");
        }
    }
    Ok(())
}

/// A bot of Telegram, and the chat that it writes to.
pub(super) fn check_telegram(token: &str, chat_id: &str) -> Result<(), ChangeError> {
    if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_-".contains(&byte)) {
        let reason = "no token of a bot: it has only letters, digits and :_-, as BotFather shows it";
        return Err(ChangeError::bad_field("settings.token", reason));
    }
    let is_digits = |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_name = |text: &str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let is_number = is_digits(chat_id.strip_prefix('-').unwrap_or(chat_id));
    if is_number || chat_id.strip_prefix('@').is_some_and(is_name) {
        return Ok(());
    }
    let reason = format!("{chat_id:?} is no chat: write a number such as -1001234567890, or @name");
    Err(ChangeError::bad_field("settings.chat_id", reason))
}

/// A topic of ntfy.
pub(super) fn check_topic(topic: &str) -> Result<(), ChangeError> {
    let is_topic = (1..=64).contains(&topic.len())
        && topic.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_topic {
        return Ok(());
    }
    let reason = format!("{topic:?} is no topic: use 1 to 64 letters, digits and -_");
    Err(ChangeError::bad_field("settings.topic", reason))
}

fn check_size(field: &'static str, text: &str) -> Result<(), ChangeError> {
    match text.chars().count() {
        found if found > URL_CHARS_MAX => {
            Err(ChangeError::bad_field(field, format!("{found} characters are over the limit of {URL_CHARS_MAX}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_scheme_and_a_host() {
        for url in
            ["http://a", "https://hooks.example.org/x?y=z#t", "http://127.0.0.1:9093", "http://[::1]:1/", "http://a?b"]
        {
            assert_eq!(check_url("url", url, false), Ok(()), "{url}");
        }
        for url in [
            "",
            "ftp://a",
            "HTTP://a",
            "//a",
            "http://",
            "http:///x",
            "https://:80/",
            "http://u:p@a/",
            "http://a b/",
            "http://a/ b",
            "http://a/\r\nX: y",
            "http://bücher/",
        ] {
            assert!(check_url("url", url, false).is_err(), "{url:?}");
        }
        assert_eq!(check_url("url", "https://a/KEY/#SERVER.NAME# 掉线", true), Ok(()));
        for url in ["https://a b/#NEZHA#", "https://#SERVER.NAME#/x", "https://a.#SERVER.NAME#", "https://a:1#NEZHA#"] {
            assert!(check_url("url", url, true).is_err(), "{url:?}");
        }
        assert!(check_url("url", "https://a/#NEZHA#\r\nX: y", true).is_err());
        assert!(check_url("url", &format!("https://a/{}", "x".repeat(URL_CHARS_MAX)), true).is_err());
    }

    #[test]
    fn mail_addresses_have_no_line_break_and_no_name() {
        for address in ["ops@example.org", "ä.b+c@bücher.example", "root@localhost"] {
            assert_eq!(check_mail("to", address), Ok(()), "{address}");
        }
        for address in ["", "ops", "@a", "a@", "a@b@c", "Ops <a@b>", "a@b,c@d", "a@b\r\nBcc: c@d", "a b@c"] {
            assert!(check_mail("to", address).is_err(), "{address:?}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        assert!(
            ["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "[::1]"].iter().all(|host| is_loopback(host))
        );
        assert!(
            !["mail", "localhost.example.org", "10.0.0.1", "::", "0.0.0.0", ""].iter().any(|host| is_loopback(host))
        );
    }

    #[test]
    fn headers_are_whole_and_leave_the_connection_alone() {
        let check = |headers: &[(&str, &str)]| {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            check_headers(&headers)
        };
        assert_eq!(check(&[("Authorization", "Bearer a b"), ("X-Key", "")]), Ok(()));
        for wrong in [("", "x"), ("X Y", "x"), ("X", "a\r\nY: b"), ("X", "ä"), ("hOST", "x"), ("Content-Length", "1")]
        {
            assert!(check(&[wrong]).is_err(), "{wrong:?}");
        }
        assert!(check(&[("x", "1"), ("X", "2")]).is_err(), "twice");
        let many: Vec<String> = (0..=HEADERS_MAX).map(|number| format!("x{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert!(check(&many).is_err() && check(&many[1..]).is_ok());
    }

    #[test]
    fn bots_chats_and_topics_are_told_from_other_texts() {
        for chat in ["1", "-1001234567890", "@name_1"] {
            assert_eq!(check_telegram("123:AbC_-d", chat), Ok(()), "{chat}");
        }
        for chat in ["", "-", "name", "@", "@a b", "1.5", "--1", "12345678901234567890123"] {
            assert!(check_telegram("123:AbC", chat).is_err(), "{chat:?}");
        }
        assert!(check_telegram("123:a/../b", "1").is_err());
        assert!(check_topic("alerts-1_x").is_ok() && check_topic("").is_err() && check_topic("a/b").is_err());
    }

    #[test]
    fn a_secret_fits_into_one_line() {
        assert_eq!(check_secret("token", "tk_a b"), Ok(()));
        assert!(["", "a\r\nb", "a\0b"].iter().all(|secret| check_secret("token", secret).is_err()));
        assert!(check_host("host", "mail.example.org").is_ok() && check_host("host", "a b").is_err());
    }
}

//! Reads options, variables and files. Blanks, marks and quotes around a value are ignored.

use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use windfire_wire::limits::{NAME_BYTES_MAX, SECRET_BYTES_MAX};

use crate::limits::SECRET_FILE_BYTES_MAX;

/// Invisible characters that editors, shells and tools leave around a text.
fn is_unseen(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// The text without blanks, byte order mark and one pair of quotes around it. `docker run --env-file` does not remove
/// quotes, and some editors begin a file with a mark.
pub fn plain(text: &str) -> &str {
    let text = text.trim_matches(is_unseen);
    let unquoted = ['"', '\''].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    unquoted.unwrap_or(text).trim_matches(is_unseen)
}

/// A text that is not blank.
///
/// # Errors
/// The text is blank.
pub fn some_text(text: &str) -> Result<String, String> {
    match plain(text) {
        "" => Err("it is empty: give a text, or leave the option out".to_owned()),
        text => Ok(text.to_owned()),
    }
}

/// A level, or levels of modules. `EnvFilter` would accept more, but it would be a tenth of the program's size.
///
/// # Errors
/// A word is not a level, or the text is blank.
pub fn log_filter(text: &str) -> Result<Targets, String> {
    let text = some_text(text)?;
    let is_level = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
    // An unknown word would be read as a module whose every line is logged, and no other module would log.
    match text.split(',').find(|part| !is_level(part.trim())) {
        Some(odd) => Err(format!("{odd:?} must be one of off, error, warn, info, debug, trace")),
        None => text.parse().map_err(|error| format!("{error}")),
    }
}

/// A number, a fingerprint or another value that is read from a text.
///
/// # Errors
/// Those of the type.
pub fn value<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    some_text(text)?.parse().map_err(|error: T::Err| error.to_string())
}

/// Yes or no, as people write it.
///
/// # Errors
/// The text is neither.
pub fn truth(text: &str) -> Result<bool, String> {
    match plain(text).to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" | "y" | "t" | "enabled" => Ok(true),
        "0" | "false" | "no" | "off" | "n" | "f" | "disabled" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no: write true or false")),
    }
}

/// Public addresses as they are shown: `v4`, `v6` or `v4/v6`.
///
/// # Errors
/// A part is not an address, or there are more than two.
pub fn shown_addresses(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is not an address: write v4, v6 or v4/v6, such as 192.0.2.1/2001:db8::1");
    let parts: Vec<&str> = plain(text).split('/').map(str::trim).collect();
    let addresses: Option<Vec<IpAddr>> = parts.iter().map(|part| part.parse().ok()).collect();
    match addresses.ok_or_else(wrong)?.as_slice() {
        [one] => Ok(one.to_string()),
        [IpAddr::V4(v4), IpAddr::V6(v6)] => Ok(format!("{v4}/{v6}")),
        _ => Err(wrong()),
    }
}

/// A name for the server that enrolment creates.
///
/// # Errors
/// The text is blank, or longer than [`NAME_BYTES_MAX`].
pub fn server_name(text: &str) -> Result<String, String> {
    let name = some_text(text)?;
    if name.len() > NAME_BYTES_MAX {
        return Err(format!("it has {} bytes, and at most {NAME_BYTES_MAX} are allowed: make it shorter", name.len()));
    }
    Ok(name)
}

/// A credential or an enrolment token, without blanks and quotes around it.
///
/// # Errors
/// The text is blank, has more than one word, or is longer than [`SECRET_BYTES_MAX`].
pub fn secret(text: &str) -> Result<String, String> {
    let secret = plain(text);
    if secret.is_empty() {
        return Err("it is empty".to_owned());
    }
    if secret.chars().any(is_unseen) {
        return Err("it has several words or lines: give the one word that the hub printed".to_owned());
    }
    if secret.starts_with("WINDFIRE_") && secret.contains('=') {
        return Err("it is a variable's assignment: give only the part after the \"=\"".to_owned());
    }
    if secret.len() > SECRET_BYTES_MAX {
        return Err(format!("it has {} bytes, and at most {SECRET_BYTES_MAX} are allowed", secret.len()));
    }
    Ok(secret.to_owned())
}

/// A credential or an enrolment token from a file.
///
/// # Errors
/// The file cannot be read, is not UTF-8, is too large, or has no secret. The error has the path.
pub fn secret_of_file(path: &Path) -> Result<String, String> {
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| failed(&error))?;
    let mut bytes = Vec::new();
    file.take(SECRET_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| failed(&error))?;
    secret_of_bytes(&bytes).map_err(|error| failed(&error))
}

fn secret_of_bytes(bytes: &[u8]) -> Result<String, String> {
    if bytes.len() as u64 > SECRET_FILE_BYTES_MAX {
        return Err(format!("it has more than {SECRET_FILE_BYTES_MAX} bytes: name a file with only the secret in it"));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) || bytes.contains(&0) {
        return Err("it is UTF-16: save it as UTF-8".to_owned());
    }
    secret(std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8: save it as UTF-8".to_owned())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_one_of_those_there_are() {
        for right in ["info", " debug ", "off", "info,quinn=debug", "warn, rustls=error"] {
            assert!(log_filter(right).is_ok(), "{right:?}");
        }
        for odd in ["inof", "info debug", "info,debgu", "quinn=loud", "", "info;debug"] {
            assert!(log_filter(odd).is_err(), "{odd:?}");
        }
        assert!(log_filter("inof").unwrap_err().contains("\"inof\" must be one of"));
    }

    #[test]
    fn what_stands_around_a_text_is_not_part_of_it() {
        for around in
            ["web", " web\n", "\u{feff}web\r\n", "\"web\"", "'web'\n", "\u{a0}web\u{200b}", "\" web \"", "web\0"]
        {
            assert_eq!(plain(around), "web", "{around:?}");
        }
        assert_eq!(plain("web \"1\""), "web \"1\"", "quotes within are the text's own");
        assert_eq!(plain("\"web'"), "\"web'", "quotes that are no pair too");
        assert_eq!(plain("\""), "\"");
        for blank in ["", " ", "\t\r\n", "\"\"", "' '", "\u{feff}"] {
            assert!(some_text(blank).is_err(), "{blank:?}");
        }
    }

    #[test]
    fn yes_and_no_are_read_as_people_write_them() {
        for yes in ["1", "true", "TRUE", "Yes", "on", " on\n", "\"true\"", "y"] {
            assert_eq!(truth(yes), Ok(true), "{yes:?}");
        }
        for no in ["0", "false", "No", "OFF", "'false'", "n"] {
            assert_eq!(truth(no), Ok(false), "{no:?}");
        }
        for neither in ["", "2", "maybe", "truee", "-1"] {
            assert!(truth(neither).expect_err("neither").contains("true or false"), "{neither:?}");
        }
    }

    #[test]
    fn addresses_to_show_are_addresses() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1 / 2001:DB8::1 ", "192.0.2.1/2001:db8::1"),
            ("2001:db8:0:0::1", "2001:db8::1"),
        ] {
            assert_eq!(shown_addresses(text), Ok(shown.to_owned()));
        }
        for wrong in
            ["", "300.1.1.1", "192.0.2.1/", "2001:db8::1/192.0.2.1", "192.0.2.1/24", "hub.example", "1.1.1.1,::1"]
        {
            assert!(shown_addresses(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_is_found_in_whatever_an_editor_wrote() {
        for bytes in
            [&b"abc123"[..], b"\xef\xbb\xbfabc123\r\n", b"abc123\n\n", b"  abc123 ", b"\"abc123\"\n", b"'abc123'"]
        {
            assert_eq!(secret_of_bytes(bytes), Ok("abc123".to_owned()), "{bytes:?}");
        }
        for (bytes, word) in [
            (&b""[..], "empty"),
            (b"\xef\xbb\xbf\r\n", "empty"),
            (b"\"\"", "empty"),
            (b"\xff\xfea\0b\0c\0", "UTF-16"),
            (b"\xfe\xff\0a\0b", "UTF-16"),
            (b"a\0b\0c\0", "UTF-16"),
            (b"caf\xe9", "UTF-8"),
            (b"one\ntwo\n", "several"),
            (b"WINDFIRE_CREDENTIAL=abc123\n", "assignment"),
            (&[b'a'; 5000], "bytes"),
            (&[b'a'; SECRET_BYTES_MAX + 1], "bytes"),
        ] {
            let error = secret_of_bytes(bytes).expect_err("no secret");
            assert!(error.contains(word), "{bytes:?}: {error}");
            assert!(!error.contains("abc123"), "a secret is in no message");
        }
    }

    #[test]
    fn a_file_without_end_is_not_read_to_its_end() {
        let error = secret_of_file(Path::new("/dev/zero")).expect_err("no secret");
        assert!(error.starts_with("/dev/zero: ") && error.contains("bytes"), "{error}");
    }
}

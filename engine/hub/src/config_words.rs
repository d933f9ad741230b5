//! Errors in a configuration file: the place, the remedy, and below them the parser's picture of the place.

use std::borrow::Cow;

use strsim::osa_distance;

/// One line with the place and the remedy, then the lines of the picture.
pub(crate) fn explain(error: &toml::de::Error) -> String {
    let (shown, message) = (error.to_string(), error.message().trim_end());
    let advice = advise(message);
    let picture = shown.trim_end().strip_suffix(message).and_then(|shown| shown.trim_end().split_once('\n'));
    match picture {
        Some((place, picture)) => {
            let place = place.split_once(" at ").map_or(place, |(_, place)| place);
            format!("{place}: {advice}\n{picture}")
        }
        None => advice.into_owned(),
    }
}

fn advise(message: &str) -> Cow<'_, str> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if let Some(key) = quoted.next().filter(|_| message.starts_with("unknown field")) {
        let keys: Vec<&str> = quoted.collect();
        let advice = match nearest(key, &keys) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("the keys are {}", keys.join(", ")),
        };
        return format!("key {key:?} is unknown: {advice}").into();
    }
    let Some((_, expected)) = message.rsplit_once("expected ") else { return message.into() };
    let is_number = matches!(expected, "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64");
    let advice = match expected {
        _ if is_number && message.contains("integer") => "write a whole number within the key's bounds",
        _ if is_number => "write a whole number, without quotes and without a unit",
        "a boolean" => "write true or false, without quotes",
        "a string" | "path string" | "socket address" => "write it in quotes, as in key = \"value\"",
        _ => return message.into(),
    };
    format!("{message}: {advice}").into()
}

/// The known key that is most like `key`. `None` if none is similar.
fn nearest<'a>(key: &str, keys: &[&'a str]) -> Option<&'a str> {
    // It may be written as a flag or as a variable.
    let key = key.to_lowercase().replace('-', "_");
    let key = key.strip_prefix("windfire_").unwrap_or(&key);
    let near = keys.iter().map(|known| (osa_distance(key, known), *known)).min()?;
    // A short word is near to many long ones that begin with it.
    let letters_max = |known: &str| 1 + known.len().min(key.len()) / 4;
    Some(near).filter(|(distance, known)| *distance <= letters_max(known)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_found() {
        let keys = [
            "data",
            "http",
            "https",
            "https_cert",
            "quic",
            "commit_interval_ms",
            "log",
            "guests",
            "country_db",
            "listeners",
        ];
        for (key, near) in [
            ("htpp", Some("http")),
            ("HTTP", Some("http")),
            ("http_", Some("http")),
            ("commit-interval-ms", Some("commit_interval_ms")),
            ("commit_interval", Some("commit_interval_ms")),
            ("WINDFIRE_QUIC", Some("quic")),
            ("gusets", Some("guests")),
            ("https-cret", Some("https_cert")),
            ("countrydb", Some("country_db")),
            ("listen", None),
            ("", None),
            ("retention", None),
        ] {
            assert_eq!(nearest(key, &keys), near, "{key}");
        }
        assert_eq!(nearest("key", &[]), None);
    }
}

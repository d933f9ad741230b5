//! Where browsers find the panel: its path at this hub, and its web address.

use serde::{Deserialize, Deserializer};
use windfire_api::BasePath;

use crate::variables::plain;

/// Reads a path from the command line or a variable.
pub(crate) fn base_path(text: &str) -> Result<BasePath, String> {
    match plain(text) {
        "" => Err("it is empty: write /, or leave the option out".to_owned()),
        path => BasePath::parse(path),
    }
}

/// Reads a path from the file.
pub(crate) fn base_path_of_file<'de, D: Deserializer<'de>>(value: D) -> Result<Option<BasePath>, D::Error> {
    let text = String::deserialize(value)?;
    base_path(&text).map(Some).map_err(serde::de::Error::custom)
}

/// Checks the web address with which links to the panel begin. It has no slash at its end.
///
/// # Errors
/// It is no web address, or leads to another path than the one at which this hub has the panel. Behind a hub at `/` it
/// may have any path, because a proxy may take that off.
pub(crate) fn check_public_url(url: &str, base_path: &BasePath) -> Result<(), String> {
    let Some(path) = path_of(url) else {
        return Err(format!("public_url = {url:?} is no web address: write one such as https://hub.example.org"));
    };
    if base_path.is_root() || path == base_path.prefix() {
        return Ok(());
    }
    let site = url.strip_suffix(path).unwrap_or(url);
    Err(format!(
        "public_url = {url:?} does not end with base_path = \"{base_path}\": write \"{site}{base_path}\", or change \
         base_path to the path that browsers see"
    ))
}

/// The path of a web address with which a link may begin. `None` if that is none.
fn path_of(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"))?;
    let is_part = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}?#".contains(&byte);
    if rest.is_empty() || rest.starts_with('/') || !rest.bytes().all(is_part) {
        return None;
    }
    Some(rest.find('/').map_or("", |at| &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_the_path_at_which_the_hub_has_the_panel() {
        let check = |url: &str, path: &str| check_public_url(url, &base_path(path).expect("a path"));
        for (url, path) in [
            ("https://hub.example.org", "/"),
            ("https://hub.example.org/behind/a/proxy", "/"),
            ("http://[::1]:8008/windfire", "windfire"),
            ("https://hub.example.org/tools/windfire", "/tools/windfire/"),
        ] {
            assert_eq!(check(url, path), Ok(()), "{url} {path}");
        }
        for (url, words) in [
            ("https://hub.example.org", "write \"https://hub.example.org/windfire/\""),
            ("https://hub.example.org/other", "write \"https://hub.example.org/windfire/\""),
            ("https://hub.example.org/x/windfire", "base_path = \"/windfire/\""),
            ("hub.example.org/windfire", "is no web address"),
        ] {
            let error = check(url, "/windfire/").expect_err(url);
            assert!(error.contains(words), "{url}: {error}");
        }
    }
}

//! The path below which the hub has its panel and its API, for a proxy that passes paths on as browsers write them.
//!
//! It is taken off a request once, before anything else looks at the path. Behind that only what names a path to a
//! browser knows it: the cookie, redirections and the API's document. The panel names everything relative to its page.

use std::borrow::Cow;
use std::fmt;

use http::Uri;
use http::uri::PathAndQuery;
use serde::{Serialize, Serializer};

use crate::limits::BASE_PATH_BYTES_MAX;
use crate::path;

/// A path with a slash at both ends, and only letters, digits, `-` and `_` between slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasePath(Cow<'static, str>);

impl Default for BasePath {
    fn default() -> Self {
        Self(Cow::Borrowed("/"))
    }
}

impl fmt::Display for BasePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for BasePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl BasePath {
    /// Reads one. The slashes at the ends may be missing.
    ///
    /// # Errors
    /// The text is a web address, too long, or has something that browsers, proxies and cookies might write or compare
    /// in another way.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text == "/" {
            return Ok(Self::default());
        }
        let inner = text.strip_prefix('/').unwrap_or(text);
        let inner = inner.strip_suffix('/').unwrap_or(inner);
        let found = format!("/{inner}/");
        if found.len() > BASE_PATH_BYTES_MAX {
            return Err(format!("it has {} bytes, over the limit of {BASE_PATH_BYTES_MAX}", found.len()));
        }
        if text.contains("://") {
            return Err(format!("{text:?} is a web address: write only its path, such as /windfire/"));
        }
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '/');
        if let Some(odd) = inner.chars().find(|letter| !is_plain(*letter)) {
            return Err(format!(
                "{text:?} has {odd:?}: use letters, digits, - and _ between slashes, as in /windfire/"
            ));
        }
        if found.contains("//") {
            return Err(format!("{text:?} has a slash after a slash: write it with one, as in /windfire/"));
        }
        Ok(Self(Cow::Owned(found)))
    }

    /// With a slash at both ends.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is before a path that begins with a slash: nothing for `/`.
    pub fn prefix(&self) -> &str {
        self.0.strip_suffix('/').unwrap_or(&self.0)
    }

    /// Whether everything is at `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Takes this path off the front of `uri`, so that the rest is as it is for a hub at `/`. False if `uri` is not
    /// below this path, and then it stays as it is.
    pub fn take_off(&self, uri: &mut Uri) -> bool {
        if self.is_root() {
            return true;
        }
        let Some(rest) = self.rest_of(uri.path()) else { return false };
        let rest = match uri.query() {
            Some(query) => format!("{rest}?{query}"),
            None => rest.to_owned(),
        };
        // It is the end of what was valid, so this does not fail.
        let Ok(rest) = PathAndQuery::try_from(rest) else { return false };
        *uri = Uri::from(rest);
        true
    }

    /// The end of a path below this one, with the slash at its front. Each segment may be written in several ways, as
    /// [`path::normal`] says.
    fn rest_of<'a>(&self, found: &'a str) -> Option<&'a str> {
        let mut rest = found;
        for segment in self.0.split('/').filter(|segment| !segment.is_empty()) {
            let from_segment = rest.trim_start_matches('/');
            if from_segment.len() == rest.len() {
                return None;
            }
            let (first, after) = from_segment.split_at(from_segment.find('/').unwrap_or(from_segment.len()));
            if path::normal(first) != segment {
                return None;
            }
            rest = after;
        }
        rest.starts_with('/').then_some(rest)
    }

    /// The relative address of this path, as seen from `/` and from this path without its last slash. If a proxy takes
    /// the path off as well, the hub sees each reader at `/`, and an absolute address would lead there without end.
    pub(crate) fn way_from(&self, path: &str) -> Option<&str> {
        let way = self.0.strip_prefix('/')?;
        if path == "/" {
            return Some(way);
        }
        // The last segment, with its slash.
        let last = || self.prefix().rsplit_once('/').map_or(way, |(before, _)| &self.0[before.len() + 1..]);
        (path == self.prefix()).then(last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base(text: &str) -> BasePath {
        BasePath::parse(text).expect("valid")
    }

    /// What is left of a path and its query.
    fn left(base: &BasePath, uri: &str) -> Option<String> {
        let mut uri: Uri = uri.parse().expect("an address");
        base.take_off(&mut uri).then(|| uri.to_string())
    }

    #[test]
    fn slashes_at_the_ends_may_be_missing() {
        for (text, path, prefix) in [
            ("", "/", ""),
            ("/", "/", ""),
            ("windfire", "/windfire/", "/windfire"),
            ("/windfire", "/windfire/", "/windfire"),
            ("windfire/", "/windfire/", "/windfire"),
            ("/tools/wind_fire-2/", "/tools/wind_fire-2/", "/tools/wind_fire-2"),
        ] {
            let base = base(text);
            assert_eq!((base.as_str(), base.prefix(), base.is_root()), (path, prefix, path == "/"), "{text:?}");
        }
        assert_eq!(BasePath::default(), base("/"));
    }

    #[test]
    fn what_may_be_written_in_several_ways_is_refused() {
        for (text, words) in [
            ("https://hub.example.org/windfire/", "is a web address"),
            ("/a/../b/", "has '.'"),
            ("/./", "has '.'"),
            ("/wind fire/", "has ' '"),
            ("/wind%20fire/", "has '%'"),
            ("/windfire?a=b", "has '?'"),
            ("/windfire;x/", "has ';'"),
            ("/wind\"fire/", "has '\"'"),
            ("/wind\\fire/", "has '\\\\'"),
            ("/wind\nfire/", "has '\\n'"),
            ("/café/", "has 'é'"),
            ("//", "a slash after a slash"),
            ("/a//b/", "a slash after a slash"),
            ("///a/", "a slash after a slash"),
        ] {
            let error = BasePath::parse(text).expect_err(text);
            assert!(error.contains(words) && error.contains("/windfire/"), "{text:?}: {error}");
        }
        let longest = format!("/{}/", "a".repeat(BASE_PATH_BYTES_MAX - 2));
        assert_eq!(base(&longest).as_str(), longest);
        assert!(BasePath::parse(&format!("{longest}a")).expect_err("too long").contains("over the limit"));
    }

    #[test]
    fn the_path_is_taken_off_however_it_is_written() {
        let one = base("/windfire/");
        for (uri, rest) in [
            ("/windfire/", Some("/")),
            ("/windfire/api/v1/server/list?tag=a%20b&id=", Some("/api/v1/server/list?tag=a%20b&id=")),
            ("/windfire/?", Some("/?")),
            ("/%77indfire/ws", Some("/ws")),
            ("//windfire//login", Some("//login")),
            ("/windfire/%2e%2e/x", Some("/%2e%2e/x")),
            ("http://hub:8008/windfire/login", Some("/login")),
            ("/windfire/windfire/", Some("/windfire/")),
            ("/windfire", None),
            ("/windfire?a=b", None),
            ("/windfire%2flogin", None),
            ("/windfires/", None),
            ("/Windfire/", None),
            ("/wind/fire/", None),
            ("/x/windfire/", None),
            ("/", None),
            ("/api/v1/server/list", None),
            ("*", None),
        ] {
            assert_eq!(left(&one, uri).as_deref(), rest, "{uri}");
        }
        let two = base("/a/b/");
        assert_eq!(left(&two, "/a//b/c").as_deref(), Some("/c"));
        assert_eq!((left(&two, "/a/b"), left(&two, "/a/"), left(&two, "/ab/c")), (None, None, None));
        for uri in ["/", "/windfire/", "//x?y", "*"] {
            assert_eq!(left(&BasePath::default(), uri).as_deref(), Some(uri), "a hub at / changes nothing");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_what_was_asked_of_a_hub_at_the_root(rest in "/[a-z/%2fE.?=&]{0,30}") {
            let asked: Result<Uri, _> = rest.parse();
            prop_assume!(asked.is_ok());
            let found = left(&base("/a/b/"), &format!("/a/b{rest}"));
            prop_assert_eq!(found, asked.ok().map(|uri| uri.to_string()));
        }
    }
}

//! The path of a request as it is compared: proxies and clients write one path in several ways (RFC 3986, 6.2.2).

use std::borrow::Cow;

/// The path with runs of slashes as one slash, and percent-decoded once. Encoded slashes, backslashes, percent signs
/// and control characters stay encoded, because they would mean something else when decoded. Invalid encodings stay
/// too. None of our paths has any of these, nor a segment `.` or `..`, so such a path leads nowhere.
pub fn normal(path: &str) -> Cow<'_, str> {
    if !path.contains('%') && !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match encoded(first, after) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None if *first == b'/' && bytes.last() == Some(&b'/') => {}
            None => bytes.push(*first),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The byte that is encoded after a percent sign, if it means the same when decoded.
fn encoded(first: &u8, after: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*after.get(at)?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = (*first == b'%').then(|| Some(digit(0)? << 4 | digit(1)?)).flatten()?;
    (!matches!(byte, b'/' | b'\\' | b'%' | 0..b' ' | 0x7f)).then_some(byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_path_has_many_spellings() {
        for (spelling, path) in [
            ("/api/v1/server/list", "/api/v1/server/list"),
            ("//api///v1/server/list", "/api/v1/server/list"),
            ("/api/v1/server/%6cist", "/api/v1/server/list"),
            ("/api/v1/server/%6Cist/", "/api/v1/server/list/"),
            ("/%61%70%69/v1/token/%31%32", "/api/v1/token/12"),
            ("/caf%c3%a9", "/café"),
            ("///", "/"),
        ] {
            assert_eq!(normal(spelling), path, "{spelling}");
        }
    }

    #[test]
    fn what_means_something_else_stays_as_it_is() {
        for path in ["/api%2fv1", "/a%5cb", "/%256c", "/%00", "/a%0d%0ab", "/%7f", "/%zz", "/%", "/%6", "/a/../b", "/."]
        {
            assert_eq!(normal(path), path);
        }
        assert_eq!(normal("/%2e%2e/x"), "/../x", "which no path of ours has");
        assert_eq!(normal("/%ff"), "/\u{fffd}");
    }

    proptest! {
        #[test]
        fn decoding_is_done_once_and_makes_no_slash(path in "[/a%2f65cE.]{0,40}") {
            let found = normal(&path);
            prop_assert!(!found.contains("//"), "{}", found);
            let segments = |text: &str| text.split('/').filter(|part| !part.is_empty()).count();
            prop_assert_eq!(segments(&found), segments(&path));
            // The result is not decoded again: decoding never yields a percent sign.
            prop_assert!(found.matches('%').count() <= path.matches('%').count());
        }
    }
}

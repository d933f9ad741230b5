//! Query parameters by Go's rules (contract 1.2), on which existing clients depend.

use std::borrow::Cow;
use std::collections::HashSet;

/// Repetitions of servers that one list may have. Further repetitions are ignored.
const ID_REPETITIONS_MAX: usize = 1000;

/// Characters of an unknown parameter's name that the error shows.
const NAME_CHARS_SHOWN_MAX: usize = 32;

/// Decoded parameters in the order of the query. Names are case-sensitive. The first of a repeated one counts.
///
/// Names and values are bytes that become text: v0 compares bytes, and invalid UTF-8 cannot match any of our tags.
#[derive(Debug, Default)]
pub(crate) struct Query {
    pairs: Vec<(String, String)>,
    /// Whether a pair was dropped.
    is_cut: bool,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let pair = |part: &str| {
            // Go drops a pair with a bare semicolon or a bad escape, without an error.
            if part.contains(';') {
                return None;
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(name)?, decode(value)?))
        };
        let parts = query.split('&').filter(|part| !part.is_empty());
        let all: Vec<Option<(String, String)>> = parts.map(pair).collect();
        Self { is_cut: all.iter().any(Option::is_none), pairs: all.into_iter().flatten().collect() }
    }

    /// Whether the query has only these parameters, each once, and is well-formed. Go's rules ignore all errors, so
    /// that a client with a misspelt parameter gets the answer to another question.
    ///
    /// # Errors
    /// A sentence for the client.
    pub(crate) fn check(&self, names: &[&str]) -> Result<(), String> {
        if self.is_cut {
            return Err(
                "the query has a bare semicolon or a percent sign that begins no encoding: write %3B or %25".to_owned()
            );
        }
        for (at, (name, _)) in self.pairs.iter().enumerate() {
            let shown = || name.chars().take(NAME_CHARS_SHOWN_MAX).collect::<String>();
            if !names.contains(&name.as_str()) {
                let taken = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return Err(format!("parameter {:?} is unknown here: this path takes {taken}", shown()));
            }
            if self.pairs[..at].iter().any(|(before, _)| before == name) {
                return Err(format!("parameter {:?} is given twice: give it once", shown()));
            }
        }
        Ok(())
    }

    /// The parameter's value, `None` when it is absent or empty: clients send `id=&tag=` for "not given".
    pub(crate) fn given(&self, name: &str) -> Option<&str> {
        let first = self.pairs.iter().find(|(found, _)| found == name);
        first.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    pub(crate) fn into_pairs(self) -> Vec<(String, String)> {
        self.pairs
    }
}

/// The ids of an `id` parameter: unsigned decimal 64 bit, separated by commas. Invalid ids are ignored, so that `,`
/// selects nothing rather than everything. v0 shows a server as often as it is named. So do we, up to
/// [`ID_REPETITIONS_MAX`] repetitions in all, which is far more than clients rely on.
pub(crate) fn ids(text: &str) -> Vec<u64> {
    let (mut seen, mut repetitions) = (HashSet::new(), 0);
    let is_shown = |id: &u64| {
        let is_new = seen.insert(*id);
        repetitions += usize::from(!is_new);
        is_new || repetitions <= ID_REPETITIONS_MAX
    };
    members(text).filter(is_shown).collect()
}

/// The same without repetitions, each where it is named first.
pub(crate) fn distinct_ids(text: &str) -> Vec<u64> {
    let mut seen = HashSet::new();
    members(text).filter(|id| seen.insert(*id)).collect()
}

fn members(text: &str) -> impl Iterator<Item = u64> {
    let member = |member: &str| {
        // u64::from_str takes a plus sign, Go's ParseUint does not.
        let is_digits = !member.is_empty() && member.bytes().all(|byte| byte.is_ascii_digit());
        is_digits.then(|| member.parse().ok()).flatten()
    };
    text.split(',').filter_map(member)
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
            other => other,
        });
    }
    Some(match String::from_utf8_lossy(&bytes) {
        Cow::Borrowed(text) => text.to_owned(),
        Cow::Owned(text) => text,
    })
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(query: &str, name: &str) -> Option<String> {
        Query::parse(query).given(name).map(str::to_owned)
    }

    #[test]
    fn parameters_follow_gos_rules() {
        assert_eq!(given("tag=a+b", "tag").as_deref(), Some("a b"));
        assert_eq!(given("tag=a%20b", "tag").as_deref(), Some("a b"));
        assert_eq!(given("tag=%E9%A6%99", "tag").as_deref(), Some("香"));
        assert_eq!(given("tag=Tag2&tag=Tag1", "tag").as_deref(), Some("Tag2"));
        assert_eq!(given("tag=&tag=Tag1", "tag"), None, "the first counts, and it is empty");
        assert_eq!(given("Tag=x", "tag"), None);
        assert_eq!(given("tag", "tag"), None);
        assert_eq!(given("tag=a;b", "tag"), None);
        assert_eq!(given("tag=%zz&tag=ok", "tag").as_deref(), Some("ok"));
        assert_eq!(given("tag=%4", "tag"), None);
        assert_eq!(given("tag=a=b", "tag").as_deref(), Some("a=b"));
        assert_eq!(given("", "tag"), None);
    }

    #[test]
    fn what_a_path_does_not_take_is_said() {
        let check = |query: &str| Query::parse(query).check(&["id", "step"]);
        for query in ["", "&&", "id=1", "id=&step=", "step=5m&id=1&", "%69d=1"] {
            assert_eq!(check(query), Ok(()), "{query}");
        }
        for (query, expected) in [
            ("steps=5m", "\"steps\" is unknown here: this path takes id, step"),
            ("ID=1", "\"ID\" is unknown"),
            ("id=1&id=2", "\"id\" is given twice"),
            ("id=&id=2", "\"id\" is given twice"),
            ("raw", "\"raw\" is unknown"),
            ("=1", "\"\" is unknown"),
            ("id=%zz", "begins no encoding"),
            ("id=1;step=5m", "bare semicolon"),
            ("to+ken=secret", "\"to ken\" is unknown"),
        ] {
            let wrong = check(query).expect_err(query);
            assert!(wrong.contains(expected) && !wrong.contains("secret"), "{query}: {wrong}");
        }
        let long = check(&"x".repeat(60_000)).expect_err("unknown");
        assert!(long.len() < 200);
        assert_eq!(
            Query::parse("x=1").check(&[]),
            Err("parameter \"x\" is unknown here: this path takes none".to_owned())
        );
    }

    #[test]
    fn a_server_is_repeated_as_often_as_clients_need_and_no_more() {
        let often = |id: &str| vec![id; 30_000].join(",");
        assert_eq!(ids(&often("1")).len(), 1 + ID_REPETITIONS_MAX);
        // Spread over several, in turns, and after an invalid id.
        let turns = ids(&often("1,2,x,3"));
        assert_eq!((turns.len(), &turns[..6]), (3 + ID_REPETITIONS_MAX, &[1, 2, 3, 1, 2, 3][..]));
        // Servers that are named once are returned, even after many repetitions of another.
        let fleet: Vec<String> = (1..=9000).map(|id| id.to_string()).collect();
        assert_eq!(ids(&format!("{},{}", often("1"), fleet.join(","))).len(), 9000 + ID_REPETITIONS_MAX);
    }

    #[test]
    fn ids_skip_what_is_no_id() {
        assert_eq!(ids("2,999,abc, 2,-2,2.0,,02,+2"), [2, 999, 2]);
        assert_eq!(ids(","), [] as [u64; 0]);
        assert_eq!(distinct_ids("2,999,abc, 2,2,02,7"), [2, 999, 7]);
        assert_eq!(ids("18446744073709551615,18446744073709551616"), [u64::MAX]);
    }
}

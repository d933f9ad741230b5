//! Reads files of variables as systemd reads them: `EnvironmentFile=` in systemd.exec(5).

use std::collections::BTreeMap;

/// Characters before which a backslash in double quotes is left out.
const ESCAPED: [char; 4] = ['"', '\\', '`', '$'];

/// What such a file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Variables {
    /// Values by name. A later line wins.
    pub(super) values: BTreeMap<String, String>,
    /// Numbers of the lines that are no assignment, which systemd ignores.
    pub(super) odd: Vec<usize>,
}

/// The variables of a file with this text. A value over several lines, which no option of the agent needs, is odd.
pub(super) fn variables(text: &str) -> Variables {
    let mut found = Variables::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        match assignment(line) {
            Some((name, value)) => {
                found.values.insert(name.to_owned(), value);
            }
            None => found.odd.push(index + 1),
        }
    }
    found
}

/// Name and value. `export` before the name makes it none.
fn assignment(line: &str) -> Option<(&str, String)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !is_name {
        return None;
    }
    Some((name, value_of(value)?))
}

/// Where in a value a character is.
#[derive(Clone, Copy)]
enum Place {
    /// Before it, or behind a quote that has ended.
    Around,
    /// In a text without quotes, in which a quote is a character as any other.
    Plain,
    Single,
    Double,
}

/// The value without quotes and backslashes. `None` if it does not end in its line.
fn value_of(text: &str) -> Option<String> {
    let (mut value, mut place) = (String::new(), Place::Around);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        place = match (place, c) {
            (Place::Around, '\'') => Place::Single,
            (Place::Around, '"') => Place::Double,
            (Place::Single, '\'') | (Place::Double, '"') => Place::Around,
            (Place::Around, c) if c.is_whitespace() => Place::Around,
            (Place::Around | Place::Plain, '\\') => {
                value.push(rest.next()?);
                Place::Plain
            }
            (Place::Double, '\\') => {
                let next = rest.next()?;
                if !ESCAPED.contains(&next) {
                    value.push('\\');
                }
                value.push(next);
                Place::Double
            }
            (Place::Around | Place::Plain, c) => {
                value.push(c);
                Place::Plain
            }
            (quoted, c) => {
                value.push(c);
                quoted
            }
        };
    }
    match place {
        Place::Around | Place::Plain => Some(value),
        Place::Single | Place::Double => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_that_systemd_reads() {
        for (line, value) in [
            ("A=hub.example:5555", "hub.example:5555"),
            ("  A = hub.example  ", "hub.example"),
            ("A=", ""),
            ("A=a b  c", "a b  c"),
            ("A=\" a # b ; c \"", " a # b ; c "),
            ("A=' \"a\" \\n '", " \"a\" \\n "),
            ("A=\"\\\"a\\\" \\$b \\n\"", "\"a\" $b \\n"),
            ("A=a#b", "a#b"),
            ("A=it's", "it's"),
            ("A=a\\ b\\\\c", "a b\\c"),
            ("A='a' \"b\"c", "abc"),
            ("A=b=c", "b=c"),
            ("A=a\r", "a"),
        ] {
            let found = variables(line);
            assert_eq!(found.values.get("A").map(String::as_str), Some(value), "{line:?}");
            assert!(found.odd.is_empty(), "{line:?}");
        }
    }

    #[test]
    fn odd_lines_are_counted_and_comments_are_not() {
        let text = "# A=1\n; A=2\n\nA=3\nexport B=4\nnothing\n=5\n1C=6\nD=\"open\nE=open\\\nA=7\n";
        let found = variables(text);
        assert_eq!(found.odd, [5, 6, 7, 8, 9, 10]);
        assert_eq!(found.values, BTreeMap::from([("A".to_owned(), "7".to_owned())]), "the later one");
    }
}

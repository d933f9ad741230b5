//! One line of the log while it is written: escaped and bounded.

use std::fmt::{self, Write};

/// Bytes of one line, with its end. The journal splits a line of 48 KiB in two.
pub const LINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of these for what ends a line that was cut: the mark, and what closes the value and the object.
const END_BYTES: usize = 64;
/// Bytes after which a value is cut, or left out.
const ROOM_BYTES: usize = LINE_BYTES_MAX - END_BYTES;
/// What a cut value ends with.
pub(crate) const CUT_MARK: char = '…';

/// How characters are escaped that would end the line, move a cursor or turn the direction of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// As in Rust's strings: `\n`, `\u{1b}`.
    Text,
    /// As in JSON's strings: `\u000a`, and quotes and backslashes too.
    Json,
}

/// One line. Once a value was cut, no further one is taken.
#[derive(Debug, Default)]
pub(crate) struct Line {
    text: String,
    is_cut: bool,
}

impl Line {
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Writes text of this program that is short, such as punctuation.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Whether there is room for a key, and for so many bytes of its value. If not, the line ends here.
    pub(crate) fn has_room(&mut self, key: &str, bytes: usize) -> bool {
        // The key has quotes, a colon and a comma around it, or colours.
        self.is_cut |= self.text.len() + key.len() + bytes + 32 > ROOM_BYTES;
        !self.is_cut
    }

    /// Writes a foreign value. If it is longer than the room, it ends with a mark.
    pub(crate) fn put(&mut self, escape: Escape, value: fmt::Arguments<'_>) {
        if self.is_cut {
            return;
        }
        // An error is the end of the room, or of a value that cannot be shown.
        let _rest_is_left_out = Escaping { line: self, escape }.write_fmt(value);
        if self.is_cut {
            self.text.push(CUT_MARK);
        }
    }

    /// The place for text of this program that writes itself, such as the time.
    pub(crate) fn as_write(&mut self) -> &mut String {
        &mut self.text
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

/// Escapes what is written to it, up to the end of the line's room.
struct Escaping<'a> {
    line: &'a mut Line,
    escape: Escape,
}

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            let before = self.line.text.len();
            match self.escape {
                Escape::Text => put_in_text(&mut self.line.text, char),
                Escape::Json => put_in_json(&mut self.line.text, char),
            }
            if self.line.text.len() > ROOM_BYTES {
                self.line.text.truncate(before);
                self.line.is_cut = true;
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

fn put_in_text(line: &mut String, char: char) {
    if is_active(char) {
        line.extend(char.escape_default());
    } else {
        line.push(char);
    }
}

fn put_in_json(line: &mut String, char: char) {
    match char {
        '"' | '\\' => line.extend(['\\', char]),
        _ if is_active(char) => {
            // All of them are in the first plane, so one unit is enough.
            let _into_a_string = write!(line, "\\u{:04x}", u32::from(char));
        }
        _ => line.push(char),
    }
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and marks of the direction of writing.
fn is_active(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(escape: Escape, value: &str) -> Line {
        let mut line = Line::default();
        line.put(escape, format_args!("{value}"));
        line
    }

    #[test]
    fn what_would_move_the_cursor_or_end_the_line_is_spelt_out() {
        for (value, text, json) in [
            ("web <1> — 東京", "web <1> — 東京", "web <1> — 東京"),
            ("a\nb\tc", "a\\nb\\tc", "a\\u000ab\\u0009c"),
            ("\x1b[2J\u{9b}\x7f", "\\u{1b}[2J\\u{9b}\\u{7f}", "\\u001b[2J\\u009b\\u007f"),
            ("x\u{202e}y\u{2028}", "x\\u{202e}y\\u{2028}", "x\\u202ey\\u2028"),
            ("\"\\", "\"\\", "\\\"\\\\"),
        ] {
            assert_eq!(put(Escape::Text, value).into_text(), text);
            assert_eq!(put(Escape::Json, value).into_text(), json);
        }
    }

    #[test]
    fn a_value_without_end_is_cut_with_a_mark_and_nothing_follows() {
        for escape in [Escape::Text, Escape::Json] {
            let mut line = put(escape, &"\x1b東".repeat(LINE_BYTES_MAX));
            assert!(line.is_cut() && !line.has_room("key", 0));
            line.put(escape, format_args!("more"));
            let text = line.into_text();
            assert!(text.ends_with(CUT_MARK) && text.len() <= ROOM_BYTES + CUT_MARK.len_utf8(), "{}", text.len());
        }
    }
}

//! Texts that are cut to what a receiver takes.

/// What stands where a text was cut.
const CUT: &str = "…";

/// The text, or as much of its beginning as `max` allows, with a mark. `size` is what a character counts there.
pub(crate) fn fit(text: &str, max: usize, size: impl Fn(char) -> usize) -> String {
    let mark: usize = CUT.chars().map(&size).sum();
    let (mut used, mut kept) = (0_usize, 0);
    for (at, letter) in text.char_indices() {
        used += size(letter);
        if used > max {
            return format!("{}{CUT}", &text[..kept]);
        }
        if used + mark <= max {
            kept = at + letter.len_utf8();
        }
    }
    text.to_owned()
}

/// What a character counts where texts are UTF-16, as in Telegram and Discord.
pub(crate) fn utf16(letter: char) -> usize {
    letter.len_utf16()
}

/// What a character counts in bytes.
pub(crate) fn utf8(letter: char) -> usize {
    letter.len_utf8()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_too_long_ends_with_a_mark() {
        assert_eq!(fit("abc", 3, |_| 1), "abc");
        assert_eq!(fit("abcd", 3, |_| 1), "ab…");
        assert_eq!(fit("🔥🔥", 4, utf16), "🔥🔥");
        assert_eq!(fit("🔥🔥🔥", 4, utf16), "🔥…");
        assert_eq!(fit("äöüß", 6, utf8), "ä…");
        assert_eq!(fit("", 0, utf8), "");
    }

    proptest! {
        #[test]
        fn no_text_is_longer_than_allowed(text in ".{0,40}", max in 3_usize..60) {
            for size in [utf8, utf16] {
                let cut = fit(&text, max, size);
                prop_assert!(cut.chars().map(size).sum::<usize>() <= max, "{cut:?} in {max}");
                prop_assert!(cut == text || text.starts_with(cut.trim_end_matches('…')), "{cut:?} of {text:?}");
            }
        }
    }
}

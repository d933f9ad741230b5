//! Values of the command line that the libraries would take too much of, or refuse in their own words.

/// Minutes of a year.
const MINUTES_MAX: u64 = 366 * 24 * 60;

/// A whole number within bounds; `None` for any other text.
fn whole(text: &str, min: u64, max: u64) -> Option<u64> {
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

/// # Errors
/// The text is not an id.
pub(super) fn id(text: &str) -> Result<u64, String> {
    whole(text, 1, u64::MAX).ok_or_else(|| "ids are whole numbers from 1 on, as the verb 'list' shows them".to_owned())
}

/// The id of a server, or 0 for the hub.
///
/// # Errors
/// The text is neither.
pub(super) fn server_or_hub(text: &str) -> Result<u64, String> {
    whole(text, 0, u64::MAX).ok_or_else(|| "write the id of a server, as the verb 'list' shows it, or 0".to_owned())
}

/// A text as a query has it.
pub(super) fn query_text(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Ids with commas, or none of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ids(pub(super) Vec<u64>);

/// # Errors
/// The text is neither a list of ids nor `none`.
pub(super) fn ids(text: &str) -> Result<Ids, String> {
    let all = if text == "none" { Ok(Vec::new()) } else { text.split(',').map(id).collect() };
    all.map(Ids).map_err(|_: String| "write ids with commas, as the verb 'list' shows them, or none".to_owned())
}

/// A whole number from 0 on.
///
/// # Errors
/// The text is something else.
pub(super) fn count(text: &str) -> Result<u32, String> {
    let number = whole(text, 0, u32::MAX.into()).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| "write a whole number from 0 on, without a unit".to_owned())
}

/// How long something lasts, up to a year.
///
/// # Errors
/// The text is not a whole number of minutes.
pub(super) fn minutes(text: &str) -> Result<u32, String> {
    let minutes = whole(text, 1, MINUTES_MAX).and_then(|minutes| u32::try_from(minutes).ok());
    minutes.ok_or_else(|| format!("write how many minutes, a whole number from 1 to {MINUTES_MAX}"))
}

/// How often something may be used.
///
/// # Errors
/// The text is not a whole number from 1 on.
pub(super) fn uses(text: &str) -> Result<u64, String> {
    whole(text, 1, u64::MAX).ok_or_else(|| "write how many servers it may create, a whole number from 1 on".to_owned())
}

/// # Errors
/// The text is not a whole number from `MIN` to `MAX`.
pub(super) fn days<const MIN: u64, const MAX: u64>(text: &str) -> Result<u32, String> {
    let days = whole(text, MIN, MAX).and_then(|days| u32::try_from(days).ok());
    days.ok_or_else(|| format!("write how many days, a whole number from {MIN} to {MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_a_list_or_none() {
        assert_eq!(ids("3,1"), Ok(Ids(vec![3, 1])));
        assert_eq!(ids("none"), Ok(Ids(vec![])));
        assert!(["", "1,", "1 2", "0", "x", "none,1"].iter().all(|wrong| ids(wrong).is_err()));
        assert_eq!((count("0"), count("4294967295")), (Ok(0), Ok(u32::MAX)));
        assert!(["", "-1", "1m", "4294967296"].iter().all(|wrong| count(wrong).is_err()));
    }
}

//! Values of the command line that the libraries would take too much of, or refuse in their own words.

/// A whole number within bounds; `None` for any other text.
fn whole(text: &str, min: u64, max: u64) -> Option<u64> {
    text.parse().ok().filter(|number| (min..=max).contains(number))
}

/// # Errors
/// The text is not an id.
pub(super) fn id(text: &str) -> Result<u64, String> {
    whole(text, 1, u64::MAX).ok_or_else(|| "ids are whole numbers from 1 on, as the verb 'list' shows them".to_owned())
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

//! Times and durations in queries.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Bytes of a day in RFC 3339.
const DAY_BYTES: usize = 10;

/// Maximum of bytes of a text that is parsed.
const TEXT_BYTES_MAX: usize = 64;

/// A time as Unix milliseconds: Unix seconds (`1790035200`, `1790035200.5`), RFC 3339 (`2026-09-22T00:00:00Z`), `now`,
/// or before now (`-24h`; without a unit, seconds). Digits finer than milliseconds are cut off.
///
/// # Errors
/// A sentence for the client.
pub(crate) fn time_ms(text: &str, now_ms: i64) -> Result<i64, String> {
    let explain =
        || format!("time {text:?} must be one of: Unix seconds, RFC 3339, now, or before now (-90s, -15m, -24h, -7d)");
    if text.len() > TEXT_BYTES_MAX {
        return Err("the time is too long: write Unix seconds, RFC 3339, now, or before now (-24h)".to_owned());
    }
    if text == "now" {
        return Ok(now_ms);
    }
    if let Some(before) = text.strip_prefix('-') {
        return Ok(now_ms.saturating_sub(duration_ms(before).map_err(|_| explain())?));
    }
    if let Some(ms) = seconds_ms(text) {
        return Ok(ms);
    }
    let parsed = OffsetDateTime::parse(&as_rfc3339(text), &Rfc3339).map_err(|_| explain())?;
    i64::try_from(parsed.unix_timestamp_nanos() / 1_000_000).map_err(|_| explain())
}

/// A duration as milliseconds, at least 1: seconds (`60`, `0.5`) or with a unit (`500ms`, `90s`, `5m`, `24h`, `30d`,
/// `2w`).
///
/// # Errors
/// A sentence for the client.
pub(crate) fn duration_ms(text: &str) -> Result<i64, String> {
    let explain = || format!("duration {text:?} must be one of: seconds, 500ms, 90s, 5m, 24h, 30d, 2w");
    let units: [(&str, i64); 6] =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 7 * 86_400_000)];
    let with_unit = units.iter().find_map(|(unit, ms)| {
        let number = text.strip_suffix(unit)?;
        let is_number = !number.is_empty() && number.len() <= 12 && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| number.parse::<i64>().ok()?.checked_mul(*ms)).flatten()
    });
    with_unit.or_else(|| seconds_ms(text)).filter(|ms| *ms > 0).ok_or_else(explain)
}

/// RFC 3339 as it may be written in a query: there may be a space between day and time, letters may be small, and a
/// plus sign that was not escaped has become a space.
fn as_rfc3339(text: &str) -> String {
    let spaced = text.char_indices().map(|(at, character)| match (at, character) {
        (DAY_BYTES, ' ') => 'T',
        (_, ' ') => '+',
        (_, other) => other.to_ascii_uppercase(),
    });
    spaced.collect()
}

/// Digits. Of those after a point the first three count.
fn seconds_ms(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits =
        |text: &str| !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let thousandths = fraction.bytes().chain(*b"000").take(3).fold(0, |all, digit| all * 10 + i64::from(digit - b'0'));
    whole.parse::<i64>().ok()?.checked_mul(1000)?.checked_add(thousandths)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_035_200_000;

    #[test]
    fn times_are_read_in_every_form() {
        assert_eq!(time_ms("1790035200", NOW), Ok(NOW));
        assert_eq!(time_ms("1790035200.25", NOW), Ok(NOW + 250));
        assert_eq!(time_ms("2026-09-22T00:00:00Z", NOW), Ok(NOW));
        for same in [
            "2026-09-22T02:00:00 02:00",
            "2026-09-22T02:00:00+02:00",
            "2026-09-22 02:00:00+02:00",
            "2026-09-22t00:00:00z",
            "2026-09-21T18:30:00-05:30",
            "2026-09-22 00:00:00.000Z",
        ] {
            assert_eq!(time_ms(same, NOW), Ok(NOW), "{same}");
        }
        assert_eq!(time_ms("2026-09-22T00:00:00.1239999Z", NOW), Ok(NOW + 123));
        assert_eq!(time_ms("-24h", NOW), Ok(NOW - 86_400_000));
        assert_eq!(time_ms("-24", NOW), Ok(NOW - 24_000), "without a unit, seconds");
        assert_eq!(time_ms("-0.5", NOW), Ok(NOW - 500));
        assert_eq!(time_ms("0", NOW), Ok(0));
        assert_eq!(time_ms("-99999999999d", NOW), Ok(NOW - 99_999_999_999 * 86_400_000));
        assert_eq!(time_ms("now", NOW), Ok(NOW));
        for wrong in [
            "",
            "yesterday",
            "-",
            "-h",
            "1e9",
            "99999999999999999999",
            "2026-09-22",
            "+5",
            "-5y",
            "NaN",
            "inf",
            "1790035200s",
            "now-1h",
            "-999999999999w",
            "--5",
            "0x5",
            "1_000",
            "٣",
        ] {
            assert!(time_ms(wrong, NOW).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_read_in_every_form() {
        let read =
            ["60", "0.5", "500ms", "90s", "5m", "24h", "30d", "2w"].map(|text| duration_ms(text).expect("legal"));
        assert_eq!(read, [60_000, 500, 500, 90_000, 300_000, 86_400_000, 2_592_000_000, 1_209_600_000]);
        for wrong in ["0", "", "m", "1.5h", "-5", "5y", "999999999999w"] {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }
}

//! Cells and tables.

use std::time::Duration;

use serde_json::Value;

use crate::output::plain;

/// A row per value of a list, below a head.
pub(super) fn table_of<const N: usize>(head: [&str; N], result: &Value, row: impl Fn(&Value) -> [String; N]) -> String {
    table(head, result.as_array().into_iter().flatten().map(row))
}

pub(super) fn table<const N: usize>(head: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows = rows.map(|row| row.map(|cell| plain(&cell).into_owned()));
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let widths: Vec<usize> =
        (0..N).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// A value in a cell: a text as it is, a list with commas.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(crate) fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", units[unit]) }
}

/// How long ago that was, in Unix seconds; `never` if it was not.
pub(super) fn since(now_s: i64, at_s: &Value) -> String {
    at_s.as_i64().map_or("never".to_owned(), |at_s| ago(now_s, at_s))
}

pub(super) fn ago(now_s: i64, at_s: i64) -> String {
    format!("{} ago", span(now_s - at_s))
}

/// How long something is still good for.
pub(super) fn until(now_s: i64, expires_s: &Value) -> String {
    match expires_s.as_i64() {
        None => "never".to_owned(),
        Some(expires_s) if expires_s <= now_s => "expired".to_owned(),
        Some(expires_s) => format!("in {}", span(expires_s - now_s)),
    }
}

pub(crate) fn span(seconds: i64) -> String {
    let seconds = Duration::from_secs(seconds.max(0).unsigned_abs()).as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_of_a_table_stays_in_its_place() {
        let shown = table(["NAME", "TAG"], [["a\nb\x1b[1A\u{202e}".to_owned(), "x".to_owned()]].into_iter());
        assert_eq!(shown.lines().count(), 2, "{shown}");
        assert!(shown.contains("a\\u{a}b\\u{1b}[1A\\u{202e}  x"), "{shown}");
    }
}

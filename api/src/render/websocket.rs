//! The document of `/ws` (contract 1.11): the values of `details` with other names and times.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use windfire_engine::ServerView;

use super::json::JsonWriter;
use super::server::{host, status};
use crate::viewer::Audience;

/// Bytes of one entry, measured on v0's own. It is only a hint for the buffer.
const ENTRY_BYTES: usize = 896;
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The document of those servers for an audience, in that order.
pub(crate) fn document(audience: &Audience, servers: &[ServerView], now_s: i64) -> String {
    let mut seen = servers.iter().filter(|server| audience.sees(&server.record)).peekable();
    let mut json = JsonWriter::with_capacity(64 + servers.len() * ENTRY_BYTES);
    json.raw("{\"now\":");
    json.integer(now_s * 1000);
    if seen.peek().is_some() {
        json.raw(",\"servers\":");
        json.list(seen, entry);
    }
    json.raw("}");
    json.into_text()
}

fn entry(json: &mut JsonWriter, server: &ServerView) {
    let record = &server.record;
    let created = rfc3339(record.created_s.saturating_mul(1000));
    json.raw("{\"ID\":");
    json.integer(record.id);
    json.raw(",\"CreatedAt\":");
    json.string(&created);
    json.raw(",\"UpdatedAt\":");
    json.string(&created);
    json.raw(",\"DeletedAt\":null,\"Name\":");
    json.string(&record.name);
    json.raw(",\"Tag\":");
    json.string(&record.tag);
    json.raw(",\"DisplayIndex\":");
    json.integer(record.display_index);
    json.raw(",\"HideForGuest\":");
    json.bool(record.hide_for_guest);
    json.raw(",\"EnableDDNS\":false");
    host(json, "Host", &server.latest.facts, &record.country);
    status(json, "State", &server.latest.sample);
    json.raw(",\"LastActive\":");
    json.string(&server.latest.last_active_ms.map_or_else(|| NEVER.to_owned(), rfc3339));
    json.raw("}");
}

/// Fractions only if there are any, as Go writes them.
fn rfc3339(unix_ms: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_else(|| NEVER.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_fleet_has_no_list_and_times_are_rfc_3339() {
        assert_eq!(document(&Audience::All, &[], 1_653_015_042), "{\"now\":1653015042000}");
        assert_eq!(rfc3339(1_653_015_042_000), "2022-05-20T02:50:42Z");
        assert_eq!(rfc3339(1_653_015_042_500), "2022-05-20T02:50:42.5Z");
        assert_eq!(rfc3339(1_653_015_042_007), "2022-05-20T02:50:42.007Z");
        assert_eq!(rfc3339(i64::MAX), NEVER);
    }
}

//! The facts of a server over time.

use super::tier::{DAY_MS, MINUTE_MS};
use super::upkeep::History;
use crate::latest::HostFacts;
use crate::limits::{FACTS_PAGE_BYTES_MAX, RANGE_DAYS_MAX};
use crate::store::{Store, StoreError, hosts, key};

/// Some of the facts that a server had.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FactsPage {
    /// The minute in which they changed, Unix milliseconds, and the facts from then on.
    pub changes: Vec<(i64, HostFacts)>,
    /// Where the next page begins; `None` after the last.
    pub next_from_ms: Option<i64>,
}

impl History {
    /// Changes of a server's facts, the earliest first: one page of them.
    pub(crate) fn facts_changes(
        &self,
        store: &Store,
        server_id: u64,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<FactsPage, StoreError> {
        let from_ms = from_ms.max(to_ms.saturating_sub(RANGE_DAYS_MAX * DAY_MS));
        let mut page = FactsPage::default();
        let mut bytes = 0;
        for day in from_ms.div_euclid(DAY_MS)..to_ms.div_euclid(DAY_MS) + 1 {
            let last = key::facts_key(day, server_id, i64::MAX);
            let first_minute = from_ms.div_euclid(MINUTE_MS).max(day * DAY_MS / MINUTE_MS);
            store.scan_while(key::FACTS, &key::facts_key(day, server_id, first_minute), &mut |key, value| {
                let Some((_, minute)) = key::facts_of(key).filter(|_| *key <= last[..]) else { return Ok(false) };
                let minute_ms = minute.saturating_mul(MINUTE_MS);
                if !(from_ms..to_ms).contains(&minute_ms) {
                    return Ok(true);
                }
                bytes += value.len();
                if bytes > FACTS_PAGE_BYTES_MAX && !page.changes.is_empty() {
                    page.next_from_ms = Some(minute_ms);
                    return Ok(false);
                }
                page.changes.push((minute_ms, hosts::read(value)?));
                Ok(true)
            })?;
            if page.next_from_ms.is_some() {
                break;
            }
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Made, SERVER, START_MS};
    use super::super::tier::Retention;
    use super::*;
    use crate::store::Changes;

    #[test]
    fn facts_that_changed_often_are_read_in_pages() {
        let made = Made::new(Retention::default(), None);
        let facts = |version: i64| {
            let cpu = vec!["x".repeat(200); 48];
            let host = windfire_wire::Host { version: version.to_string(), cpu, ..Default::default() };
            HostFacts { host, ..HostFacts::default() }
        };
        let at_ms = |number: i64| START_MS + number * 47 * MINUTE_MS;
        let mut changes = Changes::default();
        let mut expected = Vec::new();
        for number in 0..120 {
            // Over four days, before and after midnight, beside others.
            let (day, minute) = (at_ms(number).div_euclid(DAY_MS), at_ms(number).div_euclid(MINUTE_MS));
            let had = facts(number);
            for server_id in [SERVER - 1, SERVER, SERVER + 1] {
                changes.put(key::FACTS, &key::facts_key(day, server_id, minute), hosts::write(&had));
            }
            expected.push((at_ms(number), had));
        }
        made.store.write_synced(&changes).expect("on disk");
        for (from, to) in [(0, 120), (10, 11), (17, 17), (0, 1), (30, 119)] {
            let (mut read, mut pages, mut next) = (Vec::new(), 0, Some(at_ms(from)));
            while let Some(from_ms) = next {
                let page = made.history.facts_changes(&made.store, SERVER, from_ms, at_ms(to)).expect("readable");
                assert!(page.changes.len() <= FACTS_PAGE_BYTES_MAX / 9_600, "{}", page.changes.len());
                read.extend(page.changes);
                (next, pages) = (page.next_from_ms, pages + 1);
            }
            let inside = expected.iter().filter(|(time_ms, _)| (at_ms(from)..at_ms(to)).contains(time_ms));
            assert!(read.iter().eq(inside), "{from} to {to}");
            assert_eq!(pages, (read.len() * 9_700).div_ceil(FACTS_PAGE_BYTES_MAX).max(1), "{from}");
        }
    }
}

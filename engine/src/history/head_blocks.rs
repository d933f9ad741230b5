//! Heads as blocks: what sealing writes.

use super::tier::HOUR_MS;
use crate::block::{Effort, Run};
use crate::head::Head;
use crate::store::{Changes, Store, StoreError, key};

/// Puts the blocks of `heads`, oldest first, into `changes`. Reports of hours before `oldest_hour` are left out. Returns how
/// many those are.
pub(super) fn seal_heads<'a>(
    changes: &mut Changes,
    server_id: u64,
    heads: impl IntoIterator<Item = &'a Head>,
    oldest_hour: i64,
) -> Result<u64, StoreError> {
    let (mut expired, mut last_sequence) = (0, 0);
    for head in heads {
        last_sequence = head.last_sequence();
        for (hour, run) in head.run()?.split_by(HOUR_MS) {
            if hour < oldest_hour {
                expired += run.len() as u64;
                continue;
            }
            let first = run.sequences.first().copied().unwrap_or_default();
            changes.put(key::RAW, &key::raw_key(hour, server_id, first), run.encode(server_id, Effort::Quick));
            changes.put(key::TODO, &key::todo_key(key::TODO_HOUR, server_id, hour), Vec::new());
        }
    }
    changes.put(key::SEALED, &key::id_key(server_id), last_sequence.to_be_bytes().to_vec());
    Ok(expired)
}

/// Writes what [`seal_heads`] put together.
pub(super) fn write_sealed(store: &Store, changes: &Changes) -> Result<(), StoreError> {
    // Synced: the log behind it is deleted next, and files of a deleted range may be gone before a write is on disk.
    store.write_synced(changes)
}

impl Run {
    /// Rows by the interval of `span_ms` in which they were reported, each run in the order of sequence numbers.
    pub(crate) fn split_by(self, span_ms: i64) -> Vec<(i64, Self)> {
        let span = |time_ms: &i64| time_ms.div_euclid(span_ms);
        let first = self.times_ms.first().map_or(0, span);
        if self.times_ms.iter().all(|time_ms| span(time_ms) == first) {
            return vec![(first, self)];
        }
        let mut runs: Vec<(i64, Self)> = Vec::new();
        for (sequence, sample) in self.reports() {
            let span = span(&sample.time_ms);
            let at = runs.iter().rposition(|(of, _)| *of == span).unwrap_or_else(|| {
                runs.push((span, Self::default()));
                runs.len() - 1
            });
            runs[at].1.push(sequence, &sample);
        }
        runs
    }
}

//! Walks the log past what cannot be read: damage costs the commits that are damaged, and no others.

use super::database::{Store, VisitWhile};
use super::error::StoreError;
use super::key;
use super::salvage::next_readable;

/// What a walk makes of a stretch that the system cannot read. Damage that RocksDB finds in what it has read is passed over
/// in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It may be the whole disk, and be over soon: an error.
    Ends,
    /// The first one is left out: it was the same for long, while the disk did all else.
    OneIsPassedOver,
    /// All are left out.
    ArePassedOver,
}

impl Store {
    /// Values of the log from commit `from` on, in order, while `visit` says so. `lose` hears what was left out: a value that
    /// `visit` finds corrupt, or a stretch of commits whose table file is damaged.
    ///
    /// # Errors
    /// The store cannot be read at all, or another error of `visit`.
    pub(crate) fn walk_log(
        &self,
        from: u64,
        unreadable: Unreadable,
        visit: &mut VisitWhile<'_>,
        lose: &mut dyn FnMut(String),
    ) -> Result<(), StoreError> {
        let (mut from, mut unreadable) = (place(from, 0), unreadable);
        loop {
            let mut last = None;
            let walked = self.scan_while(key::LOG, &key_at(from), &mut |key, value| {
                // As an error it would be met again and again: no place is behind it.
                let Some((commit, shard)) = key::log_of(key) else {
                    lose(format!("log, a key of {} bytes", key.len()));
                    return Ok(true);
                };
                last = Some(place(commit, shard));
                match visit(key, value) {
                    Err(StoreError::Corrupt(corrupt)) => {
                        lose(format!("log, commit {commit}: {corrupt}"));
                        Ok(true)
                    }
                    other => other,
                }
            });
            let Err(error) = walked else { return Ok(()) };
            let is_faulty = matches!(error, StoreError::Faulty { .. });
            let is_final = is_faulty && unreadable == Unreadable::Ends;
            let Some(damage) = error.damage().filter(|_| !is_final) else { return Err(error) };
            let damaged = last.map_or(from, |last| last.saturating_add(1));
            let next = next_readable(damaged, &mut |place| self.is_log_readable_at(place));
            if is_faulty && next.is_none() {
                // It is no stretch of the log, but the disk.
                return Err(error);
            }
            if is_faulty && unreadable == Unreadable::OneIsPassedOver {
                unreadable = Unreadable::Ends;
            }
            let until = next.map_or_else(|| "the end".to_owned(), |next| format!("commit {}", commit_at(next)));
            lose(format!("log, from commit {} to {until}: {damage}", commit_at(damaged)));
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// Whether the first value from there on can be read.
    fn is_log_readable_at(&self, place: u128) -> bool {
        self.scan_while(key::LOG, &key_at(place), &mut |_, _| Ok(false)).is_ok()
    }
}

/// A key of the log as a number: keys lie in its order.
fn place(commit: u64, shard: u8) -> u128 {
    u128::from(commit) << 8 | u128::from(shard)
}

fn commit_at(place: u128) -> u64 {
    u64::try_from(place >> 8).unwrap_or(u64::MAX)
}

/// The key at a place, or the highest that there can be.
fn key_at(place: u128) -> [u8; 9] {
    let shard = u8::try_from(place & 0xff).unwrap_or(u8::MAX);
    match u64::try_from(place >> 8) {
        Ok(commit) => key::log_key(commit, shard),
        Err(_) => key::log_key(u64::MAX, u8::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Changes;

    #[test]
    fn a_key_that_is_none_is_named_and_left_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path(), None).expect("a new store");
        let mut changes = Changes::default();
        changes.put(key::LOG, &key::log_key(1, 0), vec![1]);
        changes.put(key::LOG, b"no key", vec![2]);
        changes.put(key::LOG, &[0; 10], vec![3]);
        store.write_synced(&changes).expect("a healthy store");
        let (mut values, mut lost) = (Vec::new(), Vec::new());
        let mut visit = |_: &[u8], value: &[u8]| {
            values.extend_from_slice(value);
            Ok(true)
        };
        store.walk_log(0, Unreadable::Ends, &mut visit, &mut |what| lost.push(what)).expect("readable");
        assert_eq!(
            (values, lost),
            (vec![1], vec!["log, a key of 10 bytes".to_owned(), "log, a key of 6 bytes".to_owned()])
        );
    }

    #[test]
    fn a_stretch_that_the_disk_cannot_read_is_an_error_until_it_is_passed_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(folder.path(), None).expect("a new store");
        let mut changes = Changes::default();
        (1..=9u8).for_each(|commit| changes.put(key::LOG, &key::log_key(commit.into(), 0), vec![commit]));
        store.write_synced(&changes).expect("a healthy store");
        let sick = folder.path().to_owned();
        *store.at_read.lock() = Some(Box::new(move |_, key| {
            let is_sick = key::commit_of(key).is_some_and(|commit| (4..=6).contains(&commit));
            let error = StoreError::Faulty { folder: sick.clone(), reason: "7.sst: Input/output error".to_owned() };
            if is_sick { Err(error) } else { Ok(()) }
        }));
        for (unreadable, read, lost) in [
            (Unreadable::Ends, vec![1, 2, 3], None),
            (
                Unreadable::ArePassedOver,
                vec![1, 2, 3, 7, 8, 9],
                Some("log, from commit 3 to commit 6: 7.sst: Input/output error"),
            ),
        ] {
            let (mut values, mut told) = (Vec::new(), Vec::new());
            let mut visit = |_: &[u8], value: &[u8]| {
                values.extend_from_slice(value);
                Ok(true)
            };
            let walked = store.walk_log(0, unreadable, &mut visit, &mut |what| told.push(what));
            assert_eq!((values, walked.is_ok()), (read, lost.is_some()));
            assert_eq!(told, Vec::from_iter(lost.map(str::to_owned)));
        }
    }
}

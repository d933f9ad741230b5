//! How many messages a channel gets in a minute.

use std::collections::{HashMap, VecDeque};

const MINUTE_MS: i64 = 60_000;

/// When messages went to each channel, in the last minute.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// Unix milliseconds, by channel.
    taken_ms: HashMap<u64, VecDeque<i64>>,
}

impl Rates {
    /// Messages that may go to a channel now.
    pub(super) fn free(&mut self, channel_id: u64, per_minute: u32, now_ms: i64) -> usize {
        let per_minute = usize::try_from(per_minute).unwrap_or(usize::MAX);
        let Some(taken_ms) = self.taken_ms.get_mut(&channel_id) else { return per_minute };
        forget_old(taken_ms, now_ms);
        let free = per_minute.saturating_sub(taken_ms.len());
        if taken_ms.is_empty() {
            self.taken_ms.remove(&channel_id);
        }
        free
    }

    /// Forgets channels that are gone.
    pub(super) fn forget_gone(&mut self, is_there: impl Fn(u64) -> bool) {
        self.taken_ms.retain(|channel_id, _| is_there(*channel_id));
    }

    /// A message goes to a channel.
    pub(super) fn note(&mut self, channel_id: u64, now_ms: i64) {
        let taken_ms = self.taken_ms.entry(channel_id).or_default();
        // Nobody asks what is free in a channel without such a bound.
        forget_old(taken_ms, now_ms);
        taken_ms.push_back(now_ms);
    }
}

fn forget_old(taken_ms: &mut VecDeque<i64>, now_ms: i64) {
    // A time that lies after now is of a clock that was ahead.
    taken_ms.retain(|at_ms| (0..MINUTE_MS).contains(&now_ms.saturating_sub(*at_ms)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_gets_so_many_messages_in_any_minute() {
        let (mut rates, mut taken) = (Rates::default(), Vec::new());
        for second in 0..300 {
            let now_ms = 1_790_000_000_000 + second * 1000;
            if rates.free(1, 3, now_ms) > 0 {
                rates.note(1, now_ms);
                taken.push(second);
            }
        }
        assert_eq!(taken, [0, 1, 2, 60, 61, 62, 120, 121, 122, 180, 181, 182, 240, 241, 242]);
        assert_eq!(rates.free(2, 3, 0), 3, "each channel has its own");
    }

    #[test]
    fn no_more_than_a_minute_is_remembered_of_a_channel_that_nobody_asks_about() {
        let mut rates = Rates::default();
        for second in 0..3_600 {
            rates.note(1, 1_790_000_000_000 + second * 1000);
        }
        let remembered: Vec<usize> = rates.taken_ms.values().map(VecDeque::len).collect();
        assert_eq!(remembered, [60]);
    }

    #[test]
    fn nothing_is_remembered_of_a_channel_that_is_gone() {
        let mut rates = Rates::default();
        [1, 2].into_iter().for_each(|channel_id| rates.note(channel_id, 1_790_000_000_000));
        rates.forget_gone(|channel_id| channel_id == 2);
        assert_eq!(rates.taken_ms.into_keys().collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn a_clock_that_goes_back_does_not_close_a_channel() {
        let mut rates = Rates::default();
        rates.note(1, 1_790_000_000_000);
        assert_eq!(rates.free(1, 1, 1_790_000_000_000), 0);
        assert_eq!(rates.free(1, 1, 1_780_000_000_000), 1);
    }
}

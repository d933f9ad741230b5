//! How far the latest status on disk is complete, shard by shard.
//!
//! ```text
//! commit number u64 BE, one for each shard in ascending order      (formats 1–3: a single one, for all)
//! ```
//! A checkpoint of all shards at once would be one commit as large as the fleet, and hold up every ack behind it.

use crate::limits::SHARDS;
use crate::record::Corrupt;
use crate::store::key;

/// The newest commit of each shard at which the latest status of all its servers was stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Checkpoints([u64; SHARDS]);

impl Checkpoints {
    pub(crate) fn set(&mut self, shard: usize, commit: u64) {
        self.0[shard] = commit;
    }

    /// Whether the latest status of the shard's servers already has what this commit brought.
    pub(crate) fn cover(&self, shard: usize, commit: u64) -> bool {
        self.0.get(shard).is_some_and(|checkpoint| commit <= *checkpoint)
    }

    /// The shard whose turn it is.
    pub(crate) fn stalest(&self) -> usize {
        (0..SHARDS).min_by_key(|shard| self.0[*shard]).unwrap_or(0)
    }

    /// The log is needed behind this commit.
    pub(crate) fn oldest(&self) -> u64 {
        self.0.iter().copied().min().unwrap_or(0)
    }

    /// The newest commit that is known of here.
    pub(crate) fn newest(&self) -> u64 {
        self.0.iter().copied().max().unwrap_or(0)
    }

    pub(super) fn read(value: &[u8]) -> Result<Self, Corrupt> {
        let corrupt = || Corrupt::at("number checkpoint");
        if let Some(commit) = key::id_of(value) {
            return Ok(Self([commit; SHARDS]));
        }
        let (numbers, rest) = value.as_chunks::<8>();
        let numbers: [[u8; 8]; SHARDS] = numbers.try_into().map_err(|_| corrupt())?;
        if rest.is_empty() { Ok(Self(numbers.map(u64::from_be_bytes))) } else { Err(corrupt()) }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        self.0.iter().flat_map(|commit| commit.to_be_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_a_single_number_is_meant_for_all_shards() {
        let mut checkpoints = Checkpoints::read(&7u64.to_be_bytes()).expect("a number");
        assert_eq!((checkpoints.oldest(), checkpoints.newest(), checkpoints.stalest()), (7, 7, 0));
        checkpoints.set(0, 8);
        assert_eq!(checkpoints.stalest(), 1);
        checkpoints.set(3, 9);
        assert!(checkpoints.cover(3, 9) && !checkpoints.cover(2, 9) && checkpoints.cover(2, 7));
        assert_eq!((checkpoints.oldest(), checkpoints.newest()), (7, 9));
        let bytes = checkpoints.write();
        assert_eq!(Checkpoints::read(&bytes), Ok(checkpoints));
        for wrong in [&bytes[..SHARDS * 8 - 1], &bytes[..16], &[]] {
            assert!(Checkpoints::read(wrong).is_err(), "{wrong:?}");
        }
    }
}

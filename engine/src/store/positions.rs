//! How far a hub of a cluster has followed the stream of each partition.
//!
//! ```text
//! number of the newest message that was applied u64 BE, one for each partition in ascending order
//! ```

use crate::limits::SHARDS;
use crate::record::Corrupt;

/// The newest message of each partition whose reports are in the store. 0 before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Positions([u64; SHARDS]);

impl Positions {
    /// The newest message of that partition.
    pub(crate) fn of(&self, partition: usize) -> u64 {
        self.0.get(partition).copied().unwrap_or(0)
    }

    /// Notes it. Whether it is another than before.
    pub(crate) fn set(&mut self, partition: usize, position: u64) -> bool {
        self.0.get_mut(partition).is_some_and(|of| std::mem::replace(of, position) != position)
    }

    pub(super) fn read(value: &[u8]) -> Result<Self, Corrupt> {
        let corrupt = || Corrupt::at("number followed");
        let (numbers, rest) = value.as_chunks::<8>();
        let numbers: [[u8; 8]; SHARDS] = numbers.try_into().map_err(|_| corrupt())?;
        if rest.is_empty() { Ok(Self(numbers.map(u64::from_be_bytes))) } else { Err(corrupt()) }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        self.0.iter().flat_map(|position| position.to_be_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_any_other_length_is_corrupt() {
        let mut positions = Positions::default();
        assert!(positions.set(3, 9) && !positions.set(3, 9) && !positions.set(SHARDS, 1));
        assert_eq!((positions.of(3), positions.of(2), positions.of(SHARDS)), (9, 0, 0));
        let bytes = positions.write();
        assert_eq!(Positions::read(&bytes), Ok(positions));
        for wrong in [&bytes[..SHARDS * 8 - 1], &bytes[..8], &[]] {
            assert!(Positions::read(wrong).is_err(), "{wrong:?}");
        }
    }
}

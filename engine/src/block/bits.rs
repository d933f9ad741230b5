//! Integers in as many bits as the widest of each 32 needs.

use crate::record::RecordReader;
use crate::store::StoreError;

/// Integers that share a width. Short, so that one large number widens few.
const GROUP: usize = 32;

/// Bits that `value` needs.
pub(super) const fn width(value: u64) -> u32 {
    u64::BITS - value.leading_zeros()
}

/// Appends `values`: for each group its width in one byte, then its bits, the first value lowest.
#[expect(clippy::cast_possible_truncation, reason = "the low byte of the accumulator, and a width of at most 64")]
pub(super) fn pack(values: &[u64], out: &mut Vec<u8>) {
    for group in values.chunks(GROUP) {
        let bits = width(group.iter().fold(0, |all, value| all | value));
        out.push(bits as u8);
        let (mut held, mut count) = (0u128, 0);
        for value in group {
            held |= u128::from(*value) << count;
            count += bits;
            while count >= 8 {
                out.push(held as u8);
                held >>= 8;
                count -= 8;
            }
        }
        if count > 0 {
            out.push(held as u8);
        }
    }
}

/// Takes `count` integers that [`pack`] wrote.
#[expect(clippy::cast_possible_truncation, reason = "masked to at most 64 bits")]
pub(super) fn unpack(record: &mut RecordReader<'_>, count: usize) -> Result<Vec<u64>, StoreError> {
    let mut values = Vec::with_capacity(count);
    while values.len() < count {
        let group = GROUP.min(count - values.len());
        let bits = u32::from(record.u8()?);
        if bits > u64::BITS {
            return Err(record.corrupt());
        }
        let bytes = record.take((group * bits as usize).div_ceil(8))?;
        let mask = if bits == u64::BITS { u64::MAX } else { (1 << bits) - 1 };
        let (mut held, mut filled, mut rest) = (0u128, 0, bytes.iter());
        for _ in 0..group {
            while filled < bits {
                held |= u128::from(*rest.next().unwrap_or(&0)) << filled;
                filled += 8;
            }
            values.push(held as u64 & mask);
            held >>= bits;
            filled -= bits;
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_integers_come_back(values in proptest::collection::vec((any::<u64>(), 0u32..64), 0..200)) {
            let values: Vec<u64> = values.into_iter().map(|(value, shift)| value >> shift).collect();
            let mut packed = Vec::new();
            pack(&values, &mut packed);
            let mut record = RecordReader::new("test", &packed);
            prop_assert_eq!(unpack(&mut record, values.len()).expect("packed"), values);
            prop_assert!(record.is_empty());
        }
    }

    #[test]
    fn a_width_over_64_is_corrupt() {
        assert!(unpack(&mut RecordReader::new("test", &[65, 0, 0]), 1).is_err());
    }
}

//! Integers in as many bits as the widest of each 32 needs.

use crate::record::{Corrupt, RecordReader};

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
pub(super) fn unpack(record: &mut RecordReader<'_>, count: usize) -> Result<Vec<u64>, Corrupt> {
    let mut values = Vec::with_capacity(count);
    while values.len() < count {
        let group = GROUP.min(count - values.len());
        let bits = u32::from(record.u8()?);
        if bits > u64::BITS {
            return Err(record.corrupt());
        }
        let bytes = record.take((group * bits as usize).div_ceil(8))?;
        // Room for the longest group and for reading eight bytes at its last bit.
        let mut padded = [0; GROUP * 8 + 16];
        padded[..bytes.len()].copy_from_slice(bytes);
        let mask = if bits == u64::BITS { u64::MAX } else { (1 << bits) - 1 };
        let (mut byte, mut shift) = (0, 0);
        values.extend((0..group).map(|_| {
            let low = u64_at(&padded, byte) >> shift;
            // A value of more than 56 bits may reach into a ninth byte.
            let high = if shift + bits > u64::BITS { u64_at(&padded, byte + 8) << (u64::BITS - shift) } else { 0 };
            (byte, shift) = (byte + (shift + bits) as usize / 8, (shift + bits) % 8);
            (low | high) & mask
        }));
    }
    Ok(values)
}

fn u64_at(bytes: &[u8; GROUP * 8 + 16], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |eight| u64::from_le_bytes(*eight))
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

//! What the hub believed of the time when it last stored it.
//!
//! ```text
//! trusted_ms, expiry_ms, steady_ms      i64 big-endian each
//! ```

use crate::clock::StoredClock;
use crate::record::Corrupt;

pub(super) fn write(clock: &StoredClock) -> Vec<u8> {
    [clock.trusted_ms, clock.expiry_ms, clock.steady_ms].into_iter().flat_map(i64::to_be_bytes).collect()
}

pub(super) fn read(value: &[u8]) -> Result<StoredClock, Corrupt> {
    let corrupt = || Corrupt::at("times clock");
    let (times, rest) = value.as_chunks::<8>();
    let [trusted_ms, expiry_ms, steady_ms] = times.try_into().map_err(|_| corrupt())?;
    let [trusted_ms, expiry_ms, steady_ms] = [trusted_ms, expiry_ms, steady_ms].map(i64::from_be_bytes);
    if rest.is_empty() { Ok(StoredClock { trusted_ms, expiry_ms, steady_ms }) } else { Err(corrupt()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_any_other_length_is_corrupt() {
        let clock = StoredClock { trusted_ms: i64::MAX, expiry_ms: -1, steady_ms: 7 };
        let value = write(&clock);
        assert_eq!(read(&value), Ok(clock));
        assert!((0..value.len()).all(|length| read(&value[..length]).is_err()));
        assert!(read(&[0; 32]).is_err());
    }
}

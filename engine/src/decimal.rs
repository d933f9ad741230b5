//! Floats that are whole numbers of a decimal digit, as most readings are, and those whole numbers.

/// Decimal digits that are tried: agents round to two, sensors have up to three.
pub(crate) const DIGITS_MAX: u8 = 3;
/// Ten to the power of the digits.
pub(crate) const POWERS: [f64; DIGITS_MAX as usize + 1] = [1.0, 10.0, 100.0, 1000.0];
/// Integers up to here are exact in a float.
const EXACT_FLOAT_MAX: f64 = 9_007_199_254_740_992.0;

/// `value` times 10^`digits`, when it is a whole number from which exactly `value` comes back.
#[expect(clippy::cast_possible_truncation, reason = "below 2^53")]
pub(crate) fn scaled(value: f64, digits: u8) -> Option<i64> {
    let power = POWERS[usize::from(digits)];
    // To even, because the processor does that in one instruction; a tie is no whole number either way.
    let whole = (value * power).round_ties_even();
    // Through the integer, because that has no negative zero.
    let integer = (whole.abs() <= EXACT_FLOAT_MAX).then_some(whole as i64)?;
    (integer as f64 / power).to_bits().eq(&value.to_bits()).then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_scaled_only_when_it_comes_back_to_the_bit() {
        for (value, digits, expected) in [
            (12.34, 2, Some(1234)),
            (-0.07, 2, Some(-7)),
            (12.345, 2, None),
            (12.345, 3, Some(12_345)),
            (0.1 + 0.2, 2, None),
            (0.0, 0, Some(0)),
            (-0.0, 0, None),
            (EXACT_FLOAT_MAX, 0, Some(1 << 53)),
            (EXACT_FLOAT_MAX, 1, None),
            (f64::NAN, 2, None),
            (f64::INFINITY, 2, None),
            (f64::MIN_POSITIVE, 3, None),
        ] {
            assert_eq!(scaled(value, digits), expected, "{value} with {digits} digits");
        }
    }
}

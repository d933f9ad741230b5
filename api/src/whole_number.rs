//! Whole numbers as JSON has them: `1.0` is as whole as `1`, and clients in some languages write it so.

use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A whole number within the bounds of `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WholeNumber<T>(pub(crate) T);

impl<'de, T: TryFrom<i128>> Deserialize<'de> for WholeNumber<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_any(AnyNumber)?;
        let within = T::try_from(number).map_err(|_| Error::custom(format!("{number} is out of bounds")))?;
        Ok(Self(within))
    }
}

/// Beyond this, several whole numbers have the same float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

struct AnyNumber;

impl Visitor<'_> for AnyNumber {
    type Value = i128;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<i128, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<i128, E> {
        Ok(value.into())
    }

    #[expect(clippy::cast_possible_truncation, reason = "within the bounds that were just checked")]
    fn visit_f64<E: Error>(self, value: f64) -> Result<i128, E> {
        if value.fract() == 0.0 && value.abs() <= EXACT_MAX {
            Ok(value as i128)
        } else {
            Err(E::invalid_type(Unexpected::Float(value), &self))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_floats_are_numbers_and_others_are_not() {
        let whole = |text| serde_json::from_str::<WholeNumber<u64>>(text).ok().map(|WholeNumber(number)| number);
        assert_eq!((whole("3"), whole("3.0"), whole("1e3")), (Some(3), Some(3), Some(1000)));
        assert_eq!((whole("3.5"), whole("-1"), whole("1e30"), whole("\"3\"")), (None, None, None, None));
        assert_eq!(whole("18446744073709551615"), Some(u64::MAX));
    }
}

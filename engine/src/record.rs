//! The encoding of numbers and texts in a stored value: integers are LEB128 varints, zigzag if signed; floats are their
//! eight bytes.

use std::borrow::Cow;
use std::sync::Arc;

use windfire_wire::Temperature;

/// Stored bytes that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("corrupt at {what}")]
pub struct Corrupt {
    /// What could not be read.
    pub what: Cow<'static, str>,
}

impl Corrupt {
    pub(crate) fn at(what: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.into() }
    }
}

/// Appends values to a stored record.
pub(crate) struct RecordWriter<'a>(pub(crate) &'a mut Vec<u8>);

impl RecordWriter<'_> {
    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u64(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(low_bits(value) | 0x80);
            value >>= 7;
        }
        self.0.push(low_bits(value));
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.u64(zigzag(value));
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.0.extend_from_slice(&value.to_bits().to_le_bytes());
    }

    pub(crate) fn array<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.u64(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn texts(&mut self, texts: &[String]) {
        self.u64(texts.len() as u64);
        texts.iter().for_each(|text| self.text(text));
    }

    pub(crate) fn sensors(&mut self, sensors: &[Temperature]) {
        self.u64(sensors.len() as u64);
        for sensor in sensors {
            self.text(&sensor.name);
            self.f64(sensor.celsius);
        }
    }

    pub(crate) fn numbers(&mut self, numbers: &[u64]) {
        self.u64(numbers.len() as u64);
        numbers.iter().for_each(|number| self.u64(*number));
    }

    pub(crate) fn option_text(&mut self, text: Option<&str>) {
        self.u8(u8::from(text.is_some()));
        if let Some(text) = text {
            self.text(text);
        }
    }

    pub(crate) fn option_f64(&mut self, value: Option<f64>) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            self.f64(value);
        }
    }

    pub(crate) fn option(&mut self, value: Option<i64>) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            self.i64(value);
        }
    }
}

/// The sign in the lowest bit, so that small numbers of either sign are short.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Undoes [`zigzag`].
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

/// `value` as its difference from `base`, the sign in the lowest bit.
pub(crate) const fn signed_difference(value: u64, base: u64) -> u64 {
    zigzag(value.wrapping_sub(base).cast_signed())
}

/// Undoes [`signed_difference`].
pub(crate) const fn plus_difference(base: u64, difference: u64) -> u64 {
    base.wrapping_add(unzigzag(difference).cast_unsigned())
}

fn low_bits(value: u64) -> u8 {
    (value & 0x7f) as u8
}

/// Reads values from a stored record. Stored bytes are not trusted: a flipped bit is an error, not a panic.
pub(crate) struct RecordReader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

/// A varint that ends within these eight bytes, and its length. Its first byte is the lowest.
fn short_varint(bytes: u64) -> Option<(u64, usize)> {
    let ends = !bytes & 0x8080_8080_8080_8080;
    let bits = (ends != 0).then(|| ends.trailing_zeros() + 1)?;
    let groups = bytes & (u64::MAX >> (64 - bits)) & 0x7f7f_7f7f_7f7f_7f7f;
    let pairs = (groups & 0x007f_007f_007f_007f) | ((groups & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    let value = (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4);
    Some((value, bits as usize / 8))
}

impl<'a> RecordReader<'a> {
    pub(crate) fn new(what: &'static str, record: &'a [u8]) -> Self {
        Self { rest: record, what }
    }

    pub(crate) fn corrupt(&self) -> Corrupt {
        Corrupt::at(self.what)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(|| self.corrupt())?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Corrupt> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Corrupt> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.corrupt()),
        }
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Corrupt> {
        // Reading a log or a block is mostly this: most numbers are short, and their bytes are put together without a branch
        // for each.
        if let Some((word, bytes)) = self.rest.first_chunk().and_then(|word| short_varint(u64::from_le_bytes(*word))) {
            self.rest = &self.rest[bytes..];
            return Ok(word);
        }
        self.long_u64()
    }

    fn long_u64(&mut self) -> Result<u64, Corrupt> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(self.corrupt());
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.corrupt())
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Corrupt> {
        u32::try_from(self.u64()?).map_err(|_| self.corrupt())
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Corrupt> {
        self.u64().map(unzigzag)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, Corrupt> {
        Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| self.corrupt())
    }

    /// A length, at most the number of bytes left. So memory is only allocated for bytes that exist, even if a record
    /// claims more.
    pub(crate) fn length(&mut self) -> Result<usize, Corrupt> {
        match usize::try_from(self.u64()?) {
            Ok(length) if length <= self.rest.len() => Ok(length),
            _ => Err(self.corrupt()),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, Corrupt> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| self.corrupt())
    }

    pub(crate) fn texts(&mut self) -> Result<Vec<String>, Corrupt> {
        (0..self.length()?).map(|_| self.text()).collect()
    }

    /// Sensors; `None` rather than an empty list.
    pub(crate) fn sensors(&mut self) -> Result<Option<Arc<[Temperature]>>, Corrupt> {
        let sensors = self.length()?;
        if sensors == 0 {
            return Ok(None);
        }
        let sensor = |_| Ok(Temperature { name: self.text()?, celsius: self.f64()? });
        (0..sensors).map(sensor).collect::<Result<Arc<[_]>, Corrupt>>().map(Some)
    }

    pub(crate) fn numbers(&mut self) -> Result<Vec<u64>, Corrupt> {
        (0..self.length()?).map(|_| self.u64()).collect()
    }

    pub(crate) fn option_text(&mut self) -> Result<Option<String>, Corrupt> {
        Ok(if self.bool()? { Some(self.text()?) } else { None })
    }

    /// The version that a record begins with. Later versions are those of a newer hub, whose store is refused.
    pub(crate) fn version(&mut self, known: u8) -> Result<(), Corrupt> {
        if self.u8()? == known { Ok(()) } else { Err(self.corrupt()) }
    }

    pub(crate) fn option_f64(&mut self) -> Result<Option<f64>, Corrupt> {
        Ok(if self.bool()? { Some(self.f64()?) } else { None })
    }

    pub(crate) fn option(&mut self) -> Result<Option<i64>, Corrupt> {
        Ok(if self.bool()? { Some(self.i64()?) } else { None })
    }

    /// What is left, unread.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Fails if bytes are left after the last value.
    pub(crate) fn finish(self) -> Result<(), Corrupt> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.corrupt()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn values_round_trip(a in any::<u64>(), b in any::<i64>(), c in any::<u64>(), text in ".*", o in any::<Option<i64>>()) {
            let mut record = Vec::new();
            let mut writer = RecordWriter(&mut record);
            writer.u64(a);
            writer.i64(b);
            writer.f64(f64::from_bits(c));
            writer.text(&text);
            writer.option(o);
            let mut reader = RecordReader::new("test", &record);
            prop_assert_eq!(reader.u64().expect("written"), a);
            prop_assert_eq!(reader.i64().expect("written"), b);
            prop_assert_eq!(reader.f64().expect("written").to_bits(), c);
            prop_assert_eq!(reader.text().expect("written"), text);
            prop_assert_eq!(reader.option().expect("written"), o);
            reader.finish().expect("nothing left");
        }

        #[test]
        fn a_varint_of_any_length_is_read_whatever_follows(
            number in any::<u64>(),
            bits in 0u32..64,
            rest in proptest::collection::vec(any::<u8>(), 0..10),
        ) {
            let number = number >> bits;
            let mut record = Vec::new();
            RecordWriter(&mut record).u64(number);
            record.extend(&rest);
            let (mut short, mut long) = (RecordReader::new("test", &record), RecordReader::new("test", &record));
            prop_assert_eq!((short.u64(), long.long_u64()), (Ok(number), Ok(number)));
            prop_assert_eq!((short.rest, long.rest), (rest.as_slice(), rest.as_slice()));
        }

        #[test]
        fn any_bytes_are_read_alike_by_both_ways(record in proptest::collection::vec(any::<u8>(), 0..20)) {
            let (mut short, mut long) = (RecordReader::new("test", &record), RecordReader::new("test", &record));
            prop_assert_eq!(short.u64(), long.long_u64());
        }

        #[test]
        fn hostile_records_never_panic(record in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = RecordReader::new("test", &record);
            while reader.u64().is_ok() && reader.text().is_ok() && reader.f64().is_ok() {}
        }
    }

    #[test]
    fn an_overlong_varint_is_corrupt() {
        let record = [0xff; 11];
        assert!(RecordReader::new("test", &record).u64().is_err());
    }
}

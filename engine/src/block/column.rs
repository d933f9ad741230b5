//! One column of integers, or of floats, in the fewest bytes that give it back to the bit.
//!
//! ```text
//! integers = codec order<<4, data                    order: how often differences were taken, 0 to 2; 3: off a line
//! codec    0 constant   value
//!          1 stride     first step
//!          2 packed     shift, leading values, bit-packed differences
//!          3 zstd       shift, length, zstd of varint differences
//!          4 pco        shift, length, pco's wrapped format: header, one chunk of u64, one page
//!          5 pco        the same of u32, which is read faster
//! floats   = digits integers                         values times 10^digits, when every value comes back from that
//!          | 255 integers                            the floats' bits
//! ```
//! `shift` is the number of low bits that are zero in every value and are left out. With order 3 the first value and a step
//! come before the data, which says how far each value is off the line they draw: timers that are late now and then, but
//! never drift, cost least that way. Integers are LEB128 varints, signed ones zigzag; all arithmetic wraps, so every 64-bit
//! value is legal.

use std::cell::RefCell;
use std::io;

use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};
use zstd::bulk::{Compressor, Decompressor};

use super::bits::{pack, unpack, width};
use crate::decimal::{DIGITS_MAX, POWERS, scaled};
use crate::record::{Corrupt, RecordReader, RecordWriter, plus_difference, signed_difference, zigzag};

/// How much time to spend on a small result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Bit-packing only: for blocks that will be packed again soon.
    Quick,
    /// The codec with the smallest result: for blocks that stay.
    Dense,
}

const CONSTANT: u8 = 0;
const STRIDE: u8 = 1;
const PACKED: u8 = 2;
const ZSTD: u8 = 3;
const PCO: u8 = 4;
const PCO_NARROW: u8 = 5;

const RAW_FLOATS: u8 = 255;

const PCO_LEVEL: usize = 8;
const ZSTD_LEVEL: i32 = 1;
/// Values from which pco's table pays for itself.
const PCO_VALUES_MIN: usize = 48;

/// Appends a column of integers.
pub(super) fn encode_integers(values: &[u64], effort: Effort, out: &mut Vec<u8>) {
    let Some((first, rest)) = values.split_first() else { return };
    let step = rest.first().map_or(0, |second| second.wrapping_sub(*first));
    if values.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step) {
        let mut record = RecordWriter(out);
        if step == 0 {
            record.u8(CONSTANT);
            record.u64(*first);
        } else {
            record.u8(STRIDE);
            record.u64(*first);
            record.i64(step.cast_signed());
        }
        return;
    }
    let shift = values.iter().fold(0, |all, value| all | value).trailing_zeros();
    let mut values: Vec<u64> = values.iter().map(|value| value >> shift).collect();
    let start = out.len();
    let Differences { order, differences, line } = difference(&values);
    let mut head = vec![order << 4];
    let mut record = RecordWriter(&mut head);
    record.u64(shift.into());
    if let Some(line) = &line {
        record.u64(line.first);
        record.i64(line.step.cast_signed());
        values.clone_from(&differences);
    }
    let leading = leading(order, values.len());
    head[0] |= PACKED;
    out.extend_from_slice(&head);
    let mut record = RecordWriter(out);
    values[..leading].iter().for_each(|value| record.u64(*value));
    pack(&differences[leading..], out);
    if effort == Effort::Quick {
        return;
    }
    let zeros = differences.iter().filter(|difference| **difference == 0).count();
    if zeros * 4 > differences.len()
        && let Some(compressed) = zstd_of(&differences)
    {
        replace_if_smaller(out, start, ZSTD, &head, &compressed);
    }
    if values.len() < PCO_VALUES_MIN {
        return;
    }
    let narrow: Option<Vec<u32>> = values.iter().map(|value| u32::try_from(*value).ok()).collect();
    let (codec, compressed) = match narrow {
        Some(narrow) => (PCO_NARROW, pco_of(&narrow, order)),
        None => (PCO, pco_of(&values, order)),
    };
    if let Some(compressed) = compressed {
        replace_if_smaller(out, start, codec, &head, &compressed);
    }
}

fn replace_if_smaller(out: &mut Vec<u8>, start: usize, codec: u8, head: &[u8], data: &[u8]) {
    let mut head = head.to_vec();
    head[0] = head[0] & 0xf0 | codec;
    RecordWriter(&mut head).u64(data.len() as u64);
    if head.len() + data.len() < out.len() - start {
        out.truncate(start);
        out.extend_from_slice(&head);
        out.extend_from_slice(data);
    }
}

/// Takes a column of `count` integers.
pub(super) fn decode_integers(record: &mut RecordReader<'_>, count: usize) -> Result<Vec<u64>, Corrupt> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let head = record.u8()?;
    let (codec, order) = (head & 15, head >> 4);
    match codec {
        CONSTANT => Ok(vec![record.u64()?; count]),
        STRIDE => {
            let (first, step) = (record.u64()?, record.i64()?.cast_unsigned());
            Ok((0..count as u64).map(|row| first.wrapping_add(step.wrapping_mul(row))).collect())
        }
        PACKED | ZSTD | PCO | PCO_NARROW if order <= OFF_LINE => {
            let shift = match u32::try_from(record.u64()?) {
                Ok(shift) if shift < u64::BITS => shift,
                _ => return Err(record.corrupt()),
            };
            let line = match order {
                OFF_LINE => Some(Line { first: record.u64()?, step: record.i64()?.cast_unsigned() }),
                _ => None,
            };
            let mut values = match codec {
                PACKED => {
                    let leading = leading(order, count);
                    let mut values = (0..leading).map(|_| record.u64()).collect::<Result<Vec<_>, _>>()?;
                    values.append(&mut unpack(record, count - leading)?);
                    integrate(&mut values, order);
                    values
                }
                ZSTD => {
                    let mut values = un_zstd(record, count)?;
                    integrate(&mut values, order);
                    values
                }
                PCO => un_pco::<u64>(record, count)?,
                _ => un_pco::<u32>(record, count)?.into_iter().map(u64::from).collect(),
            };
            if let Some(line) = line {
                let on_line = line.values().zip(&mut values);
                on_line.for_each(|(expected, value)| *value = plus_difference(expected, *value));
            }
            if shift > 0 {
                values.iter_mut().for_each(|value| *value <<= shift);
            }
            Ok(values)
        }
        _ => Err(record.corrupt()),
    }
}

/// Order of values that are taken as how far they are off a line.
const OFF_LINE: u8 = 3;

/// Values that are `step` apart.
struct Line {
    first: u64,
    step: u64,
}

impl Line {
    fn values(&self) -> impl Iterator<Item = u64> {
        (0u64..).map(|row| self.first.wrapping_add(self.step.wrapping_mul(row)))
    }
}

/// Values reduced to their prediction residuals.
struct Differences {
    order: u8,
    /// The first [`leading`] values as they are, then differences with the sign in the lowest bit. Order 0 takes the
    /// values themselves.
    differences: Vec<u64>,
    /// With [`OFF_LINE`], the line.
    line: Option<Line>,
}

/// Values that are stored as they are before differences begin.
fn leading(order: u8, count: usize) -> usize {
    if order == OFF_LINE { 0 } else { usize::from(order).min(count) }
}

/// The order whose differences need the fewest bits.
fn difference(values: &[u64]) -> Differences {
    let bits = |values: &[u64]| values.iter().map(|value| u64::from(width(*value))).sum::<u64>();
    let (mut first, mut second) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
    let (mut before, mut before_step) = (0u64, 0u64);
    for value in values {
        let step = value.wrapping_sub(before);
        first.push(zigzag(step.cast_signed()));
        second.push(zigzag(step.wrapping_sub(before_step).cast_signed()));
        (before, before_step) = (*value, step);
    }
    // The same rows are compared, so that the leading values, which any order stores, do not decide.
    let from = values.len().min(2);
    let costs = [bits(&values[from..]), bits(&first[from..]), bits(&second[from..])];
    let cheapest = costs.into_iter().min().unwrap_or(u64::MAX);
    if costs[2] < costs[1] {
        // Steps that hardly change draw a line.
        let line = line_through(values);
        let off: Vec<u64> =
            line.values().zip(values).map(|(expected, value)| signed_difference(*value, expected)).collect();
        if bits(&off[from..]) < cheapest {
            return Differences { order: OFF_LINE, differences: off, line: Some(line) };
        }
    }
    let (order, mut differences) = match costs.iter().position(|cost| *cost == cheapest) {
        Some(2) => (2, second),
        Some(1) => (1, first),
        _ => (0, values.to_vec()),
    };
    let leading = leading(order, values.len());
    differences[..leading].copy_from_slice(&values[..leading]);
    Differences { order, differences, line: None }
}

/// The line from the first value in steps of the middle one by size.
fn line_through(values: &[u64]) -> Line {
    let mut steps: Vec<u64> = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    let middle = steps.len() / 2;
    Line { first: values[0], step: *steps.select_nth_unstable(middle).1 }
}

/// Undoes [`difference`] in place.
fn integrate(values: &mut [u64], order: u8) {
    let step_of = |difference: u64| plus_difference(0, difference);
    match (order, values) {
        (1, [first, rest @ ..]) => {
            let mut value = *first;
            for difference in rest {
                value = value.wrapping_add(step_of(*difference));
                *difference = value;
            }
        }
        (2, [first, second, rest @ ..]) => {
            let (mut value, mut step) = (*second, second.wrapping_sub(*first));
            for difference in rest {
                step = step.wrapping_add(step_of(*difference));
                value = value.wrapping_add(step);
                *difference = value;
            }
        }
        _ => {}
    }
}

thread_local! {
    // Making one costs more than most columns do.
    static COMPRESSOR: RefCell<io::Result<Compressor<'static>>> = RefCell::new(Compressor::new(ZSTD_LEVEL));
    static DECOMPRESSOR: RefCell<io::Result<Decompressor<'static>>> = RefCell::new(Decompressor::new());
}

fn zstd_of(differences: &[u64]) -> Option<Vec<u8>> {
    let mut varints = Vec::with_capacity(differences.len() * 2);
    let mut record = RecordWriter(&mut varints);
    differences.iter().for_each(|difference| record.u64(*difference));
    COMPRESSOR.with_borrow_mut(|kept| kept.as_mut().ok()?.compress(&varints).ok())
}

fn un_zstd(record: &mut RecordReader<'_>, count: usize) -> Result<Vec<u64>, Corrupt> {
    /// Bytes of the longest varint.
    const VARINT_BYTES_MAX: usize = 10;
    let length = record.length()?;
    let data = record.take(length)?;
    let varints =
        DECOMPRESSOR.with_borrow_mut(|kept| kept.as_mut().ok()?.decompress(data, count * VARINT_BYTES_MAX).ok());
    let varints = varints.ok_or_else(|| record.corrupt())?;
    let mut varints = RecordReader::new("a zstd column", &varints);
    let values = (0..count).map(|_| varints.u64()).collect::<Result<_, _>>()?;
    varints.finish()?;
    Ok(values)
}

fn pco_of<T: Number>(values: &[T], order: u8) -> Option<Vec<u8>> {
    let config = ChunkConfig::default()
        .with_compression_level(PCO_LEVEL)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(match order {
            0 | OFF_LINE => DeltaSpec::NoOp,
            order => DeltaSpec::TryConsecutive(order.into()),
        })
        .with_paging_spec(PagingSpec::Exact(vec![values.len()]));
    let file = FileCompressor::default();
    let mut data = Vec::with_capacity(values.len() * 2);
    file.write_header(&mut data).ok()?;
    let mut chunk = file.chunk_compressor(values, &config).ok()?;
    chunk.write_meta(&mut data).ok()?;
    chunk.write_page(0, &mut data).ok()?;
    Some(data)
}

fn un_pco<T: Number>(record: &mut RecordReader<'_>, count: usize) -> Result<Vec<T>, Corrupt> {
    let length = record.length()?;
    let data = record.take(length)?;
    let decode = || {
        let (file, rest) = FileDecompressor::new(data)?;
        let (mut chunk, rest) = file.chunk_decompressor::<T, _>(rest)?;
        let mut values = vec![T::default(); count];
        let progress = chunk.page_decompressor(rest, count)?.read(&mut values)?;
        Ok::<_, pco::errors::PcoError>((values, progress.n_processed))
    };
    match decode() {
        Ok((values, decoded)) if decoded == count => Ok(values),
        _ => Err(record.corrupt()),
    }
}

/// Appends a column of floats, given as their bits.
pub(super) fn encode_floats(bits: &[u64], effort: Effort, out: &mut Vec<u8>) {
    for digits in [0, 2, 1, DIGITS_MAX] {
        let scaled: Option<Vec<u64>> =
            bits.iter().map(|bits| scaled(f64::from_bits(*bits), digits).map(i64::cast_unsigned)).collect();
        if let Some(integers) = scaled {
            out.push(digits);
            return encode_integers(&integers, effort, out);
        }
    }
    out.push(RAW_FLOATS);
    encode_integers(bits, effort, out);
}

/// Takes a column of `count` floats, as their bits.
pub(super) fn decode_floats(record: &mut RecordReader<'_>, count: usize) -> Result<Vec<u64>, Corrupt> {
    let digits = record.u8()?;
    if digits != RAW_FLOATS && digits > DIGITS_MAX {
        return Err(record.corrupt());
    }
    let mut values = decode_integers(record, count)?;
    if digits != RAW_FLOATS {
        let power = POWERS[usize::from(digits)];
        values.iter_mut().for_each(|value| *value = (value.cast_signed() as f64 / power).to_bits());
    }
    Ok(values)
}

/// Encodes and decodes `values` as every kind of column, and reads `hostile` as one, for the fuzzer.
///
/// # Panics
/// When a column does not give back what went in.
pub fn check_column(values: &[u64], hostile: &[u8]) {
    for effort in [Effort::Quick, Effort::Dense] {
        let (mut integers, mut floats) = (Vec::new(), Vec::new());
        encode_integers(values, effort, &mut integers);
        encode_floats(values, effort, &mut floats);
        let mut record = RecordReader::new("integers", &integers);
        assert!(decode_integers(&mut record, values.len()).is_ok_and(|found| found == values) && record.is_empty());
        let mut record = RecordReader::new("floats", &floats);
        assert!(decode_floats(&mut record, values.len()).is_ok_and(|found| found == values) && record.is_empty());
    }
    let _may_be_anything = decode_integers(&mut RecordReader::new("hostile", hostile), values.len());
    let _may_be_anything = decode_floats(&mut RecordReader::new("hostile", hostile), values.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip_integers(values: &[u64]) {
        for effort in [Effort::Quick, Effort::Dense] {
            let mut column = Vec::new();
            encode_integers(values, effort, &mut column);
            let mut record = RecordReader::new("test", &column);
            assert_eq!(decode_integers(&mut record, values.len()).expect("encoded"), values, "{effort:?}");
            assert!(record.is_empty(), "{effort:?} left bytes");
        }
    }

    /// Series of every kind: constant, steps, walks, resets, extremes.
    fn series() -> impl Strategy<Value = Vec<u64>> {
        let extreme = prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(1 << 63), any::<u64>()];
        let walk =
            (any::<u64>(), proptest::collection::vec((-500i64..500, 0u32..12), 0..400)).prop_map(|(start, steps)| {
                let mut value = start;
                let step = |(step, shift): (i64, u32)| {
                    value = value.wrapping_add_signed(step >> shift << 12);
                    value
                };
                steps.into_iter().map(step).collect()
            });
        prop_oneof![proptest::collection::vec(extreme, 0..120), walk]
    }

    proptest! {
        #[test]
        fn integers_come_back(values in series()) {
            round_trip_integers(&values);
        }

        #[test]
        fn floats_come_back_to_the_bit(
            values in proptest::collection::vec(any::<u64>(), 0..100),
            hundredths in proptest::collection::vec(-1_000_000i32..1_000_000, 0..200),
        ) {
            let rounded: Vec<u64> = hundredths.into_iter().map(|whole| (f64::from(whole) / 100.0).to_bits()).collect();
            let mut specials = rounded.clone();
            specials.extend([-0.0f64, f64::MIN_POSITIVE / 2.0, f64::MAX, 0.1 + 0.2].map(f64::to_bits));
            for bits in [values, rounded, specials] {
                for effort in [Effort::Quick, Effort::Dense] {
                    let mut column = Vec::new();
                    encode_floats(&bits, effort, &mut column);
                    let mut record = RecordReader::new("test", &column);
                    prop_assert_eq!(decode_floats(&mut record, bits.len()).expect("encoded"), bits.clone());
                    prop_assert!(record.is_empty());
                }
            }
        }

        #[test]
        fn hostile_columns_are_errors_at_worst(column in proptest::collection::vec(any::<u8>(), 0..80), count in 0usize..300) {
            let _any = decode_integers(&mut RecordReader::new("test", &column), count);
            let _any = decode_floats(&mut RecordReader::new("test", &column), count);
        }
    }

    #[test]
    fn each_codec_is_chosen_for_its_kind() {
        let mut random = 1u64;
        let mut noise = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random >> 54
        };
        let noisy: Vec<u64> = (0..500).map(|_| noise() * noise()).collect();
        let wide: Vec<u64> = noisy.iter().map(|value| value << 20 | 1 << 50 | value & 0xfff).collect();
        let sparse: Vec<u64> = (0..500u64).map(|row| row / 100 % 2 * 7 + (row % 50 / 49) * 3).collect();
        let cases = [(CONSTANT, vec![9; 500]), (STRIDE, (0..500).map(|row| 5 + row * 3).collect())];
        for (codec, values) in cases.into_iter().chain([(PCO_NARROW, noisy), (PCO, wide), (ZSTD, sparse)]) {
            let mut column = Vec::new();
            encode_integers(&values, Effort::Dense, &mut column);
            assert_eq!(column[0] & 15, codec);
        }
    }
}

//! Every codec against a plain list of numbers: what goes in comes out, to the bit, whatever the numbers are; and hostile
//! columns are errors at worst.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windfire_engine::block::check_column;

fuzz_target!(|input: &[u8]| {
    let Some((shape, bytes)) = input.split_first() else { return };
    // Small steps find other codecs than whole words do.
    let mut values: Vec<u64> = Vec::new();
    match shape % 4 {
        0 => values.extend(bytes.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight")))),
        1 => values.extend(bytes.iter().map(|byte| u64::from(*byte))),
        2 => values.extend(bytes.iter().scan(u64::from(*shape) << 40, |value, step| {
            *value = value.wrapping_add(u64::from(*step)).wrapping_sub(100);
            Some(*value)
        })),
        _ => values.extend(bytes.iter().map(|byte| (f64::from(*byte) / 100.0).to_bits())),
    }
    check_column(&values, bytes);
});

//! The API's own writer of JSON against serde_json and Rust's floats: eight bytes are a number, the rest is a text. Both read
//! back as they were, and what is no number is 0.
#![no_main]

use libfuzzer_sys::fuzz_target;

/// serde_json's fast way to read a number may differ in the last digits, and takes the largest ones for too large.
const EXACT_ENOUGH: f64 = 1e-14;
const SERDE_MAX: f64 = 1e300;
/// Below this, serde_json's fast way loses whole digits.
const SERDE_MIN: f64 = 1e-290;

fuzz_target!(|input: &[u8]| {
    let Some((bits, text)) = input.split_first_chunk() else { return };
    let (number, text) = (f64::from_bits(u64::from_le_bytes(*bits)), String::from_utf8_lossy(text));
    let (string, float) = windfire_api::write_json(&text, number);
    assert_eq!(serde_json::from_str::<String>(&string).expect("JSON"), text, "{string}");
    assert!(!string.contains(['<', '>', '&']), "a page may have it inside: {string}");
    let number = if number.is_finite() { number } else { 0.0 };
    assert_eq!(float.parse::<f64>().map(f64::to_bits), Ok(number.to_bits()), "{float}");
    if number == 0.0 || (SERDE_MIN..SERDE_MAX).contains(&number.abs()) {
        let read: f64 = serde_json::from_str(&float).expect("JSON");
        assert!((read - number).abs() <= number.abs() * EXACT_ENOUGH, "{float} is read as {read}");
    }
});

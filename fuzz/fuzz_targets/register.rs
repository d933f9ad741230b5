//! The body of `register`: whatever it is, it is a wish or it is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let is_wish = windfire_api::parse_register(body);
    assert!(!is_wish || body.iter().any(|byte| matches!(byte, b'{' | b'n')));
});

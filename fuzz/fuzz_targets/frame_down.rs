//! A frame from a hub: decodes or is refused, and what decodes encodes to a frame that says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windfire_wire::{decode_down, encode_down};

fuzz_target!(|body: &[u8]| {
    let Ok(down) = decode_down(body) else { return };
    let mut again = Vec::new();
    encode_down(&down, &mut again).expect("a decoded frame is within limits");
    assert_eq!(decode_down(&again[4..]).expect("own frame"), down);
});

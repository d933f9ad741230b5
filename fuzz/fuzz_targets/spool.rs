//! A spool's files: a segment, a state, transfers. Damaged bytes are skipped or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windfire_agent::collector::is_transfers;
use windfire_agent::outbox::{count_records, is_state};

fuzz_target!(|bytes: &[u8]| {
    // A record is at least its head and the smallest frame.
    assert!(count_records(bytes) <= bytes.len() / 8);
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert!(!is_state(text) || text.starts_with("windfire spool "));
        let is_one = ["1", "2"].iter().any(|n| text.starts_with(&format!("windfire transfers {n}\nboot boot\n")));
        assert!(!is_transfers(text, "boot") || is_one);
    }
});

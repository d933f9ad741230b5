//! A value of the store, read as every kind of record: never worse than an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    assert!(!windfire_engine::is_any_record(value) || !value.is_empty());
});

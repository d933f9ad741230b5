//! Times and durations of a query, as anybody may send them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _any = windfire_api::parse_range(text, "now", 1_790_000_000_000);
    let _any = windfire_api::parse_range("-1h", text, 1_790_000_000_000);
});

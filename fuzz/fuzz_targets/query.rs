//! A query string: Go's rules keep at most one pair for each ampersand-separated part, and drop parts with a semicolon.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|query: &str| {
    let pairs = windfire_api::parse_query(query);
    let parts = query.split('&').filter(|part| !part.is_empty() && !part.contains(';'));
    assert!(pairs.len() <= parts.count());
});

//! A message of the registry's stream, with a right check over whatever it is: never worse than an error, and what is
//! read of it means the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windfire_engine::{checked_registry_message, read_registry_message};

fuzz_target!(|checked: &[u8]| {
    read_registry_message(&checked_registry_message(checked));
    read_registry_message(checked);
});

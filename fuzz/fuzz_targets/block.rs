//! A block from a disk, with a right checksum over whatever it is: never worse than an error, and what is read from it is
//! written and read again alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use windfire_engine::block::{Block, Effort, with_checksum};
use windfire_engine::metric::Metric;

fuzz_target!(|body: &[u8]| {
    let bytes = with_checksum(body);
    let Ok(block) = Block::read(&bytes) else { return };
    if let Ok(times_ms) = block.times_ms() {
        for metric in Metric::ALL {
            let _may_be_damaged = block.values(metric, &times_ms);
        }
    }
    windfire_engine::block::read_summaries(&block);
    if let Ok(run) = block.run() {
        let again = run.encode(1, Effort::Quick);
        let again = Block::read(&again).expect("just written").run().expect("just written");
        // Bits, because a damaged block may hold what no report does: not a number.
        assert!(run.is_same_bits(&again));
    }
});

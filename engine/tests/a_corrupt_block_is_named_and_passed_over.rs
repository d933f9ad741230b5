//! One byte of one block is turned over in the store's own bytes: the block is named and counted, everything else is read.

use windfire_bench::fast::FastFleet;
use windfire_bench::numbered::{INTERVAL_MS, START_MS, report};
use windfire_engine::Options;

const LAST: u64 = 8 * 3_600_000 / INTERVAL_MS.unsigned_abs();

#[test]
fn a_corrupt_block_is_named_and_passed_over() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fleet = FastFleet::open(folder.path(), 2, Options::default(), START_MS);
    let ids = fleet.server_ids();
    for until in (30..=LAST).step_by(30) {
        let now_ms = report(0, until).time_ms;
        fleet.run(now_ms, &mut |server, sequence| (sequence <= until).then(|| report(ids[server], sequence)));
    }
    let before = fleet.engine.history().verify().expect("readable");
    assert_eq!(before.corrupt_blocks, 0);
    fleet.engine.history().damage_block(ids[0], START_MS + 3 * 3_600_000).expect("a block in that hour");
    let after = fleet.engine.history().verify().expect("readable");
    assert_eq!((after.corrupt_blocks, after.blocks), (1, before.blocks));
    assert!(after.corrupt[0].contains(&format!("raw block of server {}", ids[0])), "{:?}", after.corrupt);
    let read = |server: u64| {
        let mut numbers = Vec::new();
        let visit = &mut |sequence, _: &_| numbers.push(sequence);
        fleet.engine.history().reports(server, START_MS, START_MS + 86_400_000, visit).expect("readable");
        numbers
    };
    let hour = 3_600_000 / INTERVAL_MS.unsigned_abs();
    assert_eq!(read(ids[0]).len() as u64, LAST - hour, "one hour is missing, and only that");
    assert_eq!(read(ids[1]).len() as u64, LAST);
}

//! A store from before there was history has nothing but its log. Opened by this hub, all of it is history: as many full
//! heads as memory should not hold become blocks while the log is read.

use std::fs;

use windfire_bench::numbered::{check, leave_format_1};
use windfire_engine::limits::{FULL_HEADS_MAX, HEAD_ROWS_MAX, RECOVERED_HEADS_MAX};

const SERVERS: usize = 300;
/// Reports of each server: all together more full heads than a start holds, of each fewer than stall its session, because
/// nobody makes blocks of them here.
const LAST: u64 = (HEAD_ROWS_MAX * (FULL_HEADS_MAX / 2) + 50) as u64;
const _: () = assert!(SERVERS * (FULL_HEADS_MAX / 2) > RECOVERED_HEADS_MAX);

#[test]
fn a_store_of_format_1_becomes_history() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    leave_format_1(&data, SERVERS, LAST);
    // Nobody has any acks on record: everything is compared all the same.
    let checked = check(&data, &folder.path().join("no-acks"));
    assert_eq!((checked.reports, checked.expired), (LAST * SERVERS as u64, 0));
    assert_eq!(fs::read_to_string(data.join("FORMAT")).expect("there"), "windfire store 6\n");
}

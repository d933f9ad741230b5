//! Servers that changed are listed for whoever keeps answers ready. Where nobody asks, the list must still not keep servers
//! that are long removed.

use windfire_bench::fast::FastFleet;
use windfire_bench::numbered::{START_MS, report};
use windfire_engine::Options;

#[test]
fn a_removed_server_is_let_go_of() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fleet = FastFleet::open(folder.path(), 40, Options::default(), START_MS);
    let ids = fleet.server_ids();
    fleet.commit(START_MS, &mut |server, sequence| (sequence == 1).then(|| report(ids[server], sequence)));
    fleet.engine.registry().remove_servers(&ids[..30]).expect("known servers");
    let mut changed = Vec::new();
    fleet.engine.visit_changed(|record, _| changed.push(record.id));
    changed.sort_unstable();
    assert_eq!(changed, ids[30..]);
}

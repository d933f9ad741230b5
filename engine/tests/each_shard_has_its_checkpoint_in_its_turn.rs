//! A checkpoint of the whole fleet at once would hold up every ack behind it, so shards take turns. A start then knows some
//! servers from their checkpoint, others from an older one and the log, and all of them as they were.

use windfire_bench::fast::FastFleet;
use windfire_bench::numbered::{INTERVAL_MS, START_MS, report};
use windfire_engine::limits::{COMMITS_PER_CHECKPOINT, SHARDS};
use windfire_engine::{Engine, Options, Selection};

/// Two servers a shard.
const SERVERS: usize = 2 * SHARDS;
/// Commits that bring a report of every server: enough for the turns of three shards.
const COMMITS: u64 = 3 * COMMITS_PER_CHECKPOINT / SHARDS as u64 + 10;

#[test]
fn each_shard_has_its_checkpoint_in_its_turn() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut fleet = FastFleet::open(folder.path(), SERVERS, Options::default(), START_MS);
    let ids = fleet.server_ids();
    for until in 1..=COMMITS {
        let now_ms = START_MS + until.cast_signed() * INTERVAL_MS;
        fleet.commit(now_ms, &mut |server, sequence| (sequence <= until).then(|| report(ids[server], sequence)));
    }
    let before = fleet.engine.snapshot(Selection::All);
    drop(fleet);

    let engine = Engine::open(folder.path(), Options::default()).expect("a store");
    assert_eq!(engine.snapshot(Selection::All), before);
    // The servers of three shards are known up to the turn of theirs; only what came after is read again.
    let per_turn = COMMITS_PER_CHECKPOINT / SHARDS as u64;
    let known: u64 = (1..=3).map(|turn| 2 * turn * per_turn).sum();
    let (all, replayed) = (COMMITS * SERVERS as u64, engine.replayed_reports());
    assert!(replayed.abs_diff(all - known) < 50, "{replayed} of {all}, {known} are in checkpoints");
    drop(engine);

    // The numbers go on where they were.
    let mut fleet = FastFleet::open(folder.path(), SERVERS, Options::default(), START_MS);
    assert!((0..SERVERS).all(|server| fleet.next_sequence(server) == COMMITS + 1));
    let now_ms = START_MS + (COMMITS + 1).cast_signed() * INTERVAL_MS;
    fleet.commit(now_ms, &mut |server, number| (number == COMMITS + 1).then(|| report(ids[server], number)));
    let verified = fleet.engine.history().verify().expect("readable");
    assert_eq!((verified.corrupt_blocks, verified.doubled), (0, 0));
}
